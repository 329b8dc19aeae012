"""What windows save: python benchmarks/cost.py [--d 576] [--windows 144:432 58:432 …].

Dimensions, bytes for a million vectors, and the time of exact search by inner product before and
after, taken in turns in one process.
"""

import argparse

from embfilter_viz import Window
from embfilter_viz.evaluation.cost import PRECISIONS, search_cost


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--d", type=int, default=576, help="the model's width")
    arguments.add_argument(
        "--windows", nargs="+", default=["1.25", "2", "4", "8"], help="tau or l:r"
    )
    arguments.add_argument("--vectors", type=int, help="vectors in the index; 256 MiB by default")
    arguments.add_argument("--repeats", type=int, default=9)
    given = arguments.parse_args()
    sizes = "".join(f" {name}, MB |" for name in PRECISIONS)
    print(f"| window | numbers |{sizes} ms a query | times as fast |")
    print("|---" * (len(PRECISIONS) + 4) + "|")
    for text in given.windows:
        window = Window.parse(text, given.d)
        cost = search_cost(window, n_vectors=given.vectors, repeats=given.repeats)
        megabytes = "".join(
            f" {before / 1e6:,.0f} → {after / 1e6:,.0f} |"
            for before, after in cost.bytes_per_million.values()
        )
        slow, fast = (
            1000 * sorted(times)[len(times) // 2]
            for times in (cost.seconds_before, cost.seconds_after)
        )
        ratio = cost.speedup
        print(
            f"| {window} | {window.d} → {window.k} |{megabytes} {slow:.2f} → {fast:.2f} | "
            f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}] |",
            flush=True,
        )
    print(f"\nMegabytes for a million vectors; exact search over {cost.n_vectors:,} of them.")


if __name__ == "__main__":
    main()
