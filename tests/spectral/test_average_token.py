import numpy as np
import pytest

from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.spectral import GAUGES, average_token, spectrum_of
from tests.spectral.heads import head_with, language_head

W = language_head(3000, 24)
P = np.random.default_rng(2).dirichlet(np.full(3000, 0.5)) + 1e-6
RAW, CENTRED = spectrum_of(W), spectrum_of(W, centre=True)


def fit(W, p, gauge, **more):
    return average_token(W, spectrum_of(W, centre=gauge == "invariant", **more), p, gauge)


def oracle(W, p, gauge):
    """ĥ by its definition: the pseudo-inverse, or least squares with a column for b."""
    W, y = W.astype(np.float64), np.log(p)
    if gauge == "paper":
        return y @ np.linalg.pinv(W.T), 0.0
    if gauge == "centred":
        return (y - y.mean()) @ np.linalg.pinv(W.T), y.mean()
    solution = np.linalg.lstsq(np.column_stack([W, np.ones(len(W))]), y, rcond=None)[0]
    return solution[:-1], solution[-1]


@pytest.mark.parametrize("route", ["float32 Gram", "QR"])
@pytest.mark.parametrize("gauge", GAUGES)
def test_against_least_squares(gauge, route):
    found = fit(W, P, gauge, route=route)
    h, b = oracle(W, P, gauge)
    # Even with the float32 route's V, the correction by the residual leaves float64 accuracy.
    assert np.allclose(found.h, h, rtol=1e-8, atol=1e-9 * np.abs(h).max())
    assert found.b == pytest.approx(b, abs=1e-8)
    assert found.gauge == gauge
    rows = W - W.mean(axis=0, dtype=np.float64) if gauge == "invariant" else W.astype(np.float64)
    assert np.allclose(found.logits, rows @ h)
    assert found.correlation == pytest.approx(np.corrcoef(W @ h, np.log(P))[0, 1], abs=1e-6)
    spectrum = CENTRED if gauge == "invariant" else RAW
    c = (np.log(P) - (gauge != "paper") * np.log(P).mean()) @ rows @ spectrum.V
    assert np.allclose(found.coordinates, c / spectrum.singular_values**2, atol=1e-4)


def test_log_p_that_a_hidden_state_can_write_is_found_exactly():
    h = np.random.default_rng(1).standard_normal(24) / 10
    found = fit(W, np.exp(W.astype(np.float64) @ h), "paper")
    assert np.allclose(found.h, h)
    assert found.correlation == pytest.approx(1)
    found = fit(W, np.exp(W.astype(np.float64) @ h - 7), "invariant")
    assert np.allclose(found.h, h)
    assert found.b == pytest.approx(-7)


def moved(gauge, *, p=P, head=W):
    return np.linalg.norm(fit(head, p, gauge).h - fit(W, P, gauge).h) / np.linalg.norm(
        fit(W, P, gauge).h
    )


def test_a_constant_added_to_log_p_changes_only_the_papers_gauge():
    scaled = np.exp(3.0) * P
    assert moved("paper", p=scaled) > 0.05
    assert moved("centred", p=scaled) < 1e-9
    assert moved("invariant", p=scaled) < 1e-9


def test_a_vector_added_to_every_row_changes_all_but_the_invariant_gauge():
    shifted = (W + np.random.default_rng(3).standard_normal(24)).astype(np.float32)
    assert moved("paper", head=shifted) > 0.01
    assert moved("centred", head=shifted) > 0.01
    assert moved("invariant", head=shifted) < 1e-4  # the sum is rounded to float32


def test_directions_the_head_does_not_span_are_left_out_as_by_a_pseudo_inverse():
    deficient = W.copy()
    deficient[:, 5] = 0
    deficient[:, 9] = deficient[:, 4]
    for gauge in GAUGES:
        found = fit(deficient, P, gauge)
        rows = deficient - (gauge == "invariant") * deficient.mean(axis=0, dtype=np.float64)
        y = np.log(P) - (gauge != "paper") * np.log(P).mean()
        assert np.allclose(found.h, y @ np.linalg.pinv(rows.T.astype(np.float64), rcond=1e-9))
        assert found.h[5] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("condition", "route"),
    [(90, "float32 Gram"), (600, "float32 Gram"), (3e3, None), (1e5, None)],
)
def test_ill_conditioned_heads(condition, route):
    hard = head_with(np.geomspace(condition, 1, 24), 3000)
    found = fit(hard, P, "paper", route=route)
    h, _ = oracle(hard, P, "paper")
    assert np.allclose(found.h, h, rtol=1e-5, atol=1e-5 * np.abs(h).max())


@pytest.mark.parametrize(
    ("p", "message"),
    [
        (np.where(np.arange(3000) < 7, 0, P), "zero for 7 of 3000 tokens.*smooth"),
        (-P, "finite and positive"),
        (np.where(np.arange(3000) < 7, np.nan, P), "finite and positive"),
        (P[:-1], r"3000 frequencies.*\(2999,\)"),
        (np.ones(3000), "equal for all tokens"),
    ],
)
def test_frequencies_that_have_no_logarithm_or_say_nothing(p, message):
    with pytest.raises(InputError, match=message):
        average_token(W, RAW, p)


def test_gauges_and_spectra_that_do_not_belong_together():
    with pytest.raises(InputError, match=r"gauge must be one of paper, centred, invariant.*'none'"):
        average_token(W, RAW, P, "none")
    with pytest.raises(InputError, match="gauge invariant needs the spectrum of the centred W_U"):
        average_token(W, RAW, P, "invariant")
    with pytest.raises(InputError, match="gauge paper needs the spectrum of the W_U as it is"):
        average_token(W, CENTRED, P, "paper")
    with pytest.raises(InputError, match="is not the one the spectrum is of"):
        average_token(W[:-1], RAW, P[:-1])


def test_it_reports_and_can_be_cancelled():
    seen = []
    average_token(W, RAW, P, progress=lambda *args: seen.append(args))
    assert {what for what, *_ in seen} == {
        "Fitting the average token",
        "Correcting the average token",
        "Reading the average token's logits",
    }

    def stop(what, done, total, unit):
        raise Cancelled

    with pytest.raises(Cancelled):
        average_token(W, RAW, P, progress=stop)
