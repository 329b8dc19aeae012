"""What two texts decode to: by hand, by the definition, and on the bundled model."""

from typing import Any

import numpy as np
import pytest

from embfilter_viz.analyses.alike import AlikeTexts, of_both
from embfilter_viz.data import UNRELATED_PAIR, UNRELATED_PROMPT
from embfilter_viz.model import Model
from embfilter_viz.spectral.baselines import RandomSubspace
from embfilter_viz.spectral.filters import EmbedFilter
from embfilter_viz.spectral.windows import Window
from tests.analyses.hand_made import HandModel, frequencies_of
from tests.models.tiny_checkpoints import one_thread

__all__ = ["one_thread"]


def test_by_hand() -> None:
    # v_0 writes " the" into both; v_1 and v_2 tell the two apart.
    model: Any = HandModel(np.diag([4.0, 2.0, 1.0]), [" the", " cat", " law"])
    two = np.array([[5, 1, 0], [5, 0, 1]], np.float32)
    made = AlikeTexts(model, two, frequencies_of([0.8, 0.1, 0.1]))
    found = made.report(Window(1, 3, 3), top=1)
    assert [[token.text for token in tokens] for tokens in found.raw] == [[" the"], [" the"]]
    assert [[token.text for token in tokens] for tokens in found.filtered] == [[" cat"], [" law"]]
    assert found.common == (1, 0)
    assert of_both(found.raw) == {0}
    assert "each of the two texts decodes to 1 token: they share 1 token, and of" in found.sentence
    assert "After the filter they share no token, and 2 are frequent." in found.sentence
    nothing = made.report(Window(0, 3, 3), top=1)
    assert nothing.raw == nothing.filtered
    assert "drops nothing" in nothing.sentence


def test_counts_are_those_of_plain_sorting(tiny_model: Model) -> None:
    frequencies = tiny_model.frequencies("corpus", ["the cat sat", "a dog"])
    two = tiny_model.encode(["the cat sat on the mat", "a stock market"], "mean")
    window, k = Window(3, 20, 32), 10
    made = AlikeTexts(tiny_model, two, frequencies, moving=True)
    found = made.report(window, random=made.random(window.k))
    frequent = set(np.argsort(-frequencies.p, kind="stable")[:100].tolist())

    def top(E: np.ndarray) -> list[set[int]]:
        logits = tiny_model.unembedding.logits(E.astype(np.float32))
        return [set(np.argsort(-row, kind="stable")[:k].tolist()) for row in logits]

    def share(tops: list[set[int]]) -> float:
        return float(np.mean([len(ids & frequent) / k for ids in tops]))

    kept = EmbedFilter(tiny_model.spectrum, window=window, full=True).transform(two)
    before, after = top(two), top(kept)
    assert found.common == (len(before[0] & before[1]), len(after[0] & after[1]))
    assert found.frequent_raw == pytest.approx(share(before))
    assert found.frequent_filtered == pytest.approx(share(after))
    drawn = [
        top(RandomSubspace(k=window.k, seed=seed, full=True).transform(two)) for seed in range(20)
    ]
    same = [len(first & second) for first, second in drawn]
    assert found.random is not None
    assert found.random.common.value == pytest.approx(np.mean(same), abs=0.05)
    assert (found.random.common.low, found.random.common.high) == (min(same), max(same))
    assert found.random.frequent.value == pytest.approx(
        np.mean([share(t) for t in drawn]), abs=0.01
    )
    assert made.known_random(window.k) is found.random
    assert found.to_json()["common"] == {"raw": found.common[0], "filtered": found.common[1]}


@pytest.mark.real_model
def test_the_two_sentences_of_start_show_the_effect(bundled: Model) -> None:
    frequencies = bundled.frequencies("model")
    window = Window.of_tau(2, bundled.d_model)
    made = AlikeTexts(bundled, bundled.encode(UNRELATED_PAIR, UNRELATED_PROMPT), frequencies)
    found = made.report(window)
    assert found.shows_effect
    assert found.common[0] >= 6
    assert found.common[1] <= 2
    other = AlikeTexts(bundled, bundled.encode(UNRELATED_PAIR, "prompteol"), frequencies)
    assert not other.report(window).shows_effect
