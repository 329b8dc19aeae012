"""A text less the mean of others: by hand, by the definitions, and on the bundled model."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from embfilter_viz.analyses.differences import Differences
from embfilter_viz.analyses.lens import FREQUENT, filtered_logits
from embfilter_viz.analyses.reference import Reference, reference_of
from embfilter_viz.analyses.relative_lens import (
    SIDES,
    OwnTokens,
    RelativeText,
    own_ranks,
    relative_lens,
)
from embfilter_viz.analyses.tokens import Token
from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.model import Model
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.spectral.windows import Window
from tests.analyses.hand_made import HandModel, frequencies_of
from tests.models.tiny_checkpoints import D_MODEL, N_LAYERS, one_thread

__all__ = ["one_thread"]

TEXT = "the cat sat"
OTHERS = Reference("by hand", tuple(f"text number {i} is here" for i in range(12)), None)
WINDOW = Window(4, 20, D_MODEL)


def test_differences_by_hand() -> None:
    model: Any = HandModel([[4, 0], [0, 2]])
    head = model.unembedding
    model.unembedding = type(head)(
        head.W_U, bias=np.array([0, 90], np.float32), logit_scale=0.5, soft_cap=1.0
    )
    apart = Differences(model, np.array([[3, 1]]))
    # Neither the bias, which cancels, nor the cap, which changes no order.
    assert apart.logits.tolist() == [[6, 1]]
    assert apart.filtered_logits(Window(1, 2, 2)).tolist() == [[0, 1]]


def test_differences_are_those_of_logits_under_any_window(tiny_model: Model) -> None:
    one, other = tiny_model.encode(["the cat", "a dog"], "mean")
    frequencies = tiny_model.frequencies("corpus", ["the cat sat"])
    head = tiny_model.unembedding
    for moving in (False, True):
        apart = Differences(tiny_model, (one - other)[None], moving=moving)
        expected = head.logits(one) - head.logits(other)
        np.testing.assert_allclose(apart.logits[0], expected, atol=1e-4)
        for window in (WINDOW, Window(5, 20, D_MODEL), Window(0, D_MODEL, D_MODEL)):
            for removal in ("embedfilter", "bulk", "truncation"):
                both = filtered_logits(tiny_model, np.stack([one, other]), window,
                                       frequencies=frequencies, removal=removal)  # fmt: skip
                found = apart.filtered_logits(window, removal, frequencies)
                np.testing.assert_allclose(found[0], both[0] - both[1], atol=1e-4)


def frequencies(model: Model) -> TokenFrequencies:
    """Any: a hundred of the tokens are the most frequent."""
    return frequencies_of(np.random.default_rng(1).random(model.d_vocab))


def naive_rank(logits: np.ndarray, token: int) -> int:
    return int(np.argsort(-logits, kind="stable").tolist().index(token))


def test_on_a_model_equals_the_definitions(tiny_model: Model) -> None:
    p = frequencies(tiny_model)
    found = relative_lens(tiny_model, TEXT, "mean", WINDOW, reference=OTHERS, frequencies=p, top=7)
    e = tiny_model.encode([TEXT], "mean")[0].astype(float)
    E = tiny_model.encode(OTHERS.texts, "mean").astype(float)
    W_U, V = tiny_model.unembedding.W_U.astype(float), tiny_model.spectrum.V.astype(float)
    keep = V[:, 4:20] @ V[:, 4:20].T
    logits = {
        "raw": W_U @ e, "filtered": W_U @ keep @ e, "relative": W_U @ (e - E.mean(0)),
        "relative_filtered": W_U @ keep @ (e - E.mean(0)),
    }  # fmt: skip
    for tokens, name in ((found.lens.raw, "relative"), (found.lens.filtered, "relative_filtered")):
        assert [t.id for t in tokens] == np.argsort(-logits[name])[:7].tolist()
        top = np.sort(logits[name])[::-1][:7]
        np.testing.assert_allclose([t.logit for t in tokens], top, rtol=1e-3, atol=1e-5)
    own = [i for i in dict.fromkeys(tiny_model.vocabulary.encode(TEXT)) if p.ranks[i] >= FREQUENT]
    assert [t.id for t in found.own.tokens] == own
    for name in SIDES:
        assert list(found.own.ranks[name]) == [naive_rank(logits[name], i) for i in own]
    assert found.layers is None
    assert found.reference == OTHERS


def test_every_layer_is_read_less_its_own_mean(tiny_model: Model) -> None:
    p = frequencies(tiny_model)
    found = relative_lens(
        tiny_model, TEXT, "mean", WINDOW, reference=OTHERS, frequencies=p, layers=True
    )
    assert found.layers is not None
    states = tiny_model.layers(TEXT, "mean").astype(float)
    means = np.mean([tiny_model.layers(text, "mean") for text in OTHERS.texts], axis=0)
    W_U, V = tiny_model.unembedding.W_U.astype(float), tiny_model.spectrum.V.astype(float)
    keep = V[:, 4:20] @ V[:, 4:20].T
    for rows, through in ((found.layers.raw, np.eye(D_MODEL)), (found.layers.filtered, keep)):
        assert len(rows) == N_LAYERS + 1
        for layer, row in enumerate(rows):
            logits = W_U @ through @ (states[layer] - means[layer])
            np.testing.assert_allclose(
                [t.logit for t in row], np.sort(logits)[::-1][:5], rtol=1e-3, atol=1e-4
            )
    assert [t.id for t in found.layers.raw[-1]] == [t.id for t in found.lens.raw[:5]]


def test_where_all_texts_have_one_state_there_are_no_tokens(tiny_model: Model) -> None:
    # PromptEOL ends alike for all texts, so before the first layer their states are one.
    found = relative_lens(
        tiny_model, TEXT, "prompteol", WINDOW, reference=OTHERS,
        frequencies=frequencies(tiny_model), layers=True,
    )  # fmt: skip
    assert found.layers is not None
    assert found.layers.raw[0] == found.layers.filtered[0] == ()
    assert [len(row) for row in found.layers.raw[1:]] == [5] * N_LAYERS


def test_a_text_of_the_reference_is_read_less_the_others(tiny_model: Model) -> None:
    text, p = OTHERS.texts[4], frequencies(tiny_model)
    found = relative_lens(tiny_model, text, "mean", WINDOW, reference=OTHERS, frequencies=p)
    assert found.reference.left_out == 1
    e = tiny_model.encode([text], "mean")[0]
    mean = np.delete(tiny_model.encode(OTHERS.texts, "mean"), 4, axis=0).mean(axis=0)
    logits = tiny_model.unembedding.W_U @ (e - mean)
    assert found.lens.raw[0].logit == pytest.approx(logits.max(), rel=1e-3)


def test_a_text_made_ready_reads_the_same_as_the_window_moves(tiny_model: Model) -> None:
    p = frequencies(tiny_model)
    states, means = (tiny_model.layers(text, "mean") for text in (TEXT, "a dog"))
    still, moving = (
        RelativeText(tiny_model, states, means, text=TEXT, frequencies=p, moving=move)
        for move in (False, True)
    )
    for left in (4, 5, 6):
        window = Window(left, 20, D_MODEL)
        one, other = (made.report(window, OTHERS, layers=True) for made in (still, moving))
        assert [t.id for t in one.lens.filtered] == [t.id for t in other.lens.filtered]
        assert one.own.ranks == other.own.ranks
        assert one.layers is not None
        assert other.layers is not None
        assert [[t.id for t in row] for row in one.layers.filtered] == [
            [t.id for t in row] for row in other.layers.filtered
        ]


def test_ranks_over_texts_are_the_medians_of_each_read_less_the_others(tiny_model: Model) -> None:
    p = frequencies(tiny_model)
    E = tiny_model.encode(OTHERS.texts, "mean")
    told: list[float] = []
    found = own_ranks(
        tiny_model, OTHERS, E, WINDOW, frequencies=p,
        progress=lambda what, done, total, unit: told.append(done),
    )  # fmt: skip
    W_U = tiny_model.unembedding.W_U
    keep = tiny_model.spectrum.V[:, 4:20] @ tiny_model.spectrum.V[:, 4:20].T
    medians: dict[str, list[float]] = {name: [] for name in SIDES}
    for row, text in enumerate(OTHERS.texts):
        ids = [i for i in dict.fromkeys(tiny_model.vocabulary.encode(text))
               if p.ranks[i] >= FREQUENT]  # fmt: skip
        e, mean = E[row], np.delete(E, row, axis=0).mean(axis=0)
        states = (e, keep @ e, e - mean, keep @ (e - mean))
        for name, state in zip(SIDES, states, strict=True):
            medians[name].append(float(np.median([naive_rank(W_U @ state, i) for i in ids])))
    assert found.n_texts == 12
    for name in SIDES:
        assert found.median[name].value == pytest.approx(np.median(medians[name]), abs=1)
        # Of 12 numbers the third from either end.
        assert found.median[name].low == pytest.approx(sorted(medians[name])[2], abs=1)
        assert found.median[name].high == pytest.approx(sorted(medians[name])[-3], abs=1)
    assert told == [0]

    def stop(*_: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        own_ranks(tiny_model, OTHERS, E, WINDOW, frequencies=p, progress=stop)


def test_texts_of_frequent_words_alone_have_no_ranks(tiny_model: Model) -> None:
    of_all = np.ones(tiny_model.d_vocab)
    of_all[tiny_model.vocabulary.encode("the cat")] = 9
    p = frequencies_of(of_all)
    all_frequent = Reference("few words", ("the cat",) * 12, None)
    E = np.random.default_rng(0).normal(size=(12, D_MODEL)).astype(np.float32)
    with pytest.raises(InputError, match="few words: all tokens of these texts"):
        own_ranks(tiny_model, all_frequent, E, WINDOW, frequencies=p)


def test_to_json_is_complete(tiny_model: Model) -> None:
    p = frequencies(tiny_model)
    found = relative_lens(
        tiny_model, TEXT, "mean", WINDOW, reference=OTHERS, frequencies=p, top=4, layers=True
    )
    said = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert said["relative"] == [t.to_json() for t in found.lens.raw]
    assert said["relative_filtered"] == [t.to_json() for t in found.lens.filtered]
    assert said["reference"]["name"] == "by hand"
    assert said["own_tokens"]["median_rank"] == found.own.median
    assert said["own_tokens"]["ranks"]["relative"] == list(found.own.ranks["relative"])
    assert found.over_texts is not None
    median = found.over_texts.median["raw"]
    assert said["over_texts"]["median_rank"]["raw"] == {
        "value": median.value, "low": median.low, "high": median.high
    }  # fmt: skip
    assert said["over_texts"]["n_texts"] == 12
    assert found.layers is not None
    assert said["relative_layers"]["relative"][2] == [t.to_json() for t in found.layers.raw[2]]
    without = replace(found, layers=None, over_texts=None).to_json()
    assert without["relative_layers"] is without["over_texts"] is None


def own(**ranks: tuple[int, ...]) -> OwnTokens:
    tokens = tuple(Token(i, "t", 1.0, 500) for i in range(len(ranks["raw"])))
    return OwnTokens(tokens, ranks)


def test_the_sentence_gives_the_median_under_each() -> None:
    said = own(raw=(5000, 7, 90), filtered=(1, 2, 3), relative=(0, 0, 4),
               relative_filtered=(9, 9, 9)).sentence  # fmt: skip
    assert said == (
        "the median rank of 3 tokens of the text that are not among the 100 most frequent is 90 "
        "raw, 2 filtered, 0 with the mean of other texts removed and 9 with both. Rank 0 is the "
        "first."
    )
    one = own(raw=(5,), filtered=(5,), relative=(5,), relative_filtered=(5,)).sentence
    assert "1 token of the text that is not" in one


def test_a_text_of_frequent_words_has_no_own_tokens() -> None:
    found = own(raw=(), filtered=(), relative=(), relative_filtered=())
    assert found.sentence == "all tokens of the text are among the 100 most frequent."
    assert all(np.isnan(value) for value in found.median.values())


def test_by_hand_on_a_head_of_two_tokens() -> None:
    model: Any = HandModel([[4, 0], [0, 2]], [" the", " cat"])
    model.vocabulary.encode = lambda text: [1]
    p = replace(frequencies_of([0.9, 0.1]))
    made = RelativeText(model, np.array([[3, 1]], np.float32), np.array([[3, 0]]), text="cat",
                        frequencies=p)  # fmt: skip
    found = made.report(Window(0, 2, 2), OTHERS, top=2)
    # What all texts share writes " the"; the text's own part writes " cat".
    assert [t.text for t in found.lens.raw] == [" cat", " the"]


@pytest.mark.real_model
@pytest.mark.parametrize(
    ("text", "prompt", "window", "relative", "filtered"),
    [
        ("A woman is playing the violin under a railway bridge.", "prompteol", "57:547",
         {"violin", "viol", "pianist", "piano", "orchestra", "musical", "musician"},
         {"violin", "viol", "Viol", "orchestra", "Mus"}),
        ("The telescope found a new planet around a distant star.", "mean", "2",
         {"exoplan", "Kepler", "nebula", "Gamma", "Prox", "exoplanets", "habitable"},
         set()),
    ],
)  # fmt: skip
def test_the_bundled_model_is_as_it_was_measured(
    text: str, prompt: str, window: str, relative: set[str], filtered: set[str], bundled: Model
) -> None:
    """method.md, section 10."""
    found = relative_lens(
        bundled, text, prompt, Window.parse(window, bundled.d_model),
        reference=reference_of("demo"), frequencies=bundled.frequencies("model"), top=8,
    )  # fmt: skip
    assert relative <= {token.text.strip() for token in found.lens.raw}
    assert filtered <= {token.text.strip() for token in found.lens.filtered}
    assert found.over_texts is not None
    if prompt == "prompteol":  # what all texts share hides what is the text's own
        ranks = found.over_texts.median
        assert ranks["relative"].high < ranks["raw"].low < ranks["filtered"].value
        assert found.own.median["relative"] < found.own.median["raw"]
