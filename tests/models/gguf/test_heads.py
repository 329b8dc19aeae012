"""A GGUF whose layers are not read: its head opens, its texts are refused, both in words."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from embfilter_viz import open_model
from embfilter_viz.analyses.spectroscopy import spectroscopy
from embfilter_viz.analyses.spectrum import describe_direction
from embfilter_viz.cli import main
from embfilter_viz.errors import InputError
from embfilter_viz.models.gguf.heads import _MODEL_TYPES, class_of, head_config
from embfilter_viz.models.gguf.reading import plan_for
from embfilter_viz.models.sources.locate import outline
from tests.models.gguf.exports import EXPORTS, export
from tests.models.tiny_gguf import write_gguf

pytestmark = pytest.mark.usefixtures("own_cache")

NOT_READ = ("exaone4", "grok", "deepseek2", "gemma4", "olmo", "some-new-one")


@pytest.mark.parametrize("architecture", NOT_READ)
def test_the_head_opens_and_texts_are_refused_in_one_line(
    architecture: str, tmp_path: Path
) -> None:
    plain = write_gguf(tmp_path / "m.gguf", architecture=architecture)
    model = open_model(str(tmp_path / "m.gguf"))
    W_U = plain["token_embd.weight"]
    np.testing.assert_array_equal(model.unembedding.W_U, W_U)
    singular_values = np.linalg.svd(W_U.astype(np.float64), compute_uv=False)
    np.testing.assert_allclose(model.spectrum.singular_values, singular_values, rtol=1e-5)
    assert model.card.only_head == (
        f"the layers of the architecture {architecture} are not known here"
    )
    assert not model.can_encode
    for asked in (lambda: model.encode(["AB"]), model.fetch, lambda: model.frequencies("model")):
        with pytest.raises(InputError, match=f"texts cannot be encoded .*{architecture}") as line:
            asked()  # type: ignore[no-untyped-call]
        assert "\n" not in str(line.value)


@pytest.fixture
def few_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of wordfreq's 300,000 words, three."""
    words = {"the": 0.5, "cat": 0.3, "AB": 0.2}
    monkeypatch.setattr("wordfreq.get_frequency_dict", lambda *_, **__: words)


@pytest.mark.usefixtures("few_words")
def test_all_that_needs_the_head_alone_works(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", architecture="olmo")
    model = open_model(str(tmp_path / "m.gguf"))
    frequencies = model.frequencies("wordfreq")
    assert spectroscopy(model, frequencies, top=10).sentence
    assert describe_direction(model, 0, top=3).positive
    assert model.frequencies("corpus", ["AB!"]).counted == 2.0
    assert model.vocabulary.texts([3, 63]) == ["!", "AB"]
    assert model.unembedding.logits(np.ones(32, dtype=np.float32)).shape == (64,)


def test_the_command_line_says_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_gguf(tmp_path / "m.gguf", architecture="olmo")
    (tmp_path / "texts.txt").write_text("AB\n")
    file = str(tmp_path / "m.gguf")

    def run(*words: str) -> tuple[Any, str, str]:
        monkeypatch.setattr("sys.argv", ["embfilter-viz", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    status, out, _ = run("spectrum", file)
    assert status in (0, None)
    assert "Texts cannot be encoded with it: the layers of the architecture olmo" in " ".join(
        out.split()
    )
    status, out, _ = run("spectrum", file, "--json")
    assert "olmo" in json.loads(out)["only_head"]
    status, out, err = run(
        "embed", file, str(tmp_path / "texts.txt"), "-o", str(tmp_path / "o.npy")
    )
    assert (status, out) == (2, "")
    assert err.splitlines()[-1].startswith("embfilter-viz: ")
    assert "texts cannot be encoded" in err.splitlines()[-1]
    assert not (tmp_path / "o.npy").exists()


@pytest.mark.parametrize(
    "architecture",
    ["command-r", "cohere2", "granite", "gemma2", "phi2", "bloom", "gptneox", "llama"],
)
def test_the_lens_is_the_model_s_own_where_the_layers_are_not_read(
    architecture: str, tmp_path: Path
) -> None:
    """Scales, caps and biases of the head come from the header alone."""
    unread = {f"{architecture}.unheard_of": 1.0}
    model = export(tmp_path / "m.gguf", architecture, more_keys=unread)
    opened = open_model(str(tmp_path / "m.gguf"))
    assert f"{architecture}.unheard_of" in str(opened.card.only_head)
    ids = torch.arange(3, 12)[None]
    with torch.no_grad():
        states = model.base_model(input_ids=ids).last_hidden_state[0].numpy()
        own = model(input_ids=ids).logits[0].numpy()
    lens = opened.unembedding.logits(states)
    np.testing.assert_allclose(lens, own, rtol=1e-4, atol=1e-4 * np.abs(own).max())


def test_configurations_agree_on_the_head_whether_the_layers_are_read_or_not(
    tmp_path: Path,
) -> None:
    facts = ("model_type", "architectures", "vocab_size", "tie_word_embeddings", "logit_scale")
    facts += ("logits_scaling", "final_logit_softcapping")
    for architecture in ("command-r", "granite", "gemma2", "qwen2", "gpt2"):
        file = tmp_path / f"{architecture}.gguf"
        export(file, architecture)
        read = outline(str(file))
        assert read.gguf is not None
        whole = plan_for(read.gguf).config
        alone = head_config(read.gguf, "tiny")
        assert {f: alone.get(f) for f in facts} == {f: whole.get(f) for f in facts}


@pytest.mark.parametrize(
    ("keys", "tensors", "said"),
    [
        ({"olmo.logit_scale": 0.5}, {}, "olmo.logit_scale"),
        ({"olmo.logit_unheard_of": 0.5}, {}, "olmo.logit_unheard_of"),
        ({}, {"output.scale": np.ones(1)}, "output.scale"),
        ({}, {"cls.output.weight": np.ones((2, 32))}, "cls.output.weight"),
        ({"general.type": "adapter"}, {}, "type adapter"),
        ({"olmo.attention.causal": False}, {}, "both directions"),
    ],
)
def test_what_may_change_the_head_and_is_not_known_refuses_all(
    tmp_path: Path, keys: dict[str, Any], tensors: dict[str, Any], said: str
) -> None:
    write_gguf(tmp_path / "m.gguf", architecture="olmo", more_keys=keys, more_tensors=tensors)
    with pytest.raises(InputError, match=said) as line:
        open_model(str(tmp_path / "m.gguf"))
    assert "\n" not in str(line.value)


def test_classes_are_those_of_transformers() -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    for model_type in _MODEL_TYPES.values():
        assert class_of(model_type) == MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[model_type]
    assert {how.model_type for how in EXPORTS.values()} <= set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def test_a_tokenizer_that_is_not_known_refuses_all(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", tokenizer="rwkv")
    with pytest.raises(InputError, match="tokenizer is of the kind rwkv"):
        open_model(str(tmp_path / "m.gguf"))


@pytest.mark.usefixtures("few_words")
def test_a_splitting_that_is_not_known_refuses_texts_and_counts_words(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", pre="some-new-one")
    model = open_model(str(tmp_path / "m.gguf"))
    assert model.card.only_head == (
        "its tokenizer splits texts as some-new-one, which is not known here"
    )
    assert model.spectrum.singular_values[0] > 0
    assert model.frequencies("wordfreq").counted > 0
    with pytest.raises(InputError, match="splits texts as some-new-one"):
        model.encode(["AB"])
    with pytest.raises(InputError, match=r"splits texts as some-new-one.*wordfreq"):
        model.frequencies("corpus", ["AB"])
