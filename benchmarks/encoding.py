"""Encoding beside sentence-transformers: python benchmarks/encoding.py SENTENCES.csv [--sample N].

Both sides run one checkpoint in one process, with the same prompt (PromptEOL), pooling (last
token), precision and threads, in turns. SENTENCES.csv has the columns sentence1 and sentence2,
such as the test split of the STS Benchmark (Cer et al. 2017). Nothing is read from or written to
the store.

Printed: the ratio of the times with its spread; the smallest cosine between the two embeddings of
a sentence; how many token rows each side sends through the layers; and what share of the bare
product rate is reached, where products are those of the weights alone, as torch counts them, and
the rate is that of torch's own product at the shapes of one layer, taken beside each run. Times
are the wall's and, behind them, the processor's, which other programs on the machine hardly touch
where one thread is asked for; with more, threads that wait count as busy.
"""

import argparse
import csv
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

RATE_SECONDS = 2.0
"""How long the bare product is watched beside each run."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("sentences", type=Path)
    arguments.add_argument("--model", default="smollm2-135m")
    arguments.add_argument("--sample", type=int, help="sentences taken at random; all if not given")
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--dtype", default="float32")
    given = arguments.parse_args()

    import torch

    from embfilter_viz.models.encoding.encoder import Encoder
    from embfilter_viz.models.sources.locate import locate

    torch.set_num_threads(given.threads)
    sentences = _sentences(given.sentences, given.sample)
    checkpoint = locate(given.model)
    encoder = Encoder(checkpoint.outline, dtype=given.dtype, threads=given.threads)
    filled = [encoder.prompt("prompteol").fill(sentence) for sentence in sentences]
    theirs = _sentence_transformer(checkpoint.folder, given.dtype)

    def run_ours() -> np.ndarray:
        return encoder.encode(sentences, "prompteol")

    def run_theirs() -> np.ndarray:
        return theirs.encode(filled, show_progress_bar=False).astype(np.float32)

    encoder.encode(sentences[:8], "prompteol")  # the model is loaded before anything is timed
    theirs.encode(filled[:8], show_progress_bar=False)
    before = (encoder.work.forwards, encoder.work.rows)
    products, ours = _products(run_ours)
    forwards, rows = encoder.work.forwards - before[0], encoder.work.rows - before[1]
    their_rows = _rows_through(theirs[0].model, run_theirs)
    print(
        f"{given.model}, {len(sentences):,} sentences, {given.dtype}, {given.threads} thread(s)\n"
        f"token rows: {rows:,} in {forwards} passes, sentence-transformers {their_rows:,}",
        flush=True,
    )

    found: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": [], "rate": []}
    for run in range(given.runs):
        rate = _product_rate(encoder, rows // forwards)
        sides = [("ours", run_ours), ("theirs", run_theirs)]
        for name, side in sides if run % 2 == 0 else reversed(sides):
            (seconds, embeddings) = _timed(side)
            found[name].append(seconds)
            if name == "theirs":
                cosine = _smallest_cosine(ours, embeddings)
            else:
                after = _product_rate(encoder, rows // forwards)
        found["rate"].append(((rate[0] + after[0]) / 2, (rate[1] + after[1]) / 2))
        print(
            f"run {run + 1}: ours {_both(found['ours'][-1:], '.1f')} s, sentence-transformers "
            f"{_both(found['theirs'][-1:], '.1f')} s, product rate "
            f"{_both([(w / 1e9, c / 1e9) for w, c in found['rate'][-1:]], '.0f')} GFLOP/s, "
            f"smallest cosine {cosine:.7f}",
            flush=True,
        )
    ratios = [
        (b[0] / a[0], b[1] / a[1]) for a, b in zip(found["ours"], found["theirs"], strict=True)
    ]
    shares = [
        (100 * products / a[0] / r[0], 100 * products / a[1] / r[1])
        for a, r in zip(found["ours"], found["rate"], strict=True)
    ]
    speeds = [(len(sentences) / a[0], len(sentences) / a[1]) for a in found["ours"]]
    print(f"times as fast: {_both(ratios, '.2f')}")
    print(f"per cent of the product rate: {_both(shares, '.0f')}")
    print(f"sentences a second: {_both(speeds, '.1f')}")


def _timed(work: Callable[[], np.ndarray]) -> tuple[tuple[float, float], np.ndarray]:
    """Seconds of the wall and of the processor, and what ``work`` gave."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return (time.perf_counter() - wall, time.process_time() - processor), result


def _sentences(path: Path, sample: int | None) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        pairs = list(csv.DictReader(file))
    found = [pair[column] for column in ("sentence1", "sentence2") for pair in pairs]
    if sample is None or sample >= len(found):
        return found
    return [found[i] for i in np.random.default_rng(0).permutation(len(found))[:sample]]


def _sentence_transformer(folder: Path, dtype: str) -> Any:
    """The same checkpoint as sentence-transformers puts it together by itself."""
    import torch

    warnings.simplefilter("ignore")
    from sentence_transformers import SentenceTransformer, models

    # Texts as they are: where a tokenizer has a chat template, they would be put into a chat.
    plain = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
    transformer = models.Transformer(
        str(folder),
        model_kwargs={"dtype": getattr(torch, dtype)},
        modality_config=plain,
        module_output_name="token_embeddings",
        max_seq_length=512,
    )
    pooling = models.Pooling(transformer.get_embedding_dimension(), "lasttoken")
    return SentenceTransformer(modules=[transformer, pooling], device="cpu")


def _products(run: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Floating-point operations in products with weights during ``run``, and what it gave."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        result = run()
    counted = counter.get_flop_counts()["Global"]
    return float(
        sum(n for op, n in counted.items() if str(op) in ("aten.mm", "aten.addmm"))
    ), result


def _rows_through(model: Any, run: Callable[[], Any]) -> int:
    """Token rows, padding included, that went through ``model`` during ``run``."""
    seen: list[int] = []

    embedding = model.get_input_embeddings()  # the model itself is not called, its forward is
    handle = embedding.register_forward_pre_hook(lambda _m, given: seen.append(given[0].numel()))
    run()
    handle.remove()
    return sum(seen)


def _product_rate(encoder: Any, rows: int) -> tuple[float, float]:
    """FLOP/s of torch's product alone at the shapes of one layer, by the wall and the processor."""
    import torch

    weights = [
        module.weight
        for module in encoder._model._base.layers[0].modules()
        if isinstance(module, torch.nn.Linear)
    ]
    inputs = [torch.randn(rows, w.shape[1]).to(w.dtype) for w in weights]
    done, wall, processor = 0.0, time.perf_counter(), time.process_time()
    with torch.inference_mode():
        while time.perf_counter() - wall < RATE_SECONDS:
            for x, w in zip(inputs, weights, strict=True):
                torch.nn.functional.linear(x, w)
                done += 2.0 * rows * w.numel()
    return done / (time.perf_counter() - wall), done / (time.process_time() - processor)


def _smallest_cosine(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.min(np.sum(a * b, axis=1) / norms))


def _both(values: list[tuple[float, float]], form: str) -> str:
    """Median and range by the wall, and behind it by the processor."""
    return ", processor ".join(_spread([value[i] for value in values], form) for i in (0, 1))


def _spread(values: list[float], form: str) -> str:
    if len(values) == 1:
        return f"{values[0]:{form}}"
    return f"{statistics.median(values):{form}} [{min(values):{form}}, {max(values):{form}}]"


if __name__ == "__main__":
    main()
