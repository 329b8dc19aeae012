"""The spectrum of a head against the tall SVD: python benchmarks/spectrum.py [SIZE ...].

SIZE is a shape such as 49152x576, with bf16 after it for a head in bfloat16 (128256x4096bf16), or
the name of a model. Heads of a shape are made: a mean row that carries the first singular value,
and a condition number of about 80, as the checkpoints have that we looked at.

Two sides take turns in one process with the same threads: ``spectrum_of`` and
``torch.linalg.svd(W.float(), full_matrices=False)``. A third is the limit: the bare products of
the route, one symmetric rank-k update in float32 and one float64 d x d eigen-decomposition. Then
all are compared with a float64 reference.
"""

import argparse
import resource
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from turns import in_turns, machine, same_threads, seconds, times_as_long

from embfilter_viz.spectral.gram import Rows, gram_of, norms_along
from embfilter_viz.spectral.spectrum import Spectrum, spectrum_of

SIZES = ("49152x576", "151936x896")
CONDITION = 80.0


class Widened:
    """A bfloat16 head in memory that is read in float32, block by block."""

    def __init__(self, bits: np.ndarray) -> None:
        self.bits, self.shape = bits, bits.shape

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        raw = self.bits[rows]
        wide = np.empty(raw.shape, dtype=np.uint32)
        return np.left_shift(raw, np.uint32(16), out=wide).view(np.float32)


def made(d_vocab: int, d_model: int, seed: int = 0) -> np.ndarray:
    """(d_vocab, d_model) float32: independent rows whose spectrum falls, about one mean row."""
    rng = np.random.default_rng(seed)
    Q, _ = np.linalg.qr(rng.standard_normal((d_model, d_model)))
    # The tail as steep as in SmolLM2: the last direction is a tenth of the bulk.
    scales = np.geomspace(1.0, 0.125, d_model)
    mix = (scales[:, None] * Q.T).astype(np.float32)
    mean = (Q[:, d_model // 3] + Q[:, d_model // 2]) * np.sqrt(0.5)
    # σ_0 is carried by the mean row: √V times its length.
    length = np.sqrt((CONDITION * scales[-1]) ** 2 - scales[d_model // 2] ** 2)
    shift = (length * mean).astype(np.float32)
    W = np.empty((d_vocab, d_model), dtype=np.float32)
    for start in range(0, d_vocab, 8192):
        rows = W[start : start + 8192]
        np.matmul(rng.standard_normal(rows.shape, dtype=np.float32), mix, out=rows)
        rows += shift
    return W


def head(size: str) -> tuple[Any, Rows]:
    """W as torch has it, and the same numbers as the explorer reads them."""
    import torch

    shape = size.removesuffix("bf16").split("x")
    if len(shape) == 2 and all(part.isdigit() for part in shape):
        W = made(int(shape[0]), int(shape[1]))
        if not size.endswith("bf16"):
            return torch.from_numpy(W), W
        rounded = torch.from_numpy(W).to(torch.bfloat16)
        return rounded, Widened(rounded.view(torch.int16).numpy().view(np.uint16))
    from embfilter_viz import open_model

    W = np.array(open_model(size).unembedding.W_U)
    return torch.from_numpy(W), W


def measure(size: str, runs: int, svd_runs: int) -> None:
    """Time the sides at one size and print the ratios and the errors."""
    import torch
    from scipy.linalg.blas import ssyrk

    theirs, W_U = head(size)
    d_vocab, d_model = W_U.shape
    found: dict[str, Any] = {}

    def ours() -> None:
        found["ours"] = spectrum_of(W_U)

    def svd() -> None:
        _, sigma, Vt = torch.linalg.svd(theirs.float(), full_matrices=False)
        found["svd"] = sigma.numpy(), Vt.numpy().T

    whole = W_U[0:d_vocab]
    gram = gram_of(W_U, np.float64)
    matrix = gram.raw
    bare: dict[str, Callable[[], object]] = {
        "rank-k update": lambda: ssyrk(1.0, whole.T),
        "eigh": lambda: np.linalg.eigh(matrix),
    }
    spectrum_of(W_U[0:8192])  # what is loaded and compiled at the first call
    taken = in_turns(
        {"ours": ours, **bare, "svd": svd},
        {"ours": runs, "rank-k update": runs, "eigh": runs, "svd": svd_runs},
    )
    limit = [a + b for a, b in zip(taken["rank-k update"], taken["eigh"], strict=True)]
    spectrum: Spectrum = found["ours"]
    print(f"\n{size}: {d_vocab:,} x {d_model:,}, condition number {spectrum.condition_number:.1f}")
    print(f"  ours            {seconds(taken['ours'])}, by {spectrum.route}")
    print(f"  rank-k update   {seconds(taken['rank-k update'])}")
    print(f"  eigh            {seconds(taken['eigh'])}")
    print(f"  ours / limit    {times_as_long(taken['ours'], limit)}")
    if svd_runs:
        print(f"  torch SVD       {seconds(taken['svd'])}")
        print(f"  SVD / ours      {times_as_long(taken['svd'], taken['ours'])}")
    reference_V = np.linalg.eigh(matrix)[1][:, ::-1]
    sigma = norms_along(W_U, reference_V[:, -1:], np.float64)
    print("  against float64: bulk projector (tau = 2), spectral norm and largest entry; last σ")
    found["ours"] = spectrum.singular_values, spectrum.V
    for name, (values, V) in found.items():
        print(f"    {name:5s} {_distance(V, reference_V)}; {abs(values[-1] / sigma[-1] - 1):.1e}")
    print(f"    ours says of its last σ: off by at most {spectrum.relative_error[-1]:.1e}")


def _distance(V: np.ndarray, reference: np.ndarray) -> str:
    """How far the projectors on the middle half are apart."""
    d = V.shape[1]
    kept = slice((d - d // 2) // 2, (d - d // 2) // 2 + d // 2)
    A, B = V[:, kept].astype(np.float64), reference[:, kept]
    largest = max(
        float(np.abs(A[i : i + 512] @ A.T - B[i : i + 512] @ B.T).max()) for i in range(0, d, 512)
    )
    # The sine of the largest angle between the subspaces is the distance's spectral norm.
    outside = A - B @ (B.T @ A)
    return f"{float(np.sqrt(np.linalg.eigvalsh(outside.T @ outside)[-1])):.1e}, {largest:.1e}"


def main() -> None:
    """Print the figures of each size asked for."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("sizes", nargs="*", default=SIZES)
    words.add_argument("--runs", type=int, default=5)
    words.add_argument("--svd-runs", type=int, help="as many as --runs if not said")
    words.add_argument("--threads", type=int)
    asked = words.parse_args()
    threads = same_threads(asked.threads)
    print(f"{machine()}, {threads} threads each")
    for size in asked.sizes:
        measure(size, asked.runs, asked.runs if asked.svd_runs is None else asked.svd_runs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1e9 if sys.platform == "darwin" else 1e6
    )
    print(f"\nlargest memory of the whole process: {peak:.1f} GB")


if __name__ == "__main__":
    main()
