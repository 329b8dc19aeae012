"""Logit Spectroscopy: how far each direction of the spectrum moves the logits of chosen tokens.

Source: Cancedda, "Spectral Filters, Dark Signals, and Attention Sinks", ACL 2024, in the form of
Wu et al., arXiv 2606.07502 (2026). Everywhere V is (d, d) with columns v_i, W_rows (k, d) holds
the rows of W_U of the tokens looked at (frequent, infrequent or random ones), h (d,) is the
average token ĥ, c_i = ĥ · v_i, and ŵ_j = w_j · ĥ. In the invariant gauge V, ĥ and the rows are
all those of the centred W_U: see :func:`token_rows`.
"""

import numpy as np

from embfilter_viz.errors import InputError

__all__ = [
    "absolute_shifts",
    "band_shifts",
    "bands",
    "contributions",
    "logit_shifts",
    "relative_shifts",
    "running_median",
    "signed_shifts",
    "token_rows",
]

SPACINGS = ("linear", "log")


def token_rows(
    W_U: np.ndarray, ids: np.ndarray, gauge: str = "centred", mean_row: np.ndarray | None = None
) -> np.ndarray:
    """Rows of W_U of some tokens, as a gauge reads them: (k, d_model) float64.

    The invariant gauge takes ``mean_row``, the mean of all rows, from each of them.

    Args:
        W_U: (d_vocab, d_model).
        ids: (k,) which rows.
        gauge: how they are read.
        mean_row: (d_model,) the mean row, which the gauge ``invariant`` subtracts.

    Returns:
        (k, d_model) float64.

    Raises:
        InputError: an id out of range, or no mean row in the invariant gauge.

    >>> W_U = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> token_rows(W_U, [1], "invariant", W_U.mean(axis=0))
    array([[1., 1.]])
    """
    chosen = np.asarray(ids, dtype=np.int64)
    outside = chosen[(chosen < 0) | (chosen >= len(W_U))]
    if len(outside):
        raise InputError(f"token id {outside[0]} is not a row of W_U, which has {len(W_U)}")
    rows = W_U[chosen].astype(np.float64)
    if gauge != "invariant":
        return rows
    if mean_row is None:
        raise InputError("gauge invariant needs the mean row of W_U: pass spectrum.mean_row")
    return rows - mean_row


def contributions(V: np.ndarray, W_rows: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Return what each direction gives each token's logit, c_i · w_j·v_i: (k, d) float64.

    Its sum over all directions is ŵ_j; removing directions takes theirs away.

    >>> contributions(np.eye(2), np.array([[1.0, 2.0]]), np.array([3.0, -1.0]))
    array([[ 3., -2.]])
    """
    d = V.shape[0]
    if np.shape(W_rows)[1:] != (d,) or np.shape(h) != (d,):
        raise InputError(
            f"rows of shape {np.shape(W_rows)} and h of shape {np.shape(h)} do not fit {d} "
            "directions"
        )
    if len(W_rows) == 0:
        raise InputError("no tokens were given to look at: choose at least one")
    V64 = V.astype(np.float64, copy=False)
    return (np.asarray(W_rows, dtype=np.float64) @ V64) * (np.asarray(h) @ V64)


def logit_shifts(V: np.ndarray, W_rows: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Relative logit shift Δπ⁽ⁱ⁾ of removing each direction alone: (d,) float64.

    Δπ⁽ⁱ⁾ = Σ_j |w̃⁽ⁱ⁾_j − ŵ_j| / Σ_j |ŵ_j| = |c_i| · Σ_j |w_j·v_i| / Σ_j |ŵ_j|, where w̃⁽ⁱ⁾ are
    the logits of ĥ (I − v_i v_iᵀ). The second form gives all d from one (k × d) product.

    Raises:
        InputError: shapes that do not fit, no tokens, or logits that are all zero.

    >>> logit_shifts(np.eye(2), np.array([[1.0, 2.0]]), np.array([3.0, -1.0]))
    array([3., 2.])
    """
    each = contributions(V, W_rows, h)
    return relative_shifts(each, np.arange(each.shape[1] + 1))


def absolute_shifts(each: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Mean absolute shift of the logits of some tokens, for each band removed: (N,), in logits.

    1/k Σ_j |Σ_{i in band} c_i · w_j·v_i|. Unlike Δπ it is not relative to the tokens' own logits,
    so it can be compared between sets of tokens.

    Args:
        each: (k, d) from :func:`contributions`.
        edges: (N + 1,) from :func:`bands`; ``arange(d + 1)`` for single directions.

    >>> absolute_shifts(np.array([[3.0, -1.0], [1.0, 1.0]]), np.array([0, 1, 2]))
    array([2., 1.])
    """
    return np.abs(_band_sums(each, edges)).mean(axis=0)


def band_shifts(V: np.ndarray, W_rows: np.ndarray, h: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Relative logit shift of removing each band of neighbouring directions: (N,) float64.

    Σ_j |Σ_{i in band} c_i · w_j·v_i| / Σ_j |ŵ_j|: directions of a band may cancel, so a band
    shifts the logits by no more than its directions do one by one.

    Args:
        V: (d, d).
        W_rows: (k, d).
        h: (d,).
        edges: (N + 1,) from :func:`bands`; band n holds directions edges[n] … edges[n + 1] − 1.

    Returns:
        (N,) float64.

    >>> band_shifts(np.eye(2), np.array([[1.0, 2.0]]), np.array([3.0, -1.0]), np.array([0, 2]))
    array([1.])
    """
    return relative_shifts(contributions(V, W_rows, h), edges)


def relative_shifts(each: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Δπ of each band from what single directions give: (N,) float64.

    The mean absolute shift of the tokens' logits over their mean absolute size, 1/k Σ_j |ŵ_j|.

    Args:
        each: (k, d) from :func:`contributions`.
        edges: (N + 1,) from :func:`bands`; ``arange(d + 1)`` for single directions.

    Raises:
        InputError: logits that are all zero.

    >>> relative_shifts(np.array([[3.0, -1.0], [1.0, 1.0]]), np.array([0, 1, 2]))
    array([1. , 0.5])
    """
    size = float(np.abs(each.sum(axis=1)).mean())
    if size == 0:
        raise InputError("the average token gives these tokens logits of zero: no share to take")
    return absolute_shifts(each, edges) / size


def signed_shifts(
    V: np.ndarray, W_rows: np.ndarray, h: np.ndarray, edges: np.ndarray
) -> np.ndarray:
    """Change w̃_j − ŵ_j of each token's logit when a band is removed: (k, N) float64, in logits.

    Positive where the band was holding the token down.

    Args:
        V: (d_model, d) singular vectors.
        W_rows: (k, d_model) rows of the tokens.
        h: (d_model,) the average token.
        edges: (N + 1,) where bands begin and end.

    Returns:
        (k, N) float64, in logits.

    >>> signed_shifts(np.eye(2), np.array([[1.0, 2.0]]), np.array([3.0, -1.0]), [0, 1, 2])
    array([[-3.,  2.]])
    """
    return -_band_sums(contributions(V, W_rows, h), edges)


def _band_sums(each: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Sums over each band of what directions give to each logit: (k, N)."""
    edges, d = np.asarray(edges, dtype=np.int64), each.shape[1]
    if (
        edges.ndim != 1
        or len(edges) < 2
        or edges[0] < 0
        or edges[-1] > d
        or min(np.diff(edges)) < 1
    ):
        raise InputError(f"band edges must rise from 0 to at most {d}; got {edges.tolist()}")
    return np.add.reduceat(each[:, : edges[-1]], edges[:-1], axis=1)


def running_median(values: np.ndarray, width: int = 15) -> np.ndarray:
    """Median over ``width`` neighbours on the last axis, narrower at the ends, where the U stands.

    ``width`` is odd.

    >>> running_median(np.array([9.0, 1, 1, 1, 5]), width=3)
    array([9., 1., 1., 1., 5.])
    """
    n, half = values.shape[-1], width // 2
    out = np.array(values, dtype=float)
    if n >= width:
        rows, smooth = out.reshape(-1, n).copy(), out.reshape(-1, n)
        for start in range(0, len(rows), 32):  # so many that their windows stay in cache
            whole = np.lib.stride_tricks.sliding_window_view(rows[start : start + 32], width, -1)
            middle = np.partition(whole, half, axis=-1)[..., half]
            smooth[start : start + 32, half : n - half] = middle
    for i in (*range(min(half, n)), *range(max(half, n - half), n)):
        reach = min(i, n - 1 - i, half)
        out[..., i] = np.median(values[..., i - reach : i + reach + 1], axis=-1)
    return out


def bands(d: int, n: int, spacing: str = "linear") -> np.ndarray:
    """Edges of n bands that share out d directions: (n + 1,) int64 from 0 to d.

    "linear" makes them equally wide, to one direction; "log" makes each wider than the last by
    the same factor, as far as whole directions allow, so that the head is seen finely.

    Raises:
        InputError: n is not from 1 to d, or an unknown spacing.

    >>> bands(10, 4).tolist(), bands(100, 4, "log").tolist()
    ([0, 2, 5, 7, 10], [0, 3, 10, 32, 100])
    """
    if not 1 <= n <= d:
        raise InputError(f"the number of bands must be from 1 to {d}; got {n}")
    if spacing not in SPACINGS:
        raise InputError(f"spacing must be one of {', '.join(SPACINGS)}; got {spacing!r}")
    steps = np.arange(n + 1)
    if spacing == "linear":
        return steps * d // n
    wished = np.rint(d ** (steps / n)).astype(np.int64)
    wished[0] = 0
    # Every band needs a direction: rise by at least one, and leave one for each band to come.
    rising = np.maximum.accumulate(wished - steps) + steps
    return np.minimum(rising, d - n + steps)
