"""Proposals on embeddings made by hand, where the window to drop is known."""

import numpy as np
import pytest

from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.proposing import from_texts
from embfilter_viz.evaluation.proposing.from_head import propose_from_head
from embfilter_viz.evaluation.proposing.from_texts import propose_from_texts, softly_whitened
from embfilter_viz.evaluation.proposing.shared import mean_cosines
from embfilter_viz.spectral.spectrum import Spectrum, spectrum_of
from embfilter_viz.spectral.windows import Window

D = 40  # so that the windows tried have ends at every direction


@pytest.fixture(scope="module")
def spectrum() -> Spectrum:
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((D, D)))[0]
    return spectrum_of(np.diag(np.arange(D, 0.0, -1)) @ rotation)


def embeddings(
    spectrum: Spectrum, n: int = 300, *, mean: object = 0.0, spread: object = 1.0
) -> np.ndarray:
    """(n, D) texts whose coordinates along the spectrum are independent."""
    drawn = np.random.default_rng(2).standard_normal((n, D))
    return (drawn * spread + mean) @ spectrum.V.T


def ends(head: float, tail: float, rest: float = 0.0) -> np.ndarray:
    """Numbers by direction: the 3 strongest, the 2 weakest, all others."""
    return np.r_[np.full(3, head), np.full(D - 5, rest), np.full(2, tail)]


@pytest.mark.parametrize(
    "made",
    [
        pytest.param({"mean": ends(20, 20)}, id="a mean that all texts share"),
        pytest.param({"spread": ends(4, 4, 1)}, id="directions that outshout the others"),
        pytest.param({"mean": ends(20, 0), "spread": ends(1, 4, 1)}, id="one of each"),
    ],
)
def test_drops_what_drowns_the_other_directions(spectrum: Spectrum, made: dict) -> None:
    found = propose_from_texts(embeddings(spectrum, **made), spectrum)
    assert found.worth
    # The middle of the best windows: all of them drop those five, some a few more at an end.
    assert 3 <= found.window.l <= 5
    assert D - 4 <= found.window.r <= D - 2
    assert found.source == "texts"
    assert found.gain.low > 0
    assert str(found.window) in found.why
    # each curve is the agreement with one end moved, from where the window has it
    for curve, end in zip(found.curves, (found.window.l, found.window.r), strict=True):
        here = curve.values[curve.at == end]
        assert here == pytest.approx(found.level + found.gain.value)
        assert here >= found.level + 0.79 * (curve.values.max() - found.level)


def test_one_side_alone(spectrum: Spectrum) -> None:
    found = propose_from_texts(embeddings(spectrum, mean=ends(0, 20)), spectrum)
    assert found.window.l <= 2
    assert D - 4 <= found.window.r <= D - 2


def test_says_where_no_window_is_worth_it(spectrum: Spectrum) -> None:
    found = propose_from_texts(embeddings(spectrum), spectrum)
    assert not found.worth
    assert found.window == Window(0, D, D)
    assert not found.undecided
    assert "none is worth it" in found.why


def test_says_where_the_texts_do_not_decide(spectrum: Spectrum) -> None:
    found = propose_from_texts(embeddings(spectrum, 60, spread=ends(3, 3, 1)), spectrum)
    assert found.undecided
    assert found.gain.low <= 0 < found.gain.value
    assert not found.shared.less
    assert found.window == Window(0, D, D)
    assert "do not decide" in found.why


def test_fifty_texts_decide_by_what_all_of_them_share(spectrum: Spectrum) -> None:
    found = propose_from_texts(embeddings(spectrum, 50, mean=ends(1, 1)), spectrum)
    assert found.worth
    assert found.gain.low <= 0 < found.gain.value, "their order alone would not decide"
    assert found.shared.window < found.shared.random < found.shared.raw
    assert "the mean cosine of pairs falls from 0." in found.why


@pytest.mark.parametrize("mean", [0.0, 1.0], ids=["nothing shared", "shared by all directions"])
def test_where_the_ends_are_like_the_rest_hardly_ever_is_a_window_worth_it(
    spectrum: Spectrum, mean: float
) -> None:
    """The null: directions of many sizes in no order, and with them what all texts share."""
    worth = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        turned = np.linalg.qr(rng.standard_normal((D, D)))[0]
        E = (rng.standard_normal((50, D)) + mean) / np.sqrt(np.arange(1, D + 1)) @ turned
        worth += propose_from_texts(E, spectrum).worth
    # 1 in 20 of 60 is 3; ten or more have a chance of 1 in 1,000.
    assert worth < 10


def test_what_is_proposed_lies_between_texts_and_checkpoint(spectrum: Spectrum) -> None:
    prior = Window(6, 32, D)
    for n, share in ((50, 0.5), (150, 0.75), (950, 0.95)):
        E = embeddings(spectrum, n, mean=ends(40, 40))
        alone = propose_from_texts(E, spectrum)
        found = propose_from_texts(E, spectrum, prior=prior)
        assert found.window.l == round(share * alone.window.l + (1 - share) * 6)
        assert found.window.r == round(share * alone.window.r + (1 - share) * 32)
        assert found.figures["weight_of_texts"] == share
        if found.window != alone.window:
            assert f"propose 6:32; {found.window} lies between them, and your" in found.why
    nothing = propose_from_texts(embeddings(spectrum), spectrum, prior=prior)
    assert (nothing.window, nothing.worth) == (Window(0, D, D), False)


def test_mean_cosines_are_their_definition() -> None:
    rng = np.random.default_rng(4)
    R = rng.standard_normal((30, 8)) + 1
    sets = (rng.random((8, 5)) < 0.6).astype(float)
    for column, found in zip(sets.T, mean_cosines(R, sets), strict=True):
        U = R[:, column == 1]
        U = U / np.linalg.norm(U, axis=1, keepdims=True)
        cosines = U @ U.T
        assert found == pytest.approx(cosines[np.triu_indices(30, 1)].mean())


def test_soft_whitening_is_its_definition() -> None:
    rng = np.random.default_rng(3)
    for n in (60, 12):  # more texts than directions, and fewer
        R = rng.standard_normal((n, 20)) * np.arange(1, 21) + 5
        C = R - R.mean(axis=0)
        S = C.T @ C / n
        M = np.linalg.inv(S + 0.3 * np.trace(S) / 20 * np.eye(20))
        T = C @ M @ C.T
        expected = [T[a, b] / np.sqrt(T[a, a] * T[b, b]) for a, b in ((0, 1), (5, 3))]
        found = softly_whitened(R, np.array([0, 5]), np.array([1, 3]))
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_of_many_texts_some_are_looked_at_always_the_same(
    spectrum: Spectrum, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(from_texts, "MOST_TEXTS", 100)
    E = embeddings(spectrum, mean=ends(20, 20))
    found = propose_from_texts(E, spectrum)
    assert found.n_texts == 100
    assert found.to_json() == propose_from_texts(E, spectrum).to_json()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda E: E[:49], "fewer than 50"),
        (lambda E: E[:, :-1], "spectrum is of 40"),
        (lambda E: E * np.nan, "NaN"),
        (lambda E: E * 0 + 7, "all texts have the same"),
    ],
)
def test_texts_that_say_nothing_are_refused(spectrum: Spectrum, spoil, words: str) -> None:
    with pytest.raises(InputError, match=words):
        propose_from_texts(spoil(embeddings(spectrum)), spectrum)


@pytest.mark.parametrize("d", [1, 2, 7])
def test_a_few_directions_are_enough(d: int) -> None:
    E = np.random.default_rng(0).standard_normal((60, d))
    assert propose_from_texts(E, spectrum_of(np.eye(d))).window.d == d
    assert propose_from_head(np.ones(d)).window == Window(0, d, d)


def test_from_the_head_the_longest_calm_run() -> None:
    shifts = np.ones(200)
    shifts[:20] = shifts[180:] = 10
    shifts[150] = 11  # one direction alone: averaged away
    found = propose_from_head(shifts)
    assert found.worth
    assert abs(found.window.l - 20) <= 4
    assert abs(found.window.r - 180) <= 4
    assert found.level == 3
    assert found.curves[0].values[10] == pytest.approx(10)
    shifts[130:150] = 10
    assert propose_from_head(shifts).window.r < 131


def test_a_head_without_edges_gives_no_reason_to_drop_any() -> None:
    found = propose_from_head(np.linspace(1, 2, 100))
    assert not found.worth
    assert found.window == Window(0, 100, 100)
    assert "no reason" in found.why


@pytest.mark.parametrize("shifts", [[], [[1.0]], [1.0, np.nan]])
def test_shifts_that_are_none_are_refused(shifts: list) -> None:
    with pytest.raises(InputError, match="one finite number a direction"):
        propose_from_head(np.array(shifts))
