"""A model's own token frequencies from as few positions as it takes, beside all of them.

python benchmarks/frequencies.py [MODEL …] asks each model over the demo texts, both ways in one
process, and nothing is read from or written to the store. Printed: how many times as long all
positions take, by the wall's clock and by the processor's; the positions; the error that is told,
which is that by all texts of this kind; how far it is from what all positions of these texts say,
which are themselves off by as much as two halves of them tell; and how many of the 100 most
frequent tokens are the same, there and between those halves.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from turns import machine

from embfilter_viz import open_model
from embfilter_viz.data import demo_texts
from embfilter_viz.models.encoding.unigram import GOOD_ENOUGH, Unigram


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("models", nargs="*", default=["smollm2-135m"])
    arguments.add_argument("--good-enough", type=float, default=GOOD_ENOUGH)
    given = arguments.parse_args()
    print(machine())
    for name in given.models:
        compare(name, given.good_enough)


def compare(name: str, good_enough: float) -> None:
    """Both ways on one model, in words."""
    encoder, texts = open_model(name).encoder, demo_texts().texts
    encoder.encode(["A text to have the model loaded."], "mean")

    def sampled() -> Unigram:
        return encoder.unigram(texts, good_enough=good_enough)

    # In turns, so that both ways meet the same machine.
    few, first_took = timed(sampled)
    half, half_took = timed(lambda: encoder.unigram(texts[::2]))
    _, second_took = timed(sampled)
    other, other_took = timed(lambda: encoder.unigram(texts[1::2]))
    few_took = tuple((a + b) / 2 for a, b in zip(first_took, second_took, strict=True))
    # All positions are those of both halves, read one half after the other.
    n = half.positions + other.positions
    whole = (half.p * half.positions + other.p * other.positions) / n
    took = tuple(a + b for a, b in zip(half_took, other_took, strict=True))
    wall, cpu = (a / b for a, b in zip(took, few_took, strict=True))
    print(f"\n{name}: all {n:,} positions take {took[0]:.1f} s, {few.positions:,} take")
    print(f"  {few_took[0]:.1f} s: {wall:.1f} times as long, {cpu:.1f} times the processor's time")
    told = "none, all were read" if few.error is None else f"{few.error:.3f}"
    print(f"  error told: {told}; distance to all positions: {distance(few.p, whole):.3f}")
    print(f"  error of all positions, told by their halves: {distance(half.p, other.p) / 2:.3f}")
    print(f"  of the 100 most frequent tokens the same: {shared(few.p, whole)}; between the halves")
    print(f"  of all: {shared(half.p, other.p)}; correlation of log p {log_corr(few.p, whole):.3f}")


def timed(work: Callable[[], Unigram]) -> tuple[Unigram, tuple[float, float]]:
    """What ``work`` returns, and its seconds by the wall's and by the processor's clock."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return found, (time.perf_counter() - wall, time.process_time() - cpu)


def distance(p: np.ndarray, q: np.ndarray) -> float:
    """Total variation distance."""
    return float(np.abs(p - q).sum() / 2)


def shared(p: np.ndarray, q: np.ndarray) -> int:
    """How many of the 100 most frequent tokens both have."""
    return len({*np.argsort(-p)[:100]} & {*np.argsort(-q)[:100]})


def log_corr(p: np.ndarray, q: np.ndarray) -> float:
    tiny = np.finfo(float).tiny
    return float(np.corrcoef(np.log(np.maximum(p, tiny)), np.log(np.maximum(q, tiny)))[0, 1])


if __name__ == "__main__":
    main()
