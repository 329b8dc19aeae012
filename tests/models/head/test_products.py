"""States times a head, in parts and padded, against the plain product."""

import numpy as np
import pytest

from embfilter_viz.models.head import products
from embfilter_viz.models.head.products import times_head


@pytest.mark.parametrize("n", [1, 2, 8, 19])
@pytest.mark.parametrize("cores", [1, 2, 3])
def test_parts_and_padding_change_nothing(n, cores, monkeypatch):
    rng = np.random.default_rng(0)
    W = rng.standard_normal((1001, 24), dtype=np.float32)
    h = rng.standard_normal((n, 24), dtype=np.float32)
    monkeypatch.setattr(products, "_idle", lambda multiplications: cores)
    found = times_head(h, W)
    assert found.shape == (n, 1001)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, h.astype(float) @ W.T.astype(float), atol=2e-5)


def test_a_single_state_stays_a_vector():
    W = np.eye(3, dtype=np.float32)
    assert times_head(np.float32([1, 2, 3]), W).tolist() == [1, 2, 3]


def test_a_small_product_takes_one_thread_and_a_large_one_the_cores_blas_leaves(monkeypatch):
    class Blas:
        def select(self, user_api):
            return self

        def info(self):
            return [{"num_threads": 2}]

    monkeypatch.setattr(products, "ThreadpoolController", Blas)
    monkeypatch.setattr(products.os, "cpu_count", lambda: 8)
    assert products._idle(31 * 32 * 32) == 1
    assert products._idle(31 * 49_152 * 576) == 4
    monkeypatch.setattr(products.os, "cpu_count", lambda: 2)
    assert products._idle(31 * 49_152 * 576) == 1
