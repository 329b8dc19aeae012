"""Twenty random subspaces measured at once, against each of them measured by its definition."""

import numpy as np
import pytest

from embfilter_viz.embeddings.isotropy import effective_rank, isoscore, mean_cosine
from embfilter_viz.embeddings.rotated import Rotated
from embfilter_viz.embeddings.subspaces import RandomSubspaces
from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.spectral.baselines import (
    RANDOM_SUBSPACES,
    RandomSubspace,
    random_orders,
    random_rotation,
)

D = 12


def ready(E, seed=0):
    rotated = Rotated(E, random_rotation(E.shape[1], seed))
    return RandomSubspaces(rotated, random_orders(E.shape[1], seed))


@pytest.mark.parametrize("n", [2, 7, 90])  # by products of texts, and by covariances
@pytest.mark.parametrize("k", [2, 3, 9, 12])
def test_each_is_the_filter_of_its_seed_measured_by_definition(n, k):
    rng = np.random.default_rng(1)
    E = rng.normal(size=(n, D)) * np.geomspace(9, 0.3, D) + 2
    for seed in (0, 3):
        found = ready(E, seed)
        filtered = [
            RandomSubspace(k=k, seed=RANDOM_SUBSPACES * seed + i).transform(E) for i in range(20)
        ]
        for ours, measure in (
            (found.mean_cosines(k), mean_cosine),
            (found.isoscores(k), isoscore),
            (found.effective_ranks(k), effective_rank),
        ):
            np.testing.assert_allclose(ours, [measure(one) for one in filtered], 1e-6, 1e-12)


def test_the_subspaces_are_uniform_and_unlike_one_another():
    """Over many of them every direction keeps k/d of its square, with the spread of a Beta."""
    k, shares = 6, []
    for seed in range(60):
        basis, orders = random_rotation(D, seed), random_orders(D, seed)
        assert len({tuple(sorted(order[:k])) for order in orders.tolist()}) > 15  # 924 there are
        shares += [np.square(basis[0, order[:k]]).sum() for order in orders]
    # The share of a fixed unit vector in a uniform subspace is Beta(k/2, (d − k)/2).
    assert np.mean(shares) == pytest.approx(k / D, abs=0.02)
    variance = (k / 2) * ((D - k) / 2) / ((D / 2) ** 2 * (D / 2 + 1))
    assert np.var(shares) == pytest.approx(variance, rel=0.2)


def test_what_cannot_be_measured_is_said_and_the_work_can_be_stopped():
    E = np.random.default_rng(0).normal(size=(20, D))
    with pytest.raises(InputError, match="at least 2 dimensions"):
        ready(E).isoscores(1)
    E[4] = 0
    with pytest.raises(InputError, match="row 4 is zero in a random subspace"):
        ready(E).mean_cosines(3)

    def stop(what, done, total, unit):
        assert total == RANDOM_SUBSPACES
        if done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        ready(E).effective_ranks(3, progress=stop)
