"""Counting fewer positions: how far off is told by two halves, and ends when that is little."""

import numpy as np
import pytest

from embfilter_viz.models.encoding.encoder import Encoder
from embfilter_viz.models.encoding.unigram import FEWEST_ROUNDS, ROUND, HalfSums, rounds_of
from tests.models.tiny_checkpoints import one_thread, write_checkpoint

__all__ = ["one_thread"]


def test_the_error_of_the_mean_is_told_by_the_halves() -> None:
    """Known truth: predictions drawn about a p that is known, 400 times over."""
    rng = np.random.default_rng(0)
    truth = rng.dirichlet(np.full(200, 0.3))
    told, true = [], []
    for _ in range(400):
        halves = HalfSums()
        for _ in range(10):
            texts = rng.dirichlet(20 * truth + 1e-3, size=5)
            halves.add(texts.sum(axis=0), 5)
        told.append(halves.error)
        true.append(np.abs(halves.mean - (20 * truth + 1e-3) / (20 + 0.2)).sum() / 2)
    assert np.mean(told) == pytest.approx(np.mean(true), rel=0.05)


def test_reading_ends_when_it_is_good_enough_and_not_before(tmp_path) -> None:
    encoder = Encoder(write_checkpoint(tmp_path).outline)
    texts = [f"the cat {i} sat on mat {i % 7}" for i in range(200)]
    whole = encoder.unigram(texts)
    told = []
    soon = encoder.unigram(
        texts, good_enough=0.5, progress=lambda what, done, total, unit: told.append(done)
    )
    assert max(told) == FEWEST_ROUNDS * ROUND, "as few as an error can be told from"
    assert soon.positions < soon.available == whole.available
    assert soon.error is not None
    assert soon.error < 0.5
    assert soon.p.sum() == pytest.approx(1, abs=1e-6)
    # What it says is the mean over the texts it read.
    read = np.concatenate(rounds_of(200)[:FEWEST_ROUNDS])
    np.testing.assert_allclose(soon.p, encoder.unigram([texts[i] for i in read]).p, rtol=1e-4)
    strict = encoder.unigram(texts, good_enough=0.0)
    assert (strict.error, strict.positions) == (None, whole.positions)
    np.testing.assert_allclose(strict.p, whole.p, rtol=1e-4)


def test_rounds_hold_every_text_once_in_the_same_order_each_time() -> None:
    rows = np.concatenate(rounds_of(50))
    assert sorted(rows) == list(range(50))
    assert rows.tolist() != list(range(50))
    np.testing.assert_array_equal(rows, np.concatenate(rounds_of(50)))
