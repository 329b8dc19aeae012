"""Two texts side by side: by hand, by the definitions, and on the bundled model."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from embfilter_viz.analyses.pair import Pair, PairWords, TextPair, pair
from embfilter_viz.analyses.reference import COSINES, Reference, ReferenceTexts, reference_of
from embfilter_viz.analyses.tokens import Token
from embfilter_viz.embeddings.anatomy import anatomy
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from tests.analyses.hand_made import HandModel, frequencies_of
from tests.models.tiny_checkpoints import D_MODEL, one_thread

__all__ = ["one_thread"]

TEXTS = ("the cat sat on the mat", "a dog")
OTHERS = Reference("by hand", tuple(f"text number {i}" for i in range(12)), tuple("abc" * 4))

# method.md, section 10, gives the figures of two pairs and not their sentences. These give both of
# its figures of each: the cosine, and what the last 29 directions add to it (.542 and .538).
VIOLINIST = "A woman is playing the violin under a railway bridge."
PAIRS = {
    "A violinist plays beneath the train tracks.": (0.959, 0.542),
    "The judge dismissed the case.": (0.892, 0.538),
}


def made_by_hand() -> tuple[Any, ReferenceTexts]:
    """v_0 = (1, 0) writes " the", v_1 = (0, 1) writes " cat"; the mean of the others is (1, 1)."""
    model: Any = HandModel([[4, 0], [0, 2]], [" the", " cat"])
    others = np.array([[2, 0.5], [0.5, 1.5], [1, 1.5], [0.5, 0.5]], np.float32)
    return model, ReferenceTexts(model, Reference("four", ("a", "b", "c", "d"), None), others)


def test_by_hand() -> None:
    model, ready = made_by_hand()
    # Less (1, 1) the two are (2, 1) and (1, 2).
    two = np.array([[3, 2], [2, 3]], np.float32)
    found = TextPair(model, two, ready, frequencies_of([0.9, 0.1])).report(Window(1, 2, 2))
    assert found.cosine == pytest.approx(
        {"raw": 12 / 13, "filtered": 1, "mean_removed": 4 / 5, "filtered_mean_removed": 1}
    )
    assert found.contributions == pytest.approx([6 / 13, 6 / 13])
    assert found.kept == pytest.approx(6 / 13)
    assert found.filtered_contributions == pytest.approx([1])
    # The six pairs of the others have cosines .54, .74, .86, .97, .89 and .98; 12/13 is .92.
    assert found.percentile["raw"] == pytest.approx(100 * 4 / 6)
    root = np.sqrt(5)
    the, cat = (lambda x: Token(0, " the", pytest.approx(x), 0)), (
        lambda x: Token(1, " cat", pytest.approx(x), 1)
    )  # fmt: skip
    assert found.words.shared == (the(12 / root), cat(6 / root))
    assert found.words.first_only == (the(4 / root), cat(-2 / root))
    assert found.words.second_only == (cat(2 / root), the(-4 / root))
    # Under the window nothing tells the two apart.
    assert found.filtered_words.shared == (cat(4), the(0))
    assert found.filtered_words.first_only == found.filtered_words.second_only == ()


def test_a_bias_and_a_cap_of_the_head_leave_a_difference_alone() -> None:
    model, ready = made_by_hand()
    head = model.unembedding
    model.unembedding = type(head)(
        head.W_U, bias=np.array([0, 90], np.float32), logit_scale=0.5, soft_cap=1.0
    )
    two = np.array([[3, 2], [2, 3]], np.float32)
    shared = TextPair(model, two, ready).report(Window(0, 2, 2)).words.shared
    assert [(t.text, t.frequency_rank) for t in shared] == [(" the", None), (" cat", None)]
    assert [t.logit for t in shared] == pytest.approx([6 / np.sqrt(5), 3 / np.sqrt(5)])


def test_a_window_that_leaves_nothing_is_refused() -> None:
    model, ready = made_by_hand()
    two = np.array([[3, 1], [2, 3]], np.float32)  # less (1, 1) the first is (2, 0)
    made = TextPair(model, two, ready)
    with pytest.raises(InputError, match="row 0 is zero"):
        made.report(Window(1, 2, 2))
    with pytest.raises(InputError, match="row 1 is zero"):
        TextPair(model, np.array([[3, 1], [1, 1]], np.float32), ready)


def naive_cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_on_a_model_equals_the_definitions(tiny_model: Model) -> None:
    window = Window(4, 20, D_MODEL)
    frequencies = tiny_model.frequencies("corpus", list(TEXTS))
    found = pair(
        tiny_model, TEXTS, "mean", window, reference=OTHERS, frequencies=frequencies, top=7
    )
    a, b = tiny_model.encode(TEXTS, "mean").astype(float)
    E = tiny_model.encode(OTHERS.texts, "mean").astype(float)
    mean = E.mean(axis=0)
    W_U, V = tiny_model.unembedding.W_U.astype(float), tiny_model.spectrum.V.astype(float)
    keep = V[:, 4:20] @ V[:, 4:20].T
    sides = {
        "raw": (a, b), "filtered": (a @ keep, b @ keep), "mean_removed": (a - mean, b - mean),
        "filtered_mean_removed": ((a - mean) @ keep, (b - mean) @ keep),
    }  # fmt: skip
    for name, (x, y) in sides.items():
        assert found.cosine[name] == pytest.approx(naive_cosine(x, y), abs=1e-5)
    raw = [naive_cosine(E[i], E[j]) for i in range(12) for j in range(i)]
    below = np.mean([one < found.cosine["raw"] for one in raw])
    assert found.percentile["raw"] == pytest.approx(100 * below)
    expected = (a @ V) * (b @ V) / np.linalg.norm(a) / np.linalg.norm(b)
    np.testing.assert_allclose(found.contributions, expected, atol=1e-6)
    assert found.kept == pytest.approx(expected[4:20].sum(), abs=1e-6)
    assert found.filtered_contributions.sum() == pytest.approx(found.cosine["filtered"])
    assert found.bands == pytest.approx(
        [expected[i:j].sum() for i, j in ((0, 1), (1, 8), (8, 24), (24, 31), (31, 32))], abs=1e-6
    )
    for name, words in (("mean_removed", found.words),
                        ("filtered_mean_removed", found.filtered_words)):  # fmt: skip
        x, y = (side / np.linalg.norm(side) for side in sides[name])
        for vector, tokens in ((x + y, words.shared), (x - y, words.first_only),
                               (y - x, words.second_only)):  # fmt: skip
            logits = W_U @ vector
            assert [t.id for t in tokens] == np.argsort(-logits)[:7].tolist()
            np.testing.assert_allclose([t.logit for t in tokens], np.sort(logits)[::-1][:7],
                                       rtol=1e-3, atol=1e-5)  # fmt: skip
    assert found.words.shared[0].frequency_rank == frequencies.ranks[found.words.shared[0].id]


def test_a_pair_made_ready_reads_the_same_as_the_window_moves(tiny_model: Model) -> None:
    E = tiny_model.encode(OTHERS.texts, "mean")
    ready = ReferenceTexts(tiny_model, OTHERS, E)
    two = tiny_model.encode(TEXTS, "mean")
    still, moving = (TextPair(tiny_model, two, ready, moving=move) for move in (False, True))
    for left in (4, 5, 6, 4):
        window = Window(left, 20, D_MODEL)
        one, other = still.report(window), moving.report(window)
        assert one.cosine == other.cosine
        for kind in ("shared", "first_only", "second_only"):
            tokens = [getattr(each.filtered_words, kind) for each in (one, other)]
            assert [t.id for t in tokens[0]] == [t.id for t in tokens[1]]


def test_texts_of_the_reference_are_compared_with_the_others(tiny_model: Model) -> None:
    texts = (OTHERS.texts[2], "a dog")
    found = pair(tiny_model, texts, "mean", Window(4, 20, D_MODEL), reference=OTHERS)
    assert found.reference.texts == (*OTHERS.texts[:2], *OTHERS.texts[3:])
    mean = np.delete(tiny_model.encode(OTHERS.texts, "mean"), 2, axis=0).mean(axis=0)
    a, b = tiny_model.encode(texts, "mean") - mean
    assert found.cosine["mean_removed"] == pytest.approx(naive_cosine(a, b), abs=1e-5)


def test_two_equal_texts_are_told_apart_by_nothing(tiny_model: Model) -> None:
    found = pair(tiny_model, ("a dog", "a dog"), "last", Window(4, 20, D_MODEL), reference=OTHERS)
    assert found.cosine == pytest.approx(dict.fromkeys(COSINES, 1.0))
    assert found.words.first_only == found.filtered_words.second_only == ()
    assert len(found.words.shared) == 10


def test_to_json_is_complete(tiny_model: Model) -> None:
    window = Window(4, 20, D_MODEL)
    found = pair(tiny_model, (*TEXTS, "x " * 9000), "last", window, reference=OTHERS, top=3)
    said = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert said["window"] == [4, 20]
    assert said["cosine"] == found.cosine
    assert said["percentile"] == found.percentile
    assert sum(said["contributions"]) == pytest.approx(found.cosine["raw"])
    assert said["shared"] == [t.to_json() for t in found.words.shared]
    assert said["filtered_words"]["first_only"][0] == found.filtered_words.first_only[0].to_json()
    assert said["reference"] == {"name": "by hand", "n_texts": 12, "left_out": 0}
    assert [band["directions"] for band in said["bands"]] == [
        [0, 1], [1, 8], [8, 24], [24, 31], [31, 32]
    ]  # fmt: skip
    auc = found.anatomy.bands[0].auc
    assert auc is not None
    assert said["bands"][0]["auc"] == {"value": auc.value, "low": auc.low, "high": auc.high}
    assert said["truncated"] == 1
    assert np.shape(said["matrix"]["filtered"]) == (3, 3)
    assert said["matrix"]["raw"][0][1] == pytest.approx(found.cosine["raw"])
    assert "matrix" not in replace(found, matrix=None).to_json()
    assert said["ends"]["contribution"] == pytest.approx(found.bands[0] + found.bands[-1])
    assert said["whole"]["mean"]["value"] == found.anatomy.whole.mean.value
    assert said["n_pairs"] == 66
    assert (said["sentence"], said["ends_sentence"]) == (found.sentence, found.ends_sentence)
    assert "The strongest and the weakest direction of 32 add " in found.ends_sentence


@pytest.mark.parametrize("texts", [["a dog"], ["a dog"] * 31])
def test_from_two_to_thirty_texts(texts: list[str], tiny_model: Model) -> None:
    with pytest.raises(InputError, match="from 2 to 30 can be compared"):
        pair(tiny_model, texts, "mean", Window(4, 20, D_MODEL), reference=OTHERS)


def record(strength: float, noise: float, labels: str | None = "ab" * 20) -> Pair:
    """A pair whose ends know the topic as well as ``strength`` says, and its middle with noise."""
    rng = np.random.default_rng(0)
    topic = np.where(np.array(list("ab" * 20)) == "a", 1.0, -1.0)[:, None]
    C = rng.normal(size=(40, 40)) + 1
    C[:, [0, 1, 38, 39]] += strength * topic
    C[:, 10:30] += noise * topic
    found = anatomy(C, labels=None if labels is None else list(labels))
    values = dict.fromkeys(COSINES, 0.5)
    reference = Reference("x", ("t",) * 40, None)
    words = PairWords((), (), ())
    return Pair(Window(5, 20, 40), values, values, np.full(40, 0.01), np.ones(15), words, words,
                reference, found)  # fmt: skip


@pytest.mark.parametrize(
    ("strength", "noise", "words"),
    [
        (0.0, 1.0, "says that the ends know less about the topics."),
        (3.0, 0.0, "says that the ends know more about the topics."),
        (0.0, 0.0, "does not decide which of the two knows less about the topics."),
    ],
)
def test_the_sentence_says_what_the_ends_know(strength: float, noise: float, words: str) -> None:
    said = record(strength, noise).ends_sentence
    assert said.startswith("The 2 strongest and the 2 weakest directions of 40 add 0.04 to this")
    assert said.endswith(words)


def test_without_labels_the_sentence_ends_before() -> None:
    assert record(0, 1, None).ends_sentence.endswith(" on average.")


def test_the_sentence_gives_each_cosine_its_place() -> None:
    found = record(0, 1)
    cosine = dict(zip(COSINES, (0.959, 0.8, 0.7, -0.001), strict=True))
    places = dict(zip(COSINES, (100.0, 99.97, 50.0, 0.0), strict=True))
    said = replace(found, cosine=cosine, percentile=places).sentence
    assert said == (
        "the cosine of the two texts is 0.96 (all) raw and 0.80 (99.97 %) filtered. With the mean "
        "of the reference texts removed it is 0.70 (50 %), and filtered as well it is 0.00 (none). "
        "In brackets is how many of the 780 pairs of 40 texts of x have a smaller cosine."
    )


def test_a_window_that_drops_nothing_is_said_to() -> None:
    found = replace(record(0, 1), window=Window(0, 40, 40))
    assert "texts is 0.50 (0.5 %), and the window drops nothing." in found.sentence
    assert "filtered" not in found.sentence


def test_of_three_directions_no_end_is_told_from_the_middle() -> None:
    few = replace(record(0, 1).anatomy, ends=None)
    found = replace(record(0, 1), anatomy=few)
    assert found.at_ends is None
    assert found.to_json()["ends"] is None
    assert "too short to tell its ends from its middle" in found.ends_sentence


@pytest.mark.real_model
def test_the_bundled_model_is_as_it_was_measured(bundled: Model) -> None:
    window = Window.of_tau(2, bundled.d_model)
    found = {
        other: pair(bundled, (VIOLINIST, other), "prompteol", window,
                    reference=reference_of("demo"))
        for other in PAIRS
    }  # fmt: skip
    for other, (value, last) in PAIRS.items():
        assert found[other].cosine["raw"] == pytest.approx(value, abs=0.003)
        assert found[other].contributions[547:].sum() == pytest.approx(last, abs=0.003)
    alike, unlike = found.values()
    for kind in ("filtered", "mean_removed", "filtered_mean_removed"):
        assert unlike.cosine[kind] < unlike.cosine["raw"]
        assert unlike.cosine[kind] < alike.cosine[kind] - 0.2
        assert unlike.percentile[kind] < 70 < 99 < alike.percentile[kind]
    said = [token.text.strip() for token in alike.words.shared]
    assert {"violin", "piano", "musician", "orchestra"} <= set(said)
    assert "violin" in [token.text.strip() for token in unlike.words.first_only]
    assert {"Judge", "judgment"} <= {token.text.strip() for token in unlike.words.second_only}
