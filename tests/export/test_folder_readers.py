"""Other readers than the newest sentence-transformers, by the rules in their sources."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from tokenizers import Tokenizer

from embfilter_viz.export.folder_config import for_every_reader
from embfilter_viz.export.folder_weights import inner_names
from embfilter_viz.export.model_folder import save_model_folder
from embfilter_viz.models.encoding.prepared import prepare
from tests.export.tei_reader import RefusedError, TeiReader
from tests.export.test_model_folder import TEXTS, WINDOW, cosines, tiny_of, with_bos
from tests.models.tiny_checkpoints import byte_level_tokenizer, one_thread, sentencepiece_tokenizer

__all__ = ["one_thread"]


def safe(file: Path) -> list[str]:
    """The names of its tensors."""
    with safe_open(file, framework="numpy") as opened:
        return list(opened.keys())


SHORT = [text for text in TEXTS if len(text) < 300]


@pytest.mark.parametrize(
    ("family", "tokenizer", "prompt"),
    [
        ("llama", with_bos, "prompteol"),
        ("qwen2", byte_level_tokenizer, "prompteol"),
        ("qwen2", byte_level_tokenizer, "mean"),
        ("llama", with_bos, "last"),
        ("mistral", with_bos, "prompteol"),
        ("gemma3_text", with_bos, "last"),
    ],
)
def test_a_reader_by_teis_rules_gets_our_vectors_from_plain_text(
    family: str, tokenizer: Callable[[], Tokenizer], prompt: str, tmp_path: Path
) -> None:
    model = tiny_of(tmp_path, family, tokenizer)
    made = save_model_folder(tmp_path / "out", model, WINDOW, prompt=prompt)
    reader = TeiReader(made.path)
    assert reader.dropped == []
    ours = model.encode(SHORT, prompt) @ model.spectrum.V[:, WINDOW.kept]
    assert cosines(ours, reader.encode(SHORT)).min() > 0.99999


def test_the_outer_names_of_tensors_are_left_to_the_readers_that_find_them(tmp_path: Path) -> None:
    """The model with its head finds all of its tensors too, and shards keep their index."""
    from transformers import AutoModelForCausalLM

    model = tiny_of(tmp_path, "gemma3_text", sentencepiece_tokenizer)
    made = save_model_folder(tmp_path / "out", model, WINDOW)
    index = json.loads((made.path / "model.safetensors.index.json").read_text())["weight_map"]
    stored = {name: file.name for file in made.path.glob("*.safetensors") for name in safe(file)}
    assert index == stored
    assert "embed_tokens.weight" in stored
    _, report = AutoModelForCausalLM.from_pretrained(made.path, output_loading_info=True)
    assert set(report["missing_keys"]) <= {"lm_head.weight"}  # which is tied


@pytest.mark.parametrize(
    ("names", "renamed"),
    [
        (["transformer.wte.weight"], 0),
        (["model.embed_tokens.weight", "model.visual.x", "visual.y"], 0),
        (["model.embed_tokens.weight", "lm_head.weight", "lm_head.bias"], 1),
    ],
)
def test_only_a_language_model_and_its_head_are_renamed(names: list[str], renamed: int) -> None:
    assert len(inner_names(names)) == renamed


def test_a_mean_with_bos_differs_there_as_the_readme_says(tmp_path: Path) -> None:
    model = tiny_of(tmp_path, "llama", with_bos)
    made = save_model_folder(tmp_path / "out", model, WINDOW, prompt="mean")
    reader = TeiReader(made.path)
    for text in SHORT:
        ids = prepare(model.vocabulary, model.prompt("mean"), text).ids
        assert tuple(reader.tokenizer.encode(reader.prompt + text).ids) == ids
        if not text.startswith("<s>"):
            assert tuple(reader.tokenizer.encode(text).ids) == ids  # who knows no prompts
    ours = model.encode(SHORT, "mean") @ model.spectrum.V[:, WINDOW.kept]
    assert cosines(ours, reader.encode(SHORT)).min() < 0.999
    assert "`<s>` is counted in the mean" in (made.path / "README.md").read_text()


def test_the_names_of_version_6_would_lose_the_projection_there(tmp_path: Path) -> None:
    model = tiny_of(tmp_path, "qwen2", byte_level_tokenizer)
    made = save_model_folder(tmp_path / "out", model, WINDOW, prompt="mean")
    modules = json.loads((made.path / "modules.json").read_text())
    modules[2]["type"] = "sentence_transformers.base.modules.dense.Dense"
    (made.path / "modules.json").write_text(json.dumps(modules))
    reader = TeiReader(made.path)
    assert reader.dropped == ["projection"]
    assert reader.encode(SHORT).shape == (len(SHORT), 32)
    pooling = {"embedding_dimension": 32, "pooling_mode": "mean"}
    (made.path / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    with pytest.raises(RefusedError, match="pooling_mode_cls_token"):
        TeiReader(made.path)


def test_the_settings_before_5_4_have_no_word_that_those_releases_refuse(tmp_path: Path) -> None:
    model = tiny_of(tmp_path, "llama", with_bos)
    made = save_model_folder(tmp_path / "out", model, WINDOW)
    known = {"max_seq_length", "do_lower_case", "tokenizer_args", "model_args", "config_args"}
    older = json.loads((made.path / "before_5.4" / "sentence_bert_config.json").read_text())
    newer = json.loads((made.path / "sentence_bert_config.json").read_text())
    assert set(older) <= known
    assert not set(newer) <= known
    assert {key: newer[key] for key in older} == older
    readme = (made.path / "README.md").read_text()
    assert "copy `before_5.4/sentence_bert_config.json` over" in readme


def test_a_tokenizer_whose_normaliser_gets_in_the_way_goes_through_a_chat_template(
    tmp_path: Path,
) -> None:
    model = tiny_of(tmp_path, "gemma3_text", sentencepiece_tokenizer)
    made = save_model_folder(tmp_path / "out", model, WINDOW)
    readme = (made.path / "README.md").read_text()
    template = (made.path / "chat_template.jinja").read_text()
    assert ("plain `input` leaves the prompt out" in readme) == ("Summarize" in template)


def test_both_transformers_read_the_same_positions_of_a_scaled_rope() -> None:
    from transformers import LlamaConfig

    scaled = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0,
              "high_freq_factor": 4.0, "original_max_position_embeddings": 64}  # fmt: skip
    said = for_every_reader({"model_type": "llama", "rope_parameters": dict(scaled)})
    assert said["rope_theta"] == 5e5
    assert said["rope_scaling"] == {k: v for k, v in scaled.items() if k != "rope_theta"}
    both = LlamaConfig(**{k: v for k, v in said.items() if k != "model_type"})
    assert both.rope_parameters == scaled
    older = {"rope_theta": 1e6, "rope_scaling": None}
    assert for_every_reader(older).items() >= older.items()
    assert np.isclose(for_every_reader({"text_config": {"rope_parameters": scaled}})
                      ["text_config"]["rope_theta"], 5e5)  # fmt: skip
