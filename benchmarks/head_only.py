"""What of a checkpoint on a hub has to travel before its spectrum can be computed.

    python benchmarks/head_only.py

Writes a sharded checkpoint of 2.8 GB whose head is 9 % of it into a temporary folder, serves it
from a hub stand-in on this machine that counts bytes, and opens its head in turns in both ways,
each time with empty caches: by ranges, and by fetching the whole and reading W_U out of it. On a
loopback line the time shows the least that is saved; on a slower one it nears the ratio of bytes.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from llama_on_disk import Shape, write_llama

sys.path.insert(0, str(Path(__file__).parents[1]))

from embfilter_viz.models.head.unembedding import find_head, open_head, read_unembedding
from embfilter_viz.models.sources.locate import locate, outline
from embfilter_viz.system.memory import in_words
from tests.models.hub_stand_in import HubStandIn, Repository, etag, hub_stand_in

RUNS = 5
SHAPE = Shape(d_vocab=64_000, d_model=2048, n_layers=24, d_mlp=6144, d_kv=512)


def by_ranges() -> np.ndarray:
    """The head alone."""
    found = outline("org/llama")
    return open_head(find_head(found)).W_U


def by_the_whole() -> np.ndarray:
    """The whole, and the head out of it."""
    return read_unembedding(locate("org/llama").outline).W_U


def main() -> None:
    """Run and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    with tempfile.TemporaryDirectory() as room:
        folder = write_llama(Path(room, "llama"), SHAPE)
        weights = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
        share = SHAPE.head_bytes / weights
        print(f"checkpoint {weights:,} bytes of weights; head {SHAPE.head_bytes:,}, {share:.1%}")
        for path in folder.iterdir():
            etag(path)  # the stand-in's names of the files, before anybody waits for them
        with hub_stand_in({"org/llama": Repository(folder)}) as hub:
            os.environ["HF_ENDPOINT"] = hub.address
            ratios = []
            for run in range(runs):
                took, sent, rows = {}, {}, {}
                order = (by_ranges, by_the_whole) if run % 2 else (by_the_whole, by_ranges)
                for way in order:
                    took[way], sent[way], rows[way] = once(way, hub)
                assert np.array_equal(rows[by_ranges], rows[by_the_whole])
                ratios.append(took[by_the_whole] / took[by_ranges])
                few, all_ = (
                    f"{sent[w]:,} bytes in {took[w]:.1f} s" for w in (by_ranges, by_the_whole)
                )
                print(f"  run {run + 1}: {few} against {all_}", flush=True)
    fewer = sent[by_the_whole] / sent[by_ranges]
    beyond = sent[by_ranges] - SHAPE.head_bytes
    print(
        f"by ranges {in_words(sent[by_ranges])} travel, {sent[by_ranges] / weights:.1%} of the "
        f"weights and {fewer:.1f} times fewer bytes: the head and {beyond:,} bytes of tables, "
        f"configuration and tokenizer"
    )
    print(
        f"time: {statistics.median(ratios):.1f} times as fast in the median of {runs}, from "
        f"{min(ratios):.1f} to {max(ratios):.1f}"
    )


def once(way, hub: HubStandIn) -> tuple[float, int, np.ndarray]:
    """Seconds and bytes of one opening with empty caches, and W_U."""
    hub.bytes_sent.clear()
    with tempfile.TemporaryDirectory() as caches:
        os.environ["EMBFILTER_VIZ_CACHE"] = str(Path(caches, "ours"))
        os.environ["HF_HOME"] = str(Path(caches, "hf"))
        before = time.perf_counter()
        rows = np.array(way())
        return time.perf_counter() - before, hub.travelled, rows


if __name__ == "__main__":
    main()
