"""Try bad invocations of the command line and print what came of them.

    python -m tests.invocations
    python -m tests.invocations --lines lines.txt --share 10

Every parameter of every command is given values that it cannot have, and each kind of other
mistake is made by hand. Allowed is one outcome: exit code 2 and one line on standard error that
names the input and the way out, within ten seconds, nothing on standard output and no file left
or changed. Exits with 1 where a case had another.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from tests.invocations.cases import all_cases, share
from tests.invocations.trying import (
    SECONDS,
    Tried,
    bound_memory,
    places,
    seconds_of_a_start,
    tried_here,
    tried_in_a_process,
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.invocations", description=__doc__)
    parser.add_argument("--share", type=int, default=1, metavar="N", help="every N-th case alone")
    parser.add_argument("--processes", type=int, default=24, metavar="N",
                        help="cases that are also tried in a process of their own")  # fmt: skip
    parser.add_argument("--only", default="", help="cases with this in their words")
    parser.add_argument("--lines", type=Path, help="a file for every case and its line")
    asked = parser.parse_args()
    cases = [case for case in share(all_cases(), asked.share) if asked.only in str(case)]
    alone = [case for case in cases if case.variables]
    here = [case for case in cases if not case.variables]
    again = here[:: max(1, len(here) // asked.processes)] if asked.processes else []
    found: list[Tried] = []
    bound_memory()
    with places() as folder:
        for case in here:
            found.append(Tried(case, tried_here(case, folder)))
            _tell(found[-1])
        allowed = max(SECONDS, 3 * seconds_of_a_start(folder)) if alone or again else SECONDS
        for case in [*alone, *again]:
            found.append(Tried(case, tried_in_a_process(case, folder, allowed)))
            _tell(found[-1])
    if asked.lines:
        asked.lines.write_text(
            "".join(f"{one.case}\n    {one.outcome.err.strip()}\n" for one in found),
            encoding="utf-8",
            errors="backslashreplace",
        )
    print(table_of(found))
    slowest = max(found, key=lambda one: one.outcome.seconds)
    print(f"\nThe slowest took {slowest.outcome.seconds:.1f} s: {slowest.case}")
    sys.exit(any(one.faults for one in found))


def _tell(one: Tried) -> None:
    if one.faults:
        said = f"{one.case}\n    {'; '.join(one.faults)}\n    {one.outcome.err.strip()[-700:]}"
        shown = said.encode(errors="backslashreplace").decode()
        print(shown, file=sys.stderr, flush=True)


def table_of(found: list[Tried]) -> str:
    """The counts by kind as a Markdown table."""
    counts = Counter(one.case.kind for one in found)
    wrong = Counter(one.case.kind for one in found if one.faults)
    lines = ["| what is wrong | tried | refused in one line | faults |", "|---|---:|---:|---:|"]
    lines += [
        f"| {kind} | {n:,} | {n - wrong[kind]:,} | {wrong[kind]:,} |" for kind, n in counts.items()
    ]
    n, faults = len(found), sum(wrong.values())
    return "\n".join([*lines, f"| all | {n:,} | {n - faults:,} | {faults:,} |"])


if __name__ == "__main__":
    main()
