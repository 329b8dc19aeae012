"""The isotropy measures against the papers' own recipes, and the intervals against simulation."""

import numpy as np
import pytest

from embfilter_viz.embeddings.isotropy import (
    Interval,
    effective_rank,
    isoscore,
    isotropy,
    mean_cosine,
)
from embfilter_viz.errors import Cancelled, InputError

SHAPES = [(2, 3), (5, 5), (6, 5), (5, 6), (12, 40), (300, 7), (100, 2)]


def cloud(n, d, seed=0, mean=1.0):
    rng = np.random.default_rng(seed)
    spread = np.geomspace(3, 0.1, d)
    return (rng.normal(size=(n, d)) * spread) @ rng.normal(size=(d, d)) + mean


def isoscore_step_by_step(X):
    """Rudman et al. 2022, Algorithm 1, through all principal components."""
    n_dims = X.shape[1]
    _, _, components = np.linalg.svd(X - X.mean(axis=0), full_matrices=True)
    reoriented = X @ components.T
    variances = np.diag(np.cov(reoriented.T))
    normalised = np.sqrt(n_dims) * variances / np.linalg.norm(variances)
    defect = np.linalg.norm(normalised - np.ones(n_dims))
    defect /= np.sqrt(2 * (n_dims - np.sqrt(n_dims)))
    share = (n_dims - defect**2 * (n_dims - np.sqrt(n_dims))) ** 2 / n_dims**2
    return (n_dims * share - 1) / (n_dims - 1)


def effective_rank_by_svd(X):
    sigma = np.linalg.svd(X - X.mean(axis=0), compute_uv=False)
    p = sigma / sigma.sum()
    p = p[p > 1e-12]
    return np.exp(-(p * np.log(p)).sum())


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_closed_forms_equal_the_definitions(n, d):
    E = cloud(n, d)
    assert isoscore(E) == pytest.approx(isoscore_step_by_step(E), abs=1e-11)
    assert effective_rank(E) == pytest.approx(effective_rank_by_svd(E), rel=1e-6)
    single = E.astype(np.float32)
    assert isoscore(single) == pytest.approx(isoscore(E), abs=1e-5)
    assert effective_rank(single) == pytest.approx(effective_rank(E), rel=1e-4)


def test_by_hand():
    # Covariance diag(4, 1) up to scale: (4+1)^2/(16+1) = 25/17, so 8/17; sigma 2:1.
    E = np.array([[2.0, 0], [-2, 0], [0, 1], [0, -1]])
    assert isoscore(E) == pytest.approx(8 / 17)
    p = np.array([2, 1]) / 3
    assert effective_rank(E) == pytest.approx(np.exp(-(p * np.log(p)).sum()))


def test_ends_of_the_range():
    line = np.outer(np.arange(6.0), [1, 2, 3]) + 5
    assert isoscore(line) == pytest.approx(0, abs=1e-12)
    assert effective_rank(line) == pytest.approx(1)
    cross = np.vstack([np.eye(5), -np.eye(5)])
    assert isoscore(cross) == pytest.approx(1)
    assert effective_rank(cross) == pytest.approx(5)
    simplex = np.eye(4, 9)
    assert isoscore(simplex) == pytest.approx((4 - 2) / (9 - 1))
    assert effective_rank(simplex) == pytest.approx(3)


def test_invariance_to_mean_scale_rotation_and_order():
    E = cloud(50, 6)
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    for same in (E + 100, E * 1e-6, E @ rotation, E[::-1]):
        assert isoscore(same) == pytest.approx(isoscore(E), abs=1e-9)
        assert effective_rank(same) == pytest.approx(effective_rank(E), rel=1e-6)


def test_both_forms_of_a_filter_have_one_effective_rank_and_two_isoscores():
    E = cloud(200, 10)
    V = np.linalg.qr(np.random.default_rng(2).normal(size=(10, 10)))[0][:, :4]
    reduced, full = E @ V, E @ V @ V.T
    assert effective_rank(full) == pytest.approx(effective_rank(reduced), rel=1e-6)
    assert mean_cosine(full) == pytest.approx(mean_cosine(reduced), abs=1e-12)
    assert isoscore(full) * 9 == pytest.approx(isoscore(reduced) * 3, abs=1e-10)


@pytest.mark.parametrize("measure", [isoscore, effective_rank, isotropy])
@pytest.mark.parametrize(
    ("E", "rule"),
    [
        (np.ones((1, 3)), "at least 2 texts"),
        (np.empty((0, 3)), "at least 2 texts"),
        (np.full((40, 3), 0.1, np.float32), "all rows are the same"),
        (np.tile([[0.1, 1e8, -3.3]], (7, 1)), "all rows are the same"),
        (np.array([[1, 2], [np.nan, 1]]), "row 1 holds NaN"),
    ],
)
def test_where_undefined_one_line_says_so(measure, E, rule):
    with pytest.raises(InputError, match=rule):
        measure(E)


def test_one_dimension_has_no_isoscore():
    E = np.arange(1.0, 20)[:, None]
    assert effective_rank(E) == pytest.approx(1)
    with pytest.raises(InputError, match="at least 2 dimensions"):
        isoscore(E)


def test_zero_rows_have_spread_but_no_cosine():
    E = np.vstack([cloud(30, 4), np.zeros(4)])
    assert isoscore(E) == pytest.approx(isoscore_step_by_step(E), abs=1e-11)
    with pytest.raises(InputError, match="row 30 is zero"):
        isotropy(E)


# -- intervals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "d"), [(40, 6), (40, 90), (41, 41), (43, 12)])
def test_the_jackknife_is_what_leaving_groups_out_gives(n, d):
    """Against the textbook recipe, groups deleted and every measure computed anew."""
    E = cloud(n, d)
    groups = 8
    found = isotropy(E, groups=groups, seed=5)
    dealt = np.random.default_rng(5).permutation(n)
    members = [dealt[start::groups] for start in range(groups)]
    for name, measure in [
        ("mean_cosine", mean_cosine),
        ("isoscore", isoscore_step_by_step),
        ("effective_rank", effective_rank_by_svd),
    ]:
        value = measure(E)
        left_out = np.array([measure(np.delete(E, group, axis=0)) for group in members])
        h = np.array([n / len(group) for group in members])
        pseudo = h * value - (h - 1) * left_out
        centre = groups * value - ((1 - 1 / h) * left_out).sum()
        error = np.sqrt(((pseudo - centre) ** 2 / (h - 1)).mean())
        if n % groups == 0:  # the familiar form
            spread = ((left_out - left_out.mean()) ** 2).sum()
            assert error == pytest.approx(np.sqrt((groups - 1) / groups * spread))
        got: Interval = getattr(found, name)
        reach = 2.364624251592785 * error  # t, 7 degrees of freedom, 97.5 %
        assert got.value == pytest.approx(value, rel=1e-6)
        lowest = {"mean_cosine": -1, "isoscore": 0, "effective_rank": 1}[name]
        assert got.low == pytest.approx(max(value - reach, lowest), rel=1e-4, abs=1e-7)
        assert got.high == pytest.approx(value + reach, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize(("n", "d"), [(200, 12), (60, 100)])
def test_intervals_cover_what_they_claim(n, d):
    """Over 200 seeded sets: coverage of the mean over sets near 95 %, at no absurd width."""
    rng = np.random.default_rng(11)
    mixing = np.geomspace(2, 0.2, d)

    def draw():
        # Heavier tails than normal, and a common direction, as embeddings have.
        scale = np.sqrt(rng.chisquare(8, size=(n, 1)) / 8)
        return rng.normal(size=(n, d)) * mixing / scale + np.eye(d)[0] * 3

    found = [isotropy(draw(), seed=number) for number in range(200)]
    for name in ("mean_cosine", "isoscore", "effective_rank"):
        intervals = [getattr(one, name) for one in found]
        values = np.array([interval.value for interval in intervals])
        truth = values.mean()
        covered = np.mean([interval.low <= truth <= interval.high for interval in intervals])
        width = np.median([interval.high - interval.low for interval in intervals])
        # IsoScore's distribution is skewed where texts are fewer than dimensions.
        floor = 0.85 if n < d and name == "isoscore" else 0.9
        assert floor <= covered <= 0.99, (name, covered)
        assert 0.55 < width / (2 * 1.96 * values.std()) < 1.5, name


def test_the_bootstrap_would_miss_the_value_itself():
    """Why not the bootstrap: its interval for the effective rank lies below the value."""
    E = np.random.default_rng(0).normal(size=(200, 60))
    rng = np.random.default_rng(1)
    resampled = [effective_rank(E[rng.integers(0, 200, 200)]) for _ in range(50)]
    assert max(resampled) < effective_rank(E)
    interval = isotropy(E).effective_rank
    assert interval.low < interval.value < interval.high


def test_texts_sorted_by_topic_are_dealt_at_random():
    rng = np.random.default_rng(0)
    E = np.repeat(rng.normal(size=(10, 8)) * 3, 30, axis=0) + rng.normal(size=(300, 8))
    width = [
        i.high - i.low
        for i in (isotropy(E).mean_cosine, isotropy(E[rng.permutation(300)]).mean_cosine)
    ]
    assert 0.4 < width[0] / width[1] < 2.5


def test_few_texts_tell_nothing():
    found = isotropy(cloud(9, 4))
    assert (found.mean_cosine.low, found.mean_cosine.high) == (-1, 1)
    assert (found.isoscore.low, found.isoscore.high) == (0, 1)
    assert (found.effective_rank.low, found.effective_rank.high) == (1, 4)
    two = isotropy(cloud(2, 4))
    assert (two.effective_rank.value, two.effective_rank.high) == (pytest.approx(1), 1)
    assert two.n == 2
    ten = isotropy(cloud(10, 4)).effective_rank
    assert 1 < ten.low < ten.value < ten.high < 4


@pytest.mark.parametrize("d", [3, 60])
def test_one_odd_text_out_leaves_the_spread_unknown(d):
    E = np.ones((30, d))
    E[4, 0] = 3
    found = isotropy(E)
    assert (found.isoscore.low, found.isoscore.high) == (0, 1)
    assert found.mean_cosine.low < found.mean_cosine.value < 1


def test_same_seed_same_interval_and_progress():
    E = cloud(120, 5)
    seen = []
    assert isotropy(E, progress=lambda *told: seen.append(told)) == isotropy(E)
    assert isotropy(E, seed=1).isoscore.value == isotropy(E).isoscore.value
    assert isotropy(E, seed=1).isoscore.low != isotropy(E).isoscore.low
    assert [told[1] for told in seen] == [*range(22)]
    with pytest.raises(InputError, match="groups 1"):
        isotropy(E, groups=1)

    def cancel(what, done, total, unit):
        if done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        isotropy(E, progress=cancel)
