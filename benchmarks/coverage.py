"""How often the product's intervals hold what is true: data drawn anew, many times.

    python benchmarks/coverage.py [--draws 1000] [--only WORD]

All intervals are said to be 95 % intervals. For each the table says in how many of the draws they
held, between which ends that leaves the coverage (exact binomial, 95 %), what the product promises
in its own words, and how long they were beside one of 1.96 true standard errors to either side.
What is drawn, and what is true of it: tests/simulations.py.
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.simulations import run, simulations


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--draws", type=int, default=1000)
    arguments.add_argument("--only", default="", help="Kinds and settings that hold this word.")
    given = arguments.parse_args()
    chosen = [one for one in simulations() if given.only in f"{one.kind}, {one.setting}"]
    print(f"{given.draws} draws each\n")
    print("| measure | drawn | held, with exact binomial ends | promised | length |")
    print("|---|---|---|---|---|")
    broken = 0
    for one in tqdm(chosen, file=sys.stderr, leave=False):
        found = run(one, given.draws)
        kept = all(each.keeps(one.promised) for each in found)
        broken += not kept
        held = ", ".join(
            f"{each.name} {each.held / each.count:.1%} "
            f"({each.ends[0]:.0%} to {each.ends[1]:.0%})" for each in found
        )  # fmt: skip
        lengths = ", ".join(f"{each.width:.2f}" for each in found)
        promise = f"{one.promised:.0%}{'' if kept else ', NOT KEPT'}"
        print(f"| {one.kind} | {one.setting} | {held} | {promise} | {lengths} |", flush=True)
    print(f"\npromises not kept: {broken}")


if __name__ == "__main__":
    main()
