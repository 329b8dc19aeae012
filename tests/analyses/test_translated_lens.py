"""The translated lens on models by hand: a layer that is turned, one that knows nothing."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from embfilter_viz.analyses.translated_lens import (
    FEWEST_TEXTS,
    lens_translators,
    texts_to_translate_by,
)
from embfilter_viz.embeddings.translators import divergence_bits
from embfilter_viz.errors import InputError
from embfilter_viz.model import open_model
from embfilter_viz.models.encoding.token_states import TokenStates

D, V = 8, 60
HEAD = 3 * np.random.default_rng(0).standard_normal((V, D))
TURN, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((D, D)))
TEXTS = tuple(f"text {i}" for i in range(120))


class Turned:
    """A model by hand of two early layers: noise, and the last state turned about."""

    d_vocab = V
    unembedding = SimpleNamespace(logits=lambda E: (E @ HEAD.T).astype(np.float32))

    def token_states(self, text: str, prompt: str) -> TokenStates:
        rng = np.random.default_rng(int(text.split()[1]))
        last = rng.normal(size=(9, D)) + 0.5
        states = np.stack([rng.normal(size=(9, D)), last @ TURN + 1.0, last]).astype(np.float32)
        states[:, :3] = 7.0  # what every text begins with
        ids = (0, 1, 2, *rng.integers(3, V, 6).tolist())
        return TokenStates(ids, 3, False, states)


def test_a_turned_layer_is_read_and_noise_is_not() -> None:
    found = lens_translators(Turned(), TEXTS, "mean")  # type: ignore[arg-type]
    assert (found.n_fitted, found.n_tested, found.n_states) == (60, 60, 60 * 6)
    noise, turned = range(2)
    assert found.plain[turned].value > 5
    assert found.translated[turned].value < 0.01
    assert found.gain[turned].low > 5
    assert found.beyond_constant[turned].low > 0
    # Noise translates into what is said of every text, and is surely not nearer than that.
    assert found.beyond_constant[noise].low < 0
    assert found.translated[noise].value == pytest.approx(found.constant.value, rel=0.15)
    assert found.n_better == 2
    assert found.sentence.endswith("layer 1 is the first that is surely nearer than that.")
    states = Turned().token_states("text 500", "mean").states[:, -1]
    moved = found.translate(states)
    np.testing.assert_allclose(moved[turned], states[-1], atol=0.05)
    assert np.array_equal(moved[-1], states[-1])
    said = found.to_json()
    assert len(said["plain_bits"]) == len(said["ridges"]) == 2
    json.dumps(said, allow_nan=False)


def test_what_is_tested_did_not_fit() -> None:
    """Other texts at the places that test change what is said of them, and no translator."""
    others = tuple(t if i % 2 == 0 else f"text {i + 1000}" for i, t in enumerate(TEXTS))
    one = lens_translators(Turned(), TEXTS, "mean")  # type: ignore[arg-type]
    other = lens_translators(Turned(), others, "mean")  # type: ignore[arg-type]
    for a, b in zip(one.translators, other.translators, strict=True):
        assert np.array_equal(a.change, b.change)
    assert one.plain[0].value != other.plain[0].value


def test_on_a_real_tiny_model_the_plain_lens_is_that_of_the_layers(tiny_model: Any) -> None:
    texts, said = texts_to_translate_by()
    texts = texts[:FEWEST_TEXTS]
    found = lens_translators(tiny_model, texts, "last", source=said)
    by_text = []
    logits = tiny_model.unembedding.logits
    begins = {tiny_model.token_states(text, "last").ids[0] for text in texts}
    assert len(begins) > 1, "so that every token counts"
    for text in texts[1::2]:
        states = tiny_model.token_states(text, "last").states
        two = [states.shape[1] // 2, states.shape[1] - 1]
        by_text.append(divergence_bits(logits(states[-1, two]), logits(states[1, two])).mean())
    assert found.plain[1].value == pytest.approx(np.mean(by_text), rel=1e-4)
    assert len(found.plain) == tiny_model.n_layers
    assert found.translate(tiny_model.layers(texts[0], "last")).shape == (
        tiny_model.n_layers + 1,
        tiny_model.d_model,
    )
    assert min(by_text) > 0
    with pytest.raises(InputError, match="read the text with the same prompt"):
        found.translate(tiny_model.layers(texts[0], "last")[:-1])


def test_what_is_refused(tiny_model: Any) -> None:
    with pytest.raises(InputError, match="39 different texts, and at least 40"):
        lens_translators(tiny_model, [*TEXTS[:39], TEXTS[0]], "mean")
    with pytest.raises(InputError, match="template"):
        lens_translators(open_model(tiny_model.name), TEXTS, "metaeol")
