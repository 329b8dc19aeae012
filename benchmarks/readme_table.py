"""Both tables of the README, and what they say, ready to paste.

    python benchmarks/readme_table.py PAIRS.csv [--model MODEL] [--tau 2] [--prompts …]

With --demo-only the first table is left out. PAIRS.csv has the columns sentence1, sentence2 and
score; the README's figures are of the test split of the STS Benchmark (Cer et al. 2017). All is
measured by the path that pages and command line take. Embeddings are stored as they are made, so an
interrupted run goes on where it stopped.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from embfilter_viz import Window, open_model
from embfilter_viz.analyses.geometry import RANDOM
from embfilter_viz.analyses.summary import Summary, summarise
from embfilter_viz.analyses.sweep import WindowScore, sweep_of
from embfilter_viz.embeddings.isotropy import Interval
from embfilter_viz.evaluation.tasks import KINDS, demo_task, read_task
from embfilter_viz.wording import bracketed, fixed, listed, signed

PROMPTS = ("prompteol", "echo", "mean")
NAMES = {"prompteol": "PromptEOL", "echo": "ECHO"}
TASKS = {
    "sts": "similarity, Spearman",
    "retrieval": "retrieval, nDCG@10",
    "pairs": "same or not, average precision",
    "classification": "classification, accuracy",
    "clustering": "clustering, V-measure",
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("pairs", type=Path, nargs="?")
    arguments.add_argument("--model", default="smollm2-135m")
    arguments.add_argument("--tau", default="2")
    arguments.add_argument("--prompts", nargs="+", default=PROMPTS)
    arguments.add_argument("--demo-only", action="store_true")
    given = arguments.parse_args()
    model = open_model(given.model)
    window = Window.of_tau(given.tau, model.d_model)
    said = []
    if not given.demo_only:
        if given.pairs is None:
            arguments.error("PAIRS.csv is needed, or --demo-only")
        said = _benchmark(model, window, given)
    said += _demo_sets(model, window, given.tau)
    print("\nWhat they say:\n")
    print("\n".join(f"- {one}" for one in said))


def _benchmark(model, window: Window, given) -> list[str]:
    task = read_task("sts", given.pairs)
    frequencies = model.frequencies("model", whole=True)
    print(f"{model.name}, {task.describe()}, window {window}\n")
    print(
        "| prompt | embedding | mean cosine | frequent tokens in the top 10 | specific to the text "
        f"| {task.measure} | to raw |\n|---|---|---|---|---|---|---|"
    )
    said = []
    for prompt in given.prompts:
        with tqdm(file=sys.stderr, unit=" texts", desc=prompt, leave=False) as bar:

            def listen(what: str, done: float, total: float, unit: str, bar: tqdm = bar) -> None:
                bar.total, bar.n = total or None, done
                bar.set_postfix_str(what)

            found = summarise(model, task, prompt, window, frequencies, progress=listen)
        for one in found:
            print(f"| {NAMES.get(prompt, prompt)} | {_row(one, given.tau)} |", flush=True)
        said += _told(NAMES.get(prompt, prompt), found, given.tau)
    print(f"\nMean removed: of {found[0].reference}.\n")
    return said


def _row(one: Summary, tau: str) -> str:
    names = {"filtered": f"τ = {tau}", RANDOM: "20 random subspaces"}
    difference = _words(one.to_raw, 1, sign=True) if one.variant != "raw" else ""
    cells = (
        names.get(one.variant, one.variant),
        _words(one.mean_cosine, 3),
        _percent(one.frequent_share),
        _percent(one.specificity),
        _words(one.score, 1),
        difference,
    )
    return " | ".join(cells)


def _told(prompt: str, found: Sequence[Summary], tau: str) -> list[str]:
    """One line a prompt on each thing that the table lets one say."""
    raw, kept, random, removed = found
    score, gap = kept.to_raw, removed.to_raw.value - kept.to_raw.value
    verdict = "beyond noise" if score.low > 0 or score.high < 0 else "within noise"
    beside = "above" if score.value > random.to_raw.high else "not above"
    better = (
        kept.specificity.low > raw.specificity.high
        and kept.specificity.value > random.specificity.high
    )
    return [
        f"{prompt}: τ = {tau} changes the score by {signed(score.value, 1)}, {verdict}, {beside} "
        f"all random subspaces ({signed(random.to_raw.value, 1)}); the mean of other texts removed "
        f"by {signed(removed.to_raw.value, 1)}, which is {fixed(abs(gap), 1)} "
        f"{'more' if gap > 0 else 'less'}.",
        f"{prompt}: specific to the text {raw.specificity.value:.0%} raw, "
        f"{kept.specificity.value:.0%} filtered, {random.specificity.value:.0%} in random "
        f"subspaces: claim 4 {'holds' if better else 'does not hold'}.",
    ]


def _demo_sets(model, window: Window, tau: str) -> list[str]:
    print(f"\n| task | units | raw | τ = {tau} | difference |\n|---|---|---|---|---|")
    better, worse, unclear = [], [], []
    for kind, name in TASKS.items():
        task = demo_task(kind)
        E = model.encode(task.texts, "prompteol")
        found = sweep_of(model, task, "prompteol", [window], E)
        one: WindowScore = found.windows[0]
        gap = one.difference
        print(
            f"| {name} | {task.n_units} {task.unit} | {fixed(found.raw.value, 1)} | "
            f"{fixed(one.score.value, 1)} | {_words(gap, 1, sign=True)} |",
            flush=True,
        )
        (better if gap.low > 0 else worse if gap.high < 0 else unclear).append(KINDS[kind])
    sides = (("better", better), ("worse", worse), ("within noise", unclear))
    counts = listed([f"{len(names)} {word}" for word, names in sides])
    return [f"demo sets, τ = {tau} beside raw, PromptEOL: {counts}."]


def _words(one: Interval, digits: int, *, sign: bool = False) -> str:
    return bracketed(one.value, one.low, one.high, digits, sign=sign)


def _percent(one: Interval) -> str:
    return f"{one.value:.1%} [{one.low:.1%}, {one.high:.1%}]"


if __name__ == "__main__":
    main()
