from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embfilter_viz.errors import InputError
from embfilter_viz.spectral import (
    average_token,
    band_shifts,
    bands,
    contributions,
    logit_shifts,
    signed_shifts,
    spectrum_of,
    token_rows,
)
from tests.spectral.heads import language_head

W = language_head(800, 24)
P = np.random.default_rng(2).dirichlet(np.full(800, 0.5)) + 1e-6
FREQUENT = np.argsort(-P)[:30]
SPECTRUM = spectrum_of(W)
H = average_token(W, SPECTRUM, P).h
ROWS = token_rows(W, FREQUENT)
V = SPECTRUM.V


def shift_by_definition(removed):
    """Project ĥ off the removed directions, read the logits again, compare."""
    V_B = V[:, removed].astype(np.float64)
    filtered = H - (H @ V_B) @ V_B.T
    return ROWS @ filtered - ROWS @ H


def test_every_direction_against_the_loop_of_filtered_projections():
    loop = [np.abs(shift_by_definition([i])).sum() / np.abs(ROWS @ H).sum() for i in range(24)]
    assert np.allclose(logit_shifts(V, ROWS, H), loop, rtol=1e-5)


@pytest.mark.parametrize("n", [1, 3, 5, 24])
@pytest.mark.parametrize("spacing", ["linear", "log"])
def test_bands_against_their_filtered_projections(n, spacing):
    edges = bands(24, n, spacing)
    changes = np.array([shift_by_definition(list(range(a, b))) for a, b in pairwise(edges)])
    assert np.allclose(signed_shifts(V, ROWS, H, edges), changes.T, rtol=1e-4, atol=1e-6)
    relative = np.abs(changes).sum(axis=1) / np.abs(ROWS @ H).sum()
    assert np.allclose(band_shifts(V, ROWS, H, edges), relative, rtol=1e-4)


def test_sums_are_inside_the_absolute_value():
    # Two directions that give the one token +3 and −2: apart 3 + 2, together 1.
    rows, h = np.array([[1.0, 2.0]]), np.array([3.0, -1.0])
    assert np.allclose(logit_shifts(np.eye(2), rows, h), [3, 2])
    assert np.allclose(band_shifts(np.eye(2), rows, h, np.array([0, 2])), [1])
    assert np.allclose(signed_shifts(np.eye(2), rows, h, np.array([0, 1, 2])), [[-3, 2]])


def test_bands_of_one_direction_are_the_directions():
    assert np.allclose(band_shifts(V, ROWS, H, bands(24, 24)), logit_shifts(V, ROWS, H))


def test_contributions_sum_to_the_logits():
    assert np.allclose(contributions(V, ROWS, H).sum(axis=1), ROWS @ H, rtol=1e-5)


def test_the_sign_of_the_directions_does_not_matter():
    flipped = V * np.where(np.arange(24) % 3, 1, -1)
    assert np.allclose(logit_shifts(flipped, ROWS, H), logit_shifts(V, ROWS, H))
    edges = bands(24, 4)
    assert np.allclose(signed_shifts(flipped, ROWS, H, edges), signed_shifts(V, ROWS, H, edges))


def test_the_invariant_gauge_reads_centred_rows():
    centred = spectrum_of(W, centre=True)
    found = average_token(W, centred, P, "invariant")
    rows = token_rows(W, FREQUENT, "invariant", centred.mean_row)
    assert np.allclose(rows, W[FREQUENT] - W.mean(axis=0, dtype=np.float64))
    assert np.allclose(rows @ found.h, found.logits[FREQUENT])
    shifted = W + np.float32(1)
    again = spectrum_of(shifted, centre=True)
    rows_again = token_rows(shifted, FREQUENT, "invariant", again.mean_row)
    h_again = average_token(shifted, again, P, "invariant").h
    assert np.allclose(
        logit_shifts(centred.V, rows, found.h),
        logit_shifts(again.V, rows_again, h_again),
        rtol=1e-3,
    )


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.integers(1, 5000), st.data(), st.sampled_from(["linear", "log"]))
def test_bands_share_out_every_direction(d, data, spacing):
    n = data.draw(st.integers(1, min(d, 200)))
    edges = bands(d, n, spacing)
    widths = np.diff(edges)
    assert (edges[0], edges[-1], len(edges)) == (0, d, n + 1)
    assert widths.min() >= 1
    if spacing == "linear":
        assert widths.max() - widths.min() <= 1
    elif n < d:
        assert widths[-1] >= widths[0]


def test_log_bands_grow():
    widths = np.diff(bands(4096, 12, "log"))
    assert np.all(np.diff(widths) >= 0)
    assert np.allclose(widths[4:] / widths[3:-1], 2, atol=0.1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bands(8, 0), "bands must be from 1 to 8; got 0"),
        (lambda: bands(8, 9), "bands must be from 1 to 8; got 9"),
        (lambda: bands(8, 2, "even"), "spacing must be one of linear, log; got 'even'"),
        (lambda: token_rows(W, [800]), "token id 800 is not a row of W_U, which has 800"),
        (lambda: token_rows(W, [-1]), "token id -1"),
        (lambda: token_rows(W, [1], "invariant"), "needs the mean row"),
        (lambda: logit_shifts(V, ROWS[:0], H), "choose at least one"),
        (lambda: logit_shifts(V, ROWS[:, :3], H), "do not fit 24 directions"),
        (lambda: logit_shifts(V, ROWS, H[:3]), "do not fit 24 directions"),
        (lambda: logit_shifts(V, ROWS, 0 * H), "logits of zero"),
        (lambda: band_shifts(V, ROWS, H, np.array([0, 5, 5])), "edges must rise"),
        (lambda: band_shifts(V, ROWS, H, np.array([0, 25])), "edges must rise"),
        (lambda: band_shifts(V, ROWS, H, np.array([0])), "edges must rise"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
