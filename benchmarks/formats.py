"""The filter in every file that `apply` writes: python benchmarks/formats.py.

Random vectors of 576 numbers are written as each kind of file by its own library, filtered by
`apply_filter`, read back by that library, and held against the product in float64: the lowest
cosine is printed, with the versions.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.apply import write_filter
from embfilter_viz.export.filter_file import load_filter
from embfilter_viz.vectors import StoredVectors, apply_filter, open_vectors
from embfilter_viz.vectors.scales import Scaled, ranges_of

ROWS, WIDTH = 2000, 576


def main() -> None:
    print(f"numpy {np.__version__}, pyarrow {pa.__version__}, faiss {faiss.__version__}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_filter(folder / "filter.safetensors", WIDTH)
        loaded = load_filter(folder / "filter.safetensors")
        E = np.random.default_rng(0).standard_normal((ROWS, WIDTH)).astype(np.float32)
        expected = E.astype(np.float64) @ loaded.V_window.astype(np.float64)
        for kind, (ending, write, read) in KINDS.items():
            raw, out = folder / f"raw{ending}", folder / f"out{ending}"
            vectors = write(raw, E)
            apply_filter(loaded, vectors, out, force=True)
            print(f"{kind}: lowest cosine {lowest(read(out), expected):.9f}")


def lowest(made: np.ndarray, expected: np.ndarray) -> float:
    made = made.astype(np.float64)
    norms = np.linalg.norm(made, axis=1) * np.linalg.norm(expected, axis=1)
    return float(((made * expected).sum(axis=1) / norms).min())


def array(dtype: str) -> Callable[[Path, np.ndarray], StoredVectors]:
    def write(path: Path, rows: np.ndarray) -> StoredVectors:
        if dtype == "int8":  # of one scale
            rows = np.rint(rows * 127 / np.abs(rows).max())
        np.save(path, rows.astype(dtype))
        return open_vectors(path)

    return write


def ranges(path: Path, rows: np.ndarray) -> StoredVectors:
    from sentence_transformers.util.quantization import quantize_embeddings

    limits = np.stack([rows.min(axis=0), rows.max(axis=0)])
    np.save(path.with_suffix(".ranges.npy"), limits)
    np.save(path, quantize_embeddings(rows, "int8", ranges=limits))
    vectors = open_vectors(path)
    return Scaled(vectors, ranges_of(path.with_suffix(".ranges.npy"), WIDTH, vectors.dtype))


def table(path: Path, rows: np.ndarray) -> StoredVectors:
    column = pa.array(list(rows), type=pa.list_(pa.float32(), WIDTH))
    made = pa.table({"id": range(len(rows)), "v": column})
    if path.suffix == ".parquet":
        pq.write_table(made, path)
    else:
        with pa.ipc.new_file(path, made.schema) as writer:
            writer.write_table(made)
    return open_vectors(path)


def of_table(path: Path) -> np.ndarray:
    made = pq.read_table(path) if path.suffix == ".parquet" else pa.ipc.open_file(path).read_all()
    return np.array(made.column("v").to_pylist())


def index(path: Path, rows: np.ndarray) -> StoredVectors:
    flat = faiss.IndexFlatIP(WIDTH)
    flat.add(rows)
    faiss.write_index(flat, str(path))
    return open_vectors(path)


def of_index(path: Path) -> np.ndarray:
    return faiss.read_index(str(path)).reconstruct_n(0, ROWS)


KINDS = {
    "NumPy, float32": (".npy", array("float32"), np.load),
    "NumPy, float16": (".npy", array("float16"), np.load),
    "NumPy, int8 of one scale": (".npy", array("int8"), np.load),
    "NumPy, int8 by sentence-transformers, with --ranges": (".npy", ranges, np.load),
    "Parquet": (".parquet", table, of_table),
    "Arrow": (".arrow", table, of_table),
    "FAISS": (".faiss", index, of_index),
}


if __name__ == "__main__":
    main()
