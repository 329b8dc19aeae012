import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from embfilter_viz.analyses.spectroscopy import CONTROLS, Spectroscopy, shift_map, spectroscopy
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.spectral.average_token import GAUGES
from tests.analyses.hand_made import frequencies_of
from tests.models.tiny_checkpoints import D_MODEL, D_VOCAB

P = np.random.default_rng(2).dirichlet(np.ones(D_VOCAB))


def with_ends(found: Spectroscopy, strong: float, weak: float) -> Any:
    """The same with other p-values: the verdict is theirs alone."""
    ends = found.edge_to_bulk
    return replace(
        found,
        edge_to_bulk=replace(
            ends,
            strong=replace(ends.strong, p_value=strong),
            weak=replace(ends.weak, p_value=weak),
        ),
    )


@pytest.mark.parametrize(
    ("strong", "weak", "verdict", "words"),
    [
        (0.001, 0.025, "both", "The U is there"),
        (0.001, 0.026, "strong", "There is no U, only its strong end"),
        (0.4, 0.001, "weak", "There is no U, only its weak end"),
        (0.4, 1.0, "absent", "There is no U"),
    ],
)
def test_the_verdict_is_in_the_sentences_and_in_the_json(
    tiny_model: Model, strong: float, weak: float, verdict: str, words: str
) -> None:
    frequencies = tiny_model.frequencies("corpus", ["the cat sat"])
    found = with_ends(spectroscopy(tiny_model, frequencies, top=5), strong, weak)
    assert found.sentence.startswith(f"{words}:")
    assert found.short.startswith(f"{words}.")
    said = found.to_json()
    assert said["edge_to_bulk"]["verdict"] == verdict
    assert said["edge_to_bulk"]["strong"]["p_value"] == strong
    assert said["edge_to_bulk"]["strong"]["above_chance"] == (strong <= 0.025)
    assert said["sentence"] == found.sentence


def test_no_u_is_found_on_a_random_model(tiny_model: Model) -> None:
    """Random weights have no special ends: the tiny model must not be said to have the U."""
    p = np.random.default_rng(1).dirichlet(np.ones(D_VOCAB))
    found = spectroscopy(tiny_model, frequencies_of(p), top=100)
    assert found.edge_to_bulk.verdict != "both"


@pytest.mark.parametrize(
    ("low", "high", "words", "verdict"),
    [
        (1.1, 1.5, "Frequent tokens depend on the ends more than random tokens do:", "more"),
        (
            0.5,
            0.9,
            "Frequent tokens depend on the ends less than random tokens do, against",
            "less",
        ),
        (0.9, 1.1, "Whether frequent tokens depend on the ends more than random", "not decided"),
    ],
)
def test_the_contrast_is_told_as_its_interval_has_it(
    tiny_model: Model, low: float, high: float, words: str, verdict: str
) -> None:
    found = spectroscopy(tiny_model, tiny_model.frequencies("corpus", ["the cat"]), top=5)
    random = replace(found.contrast["random"], ratio=1.0, low=low, high=high)
    found = replace(found, contrast={**found.contrast, "random": random})
    assert found.control_sentence.startswith(words)
    assert found.to_json()["contrast"]["random"]["verdict"] == verdict
    assert found.to_json()["contrast"]["draws"] == 20


@pytest.mark.parametrize(
    ("p_value", "median", "words"),
    [
        (1.0, 9.0, "the strong end comes from this constant, not from frequency"),
        (1.0, 1.1, "on this head it makes no strong end"),
        (0.001, 9.0, "frequency comes on top of it at the strong end"),
    ],
)
def test_the_papers_gauge_says_what_its_strong_end_is(
    tiny_model: Model, p_value: float, median: float, words: str
) -> None:
    found = spectroscopy(tiny_model, frequencies_of(P), gauge="paper", top=5)
    ends = found.edge_to_bulk
    strong = replace(ends.strong, p_value=p_value, permuted_median=median)
    found = replace(found, edge_to_bulk=replace(ends, strong=strong))
    constant = f"{np.log(P / P.sum()).mean():.1f}".replace("-", "−")
    assert f"the mean of log p̂ ({constant})" in found.gauge_sentence
    assert words in found.gauge_sentence
    assert found.gauge_sentence in found.sentence


@pytest.mark.parametrize("gauge", ["centred", "invariant"])
def test_the_other_gauges_say_that_the_constant_is_out(tiny_model: Model, gauge: str) -> None:
    found = spectroscopy(tiny_model, frequencies_of(P), gauge=gauge, top=5)
    assert f"Gauge {gauge}: the mean of log p̂" in found.sentence
    assert ("mean row of W_U" in found.sentence) == (gauge == "invariant")
    assert found.to_json()["constant"] == pytest.approx(np.log(P / P.sum()).mean())


def naive(W: np.ndarray, V: np.ndarray, h: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Δπ and the shift in logits by definition: filter the average token, project, compare."""
    rows = W[ids].astype(float)
    logits = rows @ h
    out = []
    for v in V.T.astype(float):
        filtered = h @ (np.eye(len(h)) - np.outer(v, v))
        moved = np.abs(rows @ filtered - logits)
        out.append((moved.sum() / np.abs(logits).sum(), moved.mean()))
    return np.transpose(out)


@pytest.mark.parametrize("gauge", GAUGES)
def test_shifts_are_the_definition(tiny_model: Model, gauge: str) -> None:
    frequencies = tiny_model.frequencies("corpus", ["the cat sat on the mat", "a dog sat"])
    found = spectroscopy(tiny_model, frequencies, gauge=gauge, top=6, seed=3)
    spectrum = tiny_model.spectrum_of_head(centre=gauge == "invariant")
    W = tiny_model.unembedding.W_U.astype(float)
    if gauge == "invariant":
        W = W - W.mean(0)
    text = tiny_model.ordinary_tokens().ids
    draws = [frequencies.random(6, (3, draw), text) for draw in range(20)]
    sets = (frequencies.most(6), frequencies.least(6, text), np.concatenate(draws))
    for name, ids in zip(CONTROLS, sets, strict=True):
        relative, absolute = naive(W, spectrum.V, found.average.h, ids)
        np.testing.assert_allclose(found.shift[name], relative, rtol=1e-4, atol=1e-9)
        np.testing.assert_allclose(found.absolute_shift[name], absolute, rtol=1e-4, atol=1e-9)


def test_controls_are_tokens_of_text_and_the_others_are_counted(tiny_model: Model) -> None:
    """The tiny model's last rows have no token: without care they would be the infrequent ones."""
    frequencies = tiny_model.frequencies("corpus", ["the cat sat on the mat"])
    vocabulary = tiny_model.vocabulary
    assert vocabulary.kind(int(frequencies.least(1)[0])) == "unused"
    found = spectroscopy(tiny_model, frequencies, top=6)
    unused = D_VOCAB - vocabulary.size
    left_out = found.to_json()["left_out"]
    assert left_out["unused"] == unused > 0
    assert left_out["added"] == 2  # <s> and </s>
    assert f"left out are {unused} rows without a token, 2 added" in found.ordinary.sentence
    assert {vocabulary.kind(int(i)) for i in found.ordinary.ids} == {"text"}
    assert sum(left_out.values()) + len(found.ordinary.ids) == D_VOCAB


@pytest.mark.parametrize("n_bands", [None, 4])
def test_what_chance_gives_is_drawn_at_the_bulks_own_level(
    tiny_model: Model, n_bands: int | None
) -> None:
    found = spectroscopy(tiny_model, frequencies_of(P), top=6, n_bands=n_bands, seed=4)
    edges = None if n_bands is None else found.edges
    null = tiny_model.permuted_shifts(frequencies_of(P), top=6, borders=edges, seed=4)
    single = spectroscopy(tiny_model, frequencies_of(P), top=6).absolute_shift["frequent"]
    bulk = single[4:24].mean()  # 10 to 75 % of 32 directions
    np.testing.assert_allclose(found.permuted, null.profile * bulk, rtol=1e-9)
    low, median, high = found.permuted
    assert found.to_json()["permuted_shift"]["high"] == high.tolist()
    assert (low < median).all()
    assert (median < high).all()


def test_permutations_are_kept(tiny_model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    first = spectroscopy(tiny_model, frequencies_of(P), top=6)
    monkeypatch.setattr("embfilter_viz.opened_head.permuted_shifts", None)  # not made again
    assert spectroscopy(tiny_model, frequencies_of(P), top=6).to_json() == first.to_json()
    with pytest.raises(TypeError):
        spectroscopy(tiny_model, frequencies_of(P), top=7)


def test_bands_cover_the_spectrum(tiny_model: Model) -> None:
    frequencies = tiny_model.frequencies("corpus", ["the cat sat on the mat"])
    for spacing in ("linear", "log"):
        found = spectroscopy(tiny_model, frequencies, top=5, n_bands=5, spacing=spacing)
        assert (found.edges[0], found.edges[-1], len(found.edges)) == (0, D_MODEL, 6)
        assert {len(values) for values in found.shift.values()} == {5}
    whole = spectroscopy(tiny_model, frequencies, top=5, n_bands=1)
    for values in whole.shift.values():
        assert values == pytest.approx([1.0])  # without all directions every logit is gone


def test_tokens_are_the_frequent_ones_and_the_decoded_ones(tiny_model: Model) -> None:
    frequencies = tiny_model.frequencies("corpus", ["the cat sat on the mat"])
    found = spectroscopy(tiny_model, frequencies, top=6)
    assert [t.id for t in found.frequent_tokens] == frequencies.most(6).tolist()
    assert [t.frequency_rank for t in found.frequent_tokens] == list(range(6))
    logits = tiny_model.unembedding.W_U @ found.average.h
    assert [t.id for t in found.decoded] == np.argsort(-logits)[:6].tolist()
    assert found.decoded[0].logit == pytest.approx(logits.max(), rel=1e-4)


def test_to_json_is_complete(tiny_model: Model) -> None:
    frequencies = tiny_model.frequencies("corpus", ["the cat sat on the mat"], alpha=0.5)
    found = spectroscopy(tiny_model, frequencies, gauge="centred", top=6, n_bands=4)
    said = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert said["shift"] == {name: found.shift[name].tolist() for name in CONTROLS}
    assert said["bands"] == [[0, 8], [8, 16], [16, 24], [24, 32]]
    assert said["absolute_shift"] == {n: found.absolute_shift[n].tolist() for n in CONTROLS}
    assert {len(points) for points in said["permuted_shift"].values()} == {4}
    ends = found.edge_to_bulk
    assert said["edge_to_bulk"].items() >= {"ratio": ends.ratio, "low": ends.low}.items()
    assert said["edge_to_bulk"]["n_permutations"] == 999
    assert said["contrast"]["infrequent"]["ratio"] == found.contrast["infrequent"].ratio
    assert said["frequencies"] == {
        "source": "corpus",
        "detail": frequencies.detail,
        "smoothing": 0.5,
        "zeros": frequencies.zeros,
    }
    assert (said["gauge"], said["top"]) == ("centred", 6)
    assert said["correlation"] == found.average.correlation
    assert len(said["frequent_tokens"]) == len(said["decoded"]) == 6


def test_an_undefined_number_is_null(tiny_model: Model) -> None:
    frequencies = tiny_model.frequencies("corpus", ["the cat sat on the mat"])
    found = spectroscopy(tiny_model, frequencies, top=6)
    broken = replace(found, edge_to_bulk=replace(found.edge_to_bulk, high=float("inf")))
    assert broken.to_json()["edge_to_bulk"]["high"] is None


def test_the_seed_moves_the_random_tokens_alone(tiny_model: Model) -> None:
    frequencies = tiny_model.frequencies("corpus", ["the cat sat on the mat"])
    first, other = (spectroscopy(tiny_model, frequencies, top=6, seed=seed) for seed in (0, 1))
    same = {name: np.array_equal(first.shift[name], other.shift[name]) for name in CONTROLS}
    assert same == {"frequent": True, "infrequent": True, "random": False}


@pytest.mark.parametrize("top", [0, 1, D_VOCAB // 3 + 1])
def test_three_sets_must_fit(tiny_model: Model, top: int) -> None:
    frequencies = tiny_model.frequencies("corpus", ["the cat"])
    with pytest.raises(InputError, match=rf"top {top}: .*2 to {D_VOCAB // 3}"):
        spectroscopy(tiny_model, frequencies, top=top)


def test_the_map_is_signed_and_sums_to_what_removing_everything_does(tiny_model: Model) -> None:
    frequencies: TokenFrequencies = tiny_model.frequencies("corpus", ["the cat sat on the mat"])
    found = spectroscopy(tiny_model, frequencies, top=12)
    shifts, edges = shift_map(tiny_model, found, n_tokens=10, n_bands=6)
    assert shifts.shape == (10, 6)
    assert (edges[0], edges[-1]) == (0, D_MODEL)
    logits = tiny_model.unembedding.W_U[frequencies.most(10)] @ found.average.h
    np.testing.assert_allclose(shifts.sum(axis=1), -logits, rtol=1e-3, atol=1e-4)
    fewer, _ = shift_map(tiny_model, found, n_tokens=40, n_bands=500)
    assert fewer.shape == (12, D_MODEL)


@pytest.mark.real_model
def test_the_bundled_model_has_a_u_in_the_centred_gauge(bundled: Model) -> None:
    """The figures measured with other code: 10.1 and 4.6, permuted up to 1.3; contrast 1.62."""
    frequencies = bundled.frequencies("model")
    found = spectroscopy(bundled, frequencies)
    ends = found.edge_to_bulk
    assert ends.verdict == "both"
    assert ends.strong.ratio == pytest.approx(10.1, rel=0.1)
    assert ends.weak.ratio == pytest.approx(4.6, rel=0.1)
    assert max(ends.strong.permuted, ends.weak.permuted) < 1.35
    random = found.contrast["random"]
    assert random.ratio == pytest.approx(1.62, rel=0.1)
    assert random.low > 1
    paper = spectroscopy(bundled, frequencies, gauge="paper")
    assert paper.edge_to_bulk.verdict == "weak"
    assert paper.edge_to_bulk.strong.ratio == pytest.approx(24.7, rel=0.1)
    assert 30 < paper.edge_to_bulk.strong.permuted_median < 33
    assert "the strong end comes from this constant, not from frequency" in paper.sentence
