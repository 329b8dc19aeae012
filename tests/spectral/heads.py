"""Small heads with a spectrum known beforehand."""

import numpy as np


def head_with(singular_values, d_vocab, seed=0, dtype=np.float32):
    """W = U diag(σ) Vᵀ with random orthonormal U (d_vocab, d) and V (d, d)."""
    rng = np.random.default_rng(seed)
    sigma = np.asarray(singular_values, dtype=np.float64)
    U, _ = np.linalg.qr(rng.standard_normal((d_vocab, len(sigma))))
    V, _ = np.linalg.qr(rng.standard_normal((len(sigma), len(sigma))))
    return ((U * sigma) @ V.T).astype(dtype)


def language_head(d_vocab=600, d=24, seed=0):
    """Like a language model's: a large mean row and singular values that fall off."""
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((d_vocab, d)) * np.geomspace(1, 0.1, d)
    return (W + rng.standard_normal(d)).astype(np.float32)


class Counted:
    """W_U that only slices, and counts the rows that were read."""

    def __init__(self, W):
        self._W = W
        self.shape = W.shape
        self.read = 0

    def __getitem__(self, rows):
        block = self._W[rows]
        assert isinstance(rows, slice)
        self.read += len(block)
        return block
