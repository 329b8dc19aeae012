"""Does the spectral reweighting beat the window on sets it was not found on? Cell by cell.

    python benchmarks/reweighting.py [MODEL] [--pairs FILE.csv …] [--prompts …] [--limit 1500]

A cell is a set under a prompt: our five demo sets, and files of graded pairs. Each is scored with
the window at τ = 2, the same window of the centred W_U, the reweighting, and the reweighting cut to
that window. Differences are paired, with a 95 % interval each for itself; "surely" is an interval
without zero, so that of 40 cells without any difference two would be surely something. Means pool
all cells of a prompt, those that share texts as if they erred alike.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from embfilter_viz import Window, open_model
from embfilter_viz.analyses.methods import Parts, fitted
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.evaluation.pooling import pooled, together
from embfilter_viz.evaluation.resampling import intervals
from embfilter_viz.evaluation.task import Task
from embfilter_viz.evaluation.tasks import KINDS, demo_task, read_task
from embfilter_viz.model import Model
from embfilter_viz.wording import bracketed, fixed

COMPARED = (
    ("reweighting", "embedfilter"),
    ("reweighting-window", "embedfilter"),
    ("centred-window", "embedfilter"),
    ("reweighting", "centred-window"),
)
NAMES = {"embedfilter": "τ = 2"}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("model", nargs="?", default="smollm2-135m")
    arguments.add_argument("--pairs", type=Path, nargs="*", default=[])
    arguments.add_argument("--prompts", nargs="+", default=("prompteol", "mean", "echo", "last"))
    arguments.add_argument("--limit", type=int, default=1500)
    arguments.add_argument("--frequencies", default="model", choices=("model", "wordfreq"))
    given = arguments.parse_args()
    model = open_model(given.model)
    files = [read_task("sts", path, limit=given.limit) for path in given.pairs]
    tasks = [*files, *(demo_task(kind) for kind in KINDS)]
    parts = Parts(
        model, Window.of_tau(2, model.d_model), frequencies=model.frequencies(given.frequencies)
    )
    print(f"{model.name}, p̂: {given.frequencies}, points of 100\n")
    heads = [f"{one} − {NAMES.get(other, other)}" for one, other in COMPARED]
    print(f"| prompt | set | units | raw | τ = 2 | {' | '.join(heads)} |")
    print("|---" * (5 + len(heads)) + "|")
    every: list[list[Interval]] = [[] for _ in COMPARED]
    for prompt in given.prompts:
        found = [_cell(model, task, prompt, parts) for task in tasks]
        for column, gaps in zip(every, zip(*found, strict=True), strict=True):
            column += gaps
        groups = together([task.texts for task in tasks])
        means = [pooled(gaps, groups) for gaps in zip(*found, strict=True)]
        print(f"| {prompt} | mean of {len(tasks)} | | | | {' | '.join(map(_words, means))} |")
        sys.stdout.flush()
    print()
    for head, gaps in zip(heads, every, strict=True):
        print(f"- {head}: {_counts(gaps)}.")


def _cell(model: Model, task: Task, prompt: str, parts: Parts) -> list[Interval]:
    """One set under one prompt: its differences, printed as they come."""
    E = model.encode(task.texts, prompt)
    how = task.resamples()
    names = dict.fromkeys(name for pair in COMPARED for name in pair)
    outcomes = {name: task.outcomes(fitted(name, parts).transform(E))[None] for name in names}
    values = {name: task.scores(one)[:, 0] for name, one in outcomes.items()}
    again = {name: task.scores(one, how.counts) for name, one in outcomes.items()}
    gaps = [
        intervals(values[one] - values[other], again[one] - again[other], how)[0]
        for one, other in COMPARED
    ]
    raw, two = task.score(E), float(values["embedfilter"][0])
    cells = [prompt, f"{task.source}, {task.kind}", f"{task.n_units:,}", fixed(raw, 1)]
    print(f"| {' | '.join([*cells, fixed(two, 1), *map(_words, gaps)])} |", flush=True)
    return gaps


def _words(one: Interval) -> str:
    return bracketed(one.value, one.low, one.high, 1, sign=True)


def _counts(gaps: Sequence[Interval]) -> str:
    better = sum(one.value > 0 for one in gaps)
    surely, worse = sum(one.low > 0 for one in gaps), sum(one.high < 0 for one in gaps)
    mean = float(np.mean([one.value for one in gaps]))
    return (
        f"better on {better} of {len(gaps)} cells, surely better on {surely}, surely worse on "
        f"{worse}; mean {mean:+.1f}"
    )


if __name__ == "__main__":
    main()
