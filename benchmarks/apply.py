"""How much memory does a filter over stored vectors take, and how fast is it?

python benchmarks/apply.py [--rows 2000000] [--width 576] [--dtype float16] [--folder FOLDER]

A file of that many vectors is written first: random ones, one block again and again. Then, in one
process: the file is read in blocks and nothing is done (the speed of the disk, or of its cache); a
block is multiplied as often as the file has blocks (the speed of one product); and `apply_filter`
does both and writes the result. The slower of the first two is the limit. Peak memory is that of a
process of its own that runs the command `apply`.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from embfilter_viz import Window, open_model
from embfilter_viz.export.filter_file import load_filter, save_filter
from embfilter_viz.vectors import apply_filter, open_vectors
from embfilter_viz.vectors.stored import rows_at_once
from tests.models.tiny_checkpoints import write_checkpoint

MEMORY = """
import sys
from pathlib import Path
from embfilter_viz.cli import main
try:
    main(sys.argv[1:])
finally:
    # Of this process alone: what getrusage tells is at least the peak of the one that began it.
    status = Path("/proc/self/status").read_text()
    print(1024 * int(status.split("VmHWM:")[1].split()[0]), file=sys.stderr)
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rows", type=int, default=2_000_000)
    arguments.add_argument("--width", type=int, default=576)
    arguments.add_argument("--dtype", default="float16", choices=["float16", "float32", "int8"])
    arguments.add_argument("--folder", type=Path)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        measured(Path(folder), given.rows, given.width, given.dtype)


def measured(folder: Path, rows: int, width: int, dtype: str) -> None:
    raw, out, filter_file = folder / "raw.npy", folder / "out.npy", folder / "filter.safetensors"
    write_raw(raw, rows, width, dtype)
    write_filter(filter_file, width)
    loaded, vectors = load_filter(filter_file), open_vectors(raw)
    read = timed(lambda: sum(len(block) for block, _ in vectors.blocks()))
    block = np.random.default_rng(0).standard_normal((rows_at_once(width), width), np.float32)
    A = np.ascontiguousarray(loaded.V_window)
    times = rows / len(block)
    product = timed(lambda: [block @ A for _ in range(20)]) / 20 * times
    ours = timed(lambda: apply_filter(loaded, vectors, out))
    size, made = raw.stat().st_size, out.stat().st_size
    print(f"{rows:,} × {width} {dtype}: {size / 1e9:.2f} GB in, {made / 1e9:.2f} GB out")
    print(f"read alone {read:.1f} s, one product {product:.1f} s, apply {ours:.1f} s: "
          f"{ours / max(read, product):.2f} times the slower of both")  # fmt: skip
    peak = peak_of("apply", str(filter_file), str(raw), "-o", str(out), "--force")
    print(f"peak memory of the command: {peak / 1e9:.2f} GB")


def peak_of(*command: str) -> int:
    """The most bytes that a command held, in a process of its own."""
    child = subprocess.run(
        [sys.executable, "-c", MEMORY, *command],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    return int(child.stderr.split()[-1])


def timed(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def write_raw(path: Path, rows: int, width: int, dtype: str) -> None:
    block = np.random.default_rng(1).standard_normal((min(rows, 50_000), width), np.float32)
    block = (20 * block).astype(dtype) if dtype == "int8" else block.astype(dtype)
    with path.open("wb") as file:
        header = {"descr": block.dtype.str, "fortran_order": False, "shape": (rows, width)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, rows, len(block)):
            file.write(block[: rows - start].data)


def write_filter(path: Path, width: int) -> None:
    """A filter file of a random head, which keeps the middle half."""
    folder = write_checkpoint(path.with_name("head"), hidden_size=width).folder
    save_filter(path, open_model(str(folder)), Window.of_tau(2, width))


if __name__ == "__main__":
    main()
