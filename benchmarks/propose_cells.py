"""On how many sets, prompts and models does a window proposed without labels keep the gain?

python benchmarks/propose_cells.py STSB_TEST.csv [STSB_TRAIN.csv] [--models MODEL …]

The files are the STS Benchmark's (Cer et al. 2017) with the columns sentence1, sentence2 and score,
in the order of the official release, where the pairs of each source stand together. A cell is one
source under one prompt of one model; of the training file 200 pairs of each source are drawn.

"Labels" is what labels attain on pairs they did not choose by, over raw embeddings: one half of the
pairs chooses among some 750 windows, the other half scores, both ways, over 20 random halvings. A
proposal keeps the gain of a cell where it scores at least 80 % of it, where labels gain over half a
point. "Surely worse" is a 95 % bootstrap interval over pairs that lies below 0 against raw.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from embfilter_viz import Window, open_model
from embfilter_viz.analyses.propose import propose_window
from embfilter_viz.evaluation.pair_cosines import cosines_of_windows
from embfilter_viz.evaluation.proposing.from_texts import windows_tried
from embfilter_viz.evaluation.spearman import spearman

SOURCES = {
    1379: {"MSRvid": 250, "images": 250, "track5": 125, "answers": 254, "MSRpar": 250,
           "headlines": 250},
    5749: {"MSRvid": 1000, "images": 1000, "forums": 450, "MSRpar": 1000, "headlines": 1999,
           "news": 300},
}  # fmt: skip
"""Pairs of each source in the test and the training file, in the files' order."""
DRAWN, HALVINGS, RESAMPLES = 200, 20, 300
KEPT, LEAST = 0.8, 0.5
FEW, DRAWS = 50, 3

Pairs = list[tuple[str, str, float]]
PROPOSALS = ("τ = 2", "checkpoint", f"{FEW} texts", "all texts")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("files", type=Path, nargs="+")
    arguments.add_argument("--models", nargs="+", default=["smollm2-135m"])
    arguments.add_argument("--prompts", nargs="+", default=["prompteol", "mean"])
    given = arguments.parse_args()
    cells = [cell for file in given.files for cell in cells_of(file)]
    print("| model | prompt | cell | pairs | raw | labels | " + " | ".join(PROPOSALS) + " |")
    print("|---" * (6 + len(PROPOSALS)) + "|")
    totals = {name: np.zeros(4) for name in PROPOSALS}
    decided = np.zeros(2)
    for name in given.models:
        model = open_model(name)
        for prompt in given.prompts:
            for called, pairs in cells:
                row, told, decides = measured(model, prompt, pairs)
                decided += decides
                for one, found in told.items():
                    totals[one] += found
                print(f"| {Path(name).stem} | {prompt} | {called} | {len(pairs)} | {row} |",
                      flush=True)  # fmt: skip
    print("\n| proposal | cells that keep 80 % | surely worse than raw |\n|---|---|---|")
    for one, (kept, of, worse, runs) in totals.items():
        print(f"| {one} | {kept:g} of {of:g} ({kept / of:.0%}) | {worse:g} of {runs:g} |")
    print(f"\n{FEW} texts decide in {decided[0]:g} of {decided[1]:g} draws.")


def cells_of(file: Path) -> Iterator[tuple[str, Pairs]]:
    with file.open(newline="", encoding="utf-8") as lines:
        rows = [(r["sentence1"], r["sentence2"], float(r["score"])) for r in csv.DictReader(lines)]
    rng, start = np.random.default_rng(0), 0
    for source, count in SOURCES[len(rows)].items():
        at = np.arange(start, start + count)
        if len(rows) == 5749:
            at = np.sort(rng.choice(at, DRAWN, replace=False))
        yield f"{source}, {'train' if len(rows) == 5749 else 'test'}", [rows[i] for i in at]
        start += count


def measured(model, prompt: str, pairs: Pairs) -> tuple[str, dict[str, np.ndarray], np.ndarray]:
    """One row of the table; what it adds to the totals; draws that decided, and all of them."""
    texts = sorted({text for a, b, _ in pairs for text in (a, b)})
    place = {text: i for i, text in enumerate(texts)}
    first, second = (np.array([place[pair[i]] for pair in pairs]) for i in (0, 1))
    grades, d = np.array([pair[2] for pair in pairs]), model.d_model
    R = model.encode(texts, prompt).astype(np.float64) @ model.spectrum.V
    whole, n = Window(0, d, d), len(pairs)

    def scores(windows: list[Window], counts: np.ndarray) -> np.ndarray:
        return 100 * spearman(cosines_of_windows(R, first, second, windows), grades, counts)

    windows, rng = [whole, *windows_tried(d)], np.random.default_rng(1)
    halves = np.zeros((2 * HALVINGS, n))
    for i in range(HALVINGS):
        half = rng.permutation(n) < n // 2
        halves[2 * i], halves[2 * i + 1] = half, ~half
    by_half = scores(windows, halves)
    picked = by_half[:, np.arange(2 * HALVINGS) ^ 1].argmax(axis=0)  # by the other half
    labels = float((by_half[picked, np.arange(2 * HALVINGS)] - by_half[0]).mean())

    drawn = [
        propose_window(
            model, [texts[i] for i in rng.choice(len(texts), FEW, replace=False)], prompt
        )
        for _ in range(DRAWS)
    ]
    proposed = {
        "τ = 2": [Window.of_tau(2, d)],
        "checkpoint": [propose_window(model).window],
        f"{FEW} texts": [one.window for one in drawn],
        "all texts": [propose_window(model, texts, prompt).window],
    }
    counts = rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float64)
    raw = scores([whole], np.ones((1, n)))[0, 0]
    told, words = {}, []
    for name, some in proposed.items():
        gains = scores(some, np.ones((1, n)))[:, 0] - raw
        highest = np.quantile(scores(some, counts) - scores([whole], counts), 0.975, axis=1)
        share = len(some) if labels > LEAST else 0
        told[name] = np.array(
            [(gains >= KEPT * labels).sum() if share else 0, share, (highest < 0).sum(), len(some)]
        )
        words.append(f"{some[0] if len(some) == 1 else f'{len(some)} draws'} {gains.mean():+.1f}")
    decides = np.array([sum(one.source == "texts" for one in drawn), DRAWS])
    return f"{raw:.1f} | {labels:+.1f} | {' | '.join(words)}", told, decides


if __name__ == "__main__":
    main()
