import copy

import numpy as np
import pytest

from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.spectral import ROUTES, Spectrum, spectrum_of
from embfilter_viz.spectral.spectrum import ACCURACY
from tests.spectral.heads import Counted, head_with, language_head


def exact(W, centre=False):
    """The definition: a thin SVD in float64."""
    W = np.asarray(W, dtype=np.float64)
    if centre:
        W = W - W.mean(axis=0)
    _, sigma, Vt = np.linalg.svd(W, full_matrices=False)
    return sigma, Vt.T


def projector(V, l, r):  # noqa: E741
    kept = V[:, l:r].astype(np.float64)
    return kept @ kept.T


def test_by_hand():
    # [[1, 1], [1, -1], [1, 1], [1, -1]]: orthogonal columns of length 2; scale the second by 3.
    W = np.array([[1, 3], [1, -3], [1, 3], [1, -3]], dtype=np.float32)
    spectrum = spectrum_of(W)
    assert np.allclose(spectrum.singular_values, [6, 2])
    assert np.allclose(spectrum.V, [[0, 1], [1, 0]], atol=1e-7)
    assert spectrum.condition_number == pytest.approx(3)
    assert np.allclose(spectrum.cumulative_energy, [0.9, 1.0])
    assert (spectrum.d_vocab, spectrum.d_model, spectrum.rank) == (4, 2, 2)
    assert np.allclose(spectrum.mean_row, [1, 0])
    # Centred, the first column vanishes.
    assert np.allclose(spectrum_of(W, centre=True).singular_values, [6, 0])
    # [[1, 1], [0, 1]]: σ² are (3 ± √5)/2.
    sigma = spectrum_of(np.array([[1.0, 1.0], [0.0, 1.0]])).singular_values
    assert np.allclose(sigma, np.sqrt([(3 + 5**0.5) / 2, (3 - 5**0.5) / 2]))


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("route", ROUTES)
def test_every_route_against_the_tall_svd(route, centre):
    W = language_head(5000, 32)
    spectrum = spectrum_of(W, centre=centre, route=route)
    sigma, V = exact(W, centre)
    assert spectrum.route == route
    assert spectrum.centred is centre
    actual = np.abs(spectrum.singular_values - sigma) / sigma
    assert np.all(actual <= spectrum.relative_error)
    assert spectrum.relative_error.max() <= ACCURACY
    assert np.abs(projector(spectrum.V, 8, 24) - projector(V, 8, 24)).max() < 3e-6
    assert spectrum.V.dtype == np.float32
    assert np.abs(spectrum.V.T @ spectrum.V - np.eye(32)).max() < 1e-6


@pytest.mark.parametrize("condition", [2, 90, 3e3, 1e6])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_error_estimate_covers_the_error_and_is_no_wild_guess(condition, seed):
    W = head_with(np.geomspace(condition, 1, 40), 800, seed)
    sigma, _ = exact(W)
    # The reference is itself only good to about 40 units in the last place of σ_0.
    floor = 40 * np.finfo(np.float64).eps * sigma[0]
    for route in ROUTES:
        spectrum = spectrum_of(W, route=route)
        absolute = np.abs(spectrum.singular_values - sigma)
        estimate = spectrum.relative_error * np.maximum(spectrum.singular_values, sigma)
        assert np.all(absolute <= estimate + floor)
        known = spectrum.relative_error < 0.5
        assert np.median(estimate[known]) < 3000 * max(absolute[known].max(), floor)


def test_a_more_careful_route_is_taken_as_the_condition_number_grows(monkeypatch):
    monkeypatch.setattr("embfilter_viz.spectral.spectrum._TINY", 0)
    for condition, route in ((50, "float32 Gram"), (1e4, "float64 Gram"), (1e7, "QR")):
        W = head_with(np.geomspace(condition, 1, 32), 2500)
        spectrum = spectrum_of(W)
        sigma, _ = exact(W)
        assert spectrum.route == route, condition
        assert abs(spectrum.singular_values[-1] / sigma[-1] - 1) < ACCURACY
        assert spectrum.relative_error[-1] <= ACCURACY


def test_a_head_is_read_again_only_where_its_small_end_is_in_danger(monkeypatch):
    monkeypatch.setattr("embfilter_viz.spectral.spectrum._TINY", 0)
    decomposed = []
    eigh = np.linalg.eigh
    monkeypatch.setattr(np.linalg, "eigh", lambda G: decomposed.append(G.shape) or eigh(G))
    passes = []
    # Where the second pass begins, and where float32 ends, the processor's kernels have a say.
    for smaller in (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20):
        head = language_head(30000, 12)
        head[:, -1] /= smaller
        W = Counted(head)
        spectrum = spectrum_of(W)
        assert spectrum.relative_error.max() <= ACCURACY
        if spectrum.route == "float64 Gram":
            break
        # Beside the passes a sample for the shift and one for the dtype of the weights.
        passes.append(W.read // 30000)
        assert 0 <= W.read - passes[-1] * 30000 <= 1024 + 2048
        assert decomposed == [(12, 12)] * len(passes)
    assert spectrum.route == "float64 Gram"
    assert passes[0] == 1
    assert passes == sorted(passes)
    assert passes.count(2) > 1
    assert set(passes) == {1, 2}


def test_small_heads_go_straight_to_float64_and_wide_ones_to_qr():
    assert spectrum_of(language_head(600, 24)).route == "float64 Gram"
    W = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    spectrum = spectrum_of(W)
    assert spectrum.route == "QR"
    assert spectrum.V.shape == (5, 5)
    assert np.allclose(spectrum.singular_values, [*exact(W)[0], 0, 0], atol=1e-12)
    assert spectrum.rank == 3
    assert spectrum.group_of(4) == (3, 5)


def test_signs_are_fixed_by_the_largest_component():
    W = language_head()
    spectrum = spectrum_of(W)
    leading = np.abs(spectrum.V).argmax(axis=0)
    assert np.all(spectrum.V[leading, np.arange(24)] > 0)
    again = spectrum_of(W[::-1].copy())
    assert np.allclose(spectrum.V, again.V, atol=1e-5)
    # Components of equal magnitude: the first one decides.
    assert spectrum_of(np.array([[1.0, -1.0], [-1.0, 1.0], [0.1, 0.1]])).V[0, 0] > 0


@pytest.mark.parametrize("route", [None, *ROUTES])
def test_a_planted_repetition_is_flagged_and_nothing_else(route):
    sigma = np.array([50, 40, 30, 30, 30, 20, 10, 5, 5, 2])
    spectrum = spectrum_of(head_with(sigma, 400), route=route)
    assert spectrum.groups == ((2, 5), (7, 9))
    assert spectrum.group_of(3) == (2, 5)
    assert spectrum.group_of(5) is None


def test_a_separated_spectrum_has_no_groups():
    spectrum = spectrum_of(head_with(np.linspace(10, 5, 50), 4000))
    assert spectrum.groups == ()


def test_rounding_of_the_stored_weights_limits_what_can_be_told_apart():
    sigma = np.array([9.0, 5.001, 5.0, 1.0])
    W = head_with(sigma, 500)
    fine = spectrum_of(W)
    assert fine.groups == ()
    bfloat16 = (W.view(np.uint32) & 0xFFFF0000).view(np.float32)
    coarse = spectrum_of(bfloat16)
    assert coarse.limit == "stored weights"
    assert coarse.groups == ((1, 3),)
    assert spectrum_of(W.astype(np.float16).astype(np.float32)).limit == "stored weights"
    assert spectrum_of(W, unit_roundoff=2.0**-8).groups == ((1, 3),)
    assert spectrum_of(W, route="float32 Gram").limit == "arithmetic"


@pytest.mark.parametrize("centre", [False, True])
def test_rank_deficient_heads_work_and_say_so(centre):
    W = language_head(600, 24)
    W[:, 3] = 0
    W[:, 9] = W[:, 4]
    spectrum = spectrum_of(W, centre=centre)
    sigma, V = exact(W, centre)
    assert spectrum.rank == 22
    assert spectrum.condition_number == np.inf
    assert spectrum.groups == ((22, 24),)
    assert np.array_equal(spectrum.relative_error[22:], [1, 1])
    assert np.allclose(spectrum.singular_values, sigma, rtol=1e-6, atol=1e-5)
    assert np.allclose(projector(spectrum.V, 0, 22), projector(V, 0, 22), atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_damaged_head_is_refused_with_the_place(value):
    W = language_head(5000, 24)
    W[2500, 7] = value
    for route in (None, *ROUTES):
        with pytest.raises(InputError, match=f"{value} in row 2500, column 7"):
            spectrum_of(W, route=route)


def test_numbers_beyond_the_range_of_float32_squares(monkeypatch):
    monkeypatch.setattr("embfilter_viz.spectral.spectrum._TINY", 0)
    W = language_head(600, 24)
    sigma, _ = exact(W)
    for scale in (1e25, 1e-28):
        spectrum = spectrum_of(W * np.float32(scale))
        assert spectrum.route == "float64 Gram"
        assert np.allclose(spectrum.singular_values / scale, sigma, rtol=1e-5)


@pytest.mark.parametrize(
    ("W", "message"),
    [
        (np.ones(4), r"2-D.*\(4,\)"),
        (np.ones((0, 4)), "must hold numbers"),
        (np.zeros((9, 4)), "every row is zero"),
    ],
)
def test_what_has_no_spectrum_is_refused(W, message):
    with pytest.raises(InputError, match=message):
        spectrum_of(W)


def test_equal_rows_have_no_centred_spectrum():
    with pytest.raises(InputError, match="every row is equal"):
        spectrum_of(np.ones((9, 4), dtype=np.float32), centre=True)


def test_an_unknown_route_is_refused():
    with pytest.raises(InputError, match=r"route must be one of .*'svd'"):
        spectrum_of(np.eye(3), route="svd")


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_can_be_cancelled(route):
    def stop(what, done, total, unit):
        raise Cancelled

    with pytest.raises(Cancelled):
        spectrum_of(language_head(), route=route, progress=stop)


def test_float16_and_column_major_and_one_column_heads():
    W = language_head()
    sigma = spectrum_of(W).singular_values
    assert np.allclose(spectrum_of(np.asfortranarray(W)).singular_values, sigma)
    assert np.allclose(spectrum_of(W.astype(np.float16)).singular_values, sigma, rtol=1e-2)
    assert np.allclose(spectrum_of(np.array([[3.0], [4.0]])).singular_values, [5])


def test_the_record_is_read_only_and_survives_as_arrays():
    spectrum = spectrum_of(language_head(600, 6), centre=True)
    with pytest.raises(ValueError, match="read-only"):
        spectrum.V[0, 0] = 1
    assert copy.deepcopy(spectrum) is spectrum
    assert repr(spectrum).startswith("<Spectrum of a centred 600 × 6 head")
    back = Spectrum.of_arrays(spectrum.arrays())
    for name, array in spectrum.arrays().items():
        assert np.array_equal(array, back.arrays()[name]), name
    assert (back.groups, back.route, back.limit) == (
        spectrum.groups,
        spectrum.route,
        spectrum.limit,
    )
