"""Each rival against its definition written out, text by text."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.covariance import ledoit_wolf
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from embfilter_viz.errors import InputError
from embfilter_viz.spectral import (
    AffineMap,
    AllButTheTop,
    BandFilter,
    Composition,
    EmbedFilter,
    FirstDirectionShift,
    MeanRemoval,
    PrincipalComponents,
    RandomCoordinates,
    RandomSubspace,
    RogueDimensions,
    SoftWhitening,
    SpectralReweighting,
    Standardisation,
    Truncation,
    Whitening,
    spectrum_of,
)
from embfilter_viz.spectral.reweighting import spectral_weights
from tests.spectral.heads import language_head

D = 24
HEAD = language_head(600, D)
SPECTRUM, CENTRED = spectrum_of(HEAD), spectrum_of(HEAD, centre=True)
RNG = np.random.default_rng(5)
E = RNG.standard_normal((60, D)) * np.geomspace(3, 0.3, D) + 1
OTHERS = RNG.standard_normal((9, D))
SHIFTS = np.geomspace(4, 0.5, D)
WINDOW = EmbedFilter(SPECTRUM, tau=2)
EVERY = [
    WINDOW,
    EmbedFilter(CENTRED, tau=2),
    BandFilter(SPECTRUM, "bulk", full=True),
    Truncation(),
    RandomCoordinates(seed=3),
    RandomSubspace(seed=3),
    MeanRemoval(),
    MeanRemoval(how="subtract"),
    AllButTheTop(components=2),
    Whitening(tau=3),
    SoftWhitening(),
    SoftWhitening(shrinkage=0.3),
    PrincipalComponents(),
    FirstDirectionShift(),
    FirstDirectionShift(strength=0.7),
    Standardisation(),
    RogueDimensions(),
    SpectralReweighting(CENTRED, SHIFTS),
    SpectralReweighting(CENTRED, SHIFTS, window=(6, 18), full=True),
    Composition([WINDOW, MeanRemoval("subtract")]),
    Composition([WINDOW, SoftWhitening(), RogueDimensions(components=1)]),
]
NEW = (FirstDirectionShift, SoftWhitening, PrincipalComponents, Standardisation, RogueDimensions,
       SpectralReweighting, Composition)  # fmt: skip


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


@pytest.mark.parametrize("original", EVERY, ids=repr)
def test_every_filter_is_the_affine_map_it_says(original) -> None:
    fitted = clone(original).fit(E)
    found = fitted.affine()
    by_hand = np.stack([e @ found.matrix + found.offset for e in OTHERS])
    np.testing.assert_allclose(fitted.transform(OTHERS), by_hand, atol=1e-6)
    # Affine: what is half-way between two texts stays half-way.
    half = fitted.transform((OTHERS[:1] + OTHERS[1:2]) / 2)
    np.testing.assert_allclose(half[0], by_hand[:2].mean(axis=0), atol=1e-6)


def test_affine_maps_follow_one_another() -> None:
    first = AffineMap(RNG.standard_normal((4, 3)), RNG.standard_normal(3))
    second = AffineMap(RNG.standard_normal((3, 2)), RNG.standard_normal(2))
    rows = RNG.standard_normal((5, 4))
    np.testing.assert_allclose(first.then(second)(rows), second(first(rows)), atol=1e-12)
    assert not first.is_linear
    assert AffineMap(first.matrix, np.zeros(3)).is_linear
    with pytest.raises(InputError, match="takes 4 numbers and the first gives 3"):
        first.then(first)
    with pytest.raises(InputError, match=r"got shapes \(4, 3\) and \(2,\)"):
        AffineMap(first.matrix, np.zeros(2))
    with pytest.raises(InputError, match="Truncation is of no width yet"):
        Truncation().affine()


def test_mean_subtraction_and_projection_text_by_text() -> None:
    mean = sum(E) / len(E)
    unit = mean / np.sqrt(sum(mean**2))
    for how, expected in (
        ("subtract", [e - mean for e in OTHERS]),
        ("direction", [e - (e @ unit) * unit for e in OTHERS]),
    ):
        np.testing.assert_allclose(MeanRemoval(how).fit(E).transform(OTHERS), expected, atol=1e-12)
    assert MeanRemoval().fit(E).affine().is_linear
    np.testing.assert_allclose(MeanRemoval("subtract").fit(E).affine().offset, -mean, atol=1e-12)


def test_the_first_direction_shift_by_power_iteration() -> None:
    v = np.ones(D)
    for _ in range(2000):
        v = E.T @ (E @ v)
        v /= np.linalg.norm(v)
    m = np.mean([e @ v for e in E])
    for strength in (-1.0, 0.4):
        out = FirstDirectionShift(strength).fit(E).transform(OTHERS)
        np.testing.assert_allclose(out, [o + strength * m * v for o in OTHERS], atol=1e-8)
    left = FirstDirectionShift().fit(E).transform(E)
    assert np.mean(left @ v) == pytest.approx(0, abs=1e-8)
    # The sign that a singular vector comes with decides nothing.
    np.testing.assert_allclose(
        FirstDirectionShift().fit(-E).shift_, -FirstDirectionShift().fit(E).shift_, atol=1e-8
    )
    with pytest.raises(InputError, match="strength must be a finite number; got nan"):
        FirstDirectionShift(float("nan")).fit(E)
    with pytest.raises(InputError, match="all zero"):
        FirstDirectionShift().fit(np.zeros((3, 2)))


def test_all_but_the_top_text_by_text() -> None:
    mean = E.mean(axis=0)
    top = PCA(2).fit(E).components_
    expected = [e - mean - sum(((e - mean) @ u) * u for u in top) for e in OTHERS]
    found = AllButTheTop(components=2).fit(E).transform(OTHERS)
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_whitening_gives_mahalanobis_distances() -> None:
    found = Whitening(tau=1).fit(E).transform(OTHERS)
    inverse = np.linalg.inv(np.cov(E.T))
    for a, b in ((0, 1), (2, 5)):
        gap = OTHERS[a] - OTHERS[b]
        expected = np.sqrt(gap @ inverse @ gap)
        assert np.linalg.norm(found[a] - found[b]) == pytest.approx(expected, rel=1e-6)


def test_soft_whitening_gives_mahalanobis_distances_of_ledoit_and_wolf() -> None:
    few = E[:10]  # fewer texts than dimensions
    covariance, alpha = ledoit_wolf(few)
    inverse = np.linalg.inv(covariance)
    soft = SoftWhitening().fit(few)
    assert soft.shrinkage_ == pytest.approx(alpha)
    assert f"shrinkage {alpha:.3f}" in soft.removes
    found = soft.transform(OTHERS)
    mean = few.mean(axis=0)
    for a, b in ((0, 1), (2, 5)):
        x, y = OTHERS[a] - mean, OTHERS[b] - mean
        assert found[a] @ found[b] == pytest.approx(x @ inverse @ y, rel=1e-6)


def test_soft_whitening_between_its_ends() -> None:
    """All shrinkage only subtracts the mean; none whitens in full, which few texts cannot."""
    flat, mean = SoftWhitening(shrinkage=1).fit(E).transform(OTHERS), E.mean(axis=0)
    expected = cosine(OTHERS[0] - mean, OTHERS[1] - mean)
    assert cosine(flat[0], flat[1]) == pytest.approx(expected)
    hard = SoftWhitening(shrinkage=0).fit(E).transform(OTHERS)
    full = Whitening(tau=1).fit(E).transform(OTHERS)
    assert cosine(hard[0], hard[1]) == pytest.approx(cosine(full[0], full[1]))
    with pytest.raises(InputError, match="span all 24 dimensions, and these 9 do not"):
        SoftWhitening(shrinkage=0).fit(E[:9])
    with pytest.raises(InputError, match=r"shrinkage must be from 0 to 1; got 1\.5"):
        SoftWhitening(shrinkage=1.5).fit(E)


def test_principal_components_are_scikit_learns() -> None:
    found = PrincipalComponents(k=5).fit(E).transform(OTHERS)
    np.testing.assert_allclose(abs(found), abs(PCA(5).fit(E).transform(OTHERS)), atol=1e-8)


def test_standardisation_is_scikit_learns() -> None:
    found = Standardisation().fit(E).transform(OTHERS)
    np.testing.assert_allclose(found, StandardScaler().fit(E).transform(OTHERS), atol=1e-10)
    equal = np.full((20, 2), [0.1, 1000.1], dtype=np.float32)
    np.testing.assert_allclose(Standardisation().fit(equal).transform(equal), 0, atol=1e-4)


def test_rogue_dimensions_pair_by_pair() -> None:
    unit = E / np.linalg.norm(E, axis=1, keepdims=True)
    pairs = [(a, b) for a in range(len(E)) for b in range(a)]
    share = np.mean([unit[a] * unit[b] for a, b in pairs], axis=0)
    assert share.sum() == pytest.approx(np.mean([cosine(E[a], E[b]) for a, b in pairs]))
    worst = set(np.argsort(-share)[:3])
    rogue = RogueDimensions().fit(E)
    assert set(rogue.dropped_) == worst
    kept = [i for i in range(D) if i not in worst]
    np.testing.assert_array_equal(rogue.transform(OTHERS), OTHERS[:, kept])
    assert list(rogue.get_feature_names_out()) == [f"h{i}" for i in kept]
    with pytest.raises(InputError, match="components must be from 0 to 23; got 24"):
        RogueDimensions(components=24).fit(E)


def test_the_weights_of_the_reweighting_one_by_one() -> None:
    sigma = np.array([10.0, 5.0, 4.0, 2.0, 1.0])
    shifts = np.array([8.0, 1.0, 2.0, 1.0, 4.0])  # median 2
    expected = [(2 / 8) ** 2 / 10, 1 / 5, 1 / 4, 1 / 2, (2 / 4) ** 2 / 1]
    found = spectral_weights(sigma, shifts, neighbours=1)
    np.testing.assert_allclose(found, np.array(expected) / 0.5)
    # Smoothed over three: medians of 8 1 2 (2), 1 2 1 (1), 2 1 4 (2); the ends stand alone.
    smooth = np.array([8, 2, 1, 2, 4])
    expected = np.minimum(1, 2 / smooth) ** 2 / sigma
    np.testing.assert_allclose(
        spectral_weights(sigma, shifts, neighbours=3), expected / expected.max()
    )
    assert spectral_weights(np.array([1.0, 0.0]), np.ones(2), neighbours=1).tolist() == [1, 0]
    for bad, message in (
        ((sigma, shifts[:4], 1), "one logit shift for each of 5 singular values"),
        ((sigma, shifts, 2), "odd number from 1; got 2"),
        ((sigma, np.zeros(5), 1), "most of them above 0"),
    ):
        with pytest.raises(InputError, match=message):
            spectral_weights(bad[0], bad[1], neighbours=bad[2])


def test_the_reweighting_direction_by_direction() -> None:
    weights = spectral_weights(CENTRED.singular_values, SHIFTS)
    V = CENTRED.V
    expected = [sum(weights[i] ** 2 * (a @ V[:, i]) * (b @ V[:, i]) for i in range(D))
                for a, b in pairwise(OTHERS)]  # fmt: skip
    for full in (False, True):
        found = SpectralReweighting(CENTRED, SHIFTS, full=full).transform(OTHERS)
        assert found.shape == OTHERS.shape
        products = [a @ b for a, b in pairwise(found)]
        np.testing.assert_allclose(products, expected, rtol=1e-4)
    some = SpectralReweighting(CENTRED, SHIFTS, window=(3, 9)).transform(OTHERS)
    whole = SpectralReweighting(CENTRED, SHIFTS).transform(OTHERS)
    np.testing.assert_allclose(some, whole[:, 3:9], atol=1e-12)
    with pytest.raises(InputError, match="needs a model's centred spectrum"):
        SpectralReweighting(SPECTRUM, SHIFTS).transform(OTHERS)
    with pytest.raises(InputError, match="needs logit shifts"):
        SpectralReweighting(CENTRED).transform(OTHERS)


def test_the_reweighting_needs_no_direction_that_the_head_lacks() -> None:
    """A head that spans a plane of three dimensions: the third has no singular value to divide."""
    flat = np.array([[2.0, 0, 0], [-2, 0, 0], [0, 1, 0], [0, -1, 0]])
    found = SpectralReweighting(spectrum_of(flat, centre=True), np.array([1.0, 1, 0]))
    np.testing.assert_allclose(found.transform(np.eye(3)), np.diag([0.5, 1, 0]), atol=1e-7)


def test_a_composition_is_its_steps_each_fitted_on_what_the_last_one_gives() -> None:
    both = Composition([WINDOW, MeanRemoval("subtract")]).fit(E)
    P = WINDOW.projection_.astype(np.float64)
    expected = [(o - E.mean(axis=0)) @ P for o in OTHERS]
    np.testing.assert_allclose(both.transform(OTHERS), expected, atol=1e-6)
    piped = make_pipeline(WINDOW, SoftWhitening()).fit(E).transform(OTHERS)
    np.testing.assert_array_equal(
        Composition([WINDOW, SoftWhitening()]).fit(E).transform(OTHERS), piped
    )
    assert both.removes == (
        "the 6 strongest and the 6 weakest directions; then the calibration texts' mean "
        "embedding, by subtraction"
    )
    assert Composition([WINDOW]).transform(E).shape == (60, 12)  # nothing to learn
    with pytest.raises(InputError, match="Composition learns from data: call fit"):
        Composition([WINDOW, Standardisation()]).transform(E)
    with pytest.raises(InputError, match="at least one filter"):
        Composition([]).fit(E)


@pytest.mark.parametrize("original", [one for one in EVERY if isinstance(one, NEW)], ids=repr)
def test_what_every_new_transformer_owes(original) -> None:
    rows = E.astype(np.float32)
    fitted = clone(original).fit(rows)
    out = fitted.transform(rows)
    assert out.dtype == np.float32
    assert fitted.transform(E).dtype == np.float64
    np.testing.assert_allclose(fitted.transform(rows[:7]), out[:7], atol=1e-4)
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).transform(rows), out)
    assert len(set(fitted.get_feature_names_out())) == out.shape[1]
    assert fitted.removes
    piped = make_pipeline(clone(original), Normalizer()).fit(rows).transform(rows)
    np.testing.assert_allclose(np.linalg.norm(piped, axis=1), 1, atol=1e-5)
    assert clone(original).set_output(transform="pandas").fit(rows).transform(rows).shape == (
        out.shape
    )
    with pytest.raises(InputError, match="9 columns but the filter was made for 24"):
        fitted.transform(rows[:, :9])
