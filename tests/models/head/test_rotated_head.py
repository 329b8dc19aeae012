"""Products of filtered states with a head, made from those of the window before."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from embfilter_viz.errors import Cancelled
from embfilter_viz.models.head import products, rotated_head
from embfilter_viz.models.head.rotated_head import MovingProducts, RotatedHead

D, D_VOCAB, N = 24, 5000, 11


@pytest.fixture
def parts() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    W = rng.standard_normal((D_VOCAB, D), dtype=np.float32)
    V = np.linalg.qr(rng.standard_normal((D, D)))[0].astype(np.float32)
    return W, V, rng.standard_normal((N, D), dtype=np.float32)


def expected(W: np.ndarray, V: np.ndarray, h: np.ndarray, left: int, right: int) -> np.ndarray:
    V_k = V[:, left:right].astype(float)
    return np.asarray(h.astype(float) @ V_k @ V_k.T @ W.T.astype(float))


@pytest.mark.parametrize("cores", [1, 3])
def test_any_walk_of_windows_gives_each_window_its_own(
    cores: int, parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    W, V, h = parts
    monkeypatch.setattr(products, "_idle", lambda multiplications: cores)
    moving = MovingProducts(RotatedHead(W, V), h)
    rng = np.random.default_rng(1)
    for _ in range(150):
        left, right = np.sort(rng.choice(D + 1, 2, replace=False))
        found = moving.kept(int(left), int(right))
        assert found.shape == (N, D_VOCAB)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected(W, V, h, left, right), atol=1e-4)


def test_windows_apart_and_all_of_them(parts: Any) -> None:
    W, V, h = parts
    moving = MovingProducts(RotatedHead(W, V), h)
    for left, right in ((0, 3), (20, 24), (0, D), (11, 13), (13, 15), (2, 22)):
        np.testing.assert_allclose(
            moving.kept(left, right), expected(W, V, h, left, right), atol=1e-4
        )


def test_a_move_adds_and_takes_away_only_what_it_moves_over(
    parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    W, V, h = parts
    moving = MovingProducts(RotatedHead(W, V), h)
    moved: list[list[tuple[int, int, int]]] = []
    make = moving._moved

    def count(base: Any, runs: Any) -> Any:
        moved.append([(run.start, run.stop, sign) for run, sign in runs])
        return make(base, runs)

    monkeypatch.setattr(moving, "_moved", count)
    first = moving.kept(6, 18)
    assert moving.kept(6, 18) is first
    moving.kept(8, 19)
    moving.kept(8, 17)
    moving.kept(10, 12)
    moving.kept(1, 24)
    assert moved == [
        [(6, 18, 1)],
        [(6, 8, -1), (18, 19, 1)],
        [(17, 19, -1)],
        [(10, 12, 1)],  # two to sum are fewer than seven to take away
        [(1, 10, 1), (12, 24, 1)],
    ]


def test_what_is_left_of_a_large_sum_does_not_keep_its_rounding() -> None:
    # As in language models, the first direction writes nearly everything.
    rng = np.random.default_rng(0)
    W = (rng.standard_normal((D_VOCAB, D)) * np.r_[1e4, np.ones(D - 1)]).astype(np.float32)
    h = rng.standard_normal((N, D), dtype=np.float32)
    moving = MovingProducts(RotatedHead(W, np.eye(D)), h)
    moving.kept(0, 20)
    np.testing.assert_allclose(moving.kept(1, 20), expected(W, np.eye(D), h, 1, 20), atol=2e-5)
    moving.kept(1, 21)
    assert moving._last is not None
    assert moving._last.chain == 1


def test_roundings_do_not_add_up_for_ever(parts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    W, V, h = parts
    moving = MovingProducts(RotatedHead(W, V), h)
    chains = []
    for turn in range(3 * rotated_head._CHAIN):
        moving.kept(8 + turn % 2, 16)
        assert moving._last is not None
        chains.append(moving._last.chain)
    assert max(chains) == rotated_head._CHAIN
    assert chains.count(0) == 3
    np.testing.assert_allclose(moving.kept(9, 16), expected(W, V, h, 9, 16), atol=1e-4)


def test_what_was_given_out_is_never_changed(parts: Any) -> None:
    W, V, h = parts
    moving = MovingProducts(RotatedHead(W, V), h)
    first = moving.kept(8, 16)
    before = first.copy()
    moving.kept(9, 16)
    assert np.array_equal(first, before)
    with pytest.raises(ValueError, match="read-only"):
        first += 1


def test_many_readers_at_once_each_get_their_window(parts: Any) -> None:
    W, V, h = parts
    moving = MovingProducts(RotatedHead(W, V), h)
    windows = [(left, left + 5) for left in range(19)] * 8
    with ThreadPoolExecutor(8) as readers:
        for (left, right), found in zip(
            windows, readers.map(lambda one: moving.kept(*one), windows), strict=True
        ):
            np.testing.assert_allclose(found, expected(W, V, h, left, right), atol=1e-4)


def test_turning_a_head_is_watched_and_can_be_stopped(parts: Any) -> None:
    W, V, _ = parts

    def stop(*_: Any) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        RotatedHead(W, V, progress=stop)
    turned = RotatedHead(W, V)
    assert turned.nbytes == 4 * D * D_VOCAB
    np.testing.assert_allclose(turned.products, V.T.astype(float) @ W.T, atol=1e-4)
