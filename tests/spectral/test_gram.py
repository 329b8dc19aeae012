import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.spectral.gram import (
    _side_by_side,
    gram_of,
    norms_along,
    row_blocks,
    triangular_factor,
)
from tests.spectral.heads import Counted, language_head


def test_blocks_share_memory_with_an_array_of_the_same_dtype():
    W = language_head(5000)
    blocks = [block for _, block in row_blocks(W, np.float32)]
    assert len(blocks) > 1
    assert all(np.shares_memory(block, W) for block in blocks)
    assert np.array_equal(np.vstack(blocks), W)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_both_gram_matrices_against_their_definitions(dtype):
    W = language_head(5000).astype(np.float64)
    centred = W - W.mean(axis=0)
    gram = gram_of(W.astype(np.float32), dtype)
    tolerance = 1e-6 if dtype is np.float32 else 1e-13
    W = W.astype(np.float32).astype(np.float64)
    assert np.allclose(gram.raw, W.T @ W, rtol=0, atol=tolerance * np.linalg.norm(W) ** 2)
    assert np.allclose(
        gram.centred, centred.T @ centred, rtol=0, atol=tolerance * np.linalg.norm(centred) ** 2
    )
    assert np.allclose(gram.mean_row, W.mean(axis=0), rtol=tolerance)


@pytest.mark.parametrize("tile", [5, 8, 24])
def test_tiles_of_any_width_make_the_same_matrix(tile, monkeypatch):
    W = language_head(5000)
    whole = gram_of(W, np.float64)
    monkeypatch.setattr("embfilter_viz.spectral.gram._TILE", tile)
    gram = gram_of(W, np.float64)
    assert np.allclose(gram.centred, whole.centred, rtol=0, atol=1e-12 * np.trace(whole.centred))
    assert np.array_equal(gram.centred, gram.centred.T)


def test_the_shift_makes_float32_products_of_a_head_with_a_large_mean_more_accurate():
    rng = np.random.default_rng(0)
    W = (rng.standard_normal((8192, 32)) + 20).astype(np.float32)
    exact = W.astype(np.float64).T @ W.astype(np.float64)
    plain = (W.T @ W).astype(np.float64)
    error = np.abs(gram_of(W).raw - exact).max()
    assert error < np.abs(plain - exact).max() / 10


def test_the_measured_error_is_that_of_the_matrix(monkeypatch):
    W = language_head(5000)
    gram = gram_of(W)
    off = np.linalg.norm(gram.raw - W.astype(np.float64).T @ W.astype(np.float64), 2)
    assert off / 100 < gram.error < 2 * off
    # A product that goes wrong in one number of one block does not go unseen.
    matmul = np.matmul

    def wrong(a, b, out):
        matmul(a, b, out=out)
        out[3, 5] *= 1.01

    monkeypatch.setattr(np, "matmul", wrong)
    assert gram_of(W).error > 100 * gram.error


def test_one_pass_reads_each_row_once_and_a_small_sample_before():
    W = Counted(language_head(40000, 8))
    gram_of(W)
    assert 40000 <= W.read <= 40000 + 1024
    before = W.read
    norms_along(W, np.eye(8))
    assert W.read - before == 40000


def test_norms_against_the_definition():
    W = language_head()
    directions = np.linalg.qr(np.random.default_rng(1).standard_normal((24, 5)))[0]
    exact = np.linalg.norm(W.astype(np.float64) @ directions, axis=0)
    assert np.allclose(norms_along(W, directions), exact, rtol=1e-6)
    mean = W.mean(axis=0, dtype=np.float64)
    exact = np.linalg.norm((W - mean) @ directions, axis=0)
    assert np.allclose(norms_along(W, directions, np.float64, mean_row=mean), exact, rtol=1e-12)


def test_triangular_factor_keeps_singular_values_over_several_blocks():
    W = language_head(5000)
    R = triangular_factor(W)
    assert R.shape == (24, 24)
    exact = np.linalg.svd(W.astype(np.float64), compute_uv=False)
    assert np.allclose(np.linalg.svd(R, compute_uv=False), exact, rtol=1e-12)


def test_progress_covers_every_row_and_may_cancel():
    seen = []
    gram_of(language_head(9000), progress=lambda *args: seen.append(args))
    assert [done for _, done, _, _ in seen] == [0, 4096, 8192, 9000]
    assert {(total, unit) for _, _, total, unit in seen} == {(9000, "rows")}

    def stop(what, done, total, unit):
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        gram_of(language_head(5000), progress=stop)


def test_nan_is_located_across_blocks():
    from embfilter_viz.spectral.gram import check_finite

    W = language_head(5000)
    W[4321, 7] = np.nan
    with pytest.raises(InputError, match="nan in row 4321, column 7"):
        check_finite(W)


def take_threads(monkeypatch, n):
    monkeypatch.setattr("embfilter_viz.spectral.gram._side_by_side", lambda *_: n)


def test_sums_made_side_by_side_make_the_same_matrices(monkeypatch):
    W = language_head(40000, 16)
    made = {}
    for threads in (1, 2, 3):
        take_threads(monkeypatch, threads)
        made[threads] = gram_of(W)
        # Which block goes to which sum is fixed, so a second time gives the same last digit.
        assert np.array_equal(gram_of(W).centred, made[threads].centred)
    alone = made[1]
    for gram in (made[2], made[3]):
        scale = np.trace(alone.centred)
        assert np.allclose(gram.centred, alone.centred, rtol=0, atol=1e-13 * scale)
        assert np.allclose(gram.mean_row, alone.mean_row, rtol=1e-10)
        assert gram.error < 3 * alone.error


def test_so_many_sums_as_memory_and_rows_allow(monkeypatch):
    class Blas:
        def info(self):
            return [{"num_threads": 1}, {"num_threads": 4}]

    assert _side_by_side(Blas(), 151_936, 896) == 4
    assert _side_by_side(Blas(), 151_936, 8192) == 1  # 4 × 537 MB
    assert _side_by_side(Blas(), 20_000, 896) == 1  # five blocks: not all four would have work


def test_a_failing_block_or_a_stop_ends_the_pass_and_its_threads(monkeypatch):
    take_threads(monkeypatch, 2)
    W = language_head(40000, 8)
    before, threads = threading.active_count(), threadpool_info()

    def stop(what, done, total, unit):
        if done > 20000:
            raise Cancelled

    with pytest.raises(Cancelled):
        gram_of(W, progress=stop)

    def fails(*args, **kwargs):
        raise MemoryError("no more")

    monkeypatch.setattr(np, "matmul", fails)
    with pytest.raises(MemoryError, match="no more"):
        gram_of(W)
    assert threading.active_count() == before
    # The limit is taken back, so that the next product has all threads again.
    assert threadpool_info() == threads
