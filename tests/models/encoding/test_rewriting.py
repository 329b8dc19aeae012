"""Rewritings by the model itself: what chooses a token, what a set changes, what is kept."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from embfilter_viz.analyses.rewritten import cost_of, rewritten
from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.model import Model, open_model
from embfilter_viz.models.encoding.backbone import Backbone
from embfilter_viz.models.encoding.prepared import Prepared
from embfilter_viz.models.encoding.prompts import GENEOL, Prompt, find_prompt
from embfilter_viz.models.encoding.rewriting import KINDS, RECIPE, Recipe, Rewritten
from embfilter_viz.models.encoding.writing import Sampling, chosen_tokens, written
from embfilter_viz.spectral.filters import EmbedFilter
from embfilter_viz.store import Store
from tests.models.tiny_checkpoints import (
    build_model,
    one_thread,  # noqa: F401
    save,
)
from tests.models.tiny_families import tiny_model


def _still() -> None:
    """Nobody wants a turn."""


TEXTS = ["the cat sat", "a stock market", "galaxies 😀 are\nfar"]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(build_model("llama"), tmp_path_factory.mktemp("llama")).folder


@pytest.fixture
def tiny(llama: Path) -> Model:
    return open_model(str(llama))


def anew(folder: Path, store: Path) -> Model:
    """The model with nothing in its store."""
    model = open_model(str(folder))
    model.store = Store(store)
    return model


def sampling(draws: np.ndarray, **more: object) -> Sampling:
    settings = {"temperature": 0.7, "top_p": 0.9, "top_k": 5, "n_tokens": 360}
    return Sampling(draws, ends=lambda ids: False, **(settings | more))  # type: ignore[arg-type]


def naive_choice(logits: np.ndarray, u: float, how: Sampling) -> int:
    """The token that ``u`` falls on, by the definition, one probability after the other."""
    known = logits[: how.n_tokens].astype(np.float64) / how.temperature
    order = np.argsort(-known)[: how.top_k]
    p = np.exp(known[order] - known[order].max())
    p /= p.sum()
    kept = []
    for one in p:
        kept.append(one)
        if sum(kept) >= how.top_p:
            break
    target, total = u * sum(kept), 0.0
    for token, one in zip(order, kept, strict=False):
        total += one
        if target < total:
            return int(token)
    return int(order[len(kept) - 1])


def test_a_number_chooses_the_token_that_the_definition_says() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(200, 12)).astype(np.float32) * 2
    u = rng.random(200)
    for more in ({}, {"top_p": 0.3}, {"top_k": 1}, {"n_tokens": 4}, {"temperature": 3.0}):
        how = sampling(u[:, None], **more)
        found = chosen_tokens(torch.from_numpy(logits), torch.from_numpy(u), how)
        expected = [naive_choice(row, one, how) for row, one in zip(logits, u, strict=True)]
        assert found.tolist() == expected


PROMPTS = [
    Prepared(ids, 0, truncated=False)
    for ids in ((0, 5, 6, 7, 8, 9, 10), (0, 20, 21), (0, 40, 41, 42, 43))
]


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "mistral", "gemma2", "bloom"])
def test_what_is_written_side_by_side_is_what_plain_passes_write(model_type: str) -> None:
    how = sampling(np.random.default_rng(1).random((3, 6)))
    model = build_model(model_type)
    assert written(model, PROMPTS, how, _still) == naively_written(model, how)


@pytest.mark.parametrize(("model_type", "together"), [("recurrent_gemma", False), ("mamba", True)])
def test_a_model_that_reads_its_padding_writes_one_by_one(
    model_type: str, together: bool, tmp_path: Path
) -> None:
    model = tiny_model(model_type)
    backbone = open_model(str(save(model, tmp_path / "it").folder)).encoder._model
    how = sampling(np.random.default_rng(1).random((3, 6)))
    assert backbone.write(PROMPTS, how, _still) == naively_written(model, how)
    assert backbone._writes_together == together


def naively_written(model: Any, how: Sampling) -> list[list[int]]:
    """One token after the other by a plain pass over all before it."""
    found = []
    for prompt, draws in zip(PROMPTS, how.draws, strict=True):
        said = list(prompt.ids)
        for u in draws:
            with torch.inference_mode():
                logits = model(input_ids=torch.tensor([said]), use_cache=False).logits[0, -1]
            said.append(naive_choice(logits.numpy(), u, how))
        found.append(said[len(prompt.ids) :])
    return found


def test_a_line_ends_where_it_is_told_to_and_a_checkpoint_adds_nothing() -> None:
    model = build_model("llama")
    model.generation_config.repetition_penalty = 50.0
    prompts = [Prepared((0, 5, 6), 0, truncated=False), Prepared((0, 7), 0, truncated=False)]
    draws = np.random.default_rng(2).random((2, 8))
    whole = written(model, prompts, sampling(draws), _still)
    first = whole[0]
    how = Sampling(draws, 0.7, 0.9, 5, 360, ends=lambda ids: list(ids) == first[:3])
    assert written(model, prompts, how, _still) == [first[:3], whole[1]]
    other = build_model("llama")
    assert written(other, prompts, sampling(draws), _still) == whole


def test_a_text_has_the_same_rewritings_in_any_set(llama: Path, tmp_path: Path) -> None:
    together = anew(llama, tmp_path / "a").rewritings(TEXTS)
    backwards = anew(llama, tmp_path / "b").rewritings([*TEXTS[::-1], "another"])
    alone = anew(llama, tmp_path / "c").rewritings(TEXTS[1:2])
    assert together == backwards[2::-1]
    assert alone == together[1:2]
    assert [one.kind for one in alone[0].rewritings] == [kind for kind in KINDS for _ in "ab"]
    other = anew(llama, tmp_path / "a").rewritings(TEXTS, Recipe(seed=1))
    assert other != together
    assert anew(llama, tmp_path / "a").rewritings(TEXTS) == together


def test_numbers_are_of_their_text_kind_number_and_seed() -> None:
    first = RECIPE.draws("a", "concise", 0, 6)
    np.testing.assert_array_equal(RECIPE.draws("a", "concise", 0, 4), first[:4])
    others = [("b", "concise", 0), ("a", "entailed", 0), ("a", "concise", 1)]
    assert all((RECIPE.draws(*one, 6) != first).all() for one in others)
    assert (Recipe(seed=1).draws("a", "concise", 0, 6) != first).all()


@pytest.mark.parametrize("layer", [None, 1])
def test_geneol_is_the_mean_of_nine_separate_embeddings(tiny: Model, layer: int | None) -> None:
    found = tiny.encode(TEXTS, GENEOL.at(layer))
    base = find_prompt("prompteol").at(layer)
    for row, text, one in zip(found, TEXTS, tiny.rewritings(TEXTS), strict=True):
        nine = [tiny.encode([read], base)[0] for read in (text, *one.texts)]
        assert len(nine) == 9
        np.testing.assert_allclose(row, np.mean(nine, axis=0), rtol=1e-5, atol=1e-6)
    assert tiny.forwards("geneol") == 9
    assert tiny.is_encoded(TEXTS, GENEOL.at(layer))
    assert not tiny.is_encoded([*TEXTS, "new"], GENEOL.at(layer))


def test_to_filter_after_averaging_is_to_average_the_filtered(tiny: Model) -> None:
    keep = EmbedFilter(tiny.spectrum, tau=2)
    after = keep.transform(tiny.encode(TEXTS[:1], "geneol"))
    (one,) = tiny.rewritings(TEXTS[:1])
    each = [keep.transform(tiny.encode([read], "prompteol")) for read in (one.text, *one.texts)]
    np.testing.assert_allclose(after, np.mean(each, axis=0), rtol=1e-4, atol=1e-5)


def test_layers_are_means_too(tiny: Model) -> None:
    states = tiny.layers(TEXTS[0], "geneol")
    np.testing.assert_allclose(
        states[-1], tiny.encode(TEXTS[:1], "geneol")[0], rtol=1e-4, atol=1e-5
    )
    means = tiny.layer_means(TEXTS[:2], "geneol")
    expected = np.mean([tiny.layers(text, "geneol") for text in TEXTS[:2]], axis=0)
    np.testing.assert_allclose(means, expected, rtol=1e-4, atol=1e-5)


def test_the_text_stands_in_for_what_is_empty_or_the_same_and_is_counted(
    tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ["A cat sat!", "", "...", "The cat sat", "sat the cat", "a dog", "the  CAT sat", "x"]
    made = Rewritten.of(TEXTS[0], [("concise", one, 3) for one in said])
    why = [one.fallback for one in made.rewritings]
    assert why == [None, "empty", "empty", "same", None, None, "same", None]
    assert (made.count("empty"), made.count("same"), made.tokens) == (2, 2, 24)
    assert Rewritten.of_json(TEXTS[0], made.kept) == made
    monkeypatch.setattr(Model, "rewritings", lambda *_, **__: [made])
    row = tiny.encode(TEXTS[:1], "geneol")[0]
    E = tiny.encode([TEXTS[0], "A cat sat!", "sat the cat", "a dog", "x"], "prompteol")
    np.testing.assert_allclose(row, (5 * E[0] + E[1:].sum(axis=0)) / 9, rtol=1e-5, atol=1e-6)
    cost = cost_of(tiny, TEXTS[:1], "geneol")
    assert (cost.forwards, cost.generated, cost.empty, cost.same) == (9, 24, 2, 2)
    assert "Of 8 rewritings, 2 say the words of their text and 2 say nothing" in (
        rewritten(tiny, TEXTS[:1]).sentence
    )


def test_a_cancel_keeps_what_was_written_and_a_second_call_goes_on(
    tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, asked = Backbone.write, []

    def counted(self: Backbone, sequences: list[Prepared], *more: object) -> list[list[int]]:
        asked.append(sequences)
        return write(self, sequences, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Backbone, "write", counted)

    def stop(what: str, done: float, total: float, unit: str) -> None:
        if what == "Rewriting texts" and done == 2:
            raise Cancelled(what)

    with pytest.raises(Cancelled):
        tiny.encode(TEXTS, "geneol", progress=stop)
    assert len(asked) == 2
    assert tiny.is_rewritten(TEXTS[:2])
    assert not tiny.is_rewritten(TEXTS)
    told: list[tuple[float, float]] = []

    def listen(what: str, done: float, total: float, unit: str) -> None:
        if what == "Rewriting texts":
            told.append((done, total))

    tiny.encode([*TEXTS, TEXTS[0]], "geneol", progress=listen)
    assert len(asked) == 3
    assert told[0] == (2, 3)
    assert told[-1] == (3, 3)
    tiny.rewritings(TEXTS)
    assert len(asked) == 3


def test_a_cancel_is_heard_in_the_middle_of_a_text(
    tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.encoder.n_layers  # noqa: B018 - loads the model
    monkeypatch.setattr("embfilter_viz.models.encoding.encoder._BEAT", 0.0)
    told: list[float] = []

    def stop(what: str, done: float, total: float, unit: str) -> None:
        told.append(done)
        if what == "Rewriting texts" and len(told) > 20:
            raise Cancelled(what)

    with pytest.raises(Cancelled):
        tiny.rewritings(TEXTS[:1], progress=stop)
    assert not tiny.is_rewritten(TEXTS[:1])
    assert tiny.encode(TEXTS[:1], "mean").shape == (1, tiny.d_model)  # the turn was given back


def test_others_have_their_turn_while_a_text_is_written(
    tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another question is put to the model between two steps, and changes nothing."""
    expected = tiny.rewritings(TEXTS[:1], Recipe(seed=3))
    write, between = Backbone.write, []

    def interrupted(
        self: Backbone, sequences: list[Prepared], how: Sampling, on: Callable[[], None]
    ) -> list[list[int]]:
        def ask() -> None:
            between.append(self.pooled([Prepared((0, 4, 5), 2, truncated=False)], (), 1))
            on()

        return write(self, sequences, how, ask)

    monkeypatch.setattr(Backbone, "write", interrupted)
    (again,) = tiny.encoder.rewrite(TEXTS[:1], Recipe(seed=3))
    assert [again] == expected
    assert len(between) > 3


def test_what_cannot_write_is_refused_in_one_line(llama: Path, tmp_path: Path) -> None:
    short = save(build_model("llama", max_position_embeddings=64), tmp_path / "short").folder
    with pytest.raises(InputError, match="its template alone has") as caught:
        open_model(str(short)).encode(TEXTS, "geneol")
    assert "\n" not in str(caught.value)
    model = open_model(str(llama))
    with pytest.raises(InputError, match="as the text and 8 rewritings, so it is no one list"):
        model.token_states(TEXTS[0], "geneol")
    with pytest.raises(InputError, match="text 2 of 2 is empty"):
        model.rewritings(["a", " "])
    with pytest.raises(InputError, match="cannot generate text with a Linear"):
        written(torch.nn.Linear(1, 1), PROMPTS, sampling(np.zeros((3, 1))), _still)


def test_the_name_says_it_all() -> None:
    assert find_prompt("geneol") is GENEOL
    at = find_prompt("geneol@2")
    assert (at.layer, at.rewritings, at.members[0]) == (2, 8, "prompteol@2")
    assert at.words == "geneol after layer 2"
    assert find_prompt(json.loads(json.dumps(at))).averages == "the text and 8 rewritings"
    assert Prompt.of("{text}").averages == ""
