import numpy as np
import pytest

from embfilter_viz.analyses.geometry import VARIANTS
from embfilter_viz.analyses.summary import mean_frequent_share, summarise
from embfilter_viz.embeddings.isotropy import mean_cosine
from embfilter_viz.evaluation.sts import sts_spearman
from embfilter_viz.model import Model
from embfilter_viz.spectral.filters import EmbedFilter
from embfilter_viz.spectral.windows import Window

TEXTS = ["the cat sat", "a dog sat", "the mat", "a cat", "the dog on the mat", "cats and dogs"]
PAIRS = [
    (a, b, float((i * 7 + j * 3) % 5)) for i, a in enumerate(TEXTS) for j, b in enumerate(TEXTS[:i])
]


def test_a_summary_is_what_its_parts_say(tiny_model: Model) -> None:
    window = Window.of_tau(2, tiny_model.d_model)
    frequencies = tiny_model.frequencies("corpus", TEXTS)
    found = {one.variant: one for one in summarise(tiny_model, PAIRS, "mean", window, frequencies)}
    assert list(found) == list(VARIANTS)
    first, second, scores = zip(*PAIRS, strict=True)
    kept = EmbedFilter(tiny_model.spectrum, window=window)
    embeddings = {
        "raw": tiny_model.encode,
        "filtered": lambda texts, prompt: kept.transform(tiny_model.encode(texts, prompt)),
    }
    for name, encode in embeddings.items():
        ends = [np.asarray(encode(list(side), "mean")) for side in (first, second)]
        score = sts_spearman(*ends, np.array(scores)).value
        assert found[name].spearman.value == pytest.approx(score, abs=1e-4)
        distinct = np.asarray(encode(TEXTS, "mean"))
        assert found[name].mean_cosine.value == pytest.approx(mean_cosine(distinct), abs=1e-5)


def test_the_frequent_share_is_counted_text_by_text(tiny_model: Model) -> None:
    frequencies = tiny_model.frequencies("corpus", TEXTS)
    rows = tiny_model.encode(TEXTS, "mean")
    logits = tiny_model.unembedding.logits(rows)
    top = np.argsort(-logits, axis=1, kind="stable")[:, :10]
    frequent = set(frequencies.most(100).tolist())
    naive = np.mean([[int(i) in frequent for i in ids] for ids in top])
    assert mean_frequent_share(tiny_model, rows, frequencies) == pytest.approx(naive)
