from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embfilter_viz.errors import InputError
from embfilter_viz.spectral import BANDS, Window, band

TAUS = ["1", "1.1", "1.2", "1.25", "1.3", "1.5", "1.6", "1.7", "2", "2.2", "2.4", "3", "3.3", "4"]
TAUS += ["4.8", "5.5", "6.4", "7", "7.7", "8", "9.6", "10", "11", "12.8", "13", "14.4", "15", "16"]


def test_tau_against_exact_integer_arithmetic_for_every_d_from_1_to_4096():
    for text in TAUS:
        tenths = int(Decimal(text) * 100)
        for d in range(1, 4097):
            if d * 100 < tenths:
                with pytest.raises(InputError):
                    Window.of_tau(float(text), d)
                continue
            window = Window.of_tau(float(text), d)
            k = d * 100 // tenths
            left = (d - k) // 2
            assert (window.l, window.r) == (left, left + k)


def test_where_floating_point_division_would_be_one_short():
    short = [d for d in range(1, 4097) if int(d / 1.1) != 10 * d // 11]
    assert short, "the trap must exist for this test to mean anything"
    assert all(Window.of_tau(1.1, d).k == 10 * d // 11 for d in short)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.integers(1, 4096), st.decimals(1, 16, places=6))
def test_of_tau_takes_any_number_type_alike(d, tau):
    if tau > d:
        return
    k = int(d / Fraction(tau))
    assert Window.of_tau(str(tau), d).k == k
    assert Window.of_tau(Fraction(tau), d).k == k
    assert Window.of_tau(np.float64(str(tau)), d) == Window.of_tau(float(str(tau)), d)
    window = Window.of_tau(str(tau), d)
    assert 0 <= window.dropped_weak - window.dropped_strong <= 1
    assert window.k + window.dropped_strong + window.dropped_weak == d
    assert window.tau >= tau
    assert Window.parse(str(window), d) == window


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("2", (144, 432)),
        (" tau=2 ", (144, 432)),
        ("τ=2", (144, 432)),
        ("Tau = 2.0", (144, 432)),
        ("72:504", (72, 504)),
        (" 72 : 504 ", (72, 504)),
        ("72:", (72, 576)),
        (":", (0, 576)),
        ("1e0", (0, 576)),
        ("576", (287, 288)),
    ],
)
def test_parse(text, ends):
    window = Window.parse(text, 576)
    assert (window.l, window.r) == ends


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("504:72", "window 504:72: l must be smaller than r; try 72:504"),
        ("9:9", "l must be smaller than r; try 0:576"),
        ("-3:9", "must lie in 0 … 576.*try 0:9"),
        ("0:577", "must lie in 0 … 576.*try 0:576"),
        ("900:1000", "must lie in 0 … 576.*try 575:576"),
        ("0.5", "tau must be a number from 1 to 576.*got 0.5"),
        ("577", "tau must be a number from 1 to 576.*got 577"),
        ("nan", "tau must be"),
        ("inf", "tau must be"),
        ("1e999999999", "tau must be"),
        ("-2", "tau must be"),
        ("", "tau must be"),
        ("two", "tau must be"),
        ("k=2", "write tau as 2 or tau=2"),
        ("1:2:3", "write tau as 2"),
        ("a:b", "write tau as 2.*such as 144:432"),
        ("1.5:9", "write tau as 2"),
        ("576.0000000000001", "tau must be"),
    ],
)
def test_bad_windows_are_answered_in_one_line(text, message):
    with pytest.raises(InputError, match=message) as caught:
        Window.parse(text, 576)
    assert "\n" not in str(caught.value)


def test_a_tau_that_is_not_a_number_at_all():
    for tau in (None, float("nan"), [2], "x"):
        with pytest.raises(InputError, match="tau must be"):
            Window.of_tau(tau, 8)


def test_no_directions_at_all():
    with pytest.raises(InputError, match="d must be at least 1"):
        Window(0, 1, 0)


def test_words_for_captions():
    assert Window(0, 8, 8).description == "keeps all 8 directions and drops nothing"
    assert Window(0, 8, 8).removes == "nothing"
    assert Window(1, 8, 8).removes == "the strongest direction"
    assert Window(0, 6, 8).removes == "the 2 weakest directions"
    assert Window(1, 7, 8).removes == "the strongest and the weakest directions"
    assert Window(1, 5, 8).removes == "the strongest and the 3 weakest directions"
    assert Window(0, 1, 1).description == "keeps 1 direction and drops nothing"
    assert Window(2, 3, 8).description == (
        "keeps 1 of 8 directions (number 2), drops the 2 strongest and the 5 weakest"
    )


def test_the_papers_windows_are_those_of_its_tables():
    for d in (16, 17, 31, 576):
        papers = {str(Window.of_tau(tau, d)) for tau in (2, 4, 8)}
        found = {str(w) for a in range(d) for b in range(a + 1, d + 1)
                 if (w := Window(a, b, d)).is_papers}  # fmt: skip
        assert found == papers
    assert not Window(0, 1, 1).is_papers


def test_bulk_keeps_one_more_than_the_released_code_where_k_is_odd():
    for d, k in ((8, 3), (9, 5), (9, 4), (8, 4)):
        released = [*range(k // 2), *range(d - k // 2, d)]
        ours = band("bulk", d, k).tolist()
        assert len(ours) == k
        assert set(released) <= set(ours)
        assert len(ours) - len(released) == k % 2


def test_every_band_keeps_k_and_says_what_goes():
    shifts = np.array([9, 1, 1, 1, 5, 5, 2, 8, 0.5])
    for k in range(1, 10):
        for name in BANDS:
            kept = band(name, 9, k, shifts=shifts, seed=3)
            assert len(kept) == k
            assert np.all(np.diff(kept) > 0)
            assert kept[0] >= 0
            assert kept[-1] < 9
            assert BANDS[name].removes


def test_bands_by_hand():
    def kept(name, **more):
        return band(name, 9, 4, **more).tolist()

    assert kept("embedfilter") == list(range(9))[Window.of_tau("2.25", 9).kept] == [2, 3, 4, 5]
    assert kept("dominant") == [5, 6, 7, 8]
    assert kept("secondary") == [0, 1, 2, 3]
    assert kept("bulk") == [0, 1, 7, 8]
    assert kept("truncation") == [5, 6, 7, 8]
    assert kept("optimal", shifts=np.array([9, 1, 1, 1, 5, 5, 2, 8, 0.5])) == [1, 2, 3, 8]
    assert kept("random", seed=1) == kept("random", seed=1) != kept("random", seed=2)
    # bulk keeps what embedfilter at d − k removes
    assert set(kept("bulk")) == set(range(9)) - set(range(2, 7))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tail", 9, 4), "band must be one of embedfilter, dominant.*'tail'"),
        (("bulk", 9, 0), "k must be from 1 to 9.*got 0"),
        (("bulk", 9, 10), "k must be from 1 to 9.*got 10"),
        (("optimal", 9, 4), "needs 9 logit shifts.*got none"),
    ],
)
def test_bad_bands(arguments, message):
    with pytest.raises(InputError, match=message):
        band(*arguments)
    with pytest.raises(InputError, match=r"got an array of shape \(3,\)"):
        band("optimal", 9, 4, shifts=np.ones(3))
