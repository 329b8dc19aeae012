import json
from typing import Any

import numpy as np
import pytest

from embfilter_viz.analyses import geometry as module
from embfilter_viz.analyses.calibration import CalibrationRows, embedded_reference, reference_for
from embfilter_viz.analyses.geometry import (
    GROUPS,
    RANDOM,
    VARIANTS,
    Geometry,
    TextGeometry,
    geometry,
    geometry_of,
    variants_of,
)
from embfilter_viz.analyses.maps import memory_caption, pairs_caption, pca_maps
from embfilter_viz.data import demo_texts
from embfilter_viz.embeddings import rotated
from embfilter_viz.embeddings.isotropy import Interval, Isotropy, isotropy, mean_cosine
from embfilter_viz.embeddings.neighbours import neighbour_changes
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.tasks import demo_task
from embfilter_viz.model import Model
from embfilter_viz.spectral.baselines import RANDOM_SUBSPACES
from embfilter_viz.spectral.windows import Window
from tests.analyses.hand_made import HandModel
from tests.models.tiny_checkpoints import D_MODEL

PAPERS = Window(2, 6, 8)
TEXTS = [f"the cat number {i} sat on the {word}" for i in range(6) for word in ("mat", "dog")]


def record(
    raw: float, filtered: float, gap: tuple[float, float], *, removed: float = 0.1,
    random: tuple[float, float, float] = (0.88, 0.8, 0.9), window: Window = PAPERS, n: int = 1234,
) -> Geometry:  # fmt: skip
    def one(cosine: Interval) -> Isotropy:
        return Isotropy(cosine, Interval(0.1, 0, 1), Interval(3, 2, 4), 100, 8, 0.95)

    found = {
        "raw": one(Interval(raw, raw - 0.02, raw + 0.02)),
        "filtered": one(Interval(filtered, filtered - 0.05, filtered + 0.05)),
        RANDOM: one(Interval(*random)),
        "mean removed": one(Interval(removed, removed - 0.1, removed + 0.1)),
    }
    gaps = Interval(filtered - raw, *gap)
    return Geometry(window, n, found, gaps, "80 of our demo texts, none of them measured")


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (record(0.9, 0.6, (-0.32, -0.28)),
         "goes from 0.90 to 0.60 (95 % interval of the change -0.32 to -0.28): the filter lowers "
         "anisotropy. In 20 random subspaces of the same size it is on average 0.88 (0.80 to 0.90)"
         ", in each of them above the filter's."),
        (record(0.9, 0.82, (-0.1, -0.06)), "lowers anisotropy. In 20 random subspaces of the same "
         "size it is on average 0.88 (0.80 to 0.90), but not in each of them above the filter's."),
        (record(0.6, 0.9, (0.2, 0.4)), "of the change +0.20 to +0.40): the filter raises "
         "anisotropy, the opposite of what the paper claims. In 20 random"),
        (record(0.6, 0.9, (0.2, 0.4), window=Window(1, 8, 8)), "raises anisotropy. In 20 random"),
        (record(0.6, 0.9, (0.2, 0.4), window=Window(0, 4, 8)), "raises anisotropy. In 20 random"),
        (record(0.9, 0.85, (-0.1, 0.01)), "no difference beyond the uncertainty. In 20 random"),
        (record(0.9, 0.899, (-0.004, 0.003)), "from 0.900 to 0.899 (95 % interval of the change "
         "-0.004 to +0.003): the filter makes no difference"),
        (record(0.9, 0.8986, (-0.002, -0.0008)), "from 0.900 to 0.899 (95 % interval of the "
         "change -0.002 to -0.001): the filter lowers"),
        (record(0.9, 0.6, (-2, 2), n=9), "so few texts say nothing about others. In 20 random"),
    ],
)  # fmt: skip
def test_the_sentence_says_what_happened(report: Geometry, words: str) -> None:
    said = report.sentence
    assert said.startswith(f"over {report.n_texts:,} texts the mean cosine goes ")
    assert words in said
    assert "direction of the mean of 80 of our demo texts, none of them measured, it is " in said


def test_the_control_that_does_better_is_said_to() -> None:
    assert record(0.9, 0.6, (-0.3, -0.2), removed=-0.001).sentence.endswith(
        "it is 0.00, which is lower still."
    )
    assert record(0.9, 0.6, (-0.3, -0.2), removed=0.7).sentence.endswith("it is 0.70.")


def test_a_window_that_drops_nothing_says_so() -> None:
    said = record(0.9, 0.9, (0, 0), window=Window(0, 8, 8)).sentence
    assert "is 0.90. The window 0:8 drops nothing, so the filtered embeddings are the raw" in said
    assert "anisotropy" not in said


def test_to_json_is_complete() -> None:
    report = record(0.9, 0.6, (-0.32, -0.28))
    said = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert said["raw"]["mean_cosine"] == 0.9
    assert said["filtered"]["intervals"]["mean_cosine"] == pytest.approx([0.55, 0.65])
    assert said["random_subspaces"]["ranges"]["mean_cosine"] == [0.8, 0.9]
    assert said["difference"]["interval"] == [-0.32, -0.28]
    assert set(said) == {
        "window", "n_texts", "raw", "filtered", "random_subspaces", "mean_removed", "difference",
        "n_subspaces", "mean_removed_of", "n_mean_removed_of", "sentence",
    }  # fmt: skip
    for name in ("raw", "filtered", "random_subspaces", "mean_removed"):
        spread = "ranges" if name == "random_subspaces" else "intervals"
        assert set(said[name]) == {"mean_cosine", "isoscore", "effective_rank", spread}
    assert (said["window"], said["n_texts"], said["sentence"]) == ([2, 6], 1234, report.sentence)


def test_variants_by_hand() -> None:
    model: Any = HandModel(np.diag([8.0, 4, 2, 1]))  # v_i are the axes
    E = np.array([[4, 1, 0, 0], [4, 0, 1, 0], [4, -1, -1, 3]], np.float32)
    others = np.array([[3, 4, 0, 0], [3, 4, 0, 0]], np.float32)
    found = variants_of(model, E, Window(1, 3, 4), CalibrationRows(others, "two others"))
    assert list(found) == list(VARIANTS)
    assert found["raw"][0] is E
    np.testing.assert_allclose(found["filtered"][0], E[:, 1:3])
    assert [one.shape for one in found[RANDOM]] == [(3, 2)] * RANDOM_SUBSPACES
    u = np.array([0.6, 0.8, 0, 0])  # the mean of the others, and none of these texts'
    np.testing.assert_allclose(found["mean removed"][0], E - np.outer(E @ u, u), atol=1e-5)
    full = variants_of(model, E, Window(1, 3, 4), CalibrationRows(others, ""), full=True)
    assert {one.shape for rows in full.values() for one in rows} == {(3, 4)}


OTHERS = CalibrationRows(
    np.random.default_rng(7).normal(1, 1, (50, D_MODEL)).astype(np.float32), "fifty others"
)


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
    reference = embedded_reference(tiny_model, TEXTS, "mean")
    mean = tiny_model.encode(reference_for(TEXTS).texts, "mean").mean(axis=0, dtype=np.float64)
    u = mean / np.linalg.norm(mean)
    removed = mean_cosine(E - np.outer(E @ u, u))
    assert report.variants["mean removed"].mean_cosine.value == pytest.approx(removed, abs=1e-5)
    assert report.variants["mean removed"].mean_cosine.value != pytest.approx(0, abs=1e-4)
    again = geometry_of(tiny_model, tiny_model.encode(TEXTS, "mean"), window, reference)
    assert again.to_json() == report.to_json()


def test_the_reference_is_of_other_texts() -> None:
    demo = demo_texts().texts
    for measured in ((), demo[:40], demo, demo[:250], demo_task("retrieval").texts):
        found = reference_for(measured)
        assert len(set(found.texts)) == 80
        assert not set(found.texts) & set(measured)
        assert found.name.startswith("80 of our demo ")


@pytest.mark.parametrize("n", [20, 60])  # fewer texts than directions, and more
def test_made_ready_it_answers_as_the_definitions_do(n: int, tiny_model: Model) -> None:
    E = np.random.default_rng(1).normal(2, 1, (n, D_MODEL)).astype(np.float32)
    ready = TextGeometry(tiny_model, E, OTHERS)
    for window in (Window(3, 20, D_MODEL), Window(0, 2, D_MODEL), Window(0, D_MODEL, D_MODEL)):
        variants = variants_of(tiny_model, E, window, OTHERS)
        report = ready.report(window)
        assert report.complete
        for name, rows in variants.items():
            expected = [isotropy(one, groups=GROUPS) for one in rows]
            for measure in ("mean_cosine", "isoscore", "effective_rank"):
                found = getattr(report.variants[name], measure)
                every = [getattr(one, measure) for one in expected]
                values = [one.value for one in every]
                ends = (
                    (min(values), max(values)) if name == RANDOM else (every[0].low, every[0].high)
                )
                assert (found.value, found.low, found.high) == pytest.approx(
                    (np.mean(values), *ends), rel=1e-3, abs=1e-4
                )
        raw, kept = (report.variants[name].mean_cosine for name in ("raw", "filtered"))
        assert report.difference.value == pytest.approx(kept.value - raw.value, abs=1e-6)
        assert report.difference.low <= report.difference.value <= report.difference.high
        for ours, theirs in zip(
            ready.maps(window).points, pca_maps(tiny_model, E, window).points, strict=True
        ):
            np.testing.assert_allclose(ours, theirs, atol=1e-3)
        found = ready.neighbours(window, 7, 5)
        expected_changes = neighbour_changes(E, variants["filtered"][0], 7, 5)
        assert found.before.ids.tolist() == expected_changes.before.ids.tolist()
        assert found.after.ids.tolist() == expected_changes.after.ids.tolist()


def test_a_move_decomposes_one_matrix_and_touches_no_vocabulary(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a slider pays is counted, not timed: no random subspace is decomposed for it."""
    monkeypatch.setattr(module, "QUICK_RANK", 4)
    E = np.random.default_rng(1).normal(2, 1, (60, D_MODEL)).astype(np.float32)
    ready = TextGeometry(tiny_model, E, OTHERS)
    ready.quick_report(Window(0, 5, D_MODEL))
    sizes: list[int] = []
    for name in ("eigvalsh", "eigh"):
        real = getattr(np.linalg, name)
        monkeypatch.setattr(np.linalg, name, lambda a, f=real: sizes.append(len(a)) or f(a))
    # Nothing is rotated again, no covariance made again, the model not asked.
    monkeypatch.setattr(rotated.Rotated, "_covariances", None)
    monkeypatch.setattr(rotated.np, "matmul", None)
    monkeypatch.setattr(Model, "unembedding", None)
    monkeypatch.setattr(Model, "spectrum_of_head", None)
    window = Window(3, 20, D_MODEL)
    quick = ready.quick_report(window)
    assert sizes == [17]
    assert not quick.complete
    random = quick.variants[RANDOM]
    assert random.mean_cosine.known
    assert random.isoscore.known
    assert np.isnan(random.effective_rank.value)
    ready.histograms(window)
    ready.maps(window)
    ready.neighbours(window, 0, 5)
    assert ready.quick_report(window) == quick
    assert sizes == [17]
    whole = ready.report(window)
    # Its own interval, ten groups and vectors; and twenty subspaces.
    assert len(sizes) == 1 + 1 + GROUPS + 1 + RANDOM_SUBSPACES
    assert ready.quick_report(window) == whole
    assert whole.complete
    ready.report(Window(4, 21, D_MODEL))
    assert len(sizes) == 1 + 2 * (1 + GROUPS + 1) + RANDOM_SUBSPACES  # of that size: known


def test_many_texts_say_what_was_sampled_and_what_is_held(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    E = np.random.default_rng(1).normal(2, 1, (60, D_MODEL)).astype(np.float32)
    ready = TextGeometry(tiny_model, E, OTHERS)
    assert pairs_caption(ready) == "All 1,770 pairs."
    ready.report(Window(3, 20, D_MODEL))
    covariances = 8 * (1 + GROUPS) * D_MODEL**2
    of_random = 2 * 8 * D_MODEL**2  # one covariance, and its squares
    assert ready.nbytes == 3 * E.nbytes + covariances + of_random
    assert "three times 60 × 32 numbers" in memory_caption(ready)
    monkeypatch.setattr(rotated, "SAMPLED_TEXTS", 20)
    ready = TextGeometry(tiny_model, E, OTHERS)
    raw, filtered = ready.histograms(Window(3, 20, D_MODEL))
    assert raw.counts.sum() == filtered.counts.sum() == 190
    assert pairs_caption(ready).startswith("The 190 pairs of 20 texts drawn at random; the mean ")
    assert "all 1,770 pairs" in pairs_caption(ready)


def test_the_seed_moves_the_random_subspaces_alone(tiny_model: Model) -> None:
    E = tiny_model.encode(TEXTS, "mean")
    window = Window.of_tau(4, D_MODEL)
    first, other = (variants_of(tiny_model, E, window, OTHERS, seed=seed) for seed in (0, 1))
    assert {name: np.array_equal(first[name], other[name]) for name in VARIANTS} == {
        name: name != RANDOM for name in VARIANTS
    }


@pytest.mark.parametrize("texts", [[], ["only one"]])
def test_too_few_texts(tiny_model: Model, texts: list[str]) -> None:
    with pytest.raises(InputError):
        geometry(tiny_model, texts, "mean", Window.of_tau(2, D_MODEL))


@pytest.mark.real_model
def test_the_filter_lowers_anisotropy_on_the_bundled_model(bundled: Model) -> None:
    report = geometry(bundled, demo_texts().texts[:60], "prompteol", Window.of_tau(2, 576))
    assert report.variants["raw"].mean_cosine.value > 0.8
    assert (
        "the filter lowers anisotropy. In 20 random subspaces of the same size it is on average 0.9"
    ) in report.sentence
    assert ", in each of them above the filter's." in report.sentence
    removed = report.variants["mean removed"].mean_cosine
    assert 0.003 < removed.value < 0.2  # of other texts: not zero by construction
