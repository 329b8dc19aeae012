import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from embfilter_viz.errors import InputError
from embfilter_viz.spectral import (
    AllButTheTop,
    BandFilter,
    EmbedFilter,
    MeanRemoval,
    RandomCoordinates,
    RandomSubspace,
    Truncation,
    Whitening,
    Window,
    spectrum_of,
)
from tests.spectral.heads import language_head

D = 24
SPECTRUM = spectrum_of(language_head(600, D))
RNG = np.random.default_rng(5)
E = (RNG.standard_normal((40, D)) * np.geomspace(3, 0.3, D) + 1).astype(np.float32)
WINDOWS = ["1:24", "0:23", "6:18", "3:4", "0:24"]
EVERY = [
    EmbedFilter(SPECTRUM, tau=2),
    EmbedFilter(SPECTRUM, window="3:20", full=True),
    BandFilter(SPECTRUM, "bulk"),
    BandFilter(SPECTRUM, "optimal", shifts=np.arange(D)),
    Truncation(),
    RandomCoordinates(seed=3),
    RandomSubspace(seed=3),
    RandomSubspace(full=True),
    MeanRemoval(),
    MeanRemoval(how="subtract"),
    AllButTheTop(components=2),
    Whitening(tau=3),
]
CALIBRATED = (MeanRemoval, AllButTheTop, Whitening)


def each_pair_cosine(A):
    unit = A / np.linalg.norm(A, axis=1, keepdims=True)
    return unit @ unit.T


@pytest.mark.parametrize("window", WINDOWS)
def test_projector_identities(window):
    embed = EmbedFilter(SPECTRUM, window=window, full=True)
    k = embed.window_.k
    P = embed.projection_.astype(np.float64)
    assert np.allclose(P.T @ P, np.eye(k), atol=1e-6)
    Phi = embed.transform(np.eye(D))
    assert np.allclose(Phi, P @ P.T, atol=1e-12)
    assert np.allclose(Phi, Phi.T)
    assert np.allclose(Phi @ Phi, Phi, atol=1e-6)
    assert np.linalg.matrix_rank(Phi, tol=1e-3) == k
    once = embed.transform(E)
    assert np.allclose(embed.transform(once), once, atol=1e-5)


@pytest.mark.parametrize("window", WINDOWS)
def test_full_and_reduced_forms_agree_in_every_distance(window):
    full = EmbedFilter(SPECTRUM, window=window, full=True).transform(E)
    reduced = EmbedFilter(SPECTRUM, window=window).transform(E)
    assert full.shape == E.shape
    assert reduced.shape == (len(E), Window.parse(window, D).k)
    assert np.allclose(full @ full.T, reduced @ reduced.T, rtol=1e-4, atol=1e-4)
    assert np.allclose(each_pair_cosine(full), each_pair_cosine(reduced), atol=1e-5)
    apart = [np.linalg.norm(A[:, None] - A[None], axis=-1) for A in (full, reduced)]
    assert np.allclose(*apart, atol=1e-4)


def test_the_filter_does_not_preserve_distances_to_the_unfiltered_embedding():
    # What the paper's appendix argues from V_τ V_τᵀ = I, which is false for τ > 1.
    full = EmbedFilter(SPECTRUM, tau=2, full=True).transform(E)
    assert not np.allclose(full @ full.T, E @ E.T, rtol=0.1)


def test_the_filter_commutes_with_mean_pooling():
    embed = EmbedFilter(SPECTRUM, tau=2)
    assert np.allclose(
        embed.transform(E).mean(axis=0), embed.transform(E.mean(axis=0)[None])[0], atol=1e-5
    )


def test_windows_split_an_embedding_into_orthogonal_parts_that_sum_to_it():
    parts = [
        EmbedFilter(SPECTRUM, window=w, full=True).transform(E) for w in ("0:6", "6:18", "18:24")
    ]
    assert np.allclose(sum(parts), E, atol=1e-5)
    assert np.allclose((parts[0] * parts[1]).sum(axis=1), 0, atol=1e-4)


def test_ways_to_say_the_window():
    expected = EmbedFilter(SPECTRUM, tau=2).transform(E)
    for same in ("6:18", "tau=2", (6, 18), Window(6, 18, D)):
        embed = EmbedFilter(SPECTRUM, window=same)
        assert np.array_equal(embed.transform(E), expected)
        assert embed.window_ == Window(6, 18, D)
    assert EmbedFilter(SPECTRUM, tau=2).removes == "the 6 strongest and the 6 weakest directions"
    assert EmbedFilter(SPECTRUM, tau=2, checkpoint="ab12").checkpoint == "ab12"
    with pytest.raises(InputError, match="is of 8 directions; the model has 24"):
        EmbedFilter(SPECTRUM, window=Window(2, 6, 8)).transform(E)


def test_bands_against_the_columns_they_name():
    V = SPECTRUM.V
    shifts = np.where(np.arange(D) % 2, 1.0, 2.0)
    for name, kept in {
        "embedfilter": range(6, 18),
        "dominant": range(12, 24),
        "secondary": range(12),
        "bulk": [*range(6), *range(18, 24)],
        "optimal": range(1, 24, 2),
    }.items():
        band_filter = BandFilter(SPECTRUM, name, shifts=shifts)
        assert np.allclose(band_filter.transform(E), E @ V[:, list(kept)], atol=1e-5), name
        assert band_filter.kept_.tolist() == list(kept)
        assert band_filter.removes
    assert BandFilter(SPECTRUM, "dominant", k=5).transform(E).shape == (40, 5)
    with pytest.raises(InputError, match="raw coordinates, not directions; use Truncation"):
        BandFilter(SPECTRUM, "random").transform(E)
    with pytest.raises(InputError, match="band must be one of"):
        BandFilter(SPECTRUM, "head").transform(E)


def test_baselines_of_raw_coordinates():
    assert np.array_equal(Truncation(tau=2).transform(E), E[:, 12:])
    assert np.array_equal(Truncation(k=3).transform(E), E[:, 21:])
    picked = RandomCoordinates(tau=4, seed=9).transform(E)
    columns = [int(np.flatnonzero((column[:, None] == E).all(axis=0))[0]) for column in picked.T]
    assert columns == sorted(set(columns))
    assert len(columns) == 6
    with pytest.raises(InputError, match=r"k must be from 1 to 24.*got 25"):
        Truncation(k=25).transform(E)


def test_random_subspaces_are_orthonormal_seeded_and_uniform():
    full = RandomSubspace(tau=2, seed=1, full=True).transform(np.eye(D))
    assert np.allclose(full @ full, full)
    assert np.trace(full) == pytest.approx(12)
    reduced = RandomSubspace(tau=2, seed=1).transform(E)
    assert np.allclose(reduced @ reduced.T, E @ full.astype(np.float32) @ E.T, atol=1e-3)
    assert not np.allclose(RandomSubspace(tau=2, seed=2).transform(E), reduced)
    # Uniform: on average over seeds every direction keeps k/d of its square.
    kept = [
        np.sum(RandomSubspace(k=2, seed=s).transform(np.eye(4)) ** 2, axis=1) for s in range(300)
    ]
    assert np.allclose(np.mean(kept, axis=0), 0.5, atol=0.05)


def test_mean_removal():
    unit = E.mean(axis=0) / np.linalg.norm(E.mean(axis=0))
    out = MeanRemoval().fit(E).transform(E)
    assert np.allclose(out @ unit, 0, atol=1e-5)
    assert np.allclose(out, E - np.outer(E @ unit, unit), atol=1e-5)
    assert np.allclose(MeanRemoval("subtract").fit_transform(E).mean(axis=0), 0, atol=1e-6)
    with pytest.raises(InputError, match="how must be 'direction' or 'subtract'; got 'x'"):
        MeanRemoval("x").fit(E)
    with pytest.raises(InputError, match="mean is zero"):
        MeanRemoval().fit(np.vstack([E, -E]).astype(np.float64))


def test_all_but_the_top_leaves_the_other_principal_directions():
    out = AllButTheTop(components=3).fit(E).transform(E)
    before = np.linalg.svd(E - E.mean(axis=0), compute_uv=False)
    after = np.linalg.svd(out, compute_uv=False)
    assert np.allclose(after[: D - 3], before[3:], rtol=1e-4)
    assert np.allclose(after[D - 3 :], 0, atol=1e-4)
    assert AllButTheTop().fit(E).removes == (
        "the calibration texts' mean and the strongest of their principal directions"
    )
    with pytest.raises(InputError, match=r"components must be from 0 to 23.*got 24"):
        AllButTheTop(components=24).fit(E)


def test_whitening_of_its_own_calibration_set():
    whitened = Whitening(tau=2).fit(E.astype(np.float64)).transform(E.astype(np.float64))
    assert np.allclose(np.cov(whitened.T), np.eye(12), atol=1e-8)
    assert np.allclose(whitened.mean(axis=0), 0, atol=1e-8)
    # Its first direction is the first principal one.
    U, _, _ = np.linalg.svd(E - E.mean(axis=0), full_matrices=False)
    assert abs(np.corrcoef(U[:, 0], whitened[:, 0])[0, 1]) == pytest.approx(1, abs=1e-5)


def test_whitening_refuses_more_dimensions_than_its_texts_span():
    with pytest.raises(InputError, match=r"12 dimensions needs.*10 span 9: give more than 12"):
        Whitening(tau=2).fit(E[:10])
    with pytest.raises(InputError, match="at least 2 embeddings; got 1"):
        Whitening(tau=2).fit(E[:1])
    assert Whitening(k=9).fit(E[:10]).transform(E).shape == (40, 9)


@pytest.mark.parametrize("original", EVERY, ids=repr)
def test_what_every_transformer_owes(original):
    fitted = clone(original).fit(E)
    out = fitted.transform(E)
    assert out.dtype == np.float32
    assert fitted.transform(E.astype(np.float64)).dtype == np.float64
    assert fitted.transform(E.astype(np.float16)).dtype == np.float32
    assert np.allclose(fitted.transform(E[:7]), out[:7], atol=1e-5)
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).transform(E), out)
    assert len(set(fitted.get_feature_names_out())) == out.shape[1]
    assert fitted.removes
    assert fitted.n_features_in_ == D
    piped = make_pipeline(clone(original), Normalizer()).fit(E).transform(E)
    assert np.allclose(np.linalg.norm(piped, axis=1), 1, atol=1e-5)
    frame = clone(original).set_output(transform="pandas").fit(E).transform(E)
    assert frame.shape == out.shape
    for bad, message in (
        (E[:, :9], "9 columns but the filter was made for 24"),
        (E[0], r"must be 2-D.*\(24,\).*write e\[None\]"),
        (np.where(np.arange(40)[:, None] == 3, np.nan, E), "row 3 holds NaN"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            fitted.transform(bad)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("original", EVERY, ids=repr)
def test_only_what_learns_must_be_fitted(original):
    fresh = clone(original)
    if isinstance(original, CALIBRATED):
        with pytest.raises(InputError, match="call fit on calibration embeddings first"):
            fresh.transform(E)
    else:
        assert np.array_equal(fresh.transform(E), clone(original).fit(E).transform(E))
        assert make_pipeline(clone(original)).transform(E).shape[0] == len(E)


def test_clone_keeps_the_spectrum_itself():
    assert clone(EmbedFilter(SPECTRUM)).spectrum is SPECTRUM


def test_a_filter_without_a_spectrum_says_what_it_needs():
    for make in (EmbedFilter, BandFilter):
        with pytest.raises(InputError, match="needs a model's spectrum"):
            make().transform(E)
    with pytest.raises(InputError, match="Truncation names its columns once fitted"):
        Truncation().get_feature_names_out()


def test_scikit_learn_waits_until_a_filter_is_asked_for():
    code = (
        "import sys, embfilter_viz.spectral as s; heavy = {'sklearn', 'scipy'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
        "s.EmbedFilter; assert 'sklearn' in sys.modules; print('light')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "light", done.stderr


def test_the_package_has_no_other_names():
    import embfilter_viz.spectral as spectral

    assert all(hasattr(spectral, name) for name in spectral.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = spectral.nothing
