"""A GGUF model, converted once to a safetensors checkpoint in the cache.

Everything behind this module then reads one format only. The weights are dequantised to
float32 and written as they are: no rounding is added to the quantiser's own. Which tensor is
which parameter is read from the file's header (``models/gguf``) and held against the model that
transformers makes of the configuration, parameter by parameter: nothing is left out, on either
side, and no class of transformers' own GGUF reader, which drops what it does not know, is asked.
The result is kept under the SHA-256 of the GGUF, so a copy or a rename converts nothing anew.
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models.formats.fingerprints import (
    content_hash,
    file_hash,
    files_of_checkpoint,
    files_of_tokenizer,
    hash_now,
    known_content_hash,
    known_hash,
    remember_hash,
)
from embfilter_viz.models.formats.gguf_header import GgufHeader
from embfilter_viz.models.formats.safetensors_writing import write_float32
from embfilter_viz.models.gguf.account import NotRead
from embfilter_viz.models.gguf.heads import check_is_decoder
from embfilter_viz.models.gguf.layouts import Plan
from embfilter_viz.models.gguf.parts import read_gguf
from embfilter_viz.models.gguf.reading import plan_to_encode
from embfilter_viz.models.gguf.tokenizer import tokenizer_files
from embfilter_viz.models.sources.gguf_outline import find_outline
from embfilter_viz.system.child_process import StoppedBySystem, run_in_child
from embfilter_viz.system.files import unfinished
from embfilter_viz.system.locks import waiting_for
from embfilter_viz.system.memory import in_words, memory_free
from embfilter_viz.system.paths import cache_folder, place_in_cache
from embfilter_viz.system.progress import Progress, silent

__all__ = [
    "Converted",
    "all_converted",
    "cannot_encode",
    "convert",
    "converted",
    "find_converted",
    "find_converted_files",
    "find_verified",
    "is_as_written",
    "values_of",
]

logger = logging.getLogger(__name__)

_RECORD = "conversion.json"
_LIBRARIES = 600_000_000
"""Bytes that torch and transformers take by themselves."""
_FORMAT = 2
"""Raised when the conversion changes what it writes, so that older ones are made anew.

2: the file's own positions, biases, experts and splitting of texts, which 1 had of transformers.
"""


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
    path: Path,
    name: str,
    *,
    header: GgufHeader | None = None,
    sha256: str | None = None,
    progress: Progress = silent,
) -> Converted:
    """The checkpoint converted from the GGUF at ``path``; converts it the first time.

    The conversion runs in a child process, so it can be cancelled at any moment, and into a
    temporary folder that is renamed when all is written: a kill leaves nothing half done.

    Args:
        path: the file, or any part of the model.
        name: the model as the user typed it, for messages.
        header: of the model, where it was read already.
        sha256: of the file, where it is known already.
        progress: told the megabytes of the GGUF dequantised.

    Returns:
        the folder of the converted checkpoint and what is known of it.

    Raises:
        InputError: damaged, no causal language model, too large for memory or disk, or its texts
            cannot be read: an architecture, a setting or a tensor that is not known here.
    """
    found = find_verified(sha256, progress=progress) if sha256 else None
    if found is not None:
        return found
    header = header or read_gguf(path, name)
    digest = sha256 or _digest(file_hash(part, progress=progress) for part in header.files)
    found = find_verified(digest, progress=progress)
    if found is not None:
        return found
    check_is_decoder(header, name)
    try:
        plan = plan_to_encode(header)
    except NotRead as reason:
        raise cannot_encode(name, str(reason)) from reason
    home = _home(digest)
    home.parent.mkdir(parents=True, exist_ok=True)
    lock = home.with_suffix(".lock")
    with waiting_for(lock, "another process to convert this model", progress):
        found = find_verified(digest, progress=progress)  # the other process may have done it
        if found is not None:
            return found
        _check_room(plan, home.parent, name)
        _convert_into(home, name, header, progress)
    _forget_older(home)
    found = find_converted(digest)
    assert found is not None
    return found


def _digest(hashes: Iterable[str]) -> str:
    """The SHA-256 of a model: its file's, or that over the hashes of all parts."""
    first, *others = hashes
    return hashlib.sha256("".join([first, *others]).encode()).hexdigest() if others else first


def _forget_older(home: Path) -> None:
    """Remove what older releases made of the same file: it is not read again."""
    digest = home.name.partition("-")[0]
    for other in home.parent.glob(f"{digest}-v*"):
        if other.is_dir() and other != home:
            shutil.rmtree(other, ignore_errors=True)


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


def find_verified(sha256: str, *, progress: Progress = silent) -> Converted | None:
    """The same, if its files still hold what was written; a damaged conversion is removed.

    Half a gigabyte is hashed in half a second; files that have not been written to since they were
    hashed are not read again (``fingerprints``).

    Args:
        sha256: of the GGUF.
        progress: told the megabytes read.
    """
    found = find_converted(sha256)
    if found is None:
        return None
    digest = content_hash(files_of_checkpoint(found.folder), progress=progress)
    if digest == found.content_hash:
        return found
    logger.warning("the converted copy of %s is damaged and made anew", found.original.name)
    shutil.rmtree(found.folder, ignore_errors=True)
    return None


def is_as_written(found: Converted) -> bool:
    """Tell whether its files are known to hold what was written, without reading any."""
    return known_content_hash(files_of_checkpoint(found.folder)) == found.content_hash


def find_converted_files(files: Iterable[Path]) -> Converted | None:
    """The same for the file, or all parts, of a model, where none has to be read for its hash."""
    hashes = [known_hash(file) for file in files]
    known = [one for one in hashes if one is not None]
    return find_converted(_digest(known)) if len(known) == len(hashes) else None


def all_converted() -> list[Converted]:
    """Every finished conversion in the cache."""
    homes = sorted((cache_folder() / "models" / "converted").glob(f"*-v{_FORMAT}"))
    return [found for home in homes if (found := _read(home)) is not None]


def _home(sha256: str) -> Path:
    return place_in_cache("models", "converted", f"{sha256}-v{_FORMAT}")


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


def _check_room(plan: Plan, folder: Path, name: str) -> None:
    count = sum(parameter.n_elements for parameter in plan.parameters.values())
    weights = 4 * count
    # One parameter at a time: its values, those put together or turned round, and a copy in order.
    largest = 4 * max(parameter.n_elements for parameter in plan.parameters.values())
    needed, free = 3 * largest + _LIBRARIES, memory_free()
    if needed > free:
        raise InputError(
            f"{name}: converting its {count:,} parameters to float32 needs "
            f"{in_words(needed)} of memory and {in_words(free)} are free; close other programs or "
            f"pick a smaller model"
        )
    disk = shutil.disk_usage(folder).free
    if weights > disk:
        raise InputError(
            f"{name}: its float32 copy takes {in_words(weights)} on disk and {in_words(disk)} are "
            f"free in {folder}; make room, or set EMBFILTER_VIZ_CACHE to a folder on a larger disk"
        )


def _convert_into(home: Path, name: str, header: GgufHeader, progress: Progress) -> None:
    for left_behind in home.parent.glob(f".{home.name}-*"):  # by a kill of an earlier release
        shutil.rmtree(left_behind, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)  # damaged, or there would be nothing to do
    original = header.files[0]
    try:
        with unfinished(home) as temporary:
            temporary.mkdir()
            run_in_child(
                convert,
                {
                    "path": str(original),
                    "name": name,
                    "folder": str(temporary),
                    "outline": str(find_outline(header) or ""),
                },
                progress=progress,
                environment={"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"},
                started=f"opening {original.name}",
            )
            progress("checking the converted model", 0, 0, "")
            files = files_of_checkpoint(temporary)
            hashes = {file.name: hash_now(file, progress=progress) for file in files}
            record = {
                "original": str(original),
                "precision": header.precision,
                "content_hash": content_hash(files, known=hashes),
                "sizes": {f.name: f.stat().st_size for f in temporary.iterdir()},
            }
            (temporary / _RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
            temporary.replace(home)
    except StoppedBySystem:
        raise InputError(
            f"{name}: the system stopped its conversion, most likely for want of memory "
            f"({in_words(memory_free())} are free); close other programs or pick a smaller model"
        ) from None
    for file, sha256 in hashes.items():
        remember_hash(home / file, sha256)


def convert(path: str, name: str, folder: str, outline: str, progress: Progress) -> None:
    """Dequantise a GGUF to float32 and write it as a checkpoint; runs in a child process.

    Args:
        path: the GGUF, or the first part of the model.
        name: the model as the user typed it, for messages.
        folder: where config.json, safetensors and tokenizer files go.
        outline: where its tokenizer was put when its head was opened, if it was.
        progress: told the megabytes of the GGUF dequantised.

    Raises:
        InputError: the file and the model that transformers makes of its configuration do not
            have the same parameters.
    """
    source, target = Path(path), Path(folder)
    progress(f"reading the vocabulary of {source.name}", 0, 0, "")
    header = read_gguf(source, name)
    try:
        plan = plan_to_encode(header)
        written = files_of_tokenizer(Path(outline)) if outline else []
        if written:
            for file in written:
                shutil.copy(file, target)
        else:
            tokenizer_files(header).write(target)
        shapes = _parameters(plan, target)
    except NotRead as reason:
        raise cannot_encode(name, str(reason)) from reason
    total = sum(tensor.n_bytes for tensor in header.tensors) / 1e6
    done = 0.0

    def values(parameter: str) -> np.ndarray:
        nonlocal done
        progress(f"dequantising {source.name}", done, total, "MB")
        done += sum(tensor.n_bytes for tensor in plan.parameters[parameter].tensors) / 1e6
        return values_of(plan, parameter, name, shapes[parameter])

    write_float32(target / "model.safetensors", shapes, values)
    _keep(target)


def values_of(
    plan: Plan, parameter: str, name: str, shape: tuple[int, ...] | None = None
) -> np.ndarray:
    """The values of one parameter in float32.

    Args:
        plan: what is read of the file.
        parameter: its name in transformers.
        name: the model as the user typed it, for messages.
        shape: that they must have, where it is known.

    Returns:
        the values, in order in memory.

    Raises:
        InputError: the tensors that it is read from are not of the shapes that the settings say.
    """
    try:
        found = np.ascontiguousarray(plan.parameters[parameter].values(plan.config))
        assert shape is None or found.shape == shape
        return found
    except InputError:
        raise
    except (ValueError, TypeError, AssertionError, LookupError, ArithmeticError) as error:
        raise cannot_encode(name, "its tensors are not of the shapes its settings say") from error


def cannot_encode(name: str, reason: str) -> InputError:
    """Say why a model that opens with its head alone cannot read texts.

    >>> str(cannot_encode("m.gguf", "the setting x is not known here"))
    "m.gguf: texts cannot be encoded with this GGUF: the setting x is not known here; its ..."
    """
    return InputError(
        f"{name}: texts cannot be encoded with this GGUF: {reason}; its spectrum and all that "
        f"needs the head alone work, and the model's safetensors checkpoint may do more"
    )


def _parameters(plan: Plan, folder: Path) -> dict[str, tuple[int, ...]]:
    """The parameters of the model that transformers makes of the configuration, which is written.

    Raises:
        NotRead: transformers makes no model of it, or one with other parameters.
    """
    import torch
    import transformers

    release = f"transformers {transformers.__version__}"
    config = {key: value for key, value in plan.config.items() if key != "model_type"}
    try:
        made = transformers.AutoConfig.for_model(plan.config["model_type"], **config)
        with torch.device("meta"):
            model = transformers.AutoModelForCausalLM.from_config(made, dtype=torch.float32)
    except Exception as error:  # each class of models has refusals of its own kinds
        reason = " ".join(str(error).split())[:200]
        raise NotRead(f"{release} makes no model of its settings ({reason})") from error
    model.tie_weights()
    wanted = {name: tuple(tensor.shape) for name, tensor in model.named_parameters()}
    if "tie_word_embeddings" not in plan.config:  # of an embedder, saved without its head
        head, rows = (
            of().weight for of in (model.get_output_embeddings, model.get_input_embeddings)
        )
        if head is not rows:
            own = next(name for name, tensor in model.named_parameters() if tensor is head)
            del wanted[own]
    kept = dict.fromkeys([*wanted, *plan.parameters])
    for name in kept:
        if name not in plan.parameters:
            raise NotRead(f"the file has nothing for {name}, which {release} wants")
        if name not in wanted:
            raise NotRead(f"{release} has no {name}, which the file is read as")
        if prod(wanted[name]) != plan.parameters[name].n_elements:
            raise NotRead(f"{name} should be of shape {wanted[name]} and is not")
    made.save_pretrained(folder)
    return wanted


def _keep(folder: Path) -> None:
    for written in folder.iterdir():
        with written.open("rb") as file:
            os.fsync(file.fileno())  # the rename that follows must not overtake the data
