import numpy as np
import pytest

from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.models.encoding.unigram import Unigram
from embfilter_viz.models.head.frequencies import (
    TokenFrequencies,
    _in_place,
    from_corpus,
    from_model,
    from_wordfreq,
    smoothed,
)
from embfilter_viz.models.head.vocabulary import Vocabulary
from tests.models.tiny_checkpoints import byte_level_tokenizer, sentencepiece_tokenizer


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary(byte_level_tokenizer(), 400, bos=0, eos=1)


@pytest.fixture(scope="module")
def words(vocabulary):
    return from_wordfreq(vocabulary)


def test_counts_by_hand(vocabulary):
    (z,) = vocabulary.encode("z")
    (x,) = vocabulary.encode("x")
    found = from_corpus(vocabulary, ["zz", "x"], alpha=0.5)
    assert found.p[z] == pytest.approx(2.5 / (3 + 200))
    assert found.p[x] == pytest.approx(1.5 / (3 + 200))
    assert (found.counted, found.zeros, found.smoothing) == (3, 398, 0.5)
    assert found.source == "corpus"
    assert "3 tokens counted in 2 texts, α = 0.5" in found.detail
    assert found.most(2).tolist() == [z, x]


@pytest.mark.parametrize("make", [byte_level_tokenizer, sentencepiece_tokenizer])
def test_every_p_is_a_distribution_that_is_nowhere_zero(make):
    vocabulary = Vocabulary(make(), 400)
    for found in (
        from_corpus(vocabulary, ["the cat\nsat"] * 3),
        from_wordfreq(vocabulary, language="sl"),  # few words: fast
    ):
        assert found.p.shape == (400,)
        assert found.p.dtype == np.float64
        assert found.p.min() > 0
        assert found.p.sum() == pytest.approx(1, abs=1e-12)
        assert not found.p.flags.writeable


def test_a_generator_is_counted_as_a_list_is(vocabulary):
    texts = ["the cat", "sat on", "the mat"] * 2000
    np.testing.assert_array_equal(
        from_corpus(vocabulary, (t for t in texts)).p, from_corpus(vocabulary, texts).p
    )


def test_counting_can_be_cancelled(vocabulary):
    def stop(*said):
        raise Cancelled

    with pytest.raises(Cancelled):
        from_corpus(vocabulary, ["the cat"], progress=stop)
    with pytest.raises(Cancelled):
        from_wordfreq(vocabulary, progress=stop)


@pytest.mark.parametrize("alpha", [-1, float("nan"), float("inf"), 0])
def test_smoothing_that_cannot_be_is_refused(alpha, vocabulary):
    with pytest.raises(InputError, match="smoothing α"):
        from_corpus(vocabulary, ["the cat"], alpha=alpha)


def test_no_smoothing_is_needed_where_every_token_was_seen():
    found = smoothed(np.array([1, 3]), 0, source="corpus", detail="")
    assert found.p.tolist() == [0.25, 0.75]


@pytest.mark.parametrize("texts", [[], ["", ""]])
def test_a_corpus_of_nothing_is_refused(texts, vocabulary):
    with pytest.raises(InputError, match="corpus has no tokens"):
        from_corpus(vocabulary, texts)


def test_a_tokenizer_with_more_tokens_than_rows_is_counted_within_the_rows():
    found = from_corpus(Vocabulary(byte_level_tokenizer(), 100), ["zz the"])
    assert found.p.shape == (100,)


def test_words_weigh_by_their_frequency(vocabulary, words):
    import wordfreq

    found = words
    ids = [vocabulary.encode(word) for word in (" the", " stock")]
    assert [len(i) for i in ids] == [1, 1]
    ranks = found.ranks[np.concatenate(ids)]
    assert ranks.tolist() == sorted(ranks)
    # Nine times in ten after a space; words that begin with it, like "they", add to it.
    counted = found.p[ids[0][0]] * (found.counted + 400) - 1
    alone = 0.9 * wordfreq.word_frequency("the", "en") * 1e7
    assert 0.8 * alone < counted < 2 * alone
    assert found.zeros > 0
    assert "wordfreq (en)" in found.detail


def test_numbers_that_wordfreq_writes_as_zeros_do_not_make_0_frequent(vocabulary, words):
    (zero,) = vocabulary.encode("0")
    (one,) = vocabulary.encode("1")
    assert words.p[zero] < 2 * words.p[one]


def test_an_unknown_language_is_refused(vocabulary):
    with pytest.raises(InputError, match="language 'tlh'"):
        from_wordfreq(vocabulary, language="tlh")


@pytest.mark.parametrize("make", [byte_level_tokenizer, sentencepiece_tokenizer])
def test_words_are_tokenised_where_they_stand(make):
    vocabulary = Vocabulary(make(), 400)
    running = vocabulary.encode("the cat sat")
    words = [i for ids in _in_place(vocabulary, " ", ["cat", "sat"]) for i in ids]
    assert running[-len(words) :] == words
    (opened,) = _in_place(vocabulary, "", ["mat"])
    line = vocabulary.encode("sat\nmat")
    assert line[-len(opened) :] == opened
    assert vocabulary.texts(opened)[0][0] == "m"


class SaysItsOwn:
    def __init__(self, p):
        self.p = p

    def unigram(self, texts, *, good_enough, progress):
        error = None if good_enough is None else 0.14
        return Unigram(np.array(self.p), 30, 200, error)


def test_the_models_own_is_not_smoothed_but_never_zero():
    found = from_model(SaysItsOwn([0.5, 0.5, 0.0]), ["the cat"])
    assert found.p[0] == pytest.approx(0.5)
    assert found.p[2] > 0
    assert (found.source, found.zeros, found.smoothing) == ("model", 1, 0)


def test_the_models_own_says_how_far_it_may_be_off():
    found = from_model(SaysItsOwn([0.5, 0.5]), ["a", "b"], good_enough=0.15)
    assert "at 30 of the 200 positions of 2 texts, where about 14% of the" in found.detail
    assert "positions" not in from_model(SaysItsOwn([0.5, 0.5]), ["a", "b"]).detail


def test_ranks_and_picks():
    p = np.array([0.1, 0.4, 0.2, 0.2, 0.1])
    found = TokenFrequencies(p, "corpus", "", 0, 10, 0)
    assert found.ranks.tolist() == [3, 0, 1, 2, 4]
    assert found.most(2).tolist() == [1, 2]
    assert found.least(2).tolist() == [4, 0]
    drawn = found.random(3, seed=1)
    assert len(set(drawn.tolist())) == 3
    np.testing.assert_array_equal(drawn, found.random(3, seed=1))
    for k in (0, 6):
        with pytest.raises(InputError, match="must be from 1 to 5"):
            found.most(k)
    among = np.array([1, 2, 4])
    assert found.least(2, among).tolist() == [4, 2]
    assert set(found.random(3, (1, 2), among).tolist()) == {1, 2, 4}
    for pick in (found.least, lambda k, ids: found.random(k, 0, ids)):
        with pytest.raises(InputError, match="must be from 1 to 3"):
            pick(4, among)
