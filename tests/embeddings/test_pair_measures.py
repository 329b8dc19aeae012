"""Measures over pairs: the definitions written out, and what their intervals hold."""

from itertools import combinations

import numpy as np
import pytest

from embfilter_viz.embeddings.cosines import mean_cosine, unit_rows
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.embeddings.isotropy import isotropy
from embfilter_viz.embeddings.pair_measures import (
    auc_difference,
    auc_over_pairs,
    mean_over_pairs,
    of_pairs,
    same_label,
    spread_over_pairs,
)
from embfilter_viz.errors import InputError

MEASURES = {
    "mean": (mean_over_pairs, np.mean, (-1, 1), (float, float)),
    "spread": (spread_over_pairs, np.std, (0, 1), (np.log, np.exp)),
}
"""Each with its definition, its bounds, and the scale its interval is symmetric on, and back."""


def symmetric(n: int, seed: int = 0) -> np.ndarray:
    X = np.random.default_rng(seed).uniform(-0.3, 0.5, (n, n))
    X = (X + X.T) / 2
    np.fill_diagonal(X, 7.0)  # nothing may read it
    return X


def naive_auc(X: np.ndarray, labels: np.ndarray) -> float:
    """Every pair of one label against every pair of two."""
    pairs = list(combinations(range(len(X)), 2))
    ones = [X[p] for p in pairs if labels[p[0]] == labels[p[1]]]
    others = [X[p] for p in pairs if labels[p[0]] != labels[p[1]]]
    return float(np.mean([(a > b) + (a == b) / 2 for a in ones for b in others]))


def jackknife(value: float, left_out: list[float], t: float) -> tuple[float, float]:
    """Student's interval of pseudo-values, written out."""
    n = len(left_out)
    pseudo = [n * value - (n - 1) * one for one in left_out]
    reach = t * np.std(pseudo, ddof=1) / np.sqrt(n)
    return value - reach, value + reach


T_11 = 2.200985  # 97.5 % point of Student's t with 11 degrees of freedom, from a table


@pytest.mark.parametrize("name", MEASURES)
def test_mean_and_spread_are_those_of_the_pairs_each_text_left_out_in_turn(name: str) -> None:
    measure, of, _, (scale, back) = MEASURES[name]
    X = symmetric(12)
    found = measure(X)
    values = [X[p] for p in combinations(range(12), 2)]
    assert found.value == pytest.approx(of(values), rel=1e-12)
    left_out = [
        scale(of([X[p] for p in combinations(range(12), 2) if text not in p])) for text in range(12)
    ]
    ends = [back(end) for end in jackknife(scale(of(values)), left_out, T_11)]
    assert (found.low, found.high) == pytest.approx(ends, rel=1e-5)


def test_the_mean_of_cosines_has_the_interval_that_isotropy_gives_it() -> None:
    E = np.random.default_rng(1).normal(size=(30, 6)) + 1
    U = unit_rows(E)
    found = mean_over_pairs(U @ U.T)
    assert found.value == pytest.approx(mean_cosine(E), rel=1e-12)
    known = isotropy(E).mean_cosine
    assert (found.low, found.high) == pytest.approx((known.low, known.high), rel=1e-9)


def test_auc_against_all_pairs_of_pairs_each_text_left_out_in_turn() -> None:
    X = np.round(symmetric(12, seed=3), 1)  # rounded: many are equal
    labels = np.array(list("aabbbccaadda"))
    found = auc_over_pairs(X, same_label(labels))
    assert found.value == pytest.approx(naive_auc(X, labels), rel=1e-12)
    left_out = []
    for text in range(12):
        rest = np.arange(12) != text
        left_out.append(naive_auc(X[np.ix_(rest, rest)], labels[rest]))
    ends = jackknife(naive_auc(X, labels), left_out, T_11)
    assert (found.low, found.high) == pytest.approx(ends, rel=1e-5)


def test_a_difference_of_aucs_leaves_out_the_same_text_on_both_sides() -> None:
    X, Y = symmetric(12, seed=3), symmetric(12, seed=4)
    labels = np.array(list("aabbbccaadda"))
    found = auc_difference(X, Y, same_label(labels))
    value = naive_auc(X, labels) - naive_auc(Y, labels)
    assert found.value == pytest.approx(value, rel=1e-12)
    left_out = []
    for text in range(12):
        rest = np.arange(12) != text
        left_out.append(
            naive_auc(X[np.ix_(rest, rest)], labels[rest])
            - naive_auc(Y[np.ix_(rest, rest)], labels[rest])
        )
    assert (found.low, found.high) == pytest.approx(jackknife(value, left_out, T_11), rel=1e-5)
    assert auc_difference(X, X, same_label(labels)) == Interval(0, 0, 0)


def test_auc_is_scikit_learns() -> None:
    from sklearn.metrics import roc_auc_score

    X, same = symmetric(40, seed=5), same_label([f"{i % 7}" for i in range(40)])
    expected = roc_auc_score(of_pairs(same), of_pairs(X))
    assert auc_over_pairs(X, same).value == pytest.approx(expected, rel=1e-12)


def test_what_rounding_makes_of_equal_numbers_is_equal() -> None:
    X = np.full((12, 12), 0.5)
    X[:6, :6] += 1e-14
    same = same_label(["a"] * 6 + ["b"] * 6)
    assert auc_over_pairs(X, same) == Interval(0.5, 0.5, 0.5)


def test_few_texts_have_no_interval() -> None:
    X, same = symmetric(9), same_label(list("abcabcabc"))
    for name, (measure, _, bounds, _) in MEASURES.items():
        found = measure(X)
        assert (found.low, found.high) == bounds, name
    found = auc_over_pairs(X, same)
    assert (found.low, found.high) == (0, 1)


def test_pairs_that_are_all_equal_have_no_spread() -> None:
    found = spread_over_pairs(np.full((12, 12), 0.3))
    assert found.value == pytest.approx(0, abs=1e-9)
    assert (found.low, found.high) == (0, 1)


def test_without_a_text_there_may_be_no_pair_of_one_label() -> None:
    found = auc_over_pairs(symmetric(12), same_label(["a", "a", *"bcdefghijk"]))
    assert (found.low, found.high) == (0, 1)
    assert 0 < found.value < 1


@pytest.mark.parametrize("labels", ["abcdefghijkl", "aaaaaaaaaaaa"])
def test_labels_of_which_no_auc_can_be_had(labels: str) -> None:
    with pytest.raises(InputError, match="at least two labels, one of them on two texts"):
        auc_over_pairs(symmetric(12), same_label(list(labels)))


@pytest.mark.parametrize("X", [np.eye(2), np.ones((3, 4))])
def test_too_few_texts(X: np.ndarray) -> None:
    with pytest.raises(InputError, match="at least 3 texts"):
        mean_over_pairs(X)


def test_the_intervals_hold_the_truth_where_pairs_share_texts() -> None:
    """Texts of five topics drawn anew: 95 % of the intervals hold what 1,200 texts have.

    An interval over pairs as if they were independent holds it in less than two of three draws.
    """
    centres = np.random.default_rng(7).normal(size=(5, 20)) * 0.8

    def drawn(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(0, 5, n)
        U = unit_rows(centres[labels] + rng.normal(size=(n, 20)) + 1.0)
        return U @ U.T, same_label(labels)

    rng = np.random.default_rng(0)
    X, same = drawn(1200, rng)
    truth = (of_pairs(X).mean(), of_pairs(X).std(), auc_over_pairs(X, same).value)
    held = np.zeros(3)
    by_pairs = 0
    for _ in range(60):
        X, same = drawn(40, rng)
        found = (mean_over_pairs(X), spread_over_pairs(X), auc_over_pairs(X, same))
        held += [one.low <= true <= one.high for one, true in zip(found, truth, strict=True)]
        values = of_pairs(X)
        by_pairs += abs(values.mean() - truth[0]) <= 1.96 * values.std() / np.sqrt(len(values))
    # Of 60 at 95 %, 50 or fewer with a probability of 0.1 %.
    assert (held > 50).all(), held
    assert by_pairs < 40
