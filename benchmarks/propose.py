"""How good is a window proposed without labels?

python benchmarks/propose.py STS.csv [--models MODEL …] [--prompts prompteol mean]

STS.csv has the columns sentence1, sentence2 and score; the figures in README.md are of the test
split of the STS Benchmark (Cer et al. 2017). The other two tasks are our demo sets: retrieval, and
classification of the demo texts. A window from texts is proposed from the task's own texts, whose
labels it does not see, or from those that --texts names.

"Best by labels" is what labels attain on data they did not choose by: each half of the units
chooses a window, the other half scores it, and the two scores are averaged; all other scores are
averages over the same halves. "Kept" is the share of its gain over raw that a proposal keeps, with
a 95 % bootstrap interval over units (the windows stay). Where the gain of "best by labels" is not
surely above 0 there is nothing to keep a share of, and the differences alone are told.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from embfilter_viz import Window, open_model
from embfilter_viz.analyses.propose import propose_window
from embfilter_viz.data import demo_texts
from embfilter_viz.evaluation.proposing.from_texts import windows_tried
from embfilter_viz.evaluation.task import Task
from embfilter_viz.evaluation.tasks import read_task
from embfilter_viz.texts import read_lines

N_RESAMPLES = 300
COARSE = 10
"""Steps of the plane that labels choose from where a window takes long to score."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("pairs", type=Path)
    arguments.add_argument("--models", nargs="+", default=["smollm2-135m"])
    arguments.add_argument("--prompts", nargs="+", default=["prompteol", "mean"])
    arguments.add_argument(
        "--tasks", nargs="+", default=["sts", "retrieval", "classification"],
        choices=["sts", "retrieval", "classification"],
    )  # fmt: skip
    arguments.add_argument(
        "--texts", help="propose from these instead: a file of lines, or demo for our demo texts"
    )
    given = arguments.parse_args()
    others = None
    if given.texts is not None:
        others = demo_texts().texts if given.texts == "demo" else read_lines(given.texts)
    tasks = {
        kind: read_task(kind, given.pairs if kind == "sts" else "demo") for kind in given.tasks
    }
    print("| model | prompt | task | raw | τ = 2 | best by labels | from texts | kept | "
          "from the checkpoint | kept |")  # fmt: skip
    print("|---" * 10 + "|")
    for name in given.models:
        model = open_model(name)
        for prompt in given.prompts:
            for kind, task in tasks.items():
                with tqdm(file=sys.stderr, desc=f"{prompt} {kind}", leave=False) as bar:
                    cells = compared(model, prompt, task, others or task.texts, bar)
                print(
                    f"| {Path(name).stem} | {prompt} | {kind} | {' | '.join(cells)} |", flush=True
                )


def compared(model, prompt: str, task: Task, texts: Sequence[str], bar: tqdm) -> list[str]:
    """The cells of one row."""

    def listen(what: str, done: float, total: float, unit: str) -> None:
        bar.total, bar.n = total or None, done
        bar.refresh()

    d = model.d_model
    proposed = {
        "texts": propose_window(model, texts, prompt, progress=listen),
        "head": propose_window(model, progress=listen),
    }
    R = model.encode(task.texts, prompt, progress=listen).astype(np.float64) @ model.spectrum.V
    fixed = {"raw": Window(0, d, d), "tau": Window.of_tau(2, d)}
    fixed |= {name: one.window for name, one in proposed.items()}
    grid = windows_tried(d)
    if task.is_slow:
        edges = [d * i // COARSE for i in range(COARSE + 1)]
        grid = [Window(a, b, d) for i, a in enumerate(edges) for b in edges[i + 1 :]]
    windows = list(dict.fromkeys([*fixed.values(), *grid]))
    at = {name: windows.index(window) for name, window in fixed.items()}
    outcomes = task.outcomes_of_windows(R, windows, progress=listen)

    halves = np.stack([task.chooses, ~task.chooses]).astype(np.float64)
    by_half = task.scores(outcomes, halves)  # (m, 2)
    picked = by_half.argmax(axis=0)  # the window each half chooses
    rng = np.random.default_rng(0)
    resampled = {}  # (b,) by name, averages over both halves
    again = [
        rng.multinomial(int(half.sum()), half / half.sum(), size=N_RESAMPLES).astype(np.float64)
        for half in halves
    ]
    for name, i in at.items():
        resampled[name] = np.mean([task.scores(outcomes[[i]], c)[0] for c in again], axis=0)
    crossed = [task.scores(outcomes[[picked[1 - h]]], c)[0] for h, c in enumerate(again)]
    resampled["best"] = np.mean(crossed, axis=0)
    score = {name: by_half[i].mean() for name, i in at.items()}
    score["best"] = np.mean([by_half[picked[1], 0], by_half[picked[0], 1]])

    def gained(name: str) -> str:
        low, high = np.nanquantile(resampled[name] - resampled["raw"], [0.025, 0.975])
        return f"{score[name]:.1f} ({score[name] - score['raw']:+.1f} [{low:+.1f}, {high:+.1f}])"

    attained = resampled["best"] - resampled["raw"]

    def kept(name: str) -> str:
        if np.nanquantile(attained, 0.025) <= 0:
            return "–"
        share = (score[name] - score["raw"]) / (score["best"] - score["raw"])
        low, high = np.nanquantile((resampled[name] - resampled["raw"]) / attained, [0.025, 0.975])
        return f"{share:.0%} [{low:.0%}, {high:.0%}]"

    chosen = ", ".join(str(windows[i]) for i in picked)
    return [
        f"{score['raw']:.1f}",
        gained("tau"),
        f"{chosen}: {gained('best')}",
        f"{fixed['texts']}: {gained('texts')}",
        kept("texts"),
        f"{fixed['head']}: {gained('head')}",
        kept("head"),
    ]


if __name__ == "__main__":
    main()
