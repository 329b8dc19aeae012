"""How long does a filter over the vectors of a database take, beside one product in NumPy?

python benchmarks/fill.py [--rows 20000] [--width 576] [--only NAME] [--memory]

Random raw vectors are written by the database's own client. Then, once: one product of all of them
in NumPy, and `fill_database`, whose time is printed as a ratio to it. Twenty filtered vectors are
then searched for by cosine, and the ten ids that the database finds are held against NumPy's, as
are all filtered vectors that its client reads back. With --memory the command `fill` does it again,
into another column, in a process of its own whose peak of memory is printed.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.apply import peak_of, write_filter
from embfilter_viz.export.filter_file import load_filter
from embfilter_viz.vectors import fill_database, open_database
from tests.vectors.stages import STAGES


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rows", type=int, default=20_000)
    arguments.add_argument("--width", type=int, default=576)
    arguments.add_argument("--only", choices=list(STAGES))
    arguments.add_argument("--memory", action="store_true")
    given = arguments.parse_args()
    for kind in [given.only] if given.only else STAGES:
        with tempfile.TemporaryDirectory() as folder:
            address = measured(Path(folder), kind, given.rows, given.width)
            if given.memory:
                words = (str(Path(folder, "filter.safetensors")), address, "--to", "again")
                print(f"peak memory of the command: {peak_of('fill', *words) / 1e9:.2f} GB")


def measured(folder: Path, kind: str, rows: int, width: int) -> str:
    stage = STAGES[kind]
    write_filter(folder / "filter.safetensors", width)
    loaded = load_filter(folder / "filter.safetensors")
    E = np.random.default_rng(0).standard_normal((rows, width)).astype(np.float32)
    address = stage.make(folder, list(E))
    begun = time.perf_counter()
    filtered = loaded.transform(E)
    product = time.perf_counter() - begun
    begun = time.perf_counter()
    database = open_database(address)
    fill_database(loaded, database)
    database.close()
    took = time.perf_counter() - begun
    unit = filtered / np.linalg.norm(filtered, axis=1, keepdims=True)
    same = sum(
        stage.search(folder, filtered[i]) == np.argsort(-(unit @ unit[i]))[:10].tolist()
        for i in range(20)
    )
    made = stage.read(folder)
    cosines = cosines_of(filtered, np.array([made[i] for i in range(rows)]))
    print(
        f"{kind}: {rows:,} x {width} -> {filtered.shape[1]}: {took:.2f} s, {took / product:.0f} "
        f"times one product ({product:.3f} s); the same ten ids for {same} of 20 queries, "
        f"lowest cosine to NumPy's {cosines.min():.12f}"
    )
    return address


def cosines_of(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray((a * b).sum(axis=1) / norms)


if __name__ == "__main__":
    main()
