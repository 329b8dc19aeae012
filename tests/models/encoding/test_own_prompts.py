"""Templates of the reader's: their names, what is refused, and the plain pass they stand for."""

import json

import numpy as np
import pytest
import torch

from embfilter_viz.errors import InputError
from embfilter_viz.model import Model, open_model
from embfilter_viz.models.encoding.encoder import Encoder
from embfilter_viz.models.encoding.prompts import META_TASKS, METAEOL, PROMPTS, Prompt, find_prompt
from embfilter_viz.spectral.filters import EmbedFilter
from embfilter_viz.system.progress import Progress
from tests.models.tiny_checkpoints import (
    RECIPES,
    build_model,
    one_thread,  # noqa: F401
    save,
)

TEXTS = ["the cat", "a mat and stock market index", "{text} is {0}", "galaxies 😀", "a cat\nsat."]
AWKWARD = [
    'Summarise "{text}" as:',
    "a\nb\\n{text}\\",
    "τ: {text} @3:x",
    "{text}: {} {1}",
    "{text}",
]


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return save(build_model("llama"), tmp_path_factory.mktemp("llama"))


@pytest.fixture
def tiny(llama) -> Model:
    return open_model(str(llama.folder))


def plain(model, ids, start):
    with torch.inference_mode():
        states = model.base_model(input_ids=torch.tensor([ids])).last_hidden_state[0]
    return states[start:].mean(dim=0).numpy()


@pytest.mark.parametrize("layer", [None, 0, 12])
@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize("template", AWKWARD)
def test_a_name_says_all_of_a_prompt_in_one_line(template, pooling, layer):
    prompt = Prompt.of(template, pooling, layer)
    again = find_prompt(str(prompt))
    for one in (prompt, again, find_prompt(json.loads(json.dumps(prompt)))):
        assert (one.template, one.pooling, one.layer, one.members) == (template, pooling, layer, ())
        assert one == prompt.name
    assert "\n" not in prompt


def test_several_templates_are_one_name_too():
    prompt = Prompt.of(AWKWARD, "mean", 3)
    for one in (prompt, find_prompt(str(prompt))):
        assert one.templates == tuple(AWKWARD)
        assert [member.layer for member in one.members] == [3] * len(AWKWARD)
        assert one.layer == 3
    assert Prompt.of(AWKWARD[:1]) == Prompt.of(AWKWARD[0])


def test_what_says_the_same_is_the_same():
    assert Prompt.of("{text}") is PROMPTS["last"]
    assert find_prompt("mean:{text}") is PROMPTS["mean"]
    assert find_prompt("last@2:{text}") == "last@2" == PROMPTS["last"].at(2)
    assert PROMPTS["echo"].at(2).at(None) == "echo"
    assert find_prompt(prompt := Prompt.of("So: {text}")) is prompt


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("last:Summarise it:", "{text}, which stands for the text, must be in it once and is miss"),
        ("last:{text} is {text}", r"must be in it once and is there 2 times"),
        ("last:", "is missing"),
        ("last:{text}\n{text}?\n", "is missing"),
        ("prompteol:{text}", "unknown; pick one of prompteol, echo, mean, last, metaeol, gen"),
        ("poem", "unknown; pick one of prompteol"),
        ("mean@", "'' after the @ is not a layer's number"),
        ("mean@-1", "'-1' after the @ is not"),
        ("mean@two:{text}", "'two' after the @ is not"),
        ("last:" + "\n".join(["{text}?"] * 33), "33 templates: a prompt averages over 1 to 32"),
    ],
)
def test_what_is_no_prompt_is_refused_in_one_line(asked, said):
    with pytest.raises(InputError) as caught:
        find_prompt(asked)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_template_longer_than_the_model_is_refused_before_anything_is_loaded(tiny, monkeypatch):
    long = Prompt.of("the cat " * 400 + "{text}")
    monkeypatch.setattr(Model, "fetch", lambda *_, **__: 1 / 0)
    with pytest.raises(InputError, match=r"its template alone has .* shorten it") as caught:
        tiny.encode(TEXTS, long)
    assert len(str(caught.value)) < 300
    with pytest.raises(InputError, match="its template alone has"):
        tiny.encode(TEXTS, Prompt.of(["{text}?", long.template]))


@pytest.mark.parametrize("model_type", sorted(RECIPES))
def test_an_own_template_is_a_plain_pass_over_its_words(model_type, tmp_path):
    model = build_model(model_type)
    encoder = Encoder(save(model, tmp_path).outline)
    vocabulary = encoder.vocabulary
    before, after = "the stock: ", " and so on"
    n_before = len(vocabulary.opening) + len(vocabulary.encode(before))
    for pooling in ("last", "mean"):
        found = encoder.encode(TEXTS, Prompt.of(f"{before}{{text}}{after}", pooling))
        for row, text in zip(found, TEXTS, strict=True):
            ids = [*vocabulary.opening, *vocabulary.encode(f"{before}{text}{after}")]
            # A tokenizer may join the last space to the text: then its own first token is earlier.
            starts = [-1] if pooling == "last" else [n_before, n_before - 1]
            expected = [plain(model, ids, start) for start in starts]
            nearest = min(np.linalg.norm(row - e) / np.linalg.norm(e) for e in expected)
            assert nearest < 1e-5


def test_an_own_template_does_not_share_rows_with_another(tiny):
    rows = [
        tiny.encode(TEXTS, prompt)
        for prompt in ("last", "last:So {text}", "last:So {text}.", "mean:So {text}.", "mean")
    ]
    for i, one in enumerate(rows):
        for other in rows[:i]:
            assert not np.allclose(one, other)


def test_a_prompt_of_several_is_the_mean_of_each(tiny):
    templates = ["Is {text} a cat?", "So: {text}", "{text}"]
    prompt = Prompt.of(templates, "mean", 2)
    expected = np.mean([tiny.encode(TEXTS, f"mean@2:{one}") for one in templates], axis=0)
    np.testing.assert_allclose(tiny.encode(TEXTS, prompt), expected, rtol=1e-6, atol=1e-7)
    assert tiny.forwards(prompt) == 3
    assert tiny.is_encoded(TEXTS, prompt)
    assert not tiny.is_encoded([*TEXTS, "new"], prompt)
    one = tiny.layers(TEXTS[0], prompt)
    np.testing.assert_allclose(one[-1], expected[0], rtol=1e-5, atol=1e-6)
    means = tiny.layer_means(TEXTS, prompt)
    np.testing.assert_allclose(means[-1], expected.mean(axis=0), rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="a text is read under 3 templates"):
        tiny.token_states(TEXTS[0], prompt)


def test_to_filter_the_mean_is_to_average_the_filtered(tiny):
    templates = ["Is {text} a cat?", "So: {text}", "{text}"]
    for full in (False, True):
        keep = EmbedFilter(tiny.spectrum, tau=2, full=full)
        after = keep.transform(tiny.encode(TEXTS, Prompt.of(templates)))
        each = [keep.transform(tiny.encode(TEXTS, Prompt.of(one))) for one in templates]
        np.testing.assert_allclose(after, np.mean(each, axis=0), rtol=1e-4, atol=1e-6)


def test_progress_of_several_ends_once_at_all_of_them(tiny):
    told: list[tuple[str, float, float, str]] = []
    listen: Progress = lambda *said: told.append(said)  # noqa: E731
    tiny.encode(TEXTS, Prompt.of(["Is {text} so?", "Or {text}?"]), progress=listen)
    done = [(n, of) for what, n, of, _ in told if what == "Embedding texts"]
    assert done == sorted(done)
    assert done[-1] == (2 * len(TEXTS), 2 * len(TEXTS))


def test_how_many_are_cut_counts_a_text_once(tiny):
    texts = ["short", "x " * 25_000]
    assert tiny.truncated(texts, Prompt.of(["Is {text} so?", "Or {text}?"])) == 1


def test_metaeol_asks_in_one_word_under_eight_templates_two_for_each_task():
    assert find_prompt("metaeol") is METAEOL
    assert len(set(METAEOL.templates)) == 8
    assert [len(pair) for pair in META_TASKS.values()] == [2, 2, 2, 2]
    assert METAEOL.templates == tuple(one for pair in META_TASKS.values() for one in pair)
    for template in METAEOL.templates:
        assert template.endswith('in one word:"')
    assert find_prompt("metaeol@2").layer == 2
    assert {one.layer for one in find_prompt("metaeol@2").members} == {2}


def test_metaeol_is_the_unweighted_mean_of_eight_plain_passes(tiny, llama):
    whole = build_model("llama")
    opening, encode = tiny.vocabulary.opening, tiny.vocabulary.encode
    found = tiny.encode(TEXTS, "metaeol")
    for row, text in zip(found, TEXTS, strict=True):
        passes = [
            plain(whole, [*opening, *encode(template.replace("{text}", text))], -1)
            for template in METAEOL.templates
        ]
        np.testing.assert_allclose(row, np.mean(passes, axis=0), rtol=1e-4, atol=1e-5)
    assert tiny.forwards("metaeol") == 8


def test_what_one_template_has_read_the_mean_does_not_read_again(tiny, monkeypatch):
    for template in METAEOL.templates:
        tiny.encode(TEXTS, Prompt.of(template))
    monkeypatch.setattr(Encoder, "encode_batches", lambda *_, **__: 1 / 0)
    assert tiny.encode(TEXTS, "metaeol").shape == (len(TEXTS), tiny.d_model)
