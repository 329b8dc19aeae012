"""The lens by position: transformers' own hidden states, the definitions, and a case by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from embfilter_viz.analyses import position_lens
from embfilter_viz.analyses.position_lens import PromptLens, find_token, prompt_lens
from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.model import Model
from embfilter_viz.models.encoding.token_states import TokenStates
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.spectral.windows import Window
from tests.analyses.hand_made import HandModel, frequencies_of
from tests.models.tiny_checkpoints import D_MODEL, N_LAYERS, one_thread

__all__ = ["one_thread"]

TEXT = "the cat sat on a mat"
WINDOW = Window(4, 20, D_MODEL)
EVERYTHING = slice(None)


def frequencies(model: Model) -> TokenFrequencies:
    """Any: a hundred of the tokens are the most frequent."""
    return frequencies_of(np.random.default_rng(1).random(model.d_vocab))


def own_logits(folder: Path, ids: tuple[int, ...]) -> np.ndarray:
    """(n_layers + 1, n, d_vocab) by transformers alone: hidden states, final norm, head."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        said = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
        before = [model.lm_head(model.model.norm(h)) for h in said.hidden_states[:-1]]
        # Of the last layer transformers gives the state after the norm.
        after = model.lm_head(said.hidden_states[-1])
        torch.testing.assert_close(after, said.logits)
    return torch.cat([*before, after]).double().numpy()


@pytest.mark.parametrize("prompt", ["prompteol", "mean"])
def test_the_map_is_that_of_transformers_own_states(
    prompt: str, tiny: Path, tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(position_lens, "LOGITS_AT_ONCE", 5 * tiny_model.d_vocab)  # many blocks
    ready = prompt_lens(tiny_model, TEXT, prompt, frequencies=frequencies(tiny_model))
    prepared = tiny_model.encoder.prepare([TEXT], prompt)[0]
    assert ready.tokens == tuple(tiny_model.vocabulary.texts(prepared.ids))
    assert ready.start == prepared.start
    logits = own_logits(tiny, prepared.ids)
    found = ready.map("raw", WINDOW, token=7)
    assert found.top.shape == (N_LAYERS + 1, len(prepared.ids))
    np.testing.assert_array_equal(found.top, logits.argmax(axis=2))
    p = np.exp(logits - logits.max(axis=2, keepdims=True))
    p /= p.sum(axis=2, keepdims=True)
    np.testing.assert_allclose(found.probability, p.max(axis=2), rtol=1e-3)
    np.testing.assert_allclose(found.entropy, -(p * np.log2(p)).sum(axis=2), rtol=1e-3)
    order = np.argsort(-logits, axis=2, kind="stable")
    np.testing.assert_array_equal(
        found.rank, np.argwhere(order == 7)[:, 2].reshape(found.top.shape)
    )
    cell = ready.cell("raw", WINDOW, 2, 3)
    assert [t.id for t in cell.tokens] == order[2, 3, :10].tolist()
    np.testing.assert_allclose(cell.probability, np.sort(p[2, 3])[::-1][:10], rtol=1e-3)


def test_pooled_as_the_prompt_has_it_the_states_are_those_of_the_layers(tiny_model: Model) -> None:
    for prompt in ("prompteol", "echo", "mean"):
        found = tiny_model.token_states(TEXT, prompt)
        pooled = found.states[:, found.start :].mean(axis=1)
        np.testing.assert_allclose(pooled, tiny_model.layers(TEXT, prompt), atol=1e-5)


def test_every_side_is_its_definition(tiny_model: Model) -> None:
    p = frequencies(tiny_model)
    means = tiny_model.layer_means(["a dog", "the sea"], "mean")
    ready = prompt_lens(tiny_model, TEXT, "mean", frequencies=p, means=means)
    states = tiny_model.token_states(TEXT, "mean").states.astype(float)
    W_U, V = tiny_model.unembedding.W_U.astype(float), tiny_model.spectrum.V.astype(float)
    keep = V[:, 4:20] @ V[:, 4:20].T
    apart = states - means[:, None]
    sides = {"raw": states, "filtered": states @ keep, "relative": apart,
             "relative_filtered": apart @ keep}  # fmt: skip
    assert ready.sides == tuple(sides)
    path = ready.path(9, 2, WINDOW)
    for side, h in sides.items():
        found, logits = ready.map(side, WINDOW, token=9), h @ W_U.T
        np.testing.assert_array_equal(found.top, logits.argmax(axis=2))
        ranks = (logits > logits[..., 9:10]).sum(axis=2)
        np.testing.assert_array_equal(found.rank, ranks)
        np.testing.assert_array_equal(path.ranks[side], ranks[:, 2])
        assert found.texts[1][2] == tiny_model.vocabulary.text(int(found.top[1, 2]))
        few = ready.map(side, WINDOW, columns=slice(2, 5))
        assert (few.first, few.tokens) == (2, ready.tokens[2:5])
        np.testing.assert_array_equal(few.top, found.top[:, 2:5])
        assert few.rank is None


def test_what_no_window_changes_is_made_once(tiny_model: Model) -> None:
    ready = prompt_lens(tiny_model, TEXT, "mean", frequencies=frequencies(tiny_model))
    other, told = Window(5, 20, D_MODEL), []

    def listen(what: str, done: float, total: float, unit: str) -> None:
        told.append(what)

    one, kept = (ready.map(side, WINDOW) for side in ready.sides)
    assert ready.map("raw", other, progress=listen) is one
    assert ready.known("filtered", other, "embedfilter", EVERYTHING, None) is None
    assert told == []
    assert ready.map("filtered", other, progress=listen) is not kept
    assert told != []

    def stop(*_: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        ready.map("filtered", Window(6, 20, D_MODEL), progress=stop)


def by_hand() -> PromptLens:
    model: Any = HandModel([[4, 0], [0, 2], [1, 1]], [" the", " cat", " sat"])
    states = np.float32([[[1, 0], [1, 0]], [[0, 1], [1, 3]]])
    found = TokenStates((0, 1), 1, truncated=False, states=states)
    return PromptLens(model, found, frequencies=frequencies_of([0.8, 0.1, 0.1]),
                      means=np.array([[1.0, 0.0], [0.0, 3.0]]))  # fmt: skip


def test_by_hand_on_a_head_of_three_tokens() -> None:
    ready = by_hand()
    # Logits of layer 1: (0, 2, 1) at token 0 and (4, 6, 4) at token 1.
    found = ready.map("raw", Window(0, 2, 2), token=2)
    assert found.texts == ((" the", " the"), (" cat", " cat"))
    assert found.rank is not None
    # " sat" equals " the" at the last cell, and has the larger id.
    assert found.rank.tolist() == [[1, 1], [1, 2]]
    assert found.probability[1, 0] == pytest.approx(1 / np.exp([-2, 0, -1]).sum())
    assert found.probability[1, 1] == pytest.approx(1 / np.exp([-2, 0, -2]).sum())
    assert "“·sat” has its best place, 2, after layer 0 at token 0" in found.sentence


def test_a_state_that_is_the_mean_has_no_token() -> None:
    ready = by_hand()
    found = ready.map("relative", Window(0, 2, 2), token=1)
    assert found.texts[0] == ("", "")
    assert np.isnan(found.probability[0]).all()
    # Layer 1: (0, −2) has logits (0, −4, −2), and (1, 0) has (4, 0, 1).
    assert found.texts[1] == (" the", " the")
    assert found.rank is not None
    assert found.rank.tolist() == [[-1, -1], [2, 2]]
    assert ready.cell("relative", Window(0, 2, 2), 0, 1).tokens == ()
    said = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert said["top"][0] == [None, None]
    assert said["rank"] == [[None, None], [2, 2]]
    path = ready.path(1, 1, Window(0, 2, 2))
    assert path.ranks["relative"].tolist() == [-1, 2]
    assert path.to_json()["ranks"]["relative"] == [None, 2]
    assert "relative 3 after the last layer, and at best 3, after layer 1" in path.sentence


def test_a_token_is_found_by_its_word_or_its_row(tiny_model: Model) -> None:
    names = [tiny_model.vocabulary.text(i) for i in find_token(tiny_model, "cat")]
    assert all(" cat".startswith(name) or "cat".startswith(name) for name in names)
    assert find_token(tiny_model, "#42") == (42,)
    with pytest.raises(InputError, match="rows of the head run from 0 to 383"):
        find_token(tiny_model, "#384")
    with pytest.raises(InputError, match="the token to follow is empty"):
        find_token(tiny_model, "  ")
