"""How long does a corpus take in one process, and with workers on Ray?

python benchmarks/corpus.py [--model smollm2-135m] [--texts 480] [--workers 2] [--rounds 2]

Our demo texts are written to a Parquet file, which the command `embed` embeds into shards, in one
process and with workers, in turns. Printed: seconds of the wall and of all processors (other work
on the machine stretches the first, hardly the second), the most memory that the command and all it
started held at once (PSS, in which shared pages count once), and the lowest cosine between the
vectors of both. Tokens are counted as the model reads them, the prompt included.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from embfilter_viz import open_model
from embfilter_viz.data import DEMO_LANGUAGES, demo_texts


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--model", default="smollm2-135m")
    arguments.add_argument("--texts", type=int, default=480)
    arguments.add_argument("--rows", type=int, default=60, help="rows in a shard")
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--rounds", type=int, default=2)
    given = arguments.parse_args()
    texts = [text for code in ("en", *DEMO_LANGUAGES) for text in demo_texts(code).texts]
    texts = list(dict.fromkeys(texts))[: given.texts]
    read = open_model(given.model).encoder.prepare(texts, "prompteol")
    tokens = sum(len(one.ids) for one in read)
    print(f"{given.model}: {len(texts)} texts, {tokens:,} tokens")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pq.write_table(pa.table({"text": texts, "id": range(len(texts))}), folder / "c.parquet")
        ways: dict[str, list[str]] = {"one": [], "ray": ["--workers", str(given.workers)]}
        for i in range(given.rounds):
            for way, more in ways.items() if i % 2 == 0 else reversed(ways.items()):
                out = folder / f"{way}-{i}"
                wall, cpu, memory = measured(
                    [given.model, str(folder / "c.parquet"), "--column", "text", "--id", "id",
                     "--rows", str(given.rows), "--tau", "2", "-o", str(out), *more]
                )  # fmt: skip
                print(
                    f"round {i + 1}, {way}: {wall:.0f} s, {cpu:.0f} s of processors, "
                    f"{memory / 1e9:.2f} GB; {tokens / wall:.0f} tokens a second",
                    flush=True,
                )
            print(f"lowest cosine {lowest_cosine(folder / f'one-{i}', folder / f'ray-{i}'):.7f}")


def measured(command: list[str]) -> tuple[float, float, int]:
    """Seconds of the wall, of all processors, and the most bytes held at once."""
    begun, most = time.perf_counter(), 0
    spent: dict[int, float] = {}
    child = subprocess.Popen([sys.executable, "-m", "embfilter_viz", "embed", *command],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    while child.poll() is None:
        held = 0
        try:
            tree = [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]
        except psutil.Error:
            break
        for process in tree:
            try:
                times = process.cpu_times()
                spent[process.pid] = times.user + times.system
                held += process.memory_full_info().pss
            except psutil.Error:
                continue
        most = max(most, held)
        time.sleep(0.5)
    assert child.wait() == 0, command
    return time.perf_counter() - begun, sum(spent.values()), most


def lowest_cosine(a: Path, b: Path) -> float:
    tables = [pq.read_table(folder).sort_by("id").column("embedding") for folder in (a, b)]
    x, y = (np.array(table.to_pylist(), dtype=np.float64) for table in tables)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    return float((x * y).sum(axis=1).min())


if __name__ == "__main__":
    main()
