"""The process in which inputs are read: bounded in memory, watched from outside.

Writes a line of JSON for each fault and one at the end; the number of the input being read stands
in the file ``now``, and the input itself beside it, so that whoever ends this process knows both.
"""

import hashlib
import json
import math
import os
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from embfilter_viz.errors import InputError
from tests.fuzz.targets import ALL, Target

MEMORY = 2 << 30
"""Bytes beyond what the process has when all is imported."""
LONGEST_LINE = 1000


def input_of(target: Target, number: int, seed: int) -> bytes:
    """The input of that number: always the same."""
    rng = random.Random(f"{target.name} {seed} {number}")
    return target.change(rng, rng.choice(_seeds(target)))


@cache
def _seeds(target: Target) -> list[bytes]:
    return target.seeds()


def outcome_of(target: Target, data: bytes, folder: Path) -> str:
    """``answered``, ``refused``, or the kind of fault."""
    path = folder / target.file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    try:
        target.read(path)
    except InputError as error:
        return fault_of_line(str(error)) or "refused"
    except MemoryError:
        return f"fault: MemoryError at {_place()}"
    except BaseException as error:  # a panic of Rust is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        return f"fault: {type(error).__name__} at {_place()}"
    return "answered"


def fault_of_line(line: str) -> str | None:
    """Say what is wrong with a refusal; None where it is one line for a reader."""
    if not line.strip() or "\n" in line or "\r" in line:
        return "fault: not one line"
    if len(line) > LONGEST_LINE:
        return "fault: a line too long"
    try:
        line.encode()
    except UnicodeEncodeError:
        return "fault: a line that cannot be printed"
    return None


def _place() -> str:
    """The innermost line of ours that the exception went through."""
    frames = traceback.extract_tb(sys.exc_info()[2])
    ours = [f for f in frames if "embfilter_viz" in f.filename]
    frame = (ours or frames)[-1]
    return f"{Path(frame.filename).name}:{frame.name}"


def bound_memory() -> None:
    """No more than :data:`MEMORY` beyond now, where the system can hold a process to it."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):
        return
    limit = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def run(
    names: list[str], first: int, last: int, seed: int, room: Path, seconds: float = math.inf
) -> None:
    """Read the inputs ``first`` to ``last - 1`` of each target.

    Args:
        names: of targets.
        first: number of the first input.
        last: number after the last.
        seed: of all inputs.
        room: an empty folder.
        seconds: after which no further input of a target is read.
    """
    global _channel
    _channel = os.dup(1)
    os.dup2(2, 1)  # what libraries print goes to the log
    warnings.simplefilter("ignore")
    os.environ |= {"EMBFILTER_VIZ_CACHE": str(room / "cache"), "HF_HUB_CACHE": str(room / "hub")}
    now = os.open(room / "now", os.O_CREAT | os.O_RDWR)
    for name in names:  # import what is needed before anything is bounded
        (room / name).mkdir(exist_ok=True)
        for data in (*ALL[name].seeds(), *ALL[name].warm()):
            outcome_of(ALL[name], data, room / name)
    bound_memory()
    for name in names:
        target, folder = ALL[name], room / name
        os.chdir(folder)
        counts: Counter[str] = Counter()
        begun = time.monotonic()
        for number in range(first, last):
            if time.monotonic() - begun > seconds:
                break
            data = input_of(target, number, seed)
            os.pwrite(now, f"{name} {number}".ljust(60).encode(), 0)
            outcome = outcome_of(target, data, folder)
            counts[outcome] += 1
            if outcome.startswith("fault") and counts[outcome] == 1:
                say({"target": name, "fault": outcome, "number": number, "input": data.hex()})
            if number % 500 == 499:
                say({"target": name, "sofar": dict(counts), "next": number + 1})
        say({"target": name, "counts": dict(counts), "seconds": time.monotonic() - begun})


_channel = 1


def say(said: dict[str, Any]) -> None:
    os.write(_channel, json.dumps(said).encode() + b"\n")


def name_of(data: bytes) -> str:
    """What an input that failed is called."""
    return hashlib.sha256(data).hexdigest()[:12]


if __name__ == "__main__":
    wanted, start, stop, drawn = sys.argv[1].split(","), *map(int, sys.argv[2:5])
    with tempfile.TemporaryDirectory() as made:
        place = Path(sys.argv[5] if len(sys.argv) > 5 else made)
        longest = float(sys.argv[6]) if len(sys.argv) > 6 else math.inf
        run(wanted, start, stop, drawn, place, longest)
