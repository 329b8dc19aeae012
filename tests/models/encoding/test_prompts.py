import pytest

from embfilter_viz.errors import InputError
from embfilter_viz.models.encoding.prepared import prepare
from embfilter_viz.models.encoding.prompts import PROMPTS, find_prompt
from embfilter_viz.models.families import family_of
from embfilter_viz.models.head.vocabulary import Vocabulary
from tests.models.tiny_checkpoints import byte_level_tokenizer, sentencepiece_tokenizer


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary(byte_level_tokenizer(), 400, bos=0, eos=1)


@pytest.fixture(scope="module")
def opening():
    return Vocabulary(byte_level_tokenizer(adds_bos=True), 400, bos=0, eos=1)


def spelled(vocabulary, prepared):
    return "".join(vocabulary.texts(prepared.ids))


def test_prompteol_reads_the_template_and_pools_its_last_token(vocabulary, opening):
    prepared = prepare(vocabulary, PROMPTS["prompteol"], "the cat")
    assert spelled(vocabulary, prepared) == 'Summarize the sentence: "the cat" in one word:"'
    assert prepared.start == len(prepared.ids) - 1
    assert not prepared.truncated
    begun = prepare(opening, PROMPTS["prompteol"], "the cat")
    assert begun.ids == (0, *prepared.ids)


def test_mistral_has_words_of_its_own():
    prompt = PROMPTS["prompteol"].of_family(family_of({"model_type": "mistral"}))
    assert prompt.fill("x") == 'This sentence: "x" means [MASK]'
    assert PROMPTS["echo"].of_family(family_of({"model_type": "mistral"})) is PROMPTS["echo"]
    assert (
        PROMPTS["prompteol"].of_family(family_of({"model_type": "llama"})) is (PROMPTS["prompteol"])
    )


def test_echo_pools_the_second_time_and_eos(vocabulary):
    prepared = prepare(vocabulary, PROMPTS["echo"], "the cat")
    assert spelled(vocabulary, prepared) == (
        "<s>Rewrite the following paragraph: the cat. The rewritten paragraph: the cat</s>"
    )
    pooled = prepared.ids[prepared.start :]
    assert list(pooled) == [*vocabulary.encode(" the cat"), 1]


@pytest.mark.parametrize("make", [byte_level_tokenizer, sentencepiece_tokenizer])
@pytest.mark.parametrize("text", ["the cat", "😀 שלום", " spaced ", "the cat. the cat", "z"])
def test_echo_pools_all_of_the_second_time_and_nothing_before(make, text):
    vocabulary = Vocabulary(make(), 400, bos=0, eos=1)
    prepared = prepare(vocabulary, PROMPTS["echo"], text)
    decode = vocabulary.tokenizer.decode
    read, pooled = decode(list(prepared.ids[: prepared.start])), prepared.ids[prepared.start : -1]
    assert read.rstrip().endswith("The rewritten paragraph:")
    assert decode(list(pooled)).lstrip(" ") == text.lstrip(" ")


def test_echo_lets_eos_stand_in_for_a_missing_bos_and_does_without_either():
    tokenizer = byte_level_tokenizer()
    no_bos = prepare(Vocabulary(tokenizer, 400, eos=1), PROMPTS["echo"], "cat")
    assert (no_bos.ids[0], no_bos.ids[-1]) == (1, 1)
    neither = prepare(Vocabulary(tokenizer, 400), PROMPTS["echo"], "cat")
    assert no_bos.ids[1:-1] == neither.ids


def test_mean_and_last_read_the_text_alone_and_never_pool_bos(vocabulary, opening):
    ids = tuple(vocabulary.encode("the cat"))
    mean, last = (prepare(opening, PROMPTS[name], "the cat") for name in ("mean", "last"))
    assert mean.ids == last.ids == (0, *ids)
    assert (mean.start, last.start) == (1, len(ids))


@pytest.mark.parametrize("name", PROMPTS)
@pytest.mark.parametrize(
    "text",
    ['say "hi" {text} {0} {} %s', "😀👩‍👩‍👧", "שלום עולם", "{text}{text}", "a\nb\t\x00c", "\u200b"],
)
def test_whatever_the_text_it_stands_whole_in_the_prompt(name, text, vocabulary):
    prepared = prepare(vocabulary, PROMPTS[name], text)
    said = vocabulary.tokenizer.decode(list(prepared.ids), skip_special_tokens=True)
    assert said == PROMPTS[name].fill(text)
    assert said.count(text) >= 1
    assert not prepared.truncated


@pytest.mark.parametrize("name", PROMPTS)
@pytest.mark.parametrize("text", ["a" * 50_000, "the cat " * 6000, "😀" * 9000, " x" * 700])
@pytest.mark.parametrize("make", [byte_level_tokenizer, sentencepiece_tokenizer])
def test_only_the_text_is_cut_and_as_little_as_can_be(name, text, make):
    vocabulary = Vocabulary(make(), 400, bos=0, eos=1)
    prompt = PROMPTS[name]
    prepared = prepare(vocabulary, prompt, text)
    assert prepared.truncated
    assert 512 - 12 < len(prepared.ids) <= 512  # an emoji is 4 bytes, twice in ECHO
    said = vocabulary.tokenizer.decode(list(prepared.ids), skip_special_tokens=True).strip()
    if name == "echo":
        assert "\ufffd" not in said, "cut inside a character"
    else:
        assert len(prepared.ids) == 512
        if "\ufffd" in said:  # between the tokens of an emoji, as tokenizers cut
            assert text.startswith("😀")
            return
    before, after = prompt.template.split("{text}")[0], prompt.template.split("{text}")[-1]
    assert said.startswith(before.strip())
    assert said.endswith(after.strip())


@pytest.mark.parametrize("make", [byte_level_tokenizer, sentencepiece_tokenizer])
def test_a_long_text_keeps_its_own_tokens_and_the_template_its_last_ones(make):
    vocabulary = Vocabulary(make(), 400, bos=0, eos=1)
    prompt = PROMPTS["prompteol"]
    text = "the cat sat on the mat. " * 100
    whole, short = vocabulary.encode(prompt.fill(text)), vocabulary.encode(prompt.fill("cat"))
    ids = list(prepare(vocabulary, prompt, text).ids[len(vocabulary.opening) :])
    n = len(short) - len(vocabulary.encode(prompt.fill("cat").removesuffix('" in one word:"')))
    assert ids == whole[: len(ids) - n] + short[-n:]
    assert vocabulary.tokenizer.decode(ids[-n:]).strip() == '" in one word:"'


def test_a_text_that_just_fits_is_not_cut(vocabulary):
    whole = prepare(vocabulary, PROMPTS["mean"], "z" * 512)
    assert (len(whole.ids), whole.truncated) == (512, False)
    cut = prepare(vocabulary, PROMPTS["mean"], "z" * 513)
    assert (len(cut.ids), cut.truncated) == (512, True)
    assert cut.ids == whole.ids


@pytest.mark.parametrize("text", ["", "  ", "\n\t\u3000"])
def test_nothing_to_read_is_refused(text, vocabulary):
    with pytest.raises(InputError, match="the text is empty"):
        prepare(vocabulary, PROMPTS["prompteol"], text)


def test_a_template_longer_than_the_model_reads_is_refused(vocabulary):
    with pytest.raises(InputError, match=r"template alone has \d+ tokens, the model reads 8"):
        prepare(vocabulary, PROMPTS["echo"], "the cat", max_tokens=8)


def test_find_prompt():
    assert find_prompt("echo") is PROMPTS["echo"]
    with pytest.raises(InputError, match="pick one of prompteol, echo, mean, last"):
        find_prompt("PromptEOL")
