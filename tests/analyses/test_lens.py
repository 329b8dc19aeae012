import json
from typing import Any

import numpy as np
import pytest

from embfilter_viz import opened_head
from embfilter_viz.analyses.lens import (
    FREQUENT,
    Lens,
    Specificity,
    TextLens,
    filtered_logits,
    lens,
    lens_by_layer,
    lens_of,
)
from embfilter_viz.analyses.removals import REMOVALS
from embfilter_viz.analyses.specificity import RandomLens, others_for, random_lens
from embfilter_viz.analyses.tokens import Token
from embfilter_viz.embeddings.isotropy import Interval
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from tests.analyses.hand_made import HandModel, frequencies_of
from tests.models.tiny_checkpoints import D_MODEL, D_VOCAB, N_LAYERS, one_thread

__all__ = ["one_thread"]


def test_by_hand_on_a_head_of_two_tokens() -> None:
    # v_0 = (1, 0) writes " the", v_1 = (0, 1) writes " cat"; the window 1:2 keeps v_1 alone.
    model: Any = HandModel([[4, 0], [0, 2]], [" the", " cat"])
    found = lens_of(
        model, np.array([[3, 1]], np.float32), Window(1, 2, 2), text="Cats!", top=2,
        frequencies=frequencies_of([0.9, 0.1]),
    )  # fmt: skip
    assert found.raw == (Token(0, " the", 12.0, 0), Token(1, " cat", 2.0, 1))
    assert found.filtered == (Token(1, " cat", 2.0, 1), Token(0, " the", 0.0, 0))
    assert found.rank_in_filtered == (1, 0)
    assert found.rank_in_raw == (1, 0)
    assert found.specificity is None


def test_the_head_adds_what_the_model_adds() -> None:
    model: Any = HandModel([[4, 0], [0, 2]])
    model.unembedding = type(model.unembedding)(
        model.unembedding.W_U, bias=np.array([0, 20], np.float32), logit_scale=0.5, soft_cap=5.0
    )
    found = lens_of(
        model, np.array([[3, 1]], np.float32), Window(0, 2, 2), text="x", top=2,
        frequencies=frequencies_of([0.9, 0.1]),
    )  # fmt: skip
    assert [t.id for t in found.raw] == [1, 0]
    assert found.raw[0].logit == pytest.approx(5 * np.tanh(0.5 * 22 / 5), rel=1e-6)
    assert found.raw[1].logit == pytest.approx(5 * np.tanh(0.5 * 12 / 5), rel=1e-6)


SPECIFIC = Specificity(0.62, 0.71, 320)
PAPERS, OTHER, NOTHING = Window(4, 12, 16), Window(0, 8, 16), Window(0, 16, 16)


def record(
    before: int, after: int, *, removal: str = "embedfilter", k: int = 10, window: Window = PAPERS,
    specificity: Specificity | None = SPECIFIC,
    random: RandomLens | None = None,
) -> Lens:  # fmt: skip
    """A lens with so many frequent tokens on each side."""

    def side(frequent: int, first: int) -> tuple[Token, ...]:
        ranks = [0] * frequent + [FREQUENT] * (k - frequent)
        return tuple(Token(first + i, "t", 1.0, rank) for i, rank in enumerate(ranks))

    return Lens(window, removal, side(before, 0), side(after, 5), (0,) * k, (0,) * k,
                before / k, after / k, False, specificity, random)  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "window", "words"),
    [
        (7, 2, PAPERS, "of the top 10 tokens, 7 are among the 100 most frequent before and 2 "
                       "after: the filter takes frequent tokens out."),
        (1, 0, PAPERS, "1 is among the 100 most frequent before and none after: the filter takes"),
        (1, 1, PAPERS, "frequent before and 1 after: the filter does not change their number."),
        (0, 1, PAPERS, "none is among the 100 most frequent before and 1 is after: the filter"),
        (0, 0, PAPERS, "there was no frequent token to remove."),
        (2, 5, PAPERS, "brings more of them in, the opposite of what the paper claims."),
        (2, 5, OTHER, "the filter brings more of them in."),
        (2, 5, Window(1, 16, 16), "the filter brings more of them in."),
    ],
)  # fmt: skip
def test_the_sentence_says_what_happened(
    before: int, after: int, window: Window, words: str
) -> None:
    said = record(before, after, window=window).sentence
    assert words in said
    assert (
        "The top 10 tokens lie nearer to the words of this text than to those of 62% of 320 other "
        "texts before and of 71% after. Of the 10 tokens before, 5 are also among those after."
    ) in said


def test_random_subspaces_stand_beside_the_filter() -> None:
    random = RandomLens(8, Interval(0.04, 0.0, 0.2), Interval(0.6, 0.41, 0.83))
    said = record(7, 2, random=random).sentence
    assert "out. In 20 random subspaces of the same size, 0.4 (0 to 2) are frequent on" in said
    assert "of 71% after (random subspaces: 60%, from 41% to 83%)." in said
    found = record(7, 2, random=random).to_json()
    assert found["random_subspaces"]["frequent_share"] == {"value": 0.04, "low": 0, "high": 0.2}


def test_a_window_that_drops_nothing_says_so() -> None:
    said = record(3, 3, window=NOTHING).sentence
    assert (
        "frequent. The window 0:16 drops nothing, so the filtered embedding is the raw one. The "
    ) in said
    assert "than to those of 62% of 320 other texts." in said
    assert "paper" not in said
    assert "also among" not in said


def test_one_of_them_stays_and_a_text_without_words_is_said_to_have_none() -> None:
    said = record(1, 0, k=6, specificity=Specificity(float("nan"), float("nan"), 320)).sentence
    assert said.endswith("Of the 6 tokens before, 1 is also among those after.")
    assert "The text has no infrequent words that its tokens could be compared with." in said


def test_another_removal_is_named_and_not_held_against_the_paper() -> None:
    said = record(2, 5, removal="bulk").sentence
    assert "removing “bulk” brings more of them in." in said
    assert "paper" not in said
    assert "the filter" not in said


def test_frequent_is_the_first_hundred() -> None:
    p = np.arange(300, 0, -1.0)
    model: Any = HandModel(np.eye(300, 4, dtype=np.float32), None)
    model.unembedding.W_U  # noqa: B018 - the head is of full rank 4 and has 296 zero rows
    at = {99: 1.0, 100: 0.0}
    for token, share in at.items():
        W = np.zeros((300, 4), np.float32)
        W[token, 0] = 5
        W[[0, 1, 2], [1, 2, 3]] = 1
        one: Any = HandModel(W)
        found = lens_of(one, np.array([[1, 0, 0, 0]], np.float32), Window(0, 4, 4), text="x",
                        top=1, frequencies=frequencies_of(p))  # fmt: skip
        assert found.frequent_share_raw == share


def test_on_a_model_equals_the_definition(tiny_model: Model) -> None:
    window = Window(4, 20, D_MODEL)
    frequencies = tiny_model.frequencies("corpus", ["the cat sat on the mat", "a dog"])
    found = lens(tiny_model, "the cat", "mean", window, top=7, frequencies=frequencies)
    e = tiny_model.encode(["the cat"], "mean")[0].astype(float)
    W_U, V = tiny_model.unembedding.W_U.astype(float), tiny_model.spectrum.V.astype(float)
    kept = V[:, 4:20]
    before, after = W_U @ e, W_U @ (kept @ (kept.T @ e))
    for logits, tokens in ((before, found.raw), (after, found.filtered)):
        assert [t.id for t in tokens] == np.argsort(-logits)[:7].tolist()
        np.testing.assert_allclose([t.logit for t in tokens], np.sort(logits)[::-1][:7], rtol=1e-4)
    place = np.argsort(np.argsort(-after))
    assert list(found.rank_in_filtered) == [place[t.id] for t in found.raw]
    ranks = [t.frequency_rank for t in found.raw]
    assert found.frequent_share_raw == np.mean([r < FREQUENT for r in ranks])


def test_to_json_is_complete(tiny_model: Model) -> None:
    frequencies = tiny_model.frequencies("corpus", ["the cat"])
    found = lens(tiny_model, "the cat", "last", Window(4, 20, D_MODEL), frequencies=frequencies)
    said = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert said["window"] == [4, 20]
    assert said["removal"] == "embedfilter"
    assert said["raw"][0] == found.raw[0].to_json()
    assert said["rank_in_raw"] == list(found.rank_in_raw)
    assert said["frequent_share"] == {
        "raw": found.frequent_share_raw,
        "filtered": found.frequent_share_filtered,
    }
    assert found.specificity is not None
    assert said["specificity"]["n_others"] == found.specificity.n_others
    assert said["random_subspaces"]["n_subspaces"] == 20
    assert said["truncated"] is False
    assert said["sentence"] == found.sentence


def test_long_text_is_said_to_be_cut(tiny_model: Model) -> None:
    frequencies = tiny_model.frequencies("corpus", ["the cat"])
    window = Window(4, 20, D_MODEL)
    assert lens(tiny_model, "x " * 9000, "last", window, frequencies=frequencies).truncated


@pytest.mark.parametrize("top", [0, -1])
def test_no_tokens_asked_for(tiny_model: Model, top: int) -> None:
    frequencies = tiny_model.frequencies("corpus", ["the cat"])
    with pytest.raises(InputError, match="at least 1"):
        lens(tiny_model, "a", "last", Window(4, 20, D_MODEL), top=top, frequencies=frequencies)


def test_by_layer_ends_in_the_lens(tiny_model: Model) -> None:
    frequencies = tiny_model.frequencies("corpus", ["the cat sat"])
    window = Window(4, 20, D_MODEL)
    by_layer = lens_by_layer(
        tiny_model, tiny_model.layers("the cat", "mean"), window, top=4, frequencies=frequencies
    )
    whole = lens(tiny_model, "the cat", "mean", window, top=4, frequencies=frequencies)
    for rows, last in ((by_layer.raw, whole.raw), (by_layer.filtered, whole.filtered)):
        assert (len(rows), len(rows[0])) == (N_LAYERS + 1, 4)
        assert [t.id for t in rows[-1]] == [t.id for t in last]
        assert [t.logit for t in rows[-1]] == pytest.approx([t.logit for t in last], rel=1e-3)
    assert all(0 <= t.id < D_VOCAB for row in by_layer.raw for t in row)


@pytest.mark.parametrize("moving", [False, True])
def test_a_text_made_ready_reads_as_the_definition_does(tiny_model: Model, moving: bool) -> None:
    frequencies = tiny_model.frequencies("corpus", ["the cat sat"])
    states = tiny_model.layers("the cat", "mean")
    ready = TextLens(tiny_model, states, frequencies=frequencies, moving=moving)
    assert (ready._moving is not None) == moving
    np.testing.assert_allclose(
        ready.raw_logits, tiny_model.unembedding.logits(states[-1]), rtol=1e-4, atol=1e-5
    )
    for window in (Window(4, 20, D_MODEL), Window(5, 20, D_MODEL), Window(0, D_MODEL, D_MODEL)):
        for removal in REMOVALS:
            expected = filtered_logits(
                tiny_model, states, window, frequencies=frequencies, removal=removal
            )
            found = ready.filtered_logits(window, removal)
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
        by_layer = lens_by_layer(tiny_model, states, window, frequencies=frequencies)
        after = ready.filtered_logits(window)
        kept = lens_by_layer(
            tiny_model, states, window, frequencies=frequencies, raw=ready.raw_layers, after=after
        )
        for rows, others in ((kept.raw, by_layer.raw), (kept.filtered, by_layer.filtered)):
            assert [[t.id for t in row] for row in rows] == [[t.id for t in row] for row in others]


def test_random_subspaces_are_measured_once_for_each_size(tiny_model: Model) -> None:
    frequencies = tiny_model.frequencies("corpus", ["the cat sat"])
    states, words = tiny_model.layers("the cat", "mean"), others_for(tiny_model, frequencies)
    about = {"text": "zebra quiz", "frequencies": frequencies, "words": words}
    ready = TextLens(tiny_model, states, **about)
    assert ready.known_random(16, 5) is None
    found = ready.random(16, 5)
    assert found is not None
    assert 0 <= found.specificity.low <= found.specificity.value <= found.specificity.high <= 1
    assert found == random_lens(tiny_model, states[-1:], 16, top=5, **about)
    assert ready.random(16, 5) is ready.known_random(16, 5) is found
    assert TextLens(tiny_model, states, frequencies=frequencies).random(16, 5) is None


def test_what_a_head_adds_is_added_after_every_move(tiny_model: Model) -> None:
    head = tiny_model.unembedding
    bias = np.linspace(-1, 1, head.d_vocab, dtype=np.float32)
    states = tiny_model.layers("the cat", "mean")
    frequencies = tiny_model.frequencies("corpus", ["the cat sat"])
    tiny_model._parts["unembedding"] = type(head)(
        head.W_U, bias=bias, logit_scale=0.5, soft_cap=5.0
    )
    ready = TextLens(tiny_model, states, frequencies=frequencies, moving=True)
    for left in (4, 5, 4, 4):
        window = Window(left, 20, D_MODEL)
        expected = filtered_logits(tiny_model, states, window, frequencies=frequencies)
        np.testing.assert_allclose(ready.filtered_logits(window), expected, rtol=1e-4, atol=1e-4)


def test_a_head_is_turned_once_and_only_where_memory_is_plenty(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbytes = tiny_model.unembedding.W_U.nbytes
    monkeypatch.setattr(opened_head, "memory_free", lambda: 4 * nbytes - 1)
    assert tiny_model.rotated_head() is None
    states = tiny_model.layers("the cat", "mean")
    frequencies = tiny_model.frequencies("corpus", ["the cat sat"])
    ready = TextLens(tiny_model, states, frequencies=frequencies, moving=True)
    window = Window(4, 20, D_MODEL)
    expected = filtered_logits(tiny_model, states, window, frequencies=frequencies)
    assert np.array_equal(ready.filtered_logits(window), expected)
    monkeypatch.setattr(opened_head, "memory_free", lambda: 4 * nbytes)
    turned = tiny_model.rotated_head()
    assert turned is not None
    assert turned.nbytes == nbytes
    assert tiny_model.rotated_head() is turned
