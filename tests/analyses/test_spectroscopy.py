import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from embfilter_viz.analyses.spectroscopy import CONTROLS, Spectroscopy, shift_map, spectroscopy
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.models.frequencies import TokenFrequencies
from embfilter_viz.spectral.average_token import GAUGES
from tests.analyses.hand_made import frequencies_of
from tests.models.tiny_checkpoints import D_MODEL, D_VOCAB


def with_edges(found: Spectroscopy, head: tuple[float, float], tail: tuple[float, float]) -> Any:
    ends = found.edge_to_bulk
    return replace(
        found,
        edge_to_bulk=replace(
            ends,
            head=replace(ends.head, ratio=sum(head) / 2, low=head[0], high=head[1]),
            tail=replace(ends.tail, ratio=sum(tail) / 2, low=tail[0], high=tail[1]),
        ),
    )


@pytest.mark.parametrize(
    ("head", "tail", "verdict", "words"),
    [
        ((3, 5), (2, 4), "both", "The U is there"),
        ((3, 5), (0.8, 1.2), "head", "Half of the U is there"),
        ((0.9, 1.5), (2, 4), "tail", "Half of the U is there"),
        ((0.9, 1.5), (0.5, 0.7), "absent", "The U is absent"),
    ],
)
def test_the_verdict_is_in_the_sentence_and_in_the_json(
    tiny_model: Model, head: Any, tail: Any, verdict: str, words: str
) -> None:
    frequencies = tiny_model.frequencies("corpus", ["the cat sat"])
    found = with_edges(spectroscopy(tiny_model, frequencies, top=5), head, tail)
    assert found.sentence.startswith(words)
    said = found.to_json()
    assert said["edge_to_bulk"]["verdict"] == verdict
    assert said["edge_to_bulk"]["head"]["low"] == head[0]
    assert said["sentence"] == found.sentence


def test_no_u_is_found_on_a_random_model(tiny_model: Model) -> None:
    """Random weights have no special edges: the tiny model must not be said to have the U."""
    p = np.random.default_rng(1).dirichlet(np.ones(D_VOCAB))
    found = spectroscopy(tiny_model, frequencies_of(p), top=100)
    assert found.edge_to_bulk.verdict != "both"


def naive(W: np.ndarray, V: np.ndarray, h: np.ndarray, ids: np.ndarray) -> list[float]:
    """Δπ by its definition: filter the average token, project, compare; a loop over directions."""
    rows = W[ids].astype(float)
    logits = rows @ h
    out = []
    for v in V.T.astype(float):
        filtered = h @ (np.eye(len(h)) - np.outer(v, v))
        out.append(np.abs(rows @ filtered - logits).sum() / np.abs(logits).sum())
    return out


@pytest.mark.parametrize("gauge", GAUGES)
def test_shifts_are_the_definition(tiny_model: Model, gauge: str) -> None:
    frequencies = tiny_model.frequencies("corpus", ["the cat sat on the mat", "a dog sat"])
    found = spectroscopy(tiny_model, frequencies, gauge=gauge, top=6, seed=3)
    spectrum = tiny_model.spectrum_of_head(centre=gauge == "invariant")
    W = tiny_model.unembedding.W_U.astype(float)
    if gauge == "invariant":
        W = W - W.mean(0)
    sets = (frequencies.most(6), frequencies.least(6), frequencies.random(6, 3))
    for name, ids in zip(CONTROLS, sets, strict=True):
        expected = naive(W, spectrum.V, found.average.h, ids)
        np.testing.assert_allclose(found.shift[name], expected, rtol=1e-4, atol=1e-9)


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
    ends = found.edge_to_bulk
    assert said["edge_to_bulk"].items() >= {"ratio": ends.ratio, "low": ends.low}.items()
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


@pytest.mark.parametrize("top", [0, D_VOCAB // 3 + 1])
def test_three_sets_must_fit(tiny_model: Model, top: int) -> None:
    frequencies = tiny_model.frequencies("corpus", ["the cat"])
    with pytest.raises(InputError, match=rf"top {top}: .*1 to {D_VOCAB // 3}"):
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
