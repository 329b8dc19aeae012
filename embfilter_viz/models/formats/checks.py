"""What a checkpoint folder must be before anything in it is opened.

Only data formats are read: JSON, safetensors, GGUF. A pickle (``.bin``, ``.pt``, ``.ckpt``) or
the Python files of a checkpoint can do anything to the machine of whoever loads them, so
neither is ever touched. Each refusal is one line that says the reason and the way out.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from embfilter_viz.errors import InputError
from embfilter_viz.models.families import HEAD_KEYS, check_causal, is_listed, text_config
from embfilter_viz.models.formats.agreement import check_agreement
from embfilter_viz.models.formats.safetensors_header import TensorEntry, read_tables, weight_files
from embfilter_viz.models.transformers_internals import (
    configuration_of,
    is_known,
    language_model_classes,
)

__all__ = [
    "PICKLES",
    "check_folder",
    "check_tokenizer",
    "has_tokenizer",
    "is_whole",
    "model_config",
    "no_safetensors",
    "precision_of",
    "read_config",
]

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")

_TOKENIZERS = (
    *(("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt")),
    *(("spiece.model",), ("tekken.json",)),
)
_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_PICKLE_RULE = (
    "pickled weights are never opened, because a pickle can run any code on loading; convert them "
    "to safetensors (transformers: save_pretrained) or pick a checkpoint that has them"
)


def check_folder(folder: Path, name: str) -> tuple[dict[str, Any], list[TensorEntry]]:
    """Configuration and tensor tables of the checkpoint in ``folder``, or why it is refused.

    Takes milliseconds: no tensor is read.

    Args:
        folder: the checkpoint.
        name: the model as the user typed it, for messages.

    Raises:
        InputError: missing, truncated, pickled, in need of its own code, without a tokenizer, an
            adapter, or no causal language model.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "pytorch_model.bin").touch()
    ...     _ = Path(folder, "config.json").write_text('{"model_type": "llama"}')
    ...     check_folder(Path(folder), "old")
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: old: pickled weights are never opened, because a pickle ...
    """
    config = read_config(folder, name)
    check_causal(config, name)
    check_one_model(folder, config, name)
    files = weight_files(folder, name)
    if not files:
        raise no_safetensors([path.name for path in folder.iterdir()], name)
    tables = read_tables(files, name)
    check_agreement(config, tables, name)  # before transformers makes anything of the one
    config = _filled_in(config, folder, name)
    check_tokenizer(folder, name)
    return config, tables


def check_tokenizer(folder: Path, name: str) -> None:
    """Refuse a checkpoint without a tokenizer.

    Raises:
        InputError: there is none.
    """
    if not has_tokenizer(folder):
        raise InputError(
            f"{name}: no tokenizer (tokenizer.json or tokenizer.model) beside the weights; copy "
            f"the model's tokenizer files into the folder"
        )


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """The parsed ``config.json``.

    Raises:
        InputError: there is none, it is not a JSON object, a setting that is read is no number or
            beyond all bounds, or the folder is something else than a checkpoint and we know what.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(f"{name}: {_instead_of_checkpoint(folder)}")
    from embfilter_viz.models.formats.schemas import Config, read_json

    return read_json(path, Config, name)


def _instead_of_checkpoint(folder: Path) -> str:
    inner = sorted(path.parent.name for path in folder.glob("*/config.json"))
    if (folder / "modules.json").is_file() and inner:
        return f"a sentence-transformers folder; give the model inside it: {folder / inner[0]}"
    if (folder / "params.json").is_file():
        return (
            "a checkpoint in the form of its makers (params.json), not of transformers; give the "
            "release that has config.json and model.safetensors, or a .gguf file"
        )
    ggufs = sorted(folder.glob("*.gguf"))
    if ggufs:
        return f"no config.json but a GGUF file; give the file itself: {ggufs[0]}"
    if inner:
        # With its ./ before it, a name that begins with a dash is no option.
        meant = f"{'./' if folder == Path() else ''}{folder / inner[0]}"
        return f"no config.json in the folder itself; did you mean {meant}?"
    return "no config.json in the folder; give the folder that holds a model's config.json"


def no_safetensors(file_names: list[str], name: str) -> InputError:
    """Say why a checkpoint of these files is refused for lack of ``model.safetensors``.

    >>> no_safetensors(["config.json", "model-q4.gguf"], "m")
    InputError('m: GGUF files but no safetensors; download one of them and give its path')
    """
    if any(Path(f).suffix in PICKLES for f in file_names):
        return InputError(f"{name}: {_PICKLE_RULE}")
    if any(f.endswith(".gguf") for f in file_names):
        return InputError(
            f"{name}: GGUF files but no safetensors; download one of them and give its path"
        )
    if any(f.endswith(".safetensors") for f in file_names):
        return InputError(
            f"{name}: the weights must be in model.safetensors or in shards with "
            f"model.safetensors.index.json; save the model with transformers (save_pretrained)"
        )
    return InputError(
        f"{name}: no weights (model.safetensors) beside config.json; download the whole checkpoint"
    )


def has_tokenizer(folder: Path) -> bool:
    """Tell whether the files of some tokenizer are in ``folder``."""
    return any(all((folder / f).is_file() for f in files) for files in _TOKENIZERS)


def is_whole(folder: Path) -> bool:
    """Tell whether configuration, all weights and a tokenizer are there, whatever they hold.

    >>> is_whole(Path("/no/such/folder"))
    False
    """
    try:
        files = weight_files(folder, "")
    except InputError:
        return False
    return bool(files) and (folder / "config.json").is_file() and has_tokenizer(folder)


def precision_of(config: dict[str, Any], tables: list[TensorEntry]) -> str:
    """The dtype that holds most parameters, by its torch name, or the method of quantisation.

    >>> entry = TensorEntry("w", "BF16", (2, 2), Path(), 0, 8)
    >>> precision_of({}, [entry])
    'bfloat16'
    """
    settings = config.get("quantization_config")
    if isinstance(settings, dict) and settings.get("quant_method"):
        return str(settings["quant_method"])
    held: Counter[str] = Counter()
    for entry in tables:
        held[entry.dtype] += entry.n_elements
    main = held.most_common(1)[0][0] if held else "unknown"
    return _DTYPES.get(main, main.lower())


def model_config(folder: Path, name: str) -> dict[str, Any]:
    """The configuration of a causal language model, filled in as transformers does it.

    Raises:
        InputError: missing or damaged, no causal language model, or of an architecture that
            transformers does not know.
    """
    config = read_config(folder, name)
    check_causal(config, name)
    return _filled_in(config, folder, name)


def _filled_in(config: dict[str, Any], folder: Path, name: str) -> dict[str, Any]:
    """The configuration with what transformers takes where it is silent."""
    if not is_listed(config["model_type"]):  # else transformers, which takes seconds to import,
        config = _as_transformers_reads(config, folder, name)  # would be asked what the table says
        check_causal(config, name)
    return config


_ASKED = (
    *("tie_word_embeddings", "num_hidden_layers", "is_causal", "max_position_embeddings"),
    *HEAD_KEYS,
)


def _as_transformers_reads(config: dict[str, Any], folder: Path, name: str) -> dict[str, Any]:
    """The configuration with transformers' own values of what decides head and layers."""
    model_type = config["model_type"]
    if not is_known(model_type):
        raise InputError(
            f"{name}: transformers does not know model_type {model_type}, and code that comes with "
            f"a checkpoint (auto_map, trust_remote_code) is never run; upgrade transformers or "
            f"pick another model"
        )
    if not any(model_type in classes for classes in language_model_classes()):
        raise InputError(
            f"{name}: transformers knows model_type {model_type} as no language model with a head; "
            f"pick a causal (decoder-only) language model"
        )
    try:
        whole = configuration_of(folder)
        text = whole.get_text_config(decoder=True)
    except Exception as error:  # each configuration class has refusals of its own kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise InputError(
            f"{name}: transformers cannot read its config.json ({reason}); download it again, or "
            f"upgrade transformers"
        ) from error
    said = {key: getattr(text, key) for key in _ASKED if getattr(text, key, None) is not None}
    if text is whole:
        return {**config, **said}
    said["model_type"] = text.model_type
    tied = getattr(whole, "tie_word_embeddings", said.get("tie_word_embeddings"))
    part = {**text_config(config), **said, "tie_word_embeddings": tied}
    return {**config, "tie_word_embeddings": tied, "text_config": part}


def check_one_model(folder: Path, config: dict[str, Any], name: str) -> None:
    """Refuse a folder whose weights can be read in two ways.

    With the package ``peft`` installed transformers applies an adapter that lies beside the
    weights, without it it does not; and a configuration may name another file of weights.

    Raises:
        InputError: an adapter beside a whole model, or weights under a name of their own.
    """
    if (folder / "adapter_config.json").is_file():
        raise InputError(
            f"{name}: a whole model and an adapter (adapter_config.json) in one folder, so it is "
            f"not said whether the adapter is to be applied; move the adapter's files to a folder "
            f"of their own and give the one you mean"
        )
    if config.get("transformers_weights"):
        raise InputError(
            f"{name}: config.json names another file of weights "
            f"(transformers_weights: {config['transformers_weights']}), which is not read here; "
            f"save the model with transformers (save_pretrained)"
        )
