import json
from typing import Any

import numpy as np
import pytest

from embfilter_viz.analyses import geometry as module
from embfilter_viz.analyses.geometry import (
    GROUPS,
    VARIANTS,
    Geometry,
    TextGeometry,
    geometry,
    geometry_of,
    variants_of,
)
from embfilter_viz.analyses.maps import memory_caption, pairs_caption, pca_maps
from embfilter_viz.embeddings import rotated
from embfilter_viz.embeddings.isotropy import Interval, Isotropy, isotropy
from embfilter_viz.embeddings.neighbours import neighbour_changes
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from tests.analyses.hand_made import HandModel
from tests.models.tiny_checkpoints import D_MODEL

TEXTS = [f"the cat number {i} sat on the {word}" for i in range(6) for word in ("mat", "dog")]


def record(raw: Interval, filtered: Interval, mean_removed: float = 0.0) -> Geometry:
    def one(cosine: Interval) -> Isotropy:
        return Isotropy(cosine, Interval(0.1, 0, 1), Interval(3, 2, 4), 100, 8, 0.95)

    found = {
        "raw": one(raw),
        "filtered": one(filtered),
        "random subspace": one(Interval(0.88, 0.8, 0.9)),
        "mean removed": one(Interval(mean_removed, -0.1, 0.1)),
    }
    return Geometry(Window(2, 6, 8), 1234, found)


HIGH, LOW, WIDE = Interval(0.9, 0.88, 0.92), Interval(0.6, 0.55, 0.65), Interval(0.85, 0.7, 0.95)


@pytest.mark.parametrize(
    ("raw", "filtered", "words"),
    [
        (HIGH, LOW, "goes from 0.90 to 0.60: the filter lowers anisotropy."),
        (LOW, HIGH, "goes from 0.60 to 0.90: the filter raises anisotropy, the opposite of what "
                    "the paper claims."),
        (HIGH, WIDE, "goes from 0.90 to 0.85: the filter makes no difference beyond the unc"),
        (HIGH, HIGH, "goes from 0.90 to 0.90: the filter makes no difference"),
    ],
)  # fmt: skip
def test_the_sentence_says_what_happened(raw: Interval, filtered: Interval, words: str) -> None:
    said = record(raw, filtered).sentence
    assert said.startswith("over 1,234 texts the mean cosine ")
    assert words in said
    assert "a random subspace of the same size 0.88." in said


def test_the_control_that_does_better_is_said_to() -> None:
    assert "gives 0.00, lower still;" in record(HIGH, LOW, 0.0).sentence
    assert "gives 0.70;" in record(HIGH, LOW, 0.7).sentence


def test_to_json_is_complete() -> None:
    report = record(HIGH, LOW)
    said = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert said["raw"]["mean_cosine"] == 0.9
    assert said["filtered"]["intervals"]["mean_cosine"] == [0.55, 0.65]
    assert set(said) == {"window", "n_texts", "raw", "filtered", "random_subspace",
                         "mean_removed", "sentence"}  # fmt: skip
    for name in ("raw", "filtered", "random_subspace", "mean_removed"):
        assert set(said[name]) == {"mean_cosine", "isoscore", "effective_rank", "intervals"}
    assert (said["window"], said["n_texts"], said["sentence"]) == ([2, 6], 1234, report.sentence)


def test_variants_by_hand() -> None:
    model: Any = HandModel(np.diag([8.0, 4, 2, 1]))  # v_i are the axes
    E = np.array([[4, 1, 0, 0], [4, 0, 1, 0], [4, -1, -1, 3]], np.float32)
    found = variants_of(model, E, Window(1, 3, 4))
    assert list(found) == list(VARIANTS)
    assert found["raw"] is E
    np.testing.assert_allclose(found["filtered"], E[:, 1:3])
    assert found["random subspace"].shape == (3, 2)
    mean = E.mean(0).astype(float)
    u = mean / np.linalg.norm(mean)
    np.testing.assert_allclose(found["mean removed"], E - np.outer(E @ u, u), atol=1e-5)


def test_on_a_model_equals_the_definition(tiny_model: Model) -> None:
    window = Window.of_tau(2, D_MODEL)
    report = geometry(tiny_model, TEXTS, "mean", window)
    E = tiny_model.encode(TEXTS, "mean").astype(float)
    for name, rows in (("raw", E), ("filtered", E @ tiny_model.spectrum.V[:, window.kept])):
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        pairs = (unit @ unit.T)[np.triu_indices(len(E), 1)]
        assert report.variants[name].mean_cosine.value == pytest.approx(pairs.mean(), rel=1e-5)
    assert report.n_texts == len(TEXTS)
    for found in report.variants.values():
        assert found.isoscore.low <= found.isoscore.value <= found.isoscore.high
    again = geometry_of(tiny_model, tiny_model.encode(TEXTS, "mean"), window)
    assert again.to_json() == report.to_json()


@pytest.mark.parametrize("n", [20, 60])  # fewer texts than directions, and more
def test_made_ready_it_answers_as_the_definitions_do(n: int, tiny_model: Model) -> None:
    E = np.random.default_rng(1).normal(2, 1, (n, D_MODEL)).astype(np.float32)
    ready = TextGeometry(tiny_model, E)
    for window in (Window(3, 20, D_MODEL), Window(0, 2, D_MODEL), Window(0, D_MODEL, D_MODEL)):
        variants = variants_of(tiny_model, E, window)
        report = ready.report(window)
        assert report.complete
        for name, rows in variants.items():
            expected = isotropy(rows, groups=GROUPS)
            for measure in ("mean_cosine", "isoscore", "effective_rank"):
                one, other = (
                    getattr(found, measure) for found in (report.variants[name], expected)
                )
                assert (one.value, one.low, one.high) == pytest.approx(
                    (other.value, other.low, other.high), rel=1e-3, abs=1e-4
                )
        for ours, theirs in zip(
            ready.maps(window).points, pca_maps(tiny_model, E, window).points, strict=True
        ):
            np.testing.assert_allclose(ours, theirs, atol=1e-3)
        found = ready.neighbours(window, 7, 5)
        expected_changes = neighbour_changes(E, variants["filtered"], 7, 5)
        assert found.before.ids.tolist() == expected_changes.before.ids.tolist()
        assert found.after.ids.tolist() == expected_changes.after.ids.tolist()


def test_a_move_decomposes_two_matrices_and_touches_no_vocabulary(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a slider pays is counted, not timed."""
    monkeypatch.setattr(module, "QUICK_RANK", 4)
    E = np.random.default_rng(1).normal(2, 1, (60, D_MODEL)).astype(np.float32)
    ready = TextGeometry(tiny_model, E)
    sizes: list[int] = []
    eigvalsh = np.linalg.eigvalsh
    monkeypatch.setattr(np.linalg, "eigvalsh", lambda a: sizes.append(len(a)) or eigvalsh(a))
    # Nothing is rotated again, no covariance made again, the model not asked.
    monkeypatch.setattr(rotated.Rotated, "_covariances", None)
    monkeypatch.setattr(rotated.np, "matmul", None)
    monkeypatch.setattr(Model, "unembedding", None)
    monkeypatch.setattr(Model, "spectrum_of_head", None)
    window = Window(3, 20, D_MODEL)
    quick = ready.quick_report(window)
    assert sizes == [17, 17]
    assert not quick.complete
    ready.histograms(window)
    ready.maps(window)
    ready.neighbours(window, 0, 5)
    assert sizes == [17, 17]
    ready.quick_report(Window(4, 21, D_MODEL))
    assert sizes == [17, 17, 17]  # the random subspace of that size is known
    whole = ready.report(window)
    assert len(sizes) == 3 + 2 * (1 + GROUPS)
    assert ready.quick_report(window) == whole
    assert len(sizes) == 3 + 2 * (1 + GROUPS)


def test_many_texts_say_what_was_sampled_and_what_is_held(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    E = np.random.default_rng(1).normal(2, 1, (60, D_MODEL)).astype(np.float32)
    ready = TextGeometry(tiny_model, E)
    assert pairs_caption(ready) == "All 1,770 pairs."
    covariances = 8 * (1 + GROUPS) * D_MODEL**2
    assert ready.nbytes == 3 * E.nbytes + 2 * covariances
    assert "60 × 32 numbers three times over" in memory_caption(ready)
    monkeypatch.setattr(rotated, "SAMPLED_TEXTS", 20)
    ready = TextGeometry(tiny_model, E)
    raw, filtered = ready.histograms(Window(3, 20, D_MODEL))
    assert raw.counts.sum() == filtered.counts.sum() == 190
    assert pairs_caption(ready).startswith("The 190 pairs of 20 texts drawn at random; the mean ")
    assert "all 1,770 pairs" in pairs_caption(ready)


def test_the_seed_moves_the_random_subspace_alone(tiny_model: Model) -> None:
    E = tiny_model.encode(TEXTS, "mean")
    window = Window.of_tau(4, D_MODEL)
    first, other = (variants_of(tiny_model, E, window, seed=seed) for seed in (0, 1))
    assert {name: np.array_equal(first[name], other[name]) for name in VARIANTS} == {
        name: name != "random subspace" for name in VARIANTS
    }


@pytest.mark.parametrize("texts", [[], ["only one"]])
def test_too_few_texts(tiny_model: Model, texts: list[str]) -> None:
    with pytest.raises(InputError):
        geometry(tiny_model, texts, "mean", Window.of_tau(2, D_MODEL))


@pytest.mark.real_model
def test_the_filter_lowers_anisotropy_on_the_bundled_model(bundled: Model) -> None:
    from embfilter_viz.data import demo_texts

    report = geometry(bundled, demo_texts().texts[:60], "prompteol", Window.of_tau(2, 576))
    assert report.variants["raw"].mean_cosine.value > 0.8
    assert "the filter lowers anisotropy" in report.sentence
