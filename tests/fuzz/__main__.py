"""Put parsers under mutation and print what came of it.

    python -m tests.fuzz --iterations 100000
    python -m tests.fuzz --target gguf --iterations 5000 --seed 7
    python -m tests.fuzz --record counts.json --seconds 600      # goes on where it was stopped

Exits with 1 where a fault was found; the first input of each kind is then kept in
``tests/fuzz/failed/TARGET``, where the tests read it from then on.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.child import MEMORY, input_of, name_of
from tests.fuzz.targets import ALL, TARGETS

FAILED = Path(__file__).with_name("failed")
SECONDS = 10.0
"""Of a processor's time, in which an input must be answered."""
QUICK = tuple(name for name, target in TARGETS.items() if not target.slow)
"""Targets that read 100,000 inputs in minutes; the others take hours."""
_WAITS = 20
"""Times that, by the clock: others may use the processor too, and a process may wait for ever."""
_IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""A folder for the inputs, each of which is written to a file: on a disk that takes the longest."""
_IMPORTS = 120.0
"""The same for what comes before the first input: libraries are imported, and seeds are read."""


@dataclass
class Found:
    """What came of the inputs of one target."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    commit: str = ""
    failed: dict[str, bytes] = field(default_factory=dict)

    @property
    def n(self) -> int:
        return sum(self.counts.values())

    @property
    def faults(self) -> dict[str, int]:
        return {kind: n for kind, n in self.counts.items() if kind.startswith("fault")}


def fuzz(
    name: str, iterations: int, seed: int = 0, seconds: float = math.inf, found: Found | None = None
) -> Found:
    """Read that many inputs of a target, in as many processes as end before their time.

    Args:
        name: of the target.
        iterations: number after the last input.
        seed: of the inputs.
        seconds: after which no further input is read.
        found: what came of the first inputs, which are not read again.

    Returns:
        what came of all.
    """
    found = found or Found()
    first, spent = found.n, found.seconds
    begun = time.monotonic()
    while first < iterations and (left := seconds - (time.monotonic() - begun)) > 0:
        first = _in_child(name, (first, iterations), seed, found, left)
    found.seconds = spent + time.monotonic() - begun
    return found


def _in_child(name: str, numbers: tuple[int, int], seed: int, found: Found, seconds: float) -> int:
    """Read inputs in a child until all are read or it ends; the number of the next one."""
    first, last = numbers
    with tempfile.TemporaryDirectory(dir=_IN_MEMORY) as folder:
        room = Path(folder)
        command = [sys.executable, "-m", "tests.fuzz.child", name]
        command += [*map(str, (first, last, seed)), folder, str(seconds)]
        with (
            tempfile.TemporaryFile() as log,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as child,
        ):
            lines: list[dict[str, Any]] = []
            assert child.stdout is not None
            reader = threading.Thread(
                target=lambda: lines.extend(json.loads(line) for line in child.stdout or ()),
                daemon=True,
            )
            reader.start()
            ended = _watched(child, room)
            reader.join()
            at = _number(room)
            log.seek(0)
            told = log.read().decode(errors="replace")[-2000:]
    for line in lines:
        if "fault" in line:
            found.failed.setdefault(line["fault"], bytes.fromhex(line["input"]))
    counts = next((line["counts"] for line in lines if "counts" in line), None)
    if counts is not None:
        found.counts.update(counts)
        return last
    sofar = next((line for line in reversed(lines) if "sofar" in line), None)
    if sofar is not None:
        found.counts.update(sofar["sofar"])
    if at is None:
        raise RuntimeError(f"{name}: its child did not begin ({ended}):\n{told}")
    kind = f"fault: {ended}"
    # Of the inputs since the last report no outcome is known but that they ended.
    since = at - (sofar["next"] if sofar else first)
    found.counts.update({kind: 1, "answered or refused": since})
    found.failed.setdefault(kind, input_of(ALL[name], at, seed))
    return at + 1


def _watched(child: "subprocess.Popen[str]", room: Path) -> str:
    """Wait for the end of a child; end it where one input takes too long or too much."""
    import psutil

    process, last = psutil.Process(child.pid), None
    since, used, allowed = time.monotonic(), 0.0, _IMPORTS
    while child.poll() is None:
        time.sleep(0.1)
        now, at = time.monotonic(), _number(room)
        try:
            times = process.cpu_times()
            if at != last:
                last, since, used, allowed = at, now, times.user + times.system, SECONDS
            spent = times.user + times.system - used
            if spent > allowed or now - since > _WAITS * allowed:
                child.kill()
                return f"more than {SECONDS:g} s"
            if process.memory_info().rss > MEMORY + (1 << 29):
                child.kill()
                return "more than 2 GB"
        except psutil.Error:
            continue
    return f"the process ended with {child.returncode}"


def _number(room: Path) -> int | None:
    """The number of the input that a child reads."""
    try:
        return int((room / "now").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None


def table_of(all_found: dict[str, Found]) -> str:
    """The counts as a Markdown table."""
    lines = [
        "| target | inputs | answered | refused in one line | faults | commit |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name, found in all_found.items():
        faults = sum(found.faults.values())
        lines.append(
            f"| {name} | {found.n:,} | {found.counts['answered']:,} | {found.counts['refused']:,} "
            f"| {faults:,} | {found.commit} |"
        )
    total = sum(found.n for found in all_found.values())
    return "\n".join([*lines, f"| {len(all_found)} targets | {total:,} | | | | |"])


def commit_here() -> str:
    """The commit that is checked out, with a + where files differ from it; empty without Git."""
    told = []
    for asked in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "-uno"]):
        run = subprocess.run(["git", *asked], capture_output=True, text=True, check=False)
        told.append(run.stdout.strip() if run.returncode == 0 else "")
    return told[0] + ("+" if told[1] else "")


def recorded(path: Path | None) -> dict[str, Found]:
    """What earlier runs wrote to ``path``."""
    if path is None or not path.exists():
        return {}
    return {
        name: Found(Counter(one["counts"]), one["seconds"], one["commit"])
        for name, one in json.loads(path.read_text()).items()
    }


def record(path: Path | None, all_found: dict[str, Found]) -> None:
    """Write what came of all targets so far."""
    if path is not None:
        said = {
            name: {"counts": dict(one.counts), "seconds": one.seconds, "commit": one.commit}
            for name, one in all_found.items()
        }
        path.write_text(json.dumps(said, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--iterations", type=int, default=100_000, help="inputs of each target")
    parser.add_argument(
        "--target", action="append", choices=sorted(TARGETS), help="all that are quick by default"
    )
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="of each target, all inputs read or not"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the inputs")
    parser.add_argument("--record", type=Path, help="a file of the counts, to go on from")
    asked = parser.parse_args()
    found, commit = recorded(asked.record), commit_here()
    for name in asked.target or QUICK:
        known = found.get(name)
        if known is not None and known.n >= asked.iterations:
            continue
        found[name] = fuzz(name, asked.iterations, asked.seed, asked.seconds, known)
        found[name].commit = commit
        record(asked.record, found)
        print(f"{name}: {dict(found[name].counts)}", file=sys.stderr, flush=True)
        for kind, data in found[name].failed.items():
            kept = FAILED / name / name_of(data)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(data)
            print(f"  {kind}: {kept}", file=sys.stderr, flush=True)
    print(table_of({name: found[name] for name in TARGETS if name in found}))
    sys.exit(any(one.faults for one in found.values()))


if __name__ == "__main__":
    main()
