"""How much memory the spectrum of an 8-billion model's head takes.

    python benchmarks/memory.py

Writes a checkpoint of Llama-3.1-8B's shape into a temporary folder (1.1 GB on the disk, the
layers are holes), runs the ``spectrum`` command on it in a process of its own, five times with
an empty cache and once more with what the fifth left, and prints the most memory each ever held.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from llama_on_disk import LLAMA_3_8B, write_llama

RUNS = 5
BOUND = 2.2e9


def main() -> None:
    """Run and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    shape = LLAMA_3_8B
    with tempfile.TemporaryDirectory() as room:
        folder = write_llama(Path(room, "llama"), shape)
        print(f"head {shape.d_vocab:,} x {shape.d_model:,} bfloat16: {shape.head_bytes:,} bytes")
        peaks = []
        for run in range(runs):
            cache = Path(room, f"cache-{run}")
            peak, seconds, said = spectrum(folder, cache)
            peaks.append(peak)
            print(
                f"  run {run + 1}: peak {peak / 1e9:.2f} GB resident, {seconds:.1f} s", flush=True
            )
        print(f"  loaded {said['loaded']['sentence']}; route: {said['route']}")
        peak, seconds, _ = spectrum(folder, cache)
        print(f"  known already: peak {peak / 1e9:.2f} GB resident, {seconds:.1f} s")
    print(
        f"peak {statistics.median(peaks) / 1e9:.2f} GB in the median of {runs}, from "
        f"{min(peaks) / 1e9:.2f} to {max(peaks) / 1e9:.2f}; the bound is {BOUND / 1e9:.1f} GB: "
        f"{'kept' if max(peaks) <= BOUND else 'NOT kept'}"
    )
    print(
        f"opening the whole Llama-3.1-8B, {shape.parameters:,} parameters, would take "
        f"{2 * shape.parameters:,} bytes in bfloat16 and {4 * shape.parameters:,} in float32"
    )


def spectrum(folder: Path, cache: Path) -> tuple[int, float, dict]:
    """Peak resident bytes, seconds and answer of the command in a process of its own."""
    command = [sys.executable, "-m", "embfilter_viz", "spectrum", str(folder), "--json"]
    env = {**os.environ, "EMBFILTER_VIZ_CACHE": str(cache)}
    before = time.perf_counter()
    with (
        tempfile.TemporaryFile() as answer,
        subprocess.Popen(command, env=env, stdout=answer, stderr=subprocess.DEVNULL) as child,
    ):
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - before
        assert child.returncode == 0, f"the command left with {child.returncode}"
        answer.seek(0)
        unit = 1 if platform.system() == "Darwin" else 1024
        return usage.ru_maxrss * unit, seconds, json.load(answer)


if __name__ == "__main__":
    main()
