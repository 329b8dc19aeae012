"""A GGUF file, converted once to a safetensors checkpoint in the cache.

Everything behind this module then reads one format only. The weights are dequantised to
float32 by transformers and written as they are: no rounding is added to the quantiser's own.
The result is kept under the SHA-256 of the GGUF, so a copy or a rename converts nothing anew.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from embfilter_viz.errors import InputError
from embfilter_viz.models.apart import StoppedBySystem, run_apart
from embfilter_viz.models.fingerprints import (
    content_hash,
    file_hash,
    files_of_checkpoint,
    files_of_tokenizer,
    write_atomically,
)
from embfilter_viz.models.gguf_header import GgufHeader, read_header
from embfilter_viz.models.locks import waiting_for
from embfilter_viz.models.memory import in_words, memory_free
from embfilter_viz.paths import cache_folder
from embfilter_viz.progress import Progress, silent

__all__ = [
    "Converted",
    "all_converted",
    "check_architecture",
    "converted",
    "find_converted",
    "words_folder",
]

_RECORD = "conversion.json"
_LIBRARIES = 600_000_000
"""Bytes that torch and transformers take by themselves."""
_FORMAT = 1
"""Raised when the conversion changes what it writes, so that older ones are made anew."""


@dataclass(frozen=True)
class Converted:
    """A converted GGUF in the cache."""

    folder: Path
    """config.json, safetensors and tokenizer files."""
    original: Path
    """Where the GGUF was when it was converted."""
    precision: str
    """The GGUF's main quantisation."""
    content_hash: str
    """SHA-256 over the converted files."""
    n_bytes: int
    """What it takes on disk."""


def converted(
    path: Path, name: str, *, sha256: str | None = None, progress: Progress = silent
) -> Converted:
    """The checkpoint converted from the GGUF at ``path``; converts it the first time.

    The conversion runs in a child process, so it can be cancelled at any moment, and into a
    temporary folder that is renamed when all is written: a kill leaves nothing half done.

    Args:
        path: the file.
        name: the model as the user typed it, for messages.
        sha256: of the file, where it is known already.
        progress: told the megabytes of the GGUF dequantised.

    Raises:
        InputError: damaged, of an architecture transformers does not read or that is no causal
            language model, or too large for memory or disk.
    """
    digest = sha256 or file_hash(path, progress=progress)
    found = find_converted(digest)
    if found is not None:
        return found
    header = read_header(path, name)
    check_architecture(header, name)
    home = _home(digest)
    home.parent.mkdir(parents=True, exist_ok=True)
    lock = home.with_suffix(".lock")
    with waiting_for(lock, "another process to convert this model", progress):
        found = find_converted(digest)  # the other process may have done it
        if found is not None:
            return found
        _check_room(header, home.parent, name)
        _convert_into(home, path, name, header, progress)
    found = find_converted(digest)
    assert found is not None
    return found


def find_converted(sha256: str) -> Converted | None:
    """The finished conversion of the GGUF with this SHA-256, if it is in the cache and whole.

    >>> import tempfile
    >>> from unittest.mock import patch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with patch.dict("os.environ", {"EMBFILTER_VIZ_CACHE": folder}):
    ...         find_converted("0" * 64) is None
    True
    """
    return _read(_home(sha256))


def all_converted() -> list[Converted]:
    """Every finished conversion in the cache."""
    homes = sorted((cache_folder() / "models" / "converted").glob(f"*-v{_FORMAT}"))
    return [found for home in homes if (found := _read(home)) is not None]


def _home(sha256: str) -> Path:
    return cache_folder() / "models" / "converted" / f"{sha256}-v{_FORMAT}"


def _read(home: Path) -> Converted | None:
    try:
        record = json.loads((home / _RECORD).read_text(encoding="utf-8"))
        whole = all((home / f).stat().st_size == size for f, size in record["sizes"].items())
        if not whole:
            return None
        return Converted(
            folder=home,
            original=Path(record["original"]),
            precision=record["precision"],
            content_hash=record["content_hash"],
            n_bytes=sum(record["sizes"].values()),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def check_architecture(header: GgufHeader, name: str) -> None:
    """Refuse early what is plainly no decoder; the converted config is judged in full later."""
    encoders = ("bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "t5encoder", "modern-bert")
    architecture = header.architecture
    if not architecture:
        raise InputError(f"{name}: the GGUF names no general.architecture; download it again")
    if architecture in encoders or architecture.startswith("t5"):
        kind = "an encoder-decoder" if architecture == "t5" else "an encoder-only"
        raise InputError(
            f"{name}: {kind} model ({architecture}) is not supported; pick a causal "
            f"(decoder-only) language model, such as Llama, Qwen, Mistral, Gemma or GPT-2"
        )
    if not any(t.name == "token_embd.weight" for t in header.tensors):
        raise InputError(
            f"{name}: the GGUF holds no token_embd.weight, so there is no head to look through; "
            f"a split or adapter file cannot be used, give the whole model in one file"
        )


def _check_room(header: GgufHeader, folder: Path, name: str) -> None:
    weights = 4 * header.parameters
    # Every weight in float32, the tensor at hand once more before and after its transformation,
    # and torch with transformers. SmolLM2-135M: 1.36 GB asked for, 1.23 GB seen at the peak.
    largest = 4 * max(t.n_elements for t in header.tensors)
    needed, free = weights + 2 * largest + _LIBRARIES, memory_free()
    if needed > free:
        raise InputError(
            f"{name}: converting its {header.parameters:,} parameters to float32 needs "
            f"{in_words(needed)} of memory and {in_words(free)} are free; close other programs or "
            f"pick a smaller model"
        )
    disk = shutil.disk_usage(folder).free
    if weights > disk:
        raise InputError(
            f"{name}: its float32 copy takes {in_words(weights)} on disk and {in_words(disk)} are "
            f"free in {folder}; make room, or set EMBFILTER_VIZ_CACHE to a folder on a larger disk"
        )


def _convert_into(
    home: Path, path: Path, name: str, header: GgufHeader, progress: Progress
) -> None:
    for left_behind in home.parent.glob(f".{home.name}-*"):  # of a conversion that was killed
        shutil.rmtree(left_behind, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)  # damaged, or there would be nothing to do
    temporary = Path(tempfile.mkdtemp(dir=home.parent, prefix=f".{home.name}-"))
    try:
        run_apart(
            "embfilter_viz.models.gguf_files:convert",
            {
                "path": str(path.resolve()),
                "name": name,
                "folder": str(temporary),
                "words": str(words_folder(path, header)),
            },
            progress=progress,
            environment={"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"},
            started=f"opening {path.name}",
        )
        progress("checking the converted model", 0, 0, "")
        files = files_of_checkpoint(temporary)
        record = {
            "original": str(path.resolve()),
            "precision": header.precision,
            "content_hash": content_hash(files, progress=progress),
            "sizes": {f.name: f.stat().st_size for f in temporary.iterdir()},
        }
        write_atomically(temporary / _RECORD, json.dumps(record, indent=1))
        temporary.chmod(0o755)
        temporary.replace(home)
    except StoppedBySystem:
        raise InputError(
            f"{name}: the system stopped its conversion, most likely for want of memory "
            f"({in_words(memory_free())} are free); close other programs or pick a smaller model"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def words_folder(path: Path, header: GgufHeader) -> Path:
    """Where configuration and tokenizer of a GGUF are kept, by the hash of its header."""
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(header.n_bytes)).hexdigest()
    return cache_folder() / "models" / "gguf" / f"{digest}-v{_FORMAT}"


def convert(path: str, name: str, folder: str, words: str, progress: Progress) -> None:
    """Dequantise a GGUF to float32 and write it as a checkpoint; runs in a child process.

    Args:
        path: the GGUF.
        name: the model as the user typed it, for messages.
        folder: where config.json, safetensors and tokenizer files go.
        words: where its tokenizer was put when its head was opened, if it was.
        progress: told the megabytes of the GGUF dequantised.
    """
    import torch
    import transformers
    from transformers import modeling_gguf_pytorch_utils as loader

    source = Path(path)
    _remember_readers()
    total = source.stat().st_size / 1e6
    # Its one use there is the loop over the file's tensors.
    loader.tqdm = partial(_counted, total=total, file_name=source.name, progress=progress)  # type: ignore[assignment]
    where = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
    with _readable(name):
        progress(f"reading the vocabulary of {source.name}", 0, 0, "")
        read_before = files_of_tokenizer(Path(words))
        if not read_before:
            tokenizer = transformers.AutoTokenizer.from_pretrained(**where)
        model = transformers.AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    progress("writing safetensors", 0, 0, "")
    _forget_quantisation(model)
    model.save_pretrained(folder, max_shard_size="5GB")
    if read_before:
        for file in read_before:
            shutil.copy(file, folder)
    else:
        tokenizer.save_pretrained(folder)
    _keep(Path(folder))


def convert_words(path: str, name: str, folder: str, progress: Progress) -> None:
    """Write configuration and tokenizer of a GGUF, and no tensor; runs in a child process.

    Args:
        path: the GGUF.
        name: the model as the user typed it, for messages.
        folder: where config.json and tokenizer files go.
        progress: told what is being done.
    """
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    source = Path(path)
    _remember_readers()
    where = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
    with _readable(name):
        progress(f"reading the vocabulary of {source.name}", 0, 0, "")
        config = transformers.AutoConfig.from_pretrained(**where)
        tokenizer = transformers.AutoTokenizer.from_pretrained(**where)
        # As the whole conversion writes it, which has the model at hand to ask.
        config.architectures = [MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[config.model_type]]
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _keep(Path(folder))


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """What transformers makes of a GGUF it cannot read, in one line."""
    import transformers

    try:
        yield
    except (ValueError, KeyError, NotImplementedError, RuntimeError, OSError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{name}: transformers {transformers.__version__} cannot read this GGUF ({reason}); "
            f"try the model's safetensors checkpoint instead"
        ) from error


def _keep(folder: Path) -> None:
    for written in folder.iterdir():
        with written.open("rb") as file:
            os.fsync(file.fileno())  # the rename that follows must not overtake the data


def _forget_quantisation(model: Any) -> None:
    """Take off the mark that makes transformers refuse to save: the weights are plain float32."""
    assert not any(p.is_floating_point() and p.element_size() != 4 for p in model.parameters())
    for name in ("hf_quantizer", "quantization_method", "is_quantized"):
        if hasattr(model, name):
            delattr(model, name)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config


def _remember_readers() -> None:
    """Parse the file once: transformers does so for config, weights and tokenizer each.

    And it builds the table of tensor names once for every submodule of the model.
    """
    import gguf
    from transformers import modeling_gguf_pytorch_utils as loader

    package: Any = gguf
    package.GGUFReader = lru_cache(gguf.GGUFReader)
    package.get_tensor_name_map = lru_cache(gguf.get_tensor_name_map)
    load: Any = loader.load_gguf_checkpoint
    words = lru_cache(load)

    def loaded(path: Any, return_tensors: bool = False, **more: Any) -> Any:
        if return_tensors:
            return load(path, return_tensors=True, **more)
        return deepcopy(words(path))

    loader.load_gguf_checkpoint = loaded  # type: ignore[assignment]


def _counted(tensors: Any, *, total: float, file_name: str, progress: Progress, **_bar: Any) -> Any:
    done = 0.0
    for tensor in tensors:
        progress(f"dequantising {file_name}", done, total, "MB")
        yield tensor
        done += float(tensor.n_bytes) / 1e6
