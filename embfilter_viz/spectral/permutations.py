"""What logit shifts look like when frequency means nothing: p̂ permuted over the tokens.

Any head gives some directions larger shifts than others: its singular values differ, and so do
its tokens. What frequency has to do with it is seen by giving the same frequencies to other
tokens, at random: each permutation has its own average token and its own frequent tokens.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.spectral.average_token import check_fit, log_of
from embfilter_viz.spectral.ends import Ends
from embfilter_viz.spectral.gram import Rows, row_blocks
from embfilter_viz.spectral.spectroscopy import running_median
from embfilter_viz.spectral.spectrum import Spectrum
from embfilter_viz.system.progress import Progress, silent

__all__ = ["PERMUTATIONS", "PermutedShifts", "permuted_shifts"]

PERMUTATIONS = 999
"""With the true frequencies they make a thousand, so that a 97.5 % point is one of them."""

_TARGETS_BYTES = 2**27
"""What the permuted log frequencies that are multiplied at once may take."""

_BLOCK = 2**22
"""Numbers of W_U in a block: enough that a product outweighs adding it to the sum, 17 MB."""

_PAIRS = 4096
"""Pairs of permutation and frequent token whose band shifts are made at once."""

_POINTS = (2.5, 50, 97.5)
"""Percentiles of the permuted profile, per cent."""


@dataclass(frozen=True, eq=False)
class PermutedShifts:
    """Logit shifts of frequent tokens for permuted p̂, in units of each permutation's own bulk."""

    strong: np.ndarray
    """(n,) float64. Mean shift at the strong end over the mean in the bulk, per permutation."""
    weak: np.ndarray
    """(n,) float64. The same at the weak end."""
    profile: np.ndarray
    """(3, N) float64. 2.5, 50 and 97.5 % points of the shift over its mean in the bulk, at each
    of N bands, or at each direction of the running median along the spectrum."""
    ends: Ends
    """Where the ends and the bulk are."""

    def __post_init__(self) -> None:
        for array in (self.strong, self.weak, self.profile):
            array.setflags(write=False)

    @property
    def n(self) -> int:
        """Number of permutations."""
        return len(self.strong)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what was computed as named arrays, for a file."""
        return {"strong": self.strong, "weak": self.weak, "profile": self.profile}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray], ends: Ends) -> "PermutedShifts":
        """A record from what :meth:`arrays` made of it."""
        return cls(arrays["strong"], arrays["weak"], arrays["profile"], ends)


def permuted_shifts(
    W_U: Rows,
    spectrum: Spectrum,
    p: np.ndarray,
    gauge: str = "centred",
    *,
    top: int = 100,
    borders: np.ndarray | None = None,
    n: int = PERMUTATIONS,
    seed: int = 0,
    ends: Ends | None = None,
    progress: Progress = silent,
) -> PermutedShifts:
    """Mean logit shifts of the ``top`` most frequent tokens under n permutations of p̂.

    A permutation π gives token j the frequency p̂_π(j). Its average token has the coordinates
    c_i = (Σ_j log p̂_π(j) · w_j·v_i) / σ_i², and the mean shift of direction i is
    |c_i| · mean |w_j·v_i| over the tokens that are frequent under π. All sums over j of all
    permutations are one (n × d_vocab) · (d_vocab × d_model) product, made in blocks in float32.

    Args:
        W_U: (d_vocab, d_model), one row a token.
        spectrum: Of W_U; of the centred W_U for the invariant gauge.
        p: (d_vocab,) token frequencies, all positive.
        gauge: As in :func:`~embfilter_viz.spectral.average_token.average_token`.
        top: Tokens that count as frequent.
        borders: (N + 1,) of bands that are removed whole, for the profile; none: single
            directions.
        n: Permutations.
        seed: Of the permutations.
        ends: Where the ends and the bulk are; as :class:`Ends` has them by default.
        progress: Told of the work; may raise ``Cancelled``.

    Returns:
        the mean shifts and ratios of each permutation.

    Raises:
        InputError: what :func:`average_token` refuses, n or top out of range, or a spectrum too
            short for ends and a bulk.

    >>> from embfilter_viz.spectral import spectrum_of
    >>> rng = np.random.default_rng(0)
    >>> W_U = rng.standard_normal((300, 40))
    >>> null = permuted_shifts(W_U, spectrum_of(W_U), rng.dirichlet(np.ones(300)), top=20)
    >>> null.n, bool(0.8 < np.median(null.strong) < 1.2)
    (999, True)
    """
    check_fit(W_U, spectrum, gauge)
    log_p = log_of(p, W_U.shape[0])
    ends = ends or Ends.of(spectrum.d_model)
    if not 1 <= top <= len(log_p):
        raise InputError(f"top {top}: the number of tokens must be from 1 to {len(log_p)}")
    if n < 1:
        raise InputError(f"{n} permutations: at least 1 is needed; {PERMUTATIONS} is usual")
    sums, frequent = _permuted_sums(W_U, spectrum, log_p, top, n, seed, progress)
    V = spectrum.V.astype(np.float64)
    along = sums @ V
    if gauge == "paper":  # the mean of log p̂, which the sums leave out, is fitted too
        along += log_p.mean() * len(log_p) * (spectrum.mean_row @ V)
    c = np.zeros_like(along)
    spanned = slice(0, spectrum.rank)
    c[:, spanned] = along[:, spanned] / spectrum.singular_values[spanned] ** 2
    shift, bands = _mean_shifts(W_U, spectrum, gauge, c, frequent, borders, progress)
    with np.errstate(divide="ignore", invalid="ignore"):
        strong, weak, bulk = ends.means(shift)
        unit = bulk[:, None]
        profile = running_median(shift / unit) if bands is None else bands / unit
        return PermutedShifts(
            strong / bulk, weak / bulk, np.nanpercentile(profile, _POINTS, axis=0), ends
        )


def _permuted_sums(
    W_U: Rows,
    spectrum: Spectrum,
    log_p: np.ndarray,
    top: int,
    n: int,
    seed: int,
    progress: Progress,
) -> tuple[np.ndarray, np.ndarray]:
    """Σ_j (log p̂_π(j) − mean) w_j for each π: (n, d) float64; and its frequent tokens: (n, top).

    As the targets sum to zero, taking the mean row from the rows changes nothing but rounding.

    Args:
        W_U: (d_vocab, d_model) in blocks of rows.
        spectrum: singular values and vectors.
        log_p: (d_vocab,) the logarithms of p̂.
        top: how many tokens count as frequent.
        n: how many permutations.
        seed: of the permutations.
        progress: told of the work.

    Returns:
        (n, d) float64, and (n, top) rows of W_U.
    """
    d_vocab, what = len(log_p), "Permuting the token frequencies"
    falling = np.sort(log_p - log_p.mean())[::-1].astype(np.float32)
    frequent = np.empty((n, top), dtype=np.int32)
    sums = np.zeros((n, spectrum.d_model))
    mean_row = spectrum.mean_row.astype(np.float32)
    for batch in _batches(n, d_vocab):
        targets = np.empty((batch.stop - batch.start, d_vocab), dtype=np.float32)
        for number, target in enumerate(targets, start=batch.start):
            progress(what, number, n, "permutations")
            order = np.random.default_rng((seed, number)).permutation(d_vocab)
            target[order] = falling
            frequent[number] = order[:top]
        for start, block in row_blocks(W_U, np.float32, -(-_BLOCK // W_U.shape[1])):
            progress(what, batch.stop, n, "permutations")
            sums[batch] += targets[:, start : start + len(block)] @ (block - mean_row)
    return sums, frequent


def _batches(n: int, d_vocab: int) -> Iterator[slice]:
    """Slices of 0 … n − 1, of equal length, whose float32 targets fit in memory."""
    count = -(-4 * d_vocab * n // _TARGETS_BYTES)
    edges = np.linspace(0, n, min(count, n) + 1).astype(int).tolist()
    return (slice(a, b) for a, b in pairwise(edges))


def _mean_shifts(
    W_U: Rows,
    spectrum: Spectrum,
    gauge: str,
    c: np.ndarray,
    frequent: np.ndarray,
    borders: np.ndarray | None,
    progress: Progress,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Mean |shift| of the frequent tokens for each direction, (n, d), and for each band, (n, N).

    Each row that is frequent under some permutation is turned into the basis V once.

    Args:
        W_U: (d_vocab, d_model) in blocks of rows.
        spectrum: singular values and vectors.
        gauge: how rows of W_U are read.
        c: (n, d) coordinates of the average tokens.
        frequent: (n, top) rows of W_U.
        borders: (N + 1,) where bands begin and end.
        progress: told of the work.

    Returns:
        (n, d), and (n, N) if there are bands.
    """
    from scipy.sparse import csr_array

    n, top = frequent.shape
    order = np.argsort(frequent, axis=None, kind="stable")
    tokens, owners = frequent.ravel()[order], order // top
    V = spectrum.V.astype(np.float32)
    off = spectrum.mean_row.astype(np.float32) if gauge == "invariant" else np.float32(0)
    size = np.zeros(c.shape)
    bands = None if borders is None else np.zeros((n, len(borders) - 1))
    for start, block in row_blocks(W_U, np.float32, -(-_BLOCK // W_U.shape[1])):
        progress("Reading permuted frequent tokens", start, W_U.shape[0], "rows")
        here = slice(*np.searchsorted(tokens, (start, start + len(block))))
        rows, which = np.unique(tokens[here], return_inverse=True)
        if len(rows) == 0:
            continue
        turned = (block[rows - start] - off) @ V
        ones = np.ones(len(which), dtype=np.float32)
        member = csr_array((ones, (owners[here], which)), shape=(n, len(rows)))
        size += member @ np.abs(turned)
        if bands is not None:
            assert borders is not None
            for part in range(0, len(which), _PAIRS):
                pairs = slice(part, part + _PAIRS)
                owner = owners[here][pairs]
                progress("Reading permuted frequent tokens", start, W_U.shape[0], "rows")
                each = np.add.reduceat(turned[which[pairs]] * c[owner], borders[:-1], axis=1)
                np.add.at(bands, owner, np.abs(each))
    return np.abs(c) * size / top, None if bands is None else bands / top
