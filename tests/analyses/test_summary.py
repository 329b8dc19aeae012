import numpy as np
import pytest

from embfilter_viz.analyses.calibration import reference_for
from embfilter_viz.analyses.geometry import RANDOM, VARIANTS
from embfilter_viz.analyses.summary import summarise, top_of_texts
from embfilter_viz.embeddings.isotropy import mean_cosine
from embfilter_viz.evaluation.sts import StsTask
from embfilter_viz.model import Model
from embfilter_viz.spectral.baselines import RandomSubspace
from embfilter_viz.spectral.filters import EmbedFilter
from embfilter_viz.spectral.windows import Window

TEXTS = ["the cat sat", "a dog sat", "the mat", "a cat", "the dog on the mat", "cats and dogs"]
TASK = StsTask.of_pairs(
    [(a, b) for i, a in enumerate(TEXTS) for b in TEXTS[:i]],
    [float((i * 7 + j * 3) % 5) for i in range(6) for j in range(i)],
    "by hand",
)


def test_a_summary_is_what_its_parts_say(tiny_model: Model) -> None:
    window = Window.of_tau(2, tiny_model.d_model)
    frequencies = tiny_model.frequencies("corpus", TEXTS)
    found = {one.variant: one for one in summarise(tiny_model, TASK, "mean", window, frequencies)}
    assert list(found) == list(VARIANTS)
    E = tiny_model.encode(TASK.texts, "mean")
    mean = tiny_model.encode(reference_for(TASK.texts).texts, "mean").mean(axis=0, dtype=float)
    u = mean / np.linalg.norm(mean)
    embeddings = {
        "raw": [E],
        "filtered": [EmbedFilter(tiny_model.spectrum, window=window).transform(E)],
        RANDOM: [RandomSubspace(k=window.k, seed=seed).transform(E) for seed in range(20)],
        "mean removed": [E - np.outer(E @ u, u)],
    }
    for name, rows in embeddings.items():
        scores = [TASK.score(one) for one in rows]
        one = found[name]
        assert one.score.value == pytest.approx(np.mean(scores), abs=1e-4)
        cosines = [mean_cosine(each) for each in rows]
        assert one.mean_cosine.value == pytest.approx(np.mean(cosines), abs=1e-5)
        assert one.to_raw.value == pytest.approx(one.score.value - found["raw"].score.value)
        if name == RANDOM:
            assert (one.score.low, one.score.high) == pytest.approx((min(scores), max(scores)))
    assert found["raw"].to_raw.low == found["raw"].to_raw.high == 0


def test_shares_are_counted_text_by_text(tiny_model: Model) -> None:
    frequencies = tiny_model.frequencies("corpus", TEXTS)
    window = Window.of_tau(2, tiny_model.d_model)
    found = summarise(tiny_model, TASK, "mean", window, frequencies)[0]
    logits = tiny_model.unembedding.logits(tiny_model.encode(TASK.texts, "mean"))
    top = np.argsort(-logits, axis=1, kind="stable")[:, :10]
    np.testing.assert_array_equal(
        top_of_texts(tiny_model, tiny_model.encode(TASK.texts, "mean")), top
    )
    frequent = set(frequencies.most(100).tolist())
    naive = np.mean([[int(i) in frequent for i in ids] for ids in top])
    assert found.frequent_share.value == pytest.approx(naive)
