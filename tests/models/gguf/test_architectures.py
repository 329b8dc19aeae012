"""A tiny GGUF of every architecture and setting, against transformers' own forward pass.

The weights are those of a model of transformers; it is written as llama.cpp's converter writes it
and read the way a user's file is. Embeddings and lens must be the model's own, or the file refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from embfilter_viz.errors import InputError
from embfilter_viz.model import open_model
from embfilter_viz.models.encoding.encoder import Encoder
from embfilter_viz.models.formats.gguf_header import GgufHeader
from embfilter_viz.models.gguf.account import NotRead
from embfilter_viz.models.gguf.architectures import ARCHITECTURES
from embfilter_viz.models.gguf.parts import read_gguf
from embfilter_viz.models.gguf.reading import plan_for, plan_to_encode
from embfilter_viz.models.head.unembedding import NoHeadError, read_unembedding
from embfilter_viz.models.sources.gguf_conversion import convert
from embfilter_viz.system.progress import silent
from tests.models.gguf.exports import (
    EXPORTS,
    Export,
    as_llama,
    export,
    interleaved,
    queries_first_in_groups,
    with_expert_sizes,
    with_sums,
)
from tests.models.tiny_checkpoints import TinyCheckpoint, build_model, one_thread

__all__ = ["one_thread"]

pytestmark = [
    pytest.mark.usefixtures("own_cache"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

TEXTS = (
    "the cat sat on the mat",
    "galaxies are held together by gravity; stars are born in clouds of gas, and the dog sat on "
    "the cat while a stock market index measured a section of the stock market",
)


def opened(path: Path, folder: Path) -> TinyCheckpoint:
    """What a user's file becomes, without the child processes around it."""
    folder.mkdir()
    convert(str(path), "tiny", str(folder), str(folder / "none"), silent)
    return TinyCheckpoint("tiny", folder)


def farthest(model: Any, checkpoint: TinyCheckpoint) -> tuple[float, float]:
    """Relative distance of embeddings and of logits from transformers' own."""
    encoder = Encoder(checkpoint.outline)
    embeddings = np.concatenate([_embedded(encoder, [text]) for text in TEXTS])
    states, logits = zip(*(_of_transformers(model, encoder, text) for text in TEXTS), strict=True)
    head = read_unembedding(checkpoint.outline)
    lens = np.concatenate([head.logits(h) for h in states])
    own = np.concatenate(logits)[:, : head.d_vocab]
    return (
        _relative(embeddings, np.stack([h.mean(axis=0) for h in states])),
        _relative(lens, own),
    )


def _embedded(encoder: Encoder, texts: Sequence[str]) -> np.ndarray:
    return next(vectors for _, vectors in encoder.encode_batches(texts, "mean"))


def _of_transformers(model: Any, encoder: Encoder, text: str) -> tuple[np.ndarray, np.ndarray]:
    ids = torch.tensor([encoder.vocabulary.encode(text)])
    with torch.no_grad():
        states = model.base_model(input_ids=ids).last_hidden_state[0]
        logits = model(input_ids=ids).logits[0]
    return states.numpy(), logits.numpy()


def _relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def test_every_architecture_that_is_read_is_tested() -> None:
    assert set(EXPORTS) == set(ARCHITECTURES)


@pytest.mark.parametrize("architecture", sorted(EXPORTS))
def test_embeddings_and_lens_are_the_model_s_own(architecture: str, tmp_path: Path) -> None:
    model = export(tmp_path / "m.gguf", architecture)
    checkpoint = opened(tmp_path / "m.gguf", tmp_path / "m")
    embeddings, lens = farthest(model, checkpoint)
    assert embeddings < 1e-5
    assert lens < 1e-5


# -- settings that a reader may drop ---------------------------------------------------------------


def rope(kind: str, theta: float = 10_000.0, **more: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": theta, **more}}


def llama3(factor: float, low: float, high: float, trained: int) -> dict[str, Any]:
    """As the converter turns ``rope_type`` llama3 into factors for frequencies."""
    return {
        **rope(
            "llama3",
            500_000.0,
            factor=factor,
            low_freq_factor=low,
            high_freq_factor=high,
            original_max_position_embeddings=trained,
        ),
        **{"hidden_size": 128, "num_attention_heads": 2, "num_key_value_heads": 1},
    }


def frequencies(settings: dict[str, Any]) -> dict[str, np.ndarray]:
    """``rope_freqs``, from Meta's definition written out frequency by frequency."""
    said, factors = settings["rope_parameters"], []
    for i in range(32):
        wavelength = 2 * np.pi * said["rope_theta"] ** (2 * i / 64)
        trained, factor = said["original_max_position_embeddings"], said["factor"]
        low, high = said["low_freq_factor"], said["high_freq_factor"]
        if wavelength < trained / high:
            factors.append(1.0)
        elif wavelength > trained / low:
            factors.append(factor)
        else:
            smooth = (trained / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return {"rope_freqs.weight": np.array(factors, dtype=np.float32)}


LONG = {
    "short_factor": [1.0, 1.1, 1.3, 1.7],
    "long_factor": [1.0, 2.0, 5.0, 9.0],
    "original_max_position_embeddings": 20,
}


@dataclass(frozen=True)
class Setting:
    """A file with a setting of its own."""

    architecture: str
    settings: dict[str, Any]
    keys: dict[str, Any] | None = None
    tensors: dict[str, np.ndarray] | None = None
    exported: Export | None = None


def _with_one_that_guesses(config: Any) -> dict[str, Any]:
    return with_sums(config) | {"block_count": 5, "nextn_predict_layers": 1}


_LLAMA_31, _LLAMA_32 = llama3(8.0, 1.0, 4.0, 8192), llama3(32.0, 1.0, 4.0, 8192)
_LLAMA_BY_HAND = llama3(5.0, 1.5, 6.0, 3000)
_LONG_TENSORS = {
    f"rope_factors_{kind}.weight": np.array(LONG[f"{kind}_factor"]) for kind in ("short", "long")
}
SETTINGS = {
    "Llama 3.1": Setting("llama", _LLAMA_31, tensors=frequencies(_LLAMA_31)),
    "Llama 3.2": Setting("llama", _LLAMA_32, tensors=frequencies(_LLAMA_32)),
    "Llama 3, other settings": Setting(
        "llama", _LLAMA_BY_HAND, tensors=frequencies(_LLAMA_BY_HAND)
    ),
    "linear": Setting("llama", rope("linear", factor=4.0)),
    "YaRN": Setting("qwen2", rope("yarn", factor=4.0, original_max_position_embeddings=32)),
    "YaRN, all given": Setting(
        "llama",
        rope(
            "yarn",
            factor=4.0,
            original_max_position_embeddings=32,
            attention_factor=1.3,
            beta_fast=16.0,
            beta_slow=2.0,
        ),
    ),
    "Gemma 3 from 4B on": Setting(
        "gemma3",
        {
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
            }
        },
    ),
    "Phi-4-mini": Setting(
        "phi3",
        {**rope("default", partial_rotary_factor=0.75), "hidden_size": 64}
        | {"tie_word_embeddings": True},
    ),
    "Phi-3.5": Setting(
        "phi3",
        {**rope("longrope", attention_factor=1.4, **LONG), "original_max_position_embeddings": 20},
        keys={"phi3.rope.scaling.attn_factor": 1.4},
        tensors=_LONG_TENSORS,
    ),
    "Phi-3.5 without its attention factor": Setting(
        "phi3",
        {**rope("longrope", **LONG), "original_max_position_embeddings": 20},
        tensors=_LONG_TENSORS,
    ),
    "attention and feed-forward biases": Setting(
        "llama", {"attention_bias": True, "mlp_bias": True}
    ),
    "Mixtral": Setting(
        "llama",
        {},
        exported=Export("mixtral", lambda c: as_llama(c) | with_expert_sizes(c), interleaved),
    ),
    "Mistral": Setting(
        "llama",
        {"sliding_window": None},
        keys={"general.basename": "Mistral"},
        exported=Export("mistral", as_llama, interleaved),
    ),
    "heads wider than the model": Setting("llama", {"head_dim": 16}),
    "tied": Setting("llama", {"tie_word_embeddings": True}),
    "StableLM 2": Setting("stablelm", {"use_qkv_bias": True, "use_parallel_residual": True}),
    "Falcon 40B": Setting(
        "falcon",
        {"new_decoder_architecture": True, "num_kv_heads": 2},
        exported=replace(EXPORTS["falcon"], layout=queries_first_in_groups),
    ),
    "Qwen 3.5 with a layer that guesses ahead": Setting(
        "qwen35",
        {},
        tensors={
            "blk.4.nextn.eh_proj.weight": np.ones((32, 64)),
            "blk.4.attn_norm.weight": np.ones(32),
        },
        exported=replace(EXPORTS["qwen35"], keys=_with_one_that_guesses),
    ),
    "Command R+": Setting("command-r", {"use_qk_norm": True}),
    "Gemma 3 that caps its logits": Setting(
        "gemma3", {"final_logit_softcapping": 20.0}, keys={"gemma3.final_logit_softcapping": 20.0}
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_carried_over(name: str, tmp_path: Path) -> None:
    case = SETTINGS[name]
    model = export(
        tmp_path / "m.gguf",
        case.architecture,
        more_keys=case.keys,
        more_tensors=case.tensors,
        exported=case.exported,
        **case.settings,
    )
    checkpoint = opened(tmp_path / "m.gguf", tmp_path / "m")
    embeddings, lens = farthest(model, checkpoint)
    assert embeddings < 1e-5
    assert lens < 1e-5


def test_a_text_beyond_the_trained_length_leaves_the_one_beside_it_alone(tmp_path: Path) -> None:
    """LongRoPE turns a whole pass by its longest text; one of these is over 20 tokens, one not."""
    case = SETTINGS["Phi-3.5"]
    export(
        tmp_path / "m.gguf", "phi3", more_tensors=case.tensors, more_keys=case.keys, **case.settings
    )
    encoder = Encoder(opened(tmp_path / "m.gguf", tmp_path / "m").outline)
    together = np.zeros((2, 32), dtype=np.float32)
    for rows, vectors in encoder.encode_batches(TEXTS, "mean"):
        together[rows] = vectors
    alone = np.concatenate([_embedded(encoder, [text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_the_comparison_would_see_a_setting_that_was_dropped(tmp_path: Path) -> None:
    """Each scaling of positions moves the embeddings by a hundred times the bound above."""
    for name in ("Llama 3.2", "linear", "YaRN", "Gemma 3 from 4B on", "Phi-4-mini", "Phi-3.5"):
        case = SETTINGS[name]
        settings = {key: v for key, v in case.settings.items() if key != "rope_parameters"}
        settings |= {"original_max_position_embeddings": 640} if "Phi" in name else {}
        plain = export(tmp_path / f"{name}.gguf", case.architecture, **settings)
        scaled = build_model(EXPORTS[case.architecture].model_type, **_whole(case))
        scaled.load_state_dict(plain.state_dict())
        ids = torch.arange(300)[None] % 384
        with torch.no_grad():
            one, other = (m.base_model(ids).last_hidden_state.numpy() for m in (plain, scaled))
        assert _relative(one, other) > 1e-3, name


def _whole(case: Setting) -> dict[str, Any]:
    return EXPORTS[case.architecture].settings | case.settings


def why_texts_cannot_be_read(header: GgufHeader) -> str | None:
    """The reason, or None where they can."""
    try:
        plan_to_encode(header)
    except NotRead as reason:
        return str(reason)
    return None


# -- the rest is refused ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of each architecture, written when it is asked for."""
    return tmp_path_factory.mktemp("files")


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_one_more_tensor_or_setting_is_refused_by_name(architecture: str, files: Path) -> None:
    path = files / f"{architecture}.gguf"
    export(path, architecture)
    header = read_gguf(path, "tiny")
    assert why_texts_cannot_be_read(header) is None
    one = header.tensors[0]
    for more in ("blk.0.attn_sinks.weight", "rope_sines.weight", "blk.1.ffn_up.scale"):
        extended = replace(header, tensors=(*header.tensors, replace(one, name=more)))
        assert more in str(why_texts_cannot_be_read(extended))
    for key, value in (
        ("rope.scaling.yarn_log_multiplier", 0.1),
        ("rope.unheard_of", 1.0),
        ("attention.temperature_length", 8192),
    ):
        name = f"{architecture}.{key}"
        extended = replace(header, metadata={**header.metadata, name: value})
        assert name in str(why_texts_cannot_be_read(extended))
    lost = next(tensor for tensor in header.tensors if tensor.name.startswith("blk.1."))
    without = replace(header, tensors=tuple(t for t in header.tensors if t != lost))
    assert lost.name in str(why_texts_cannot_be_read(without))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("llama.rope.dimension_count", 4, "4 of the 8 dimensions"),
        ("llama.rope.scaling.type", "longrope", "scaled as longrope"),
        ("llama.rope.scaling.attn_factor", 1.5, "attention factor of 1.5"),
        ("llama.attention.value_length", 4, "value_length is 4"),
        ("llama.attention.causal", False, "causal is False"),
        ("llama.expert_used_count", 2, "expert_used_count is 2"),
        ("llama.attention.head_count_kv", [2, 1, 2], "differs from layer to layer"),
        ("llama.embedding_length", "wide", "contradict"),
        ("xielu.alpha_n", 0.5, "xielu.alpha_n"),
        ("tokenizer.ggml.unheard_of", 1, "tokenizer.ggml.unheard_of"),
    ],
)
def test_settings_of_another_meaning_are_refused(
    files: Path, key: str, value: Any, said: str
) -> None:
    export(files / "llama.gguf", "llama")
    header = read_gguf(files / "llama.gguf", "tiny")
    changed = replace(header, metadata={**header.metadata, key: value})
    assert said in str(why_texts_cannot_be_read(changed))


def test_a_part_of_each_head_is_turned_by_what_the_file_says_alone(files: Path) -> None:
    for architecture in ("stablelm", "phi2", "gptneox", "glm4", "nemotron"):
        export(files / f"{architecture}.gguf", architecture)
        header = read_gguf(files / f"{architecture}.gguf", "tiny")
        said = dict(header.metadata)
        del said[f"{architecture}.rope.dimension_count"]
        found = why_texts_cannot_be_read(replace(header, metadata=said))
        assert "does not say how many dimensions" in str(found)


def test_a_list_that_says_the_same_of_each_layer_is_one_value(files: Path) -> None:
    export(files / "llama.gguf", "llama")
    header = read_gguf(files / "llama.gguf", "tiny")
    said = {**header.metadata, "llama.attention.head_count_kv": [2, 2, 2]}
    assert plan_for(replace(header, metadata=said)).config["num_key_value_heads"] == 2


def test_descriptions_of_others_change_nothing(files: Path) -> None:
    export(files / "llama.gguf", "llama")
    header = read_gguf(files / "llama.gguf", "tiny")
    more = {
        **{"general.license": "mit", "quantize.imatrix.entries_count": 9, "llama.pooling_type": 3},
        **{"mradermacher.quantize_version": "2", "tokenizer.ggml.eot_token_id": 1},
    }
    assert why_texts_cannot_be_read(replace(header, metadata={**header.metadata, **more})) is None


def test_an_embedder_without_a_head_is_tied_only_where_its_family_always_is(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    export(path, "qwen3", more_keys={"qwen3.pooling_type": 3}, without=["output."])
    with pytest.raises(NoHeadError, match="--head-from"):
        open_model(str(path))

    export(tmp_path / "lender.gguf", "qwen3")
    lent = open_model(str(path), head_from=str(tmp_path / "lender.gguf"))
    whole = open_model(str(tmp_path / "lender.gguf"))
    text = "the cat sat on the mat"
    np.testing.assert_allclose(lent.encode([text]), whole.encode([text]), atol=1e-6)
    np.testing.assert_array_equal(lent.unembedding.W_U, whole.unembedding.W_U)

    tied = tmp_path / "gemma2.gguf"
    export(tied, "gemma2", more_keys={"gemma2.pooling_type": 3})
    model = open_model(str(tied))
    assert model.head.tied
    assert model.encode([text]).shape == (1, model.d_model)


def test_factors_of_no_llama_are_refused(tmp_path: Path) -> None:
    factors = {"rope_freqs.weight": np.array([1.0, 3.0, 2.0, 8.0])}
    export(tmp_path / "m.gguf", more_tensors=factors)
    with pytest.raises(NotRead, match="Llama 3's positions"):
        plan_for(read_gguf(tmp_path / "m.gguf", "tiny"))


def test_two_scalings_at_once_are_refused(tmp_path: Path) -> None:
    settings = _LLAMA_31 | rope("linear", 500_000.0, factor=4.0)
    export(tmp_path / "m.gguf", more_tensors=frequencies(_LLAMA_31), **settings)
    with pytest.raises(NotRead, match="scaled twice"):
        plan_for(read_gguf(tmp_path / "m.gguf", "tiny"))


def test_parameters_are_held_against_transformers_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release that names or shapes a parameter otherwise is named, and nothing is written."""
    from embfilter_viz.models.gguf.architectures import shared

    export(tmp_path / "m.gguf")
    monkeypatch.setitem(shared.GATED, "ffn_down", "mlp.down")
    with pytest.raises(InputError, match=r"has nothing for model\.layers\.0\.mlp\.down_proj"):
        opened(tmp_path / "m.gguf", tmp_path / "m")
    assert not (tmp_path / "m" / "model.safetensors").exists()
