"""One tiny model in every form in which models are handed on, through the same checks."""

import copy
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from safetensors.torch import load_file, save_file

from tests.models import tiny_quantised
from tests.models.family_checks import Row, Truth, opened
from tests.models.gguf.exports import EXPORTS, export
from tests.models.gguf.test_parts import split
from tests.models.hub_stand_in import Repository, hub_stand_in
from tests.models.tiny_checkpoints import save
from tests.models.tiny_families import tiny_model

__all__ = ["rows_of_forms", "rows_of_gguf"]

Written = tuple[str, Any]
"""What a user gives, and a model of transformers that computes the same."""


def rows_of_forms(folder: Path) -> Iterator[Row]:
    """A row for each form but GGUF.

    Args:
        folder: where the models are written.
    """
    for number, (form, write) in enumerate(FORMS.items()):
        place = folder / f"form-{number}"
        place.mkdir(parents=True)
        with write(place) as (name, model):
            row = opened(name, Truth(model))
        yield _without_places(row | {"form": form}, place)


def rows_of_gguf(folder: Path) -> Iterator[Row]:
    """A row for each architecture whose layers are read from a GGUF."""
    for architecture in EXPORTS:
        path = folder / f"{architecture}.gguf"
        path.parent.mkdir(parents=True, exist_ok=True)
        truth = Truth(export(path, architecture))
        yield _without_places(
            opened(str(path), truth) | {"form": "GGUF", "model_type": architecture}, folder
        )
        path.unlink()


def _without_places(row: Row, folder: Path) -> Row:
    """A row whose sentences name no place of this machine."""
    said = json.dumps(row).replace(str(folder), "FOLDER")
    return json.loads(said)


# -- forms that open --------------------------------------------------------------------------


@contextmanager
def _folder(folder: Path) -> Iterator[Written]:
    model = tiny_model("llama")
    save(model, folder)
    yield str(folder), model


@contextmanager
def _shards(folder: Path) -> Iterator[Written]:
    model = tiny_model("llama")
    save(model, folder, max_shard_size="50KB")
    yield str(folder), model


@contextmanager
def _one_file(folder: Path) -> Iterator[Written]:
    model = tiny_model("llama")
    save(model, folder)
    yield str(folder / "model.safetensors"), model


@contextmanager
def _on_hub(folder: Path, model_type: str = "llama") -> Iterator[Written]:
    model = tiny_model(model_type)
    save(model, folder / "content")
    name = f"org/{folder.name}"  # each of its own: the caches remember what a name stood for
    with hub_stand_in({name: Repository(folder / "content")}) as running:
        said = {"HF_ENDPOINT": running.address, "HF_HOME": str(folder / "hf")}
        with patch.dict(os.environ, said):
            yield name, model


@contextmanager
def _seeing_on_hub(folder: Path) -> Iterator[Written]:
    with _on_hub(folder, "qwen3_vl") as written:
        yield written


@contextmanager
def _hub_cache(folder: Path) -> Iterator[Written]:
    model, commit = tiny_model("llama"), "0123456789abcdef" * 2 + "01234567"
    save(model, folder / "snapshots" / commit)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    yield str(folder), model


@contextmanager
def _sentence_transformers(folder: Path) -> Iterator[Written]:
    model = tiny_model("llama")
    save(model, folder)
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    yield str(folder), model


@contextmanager
def _adapter(folder: Path) -> Iterator[Written]:
    import peft

    model = tiny_model("llama")
    save(model, folder / "base")
    settings = peft.LoraConfig(r=2, target_modules=["q_proj", "up_proj"], task_type="CAUSAL_LM")
    changed: Any = peft.get_peft_model(copy.deepcopy(model), settings)
    settings.base_model_name_or_path = str(folder / "base")
    for name, parameter in changed.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(0, 0.3)
    changed.save_pretrained(folder / "adapter")
    yield str(folder / "adapter"), changed.merge_and_unload().eval()


@contextmanager
def _gguf_in_parts(folder: Path) -> Iterator[Written]:
    model = export(folder / "whole.gguf")
    (folder / "parts").mkdir()
    yield str(split(folder / "whole.gguf", folder / "parts", 3)[1]), model


def _quantised(form: str) -> Callable[[Path], AbstractContextManager[Written]]:
    @contextmanager
    def write(folder: Path) -> Iterator[Written]:
        yield str(folder), tiny_quantised.write_quantised(folder, form)[1]

    return write


# -- forms that are refused -------------------------------------------------------------------


@contextmanager
def _inner_folder(folder: Path) -> Iterator[Written]:
    model = tiny_model("llama")
    save(model, folder / "0_Transformer")
    (folder / "modules.json").write_text("[]")
    yield str(folder), model


@contextmanager
def _of_the_makers(folder: Path) -> Iterator[Written]:
    model = tiny_model("llama")
    save(model, folder)
    (folder / "config.json").rename(folder / "params.json")
    (folder / "model.safetensors").rename(folder / "consolidated.safetensors")
    yield str(folder), model


@contextmanager
def _pickle(folder: Path) -> Iterator[Written]:
    model = tiny_model("llama")
    save(model, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    yield str(folder), model


@contextmanager
def _own_code(folder: Path) -> Iterator[Written]:
    model = tiny_model("llama")
    save(model, folder)
    _change(folder, model_type="brand_new", auto_map={"AutoModelForCausalLM": "modeling_x.X"})
    yield str(folder), model


@contextmanager
def _no_head(folder: Path) -> Iterator[Written]:
    model = tiny_model("llama")
    save(model, folder)
    held = load_file(folder / "model.safetensors")
    del held["lm_head.weight"]
    save_file(held, folder / "model.safetensors", {"format": "pt"})
    yield str(folder), model


def _needs_a_package(**settings: Any) -> Callable[[Path], AbstractContextManager[Written]]:
    @contextmanager
    def write(folder: Path) -> Iterator[Written]:
        model = tiny_model("llama")
        save(model, folder)
        _change(folder, quantization_config=settings)
        yield str(folder), model

    return write


def _change(folder: Path, **more: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


FORMS: dict[str, Callable[[Path], AbstractContextManager[Written]]] = {
    "a folder: config.json, model.safetensors, tokenizer": _folder,
    "a folder with the weights in shards": _shards,
    "one file of such a folder": _one_file,
    "a hub id (org/name)": _on_hub,
    "a hub id of a vision-language model": _seeing_on_hub,
    "a repository's folder in the Hugging Face cache": _hub_cache,
    "a sentence-transformers folder": _sentence_transformers,
    "a sentence-transformers folder with the model inside it": _inner_folder,
    "a PEFT adapter": _adapter,
    "a GGUF in parts, whichever part is given": _gguf_in_parts,
    "an embedder without a head, not tied": _no_head,
    "FP8, in blocks": _quantised("fp8"),
    "MXFP4": _quantised("mxfp4"),
    "BitNet": _quantised("bitnet"),
    "BitNet, packed in memory": _quantised("bitnet, packed"),
    "GPTQ": _needs_a_package(quant_method="gptq", bits=4),
    "AWQ": _needs_a_package(quant_method="awq", bits=4),
    "bitsandbytes, four bits": _needs_a_package(quant_method="bitsandbytes", load_in_4bit=True),
    "bitsandbytes, eight bits": _needs_a_package(quant_method="bitsandbytes", load_in_8bit=True),
    "compressed-tensors": _needs_a_package(quant_method="compressed-tensors"),
    "NVFP4 (ModelOpt)": _needs_a_package(quant_method="modelopt", quant_algo="NVFP4"),
    "params.json and consolidated.safetensors": _of_the_makers,
    "pickled weights (.bin, .pt)": _pickle,
    "code of its own, of a type that transformers does not know": _own_code,
}
"""What a user has, to how it is written."""
