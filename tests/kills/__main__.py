"""Kill work at random moments, or take its disks away; begin it again; print what came of it.

    python -m tests.kills --kills 50
    python -m tests.kills --operation spectrum --kills 200 --seed 7
    python -m tests.kills --disks 3          # as root, or below `unshare -rm`

Exits with 1 where something was lost, damaged or left behind.
"""

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.kills.operations import Operation
    from tests.kills.trials import Found, Trials

ALONE = {
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false",
}  # fmt: skip
"""Libraries that start no threads: a fork would lose them."""
_IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
_FEWEST_HITS = 0.2
"""Of the kills tried, before an operation is given up."""


@contextmanager
def ready(
    operations: Sequence["Operation"], inputs: Path | None = None
) -> Iterator[Callable[["Operation", int], "Trials"]]:
    """A maker of trials of these operations, with what they read and whom they ask."""
    from tests.kills.operations import made_inputs, served
    from tests.kills.processes import Started, get_ready
    from tests.kills.trials import Trials

    get_ready(few=inputs is not None)
    with tempfile.TemporaryDirectory(dir=_IN_MEMORY) as folder:
        made, rooms, aside = (Path(folder, name) for name in ("inputs", "rooms", "aside"))
        for one in (made, rooms, aside):
            one.mkdir()
        if inputs is None:  # in a process of its own, for it starts threads
            inputs = made
            variables = {"EMBFILTER_VIZ_CACHE": str(aside / "cache")}
            making = Started(lambda: made_inputs(made, operations), aside, variables).ended()
            if making.code:
                raise RuntimeError(making.log)
        with served(inputs) as environment:
            yield lambda operation, seed: Trials(operation, inputs, rooms, environment, seed)


def kill(trials: "Trials", kills: int) -> None:
    """Kill an operation until so many kills have hit it at work.

    Of four trials one is of two processes that do the same, and now and then four kills follow each
    other before the work is finished.
    """
    turn, found = 0, trials.found
    while found.hits < kills and found.hits >= _FEWEST_HITS * (found.tried - 20):
        turn += 1
        if turn % 4 == 0:
            trials.kill_one_of_two()
        else:
            trials.kill_once(4 if turn % 10 == 1 else 1)


def take_disks(trials: "Trials", times: int) -> Counter[str]:
    """Take each disk from an operation: read-only, full, and filling up so often on the way."""
    from tests.kills.disks import DISKS, READ_ONLY, try_disk

    outcomes: Counter[str] = Counter()
    for disk in DISKS:
        used = sum(
            size for name, size in trials.reference.files.items() if name.startswith(f"{disk}/")
        )
        if disk == "hf" and not used:
            continue
        for free in (READ_ONLY, 0, *(trials.draw(max(4096, used)) for _ in range(times))):
            kind = "read-only" if free == READ_ONLY else "full"
            outcomes[f"{kind} {try_disk(trials, disk, free)}"] += 1
    return outcomes


def say(name: str, found: "Found", counts: Mapping[str, int]) -> None:
    """Tell on standard error what came of an operation."""
    print(f"{name}: {dict(counts)} of {found.tried}; faults {dict(found.faults)}",
          file=sys.stderr, flush=True)  # fmt: skip
    for kind, first in found.first.items():
        print(f"  {kind}: {first}", file=sys.stderr, flush=True)


OF_KILLS = ("operation", "kills that hit", "results lost", "damaged entries used", "leftovers",
            "other faults")  # fmt: skip
OF_DISKS = ("operation", "full: finished", "full: refused", "read-only: finished",
            "read-only: refused", "half written", "results lost", "leftovers",
            "other faults")  # fmt: skip


def row_of_kills(trials: "Trials") -> list[str]:
    """The row of an operation that was killed."""
    found = trials.found
    return [trials.operation.name, f"{found.hits:,}",
            *_faults(found, "lost results", "damaged entries", "leftovers")]  # fmt: skip


def row_of_disks(trials: "Trials", counts: Mapping[str, int]) -> list[str]:
    """The row of an operation that had no disk to write to."""
    cases = [f"{kind} {how}" for kind in ("full", "read-only") for how in ("finished", "refused")]
    return [trials.operation.name, *(str(counts[one]) for one in cases),
            *_faults(trials.found, "half written", "lost results", "leftovers")]  # fmt: skip


def _faults(found: "Found", *kinds: str) -> list[str]:
    named = [found.faults[kind] for kind in kinds]
    return [str(n) for n in (*named, sum(found.faults.values()) - sum(named))]


def table_of(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows as a Markdown table."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    os.environ.update(ALONE)
    from tests.kills.disks import can_mount
    from tests.kills.operations import OPERATIONS
    from tests.kills.trials import Found

    parser = argparse.ArgumentParser(
        prog="python -m tests.kills",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--kills", type=int, default=50, help="that hit each operation at work")
    add("--disks", type=int, help="take disks away: read-only, full, and so often full on the way")
    names = [one.name for one in OPERATIONS]
    add("--operation", action="append", metavar="NAME", choices=names, help="all by default")
    add("--seed", type=int, default=0, help="of the moments")
    add("--inputs", type=Path, help="made before; libraries are then imported when used")
    asked = parser.parse_args()
    chosen = [one for one in OPERATIONS if one.name in (asked.operation or [one.name])]
    if asked.disks is not None:
        with tempfile.TemporaryDirectory() as place:
            if not can_mount(Path(place)):
                parser.error("--disks: no disk can be mounted; run this below `unshare -rm`")
    killed, without_disks, failed = [], [], False
    with ready(chosen, asked.inputs) as trials_of:
        for operation in chosen:
            trials = trials_of(operation, asked.seed)
            if asked.kills:
                kill(trials, asked.kills)
                say(operation.name, trials.found, trials.found.hit)
                killed.append(row_of_kills(trials))
                failed = failed or bool(trials.found.faults)
            if asked.disks is not None:
                trials.found = Found()
                counts = take_disks(trials, asked.disks)
                say(operation.name, trials.found, counts)
                without_disks.append(row_of_disks(trials, counts))
                failed = failed or bool(trials.found.faults)
    tables = [table_of(heads, rows) for heads, rows in ((OF_KILLS, killed),
              (OF_DISKS, without_disks)) if rows]  # fmt: skip
    print("\n\n".join(tables))
    sys.exit(failed)


if __name__ == "__main__":
    main()
