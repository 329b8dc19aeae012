from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import binom
from threadpoolctl import threadpool_limits

from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.spectral import (
    GAUGES,
    Ends,
    average_token,
    bands,
    contributions,
    edge_to_bulk,
    permuted_shifts,
    spectrum_of,
    token_rows,
)
from embfilter_viz.spectral import permutations as module
from tests.spectral.heads import language_head

W = language_head(d_vocab=300, d=40)
P = np.random.default_rng(1).dirichlet(np.full(300, 0.5)) + 1e-6
N, TOP = 7, 12


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Matrices this small are far faster on one thread."""
    with threadpool_limits(1):
        yield


def naive(gauge, borders=None, seed=0):
    """Ratios and profiles by the definition: permute p̂, solve for ĥ, remove each direction."""
    rows = W.astype(float)
    if gauge == "invariant":
        rows = rows - rows.mean(axis=0)
    V = np.linalg.svd(rows)[2].T
    strong, weak, profiles = [], [], []
    for number in range(N):
        order = np.random.default_rng((seed, number)).permutation(len(P))
        p = np.empty(len(P))
        p[order] = np.sort(P)[::-1]
        target = np.log(p) - (gauge != "paper") * np.log(p).mean()
        h = np.linalg.lstsq(rows, target, rcond=None)[0]
        frequent = rows[np.argsort(-p)[:TOP]]
        shift = [np.abs(frequent @ v * (v @ h)).mean() for v in V.T]
        bulk = np.mean(shift[4:30])
        strong.append(np.mean(shift[:2]) / bulk)
        weak.append(np.mean(shift[-2:]) / bulk)
        if borders is None:
            profiles.append(smooth(shift) / bulk)
            continue
        gone = [V[:, a:b] @ V[:, a:b].T @ h for a, b in pairwise(borders)]
        profiles.append([np.abs(frequent @ part).mean() / bulk for part in gone])
    return strong, weak, np.percentile(profiles, [2.5, 50, 97.5], axis=0)


def smooth(shift):
    reach = [min(i, 39 - i, 7) for i in range(40)]
    return np.array([np.median(shift[i - m : i + m + 1]) for i, m in enumerate(reach)])


@pytest.mark.parametrize("gauge", GAUGES)
@pytest.mark.parametrize("n_bands", [None, 5])
def test_all_permutations_at_once_are_each_by_the_definition(gauge, n_bands, monkeypatch):
    borders = None if n_bands is None else bands(40, n_bands, "log")
    spectrum = spectrum_of(W, centre=gauge == "invariant")
    options = {"top": TOP, "n": N, "seed": 3, "borders": borders}
    strong, weak, profile = naive(gauge, borders, seed=3)
    for targets, block, pairs in ((2**27, 2**22, 4096), (4 * 300 * 3, 70 * 40, 10)):  # in pieces
        monkeypatch.setattr(module, "_TARGETS_BYTES", targets)
        monkeypatch.setattr(module, "_BLOCK", block)
        monkeypatch.setattr(module, "_PAIRS", pairs)
        found = permuted_shifts(W, spectrum, P, gauge, **options)
        np.testing.assert_allclose(found.strong, strong, rtol=2e-3)
        np.testing.assert_allclose(found.weak, weak, rtol=2e-3)
        np.testing.assert_allclose(found.profile, profile, rtol=2e-3)
        assert found.n == N


def test_a_constant_in_log_p_moves_the_papers_gauge_alone():
    scaled = {
        gauge: [
            permuted_shifts(W, spectrum_of(W, centre=gauge == "invariant"), p, gauge, n=N).strong
            for p in (P, 1000 * P)
        ]
        for gauge in GAUGES
    }
    for gauge in ("centred", "invariant"):
        np.testing.assert_allclose(*scaled[gauge], rtol=1e-5)
    assert np.abs(scaled["paper"][0] / scaled["paper"][1] - 1).max() > 0.01


def test_in_the_papers_gauge_a_mean_row_is_a_strong_end_whatever_the_frequencies_are():
    spectrum = spectrum_of(W)
    assert np.median(permuted_shifts(W, spectrum, P, "paper", top=TOP).strong) > 5
    assert np.median(permuted_shifts(W, spectrum, P, "centred", top=TOP).strong) < 1.3


def test_directions_that_the_head_does_not_span_shift_nothing():
    flat = np.c_[W[:, :36], np.zeros((300, 4))]
    found = permuted_shifts(flat, spectrum_of(flat), P, top=TOP, n=N)
    assert (found.weak == 0).all()
    assert found.profile[:, -1].tolist() == [0, 0, 0]


def test_it_can_be_cancelled_and_says_where_it_is():
    told = []
    permuted_shifts(W, spectrum_of(W), P, n=N, progress=lambda *said: told.append(said))
    assert len({said[0] for said in told}) == 2
    assert all(0 <= done <= total for _, done, total, _ in told)
    for what in {said[0] for said in told}:

        def stop(doing, *_, what=what):
            if doing == what:
                raise Cancelled

        with pytest.raises(Cancelled):
            permuted_shifts(W, spectrum_of(W), P, n=N, progress=stop)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"top": 0}, "top 0: the number of tokens must be from 1 to 300"),
        ({"top": 301}, "from 1 to 300"),
        ({"n": 0}, "0 permutations: at least 1"),
        ({"gauge": "tea"}, "gauge must be one of"),
        ({"p": np.zeros(300)}, "zero for 300 of 300"),
        ({"gauge": "invariant"}, "needs the spectrum of the centred W_U"),
    ],
)
def test_what_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        permuted_shifts(**{"W_U": W, "spectrum": spectrum_of(W), "p": P, **change})


# -- data with known truth ---------------------------------------------------------------------


def gaussian(rng, d_vocab, d):
    return rng.standard_normal((d_vocab, d))


def decaying(rng, d_vocab, d):
    return gaussian(rng, d_vocab, d) * np.geomspace(1, 0.01, d)


def constant(rng, d_vocab, d):
    return decaying(rng, d_vocab, d) + rng.standard_normal(d)


def clustered(rng, d_vocab, d):
    middle = rng.standard_normal((20, d)) * rng.lognormal(size=(20, 1))
    return 2 * middle[rng.integers(20, size=d_vocab)] + gaussian(rng, d_vocab, d)


def verdict(head, p, gauge, seed, n=199):
    """The U decided on one head as the pages decide it, with fewer permutations."""
    spectrum = spectrum_of(head, centre=gauge == "invariant")
    h = average_token(head, spectrum, p, gauge).h
    rows = token_rows(head, np.argsort(-p)[:TOP], gauge, spectrum.mean_row)
    null = permuted_shifts(head, spectrum, p, gauge, top=TOP, n=n, seed=seed)
    return edge_to_bulk(contributions(spectrum.V, rows, h), null, n_resamples=1)


def test_heads_without_structure_have_no_u():
    """Each end is tested at 2.5 %: more than so many of 60 heads come once in a thousand times."""
    strong = weak = both = 0
    for seed in range(60):
        rng = np.random.default_rng((seed, 7))
        make = (gaussian, decaying, constant, clustered)[seed % 4]
        head = make(rng, *((200, 24), (300, 40))[seed % 8 // 4])
        p = rng.permutation(1 / np.arange(1, len(head) + 1))
        found = verdict(head, p, GAUGES[seed % 3], seed)
        strong += found.strong.stands_out
        weak += found.weak.stands_out
        both += found.verdict == "both"
    assert max(strong, weak) <= binom.ppf(0.999, 60, 0.025)
    assert strong + weak <= binom.ppf(0.999, 120, 0.025)
    assert both <= 1


def with_a_u(rng, d_vocab, d, ends):
    """A head whose logits along some directions rise with the frequency of the token."""
    p = rng.permutation(1 / np.arange(1, d_vocab + 1))
    rare = -np.log(p)
    U = rng.standard_normal((d_vocab, d))
    U[:, ends] = 0.6 * U[:, ends] + 0.8 * ((rare - rare.mean()) / rare.std())[:, None]
    return U * np.geomspace(1, 0.05, d), p


@pytest.mark.parametrize(
    ("ends", "expected"), [([0, 39], "both"), ([0], "strong"), ([39], "weak"), ([20], "absent")]
)
def test_a_planted_end_is_found(ends, expected):
    rng = np.random.default_rng(5)
    head, p = with_a_u(rng, 1000, 40, ends)
    found = verdict(head, p, "centred", 0)
    assert found.verdict == expected
    if expected == "both":
        assert min(found.strong.p_value, found.weak.p_value) == 1 / 200


def test_permuting_the_frequencies_of_a_head_with_a_u_takes_it_away():
    head, p = with_a_u(np.random.default_rng(5), 1000, 40, [0, 39])
    for seed in range(3):
        shuffled = np.random.default_rng((seed, 2)).permutation(p)
        assert verdict(head, shuffled, "centred", seed).verdict != "both"


def test_the_ends_are_those_asked_for():
    ends = Ends.of(40, edge=0.1, bulk=(0.2, 0.5))
    found = permuted_shifts(W, spectrum_of(W), P, n=N, top=TOP, ends=ends)
    assert found.ends == ends
    usual = permuted_shifts(W, spectrum_of(W), P, n=N, top=TOP)
    assert not np.allclose(found.strong, usual.strong)
