"""How many tokens a second does a model read here, by the length of the texts?

python benchmarks/throughput.py [--model smollm2-135m] [--prompt prompteol] [--threads 1]

Our demo texts are strung together to about 16, 64 and 256 tokens a text, the prompt included, and
embedded without the store. Tokens are counted as the model reads them. Seconds are those of the
processor, which other work on the machine stretches little, and of the wall.
"""

import argparse
import time

import numpy as np

from embfilter_viz import open_model
from embfilter_viz.data import demo_texts
from embfilter_viz.models.encoding.encoder import Encoder


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--model", default="smollm2-135m")
    arguments.add_argument("--prompt", default="prompteol")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--tokens", type=int, default=4000, help="tokens of each length")
    given = arguments.parse_args()
    model = open_model(given.model)
    encoder = Encoder(model.checkpoint.outline, threads=given.threads)
    encoder.encode(["The model is loaded before anything is timed."], given.prompt)
    for length in (16, 64, 256):
        texts = of_length(encoder, given.prompt, length, max(8, given.tokens // length))
        tokens = sum(len(one.ids) for one in encoder.prepare(texts, given.prompt))
        wall, processor = time.perf_counter(), time.process_time()
        encoder.encode(texts, given.prompt)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        print(
            f"{len(texts)} texts of {tokens / len(texts):.0f} tokens: {tokens / processor:.0f} "
            f"tokens and {len(texts) / processor:.1f} texts a second of the processor "
            f"({tokens / wall:.0f} tokens a second of the wall)",
            flush=True,
        )


def of_length(encoder: Encoder, prompt: str, length: int, count: int) -> list[str]:
    """Different texts of about so many tokens with the prompt, or of one demo text at least."""
    demo, draw = demo_texts().texts, np.random.default_rng(length)
    found = []
    for _ in range(count):
        words = " ".join(demo[i] for i in draw.permutation(len(demo))[:40]).split()
        (whole,) = encoder.prepare([" ".join(words)], prompt)
        empty = len(encoder.prepare(["a"], prompt)[0].ids)
        share = max(length - empty, 4) / (len(whole.ids) - empty)
        found.append(" ".join(words[: max(3, round(share * len(words)))]))
    return found


if __name__ == "__main__":
    main()
