"""The README's table: python benchmarks/readme_table.py PAIRS.csv [--model MODEL] [--tau 2].

PAIRS.csv has the columns sentence1, sentence2 and score; the README's figures are of the test
split of the STS Benchmark (Cer et al. 2017). Embeddings are stored as they are made, so an
interrupted run goes on where it stopped.
"""

import argparse
import csv
import sys
from pathlib import Path

from tqdm import tqdm

from embfilter_viz import Window, open_model
from embfilter_viz.analyses.summary import summarise

PROMPTS = ("prompteol", "echo", "mean")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("pairs", type=Path)
    arguments.add_argument("--model", default="smollm2-135m")
    arguments.add_argument("--tau", default="2")
    arguments.add_argument("--prompts", nargs="+", default=PROMPTS)
    given = arguments.parse_args()
    with given.pairs.open(encoding="utf-8", newline="") as file:
        pairs = [
            (row["sentence1"], row["sentence2"], float(row["score"]))
            for row in csv.DictReader(file)
        ]
    model = open_model(given.model)
    window = Window.of_tau(given.tau, model.d_model)
    frequencies = model.frequencies("model")
    print(f"{model.name}, {len(pairs):,} pairs, window {window}\n")
    print("| prompt | embedding | mean cosine | frequent tokens in the top 10 | Spearman × 100 |")
    print("|---|---|---|---|---|")
    for prompt in given.prompts:
        with tqdm(file=sys.stderr, unit=" texts", desc=prompt, leave=False) as bar:

            def listen(what: str, done: float, total: float, unit: str, bar: tqdm = bar) -> None:
                bar.total, bar.n = total or None, done
                bar.refresh()

            found = summarise(model, pairs, prompt, window, frequencies, progress=listen)
        for one in found:
            name = f"τ = {given.tau}" if one.variant == "filtered" else one.variant
            print(
                f"| {prompt} | {name} | {_words(one.mean_cosine, 3)} | {one.frequent_share:.1%} | "
                f"{_words(one.spearman, 1)} |",
                flush=True,
            )


def _words(one, digits: int) -> str:
    return f"{one.value:.{digits}f} [{one.low:.{digits}f}, {one.high:.{digits}f}]"


if __name__ == "__main__":
    main()
