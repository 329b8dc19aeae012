"""From what the user typed to a checkpoint on this disk.

Four forms of a name are understood: the bundled model, a hub id, a folder, a GGUF file. They are
opened in two steps. :func:`outline` gives what is enough for the head: configuration, tokenizer,
and where each tensor lies, without reading, converting or fetching the layers. :func:`whole`
gives the checkpoint that runs: always a folder with config.json, safetensors and tokenizer files.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from embfilter_viz.errors import DamagedError, InputError
from embfilter_viz.models.families import check_causal
from embfilter_viz.models.formats.checks import (
    check_folder,
    model_config,
    precision_of,
    read_config,
)
from embfilter_viz.models.formats.fingerprints import (
    content_hash,
    files_of_checkpoint,
    known_content_hash,
)
from embfilter_viz.models.head.lending import check_lacks_head, with_head_of
from embfilter_viz.models.outline import Checkpoint, Kind, Outline
from embfilter_viz.models.sources import adapters, hub, hub_text
from embfilter_viz.models.sources.bundled import (
    BUNDLED,
    SOURCE,
    bundled,
    bundled_outline,
    find_bundled,
    find_bundled_verified,
)
from embfilter_viz.models.sources.gguf_conversion import (
    Converted,
    converted,
    find_converted_files,
    is_as_written,
)
from embfilter_viz.models.sources.gguf_outline import GgufOutline, outline_of_gguf
from embfilter_viz.models.sources.names import gguf_of, path_of, repository, understood
from embfilter_viz.models.sources.ranges import hub_head
from embfilter_viz.system.progress import Progress, silent

__all__ = ["BUNDLED", "find_whole", "locate", "outline", "outline_of_folder", "whole"]

T = TypeVar("T")


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
    name, kind = understood(name)
    if kind == "bundled":
        return _of_conversion(name, kind, bundled(progress=progress))
    if kind == "gguf":
        return _of_conversion(name, kind, converted(gguf_of(name), name, progress=progress))
    if kind == "hub" and hub.find_adapter(*repository(name)) is None:
        found = hub.snapshot(*repository(name), progress=progress)
        if not adapters.is_adapter(found.folder):
            return _of_snapshot(name, found, progress)
    return whole(outline(name, progress=progress), progress=progress)


def outline(name: str, *, head_from: str | None = None, progress: Progress = silent) -> Outline:
    """Return what the head of the model behind ``name`` needs, and no more than that.

    Of a folder or a GGUF, headers are read and no tensor; from the hub the head alone is fetched.

    Args:
        name: as for :func:`locate`.
        head_from: another model, of which the head alone is opened: it lends that to a model that
            has none.
        progress: told megabytes where anything is fetched.

    Raises:
        InputError: a name is unknown, or what it names cannot be used, or the head does not fit;
            with the way out.
    """
    found = _outline(name, progress)
    if not head_from:
        return found
    check_lacks_head(found)  # before anything is fetched of the other
    return with_head_of(found, _outline(head_from, progress))


def _outline(name: str, progress: Progress, *, is_base: bool = False) -> Outline:
    name, kind = understood(name)
    if kind == "folder":
        folder = hub.snapshot_in(path_of(name))
        if adapters.is_adapter(folder):
            return _outline_on_base(folder, name, progress, is_base=is_base)
        return outline_of_folder(folder, name)
    if kind == "hub":
        return _outline_on_hub(name, *repository(name), progress, is_base=is_base)
    if kind == "gguf":
        return _outline_in_gguf(name, kind, outline_of_gguf(gguf_of(name), name, progress=progress))
    here = find_bundled_verified(progress=progress)
    if here is not None:
        return _of_conversion(name, kind, here).outline
    return _outline_in_gguf(name, kind, bundled_outline(progress=progress))


def outline_of_folder(folder: Path, name: str, **known: Any) -> Outline:
    """The outline of the checkpoint in ``folder``; its configuration and headers are read once.

    Args:
        folder: config.json, safetensors and tokenizer files.
        name: the model as the user typed it.
        **known: further fields of the outline, where they differ from those of a plain folder.

    Raises:
        InputError: as ``checks.check_folder`` says.
    """
    config, tables = check_folder(folder, name)
    plain = {"source": f"folder {folder.resolve()}", "precision": precision_of(config, tables)}
    return Outline(name, folder, config, tuple(tables), **{**plain, **known})


def whole(outline: Outline, *, progress: Progress = silent) -> Checkpoint:
    """The whole checkpoint of an outline: fetched, converted, hashed where that is to be done.

    Raises:
        InputError: it cannot be had, or is damaged; with the way out.
    """
    if outline.head_from is not None:
        return _with_head_of(whole(replace(outline, head_from=None), progress=progress), outline)
    if outline.adapter is not None:
        base = whole(adapters.base_of(outline), progress=progress)
        digest = content_hash(outline.adapter.files, progress=progress)
        return adapters.with_adapter(base, outline, digest)
    if outline.kind == "folder":
        digest = content_hash(files_of_checkpoint(outline.folder), progress=progress)
        return Checkpoint(outline, digest)
    if outline.kind == "hub":
        repo, revision = repository(outline.name)
        if hub.find_cached(repo, outline.revision) is None and hub_text.has_other_parts(outline):
            folder = hub_text.fetch_text_model(repo, outline, progress=progress)
            if folder is not None:
                return _of_text_model(outline, folder, progress)
        found = hub.snapshot(repo, revision, progress=progress)
        # A branch may have moved on since its head was fetched: then the commit is asked for.
        if found.commit != outline.revision:
            found = hub.snapshot(repo, outline.revision, progress=progress)
        return _of_snapshot(outline.name, found, progress)
    if outline.kind == "gguf":
        path, header = gguf_of(outline.name), outline.gguf
        made = converted(path, outline.name, header=header, progress=progress)
        return _of_conversion(outline.name, outline.kind, made)
    return find_whole(outline) or locate(outline.name, progress=progress)


def find_whole(outline: Outline) -> Checkpoint | None:
    """The same where nothing has to be fetched, converted or read for it, else None."""
    if outline.head_from is not None:
        own = find_whole(replace(outline, head_from=None))
        return None if own is None else _with_head_of(own, outline)
    if outline.adapter is not None:
        base = find_whole(adapters.base_of(outline))
        digest = known_content_hash(outline.adapter.files)
        if base is None or digest is None:
            return None
        return adapters.with_adapter(base, outline, digest)
    if outline.kind in ("folder", "hub"):
        if outline.kind == "hub":
            repo = repository(outline.name)[0]
            found = hub.find_cached(repo, outline.revision)
            if found is None:
                folder = hub_text.find_text_model(repo, str(outline.revision))
                return None if folder is None else _of_text_model(outline, folder, silent)
            outline = replace(outline, folder=found.folder)
        digest = known_content_hash(files_of_checkpoint(outline.folder))
        return None if digest is None else Checkpoint(outline, digest)
    if outline.kind == "bundled":
        here = find_bundled()
    else:
        assert outline.gguf is not None
        here = find_converted_files(outline.gguf.files)
    if here is None or not is_as_written(here):
        return None
    if here.folder == outline.folder:
        return Checkpoint(outline, here.content_hash)
    return _of_conversion(outline.name, outline.kind, here)


def _outline_in_gguf(name: str, kind: Kind, found: GgufOutline) -> Outline:
    config = read_config(found.folder, name)
    check_causal(config, name)
    return Outline(
        name,
        found.folder,
        config,
        found.tables,
        kind,
        source=_source_of(kind, found.header.files[0]),
        precision=found.precision,
        only_head=found.only_head,
        gguf=found.header,
    )


def _outline_on_hub(
    name: str, repo: str, revision: str | None, progress: Progress, *, is_base: bool
) -> Outline:
    snapshot = hub.find_cached(repo, revision)
    if snapshot is not None:
        return _outline_of_snapshot(name, snapshot, progress)
    found = hub.find_adapter(repo, revision) or hub_head(repo, revision, progress=progress)
    if isinstance(found, hub.Snapshot):
        source = f"adapter from the hub ({found.words})"
        return _outline_on_base(found.folder, name, progress, source, is_base=is_base)
    config = model_config(found.folder, name)
    return Outline(
        name,
        found.folder,
        config,
        found.tables,
        kind="hub",
        source=f"hub, {repo} at {found.commit[:12]}",
        precision=precision_of(config, list(found.tables)),
        revision=found.commit,
    )


def _outline_on_base(
    folder: Path, name: str, progress: Progress, source: str = "adapter", *, is_base: bool
) -> Outline:
    """The outline of an adapter's base, opened by the name it gives, and changed by it.

    Args:
        folder: the adapter's folder.
        name: the model's name, for messages.
        progress: told of the work.
        source: where the adapter comes from.
        is_base: whether this is itself the base of another adapter.

    Returns:
        the base's outline with the adapter in it.
    """
    if is_base:
        raise InputError(
            f"{name}: an adapter itself; merge it into its base first (PEFT: merge_and_unload, "
            f"then save_pretrained)"
        )
    adapter = adapters.read_adapter(folder, name, source)
    try:
        base = _outline(adapter.base, progress, is_base=True)
    except InputError as error:
        raise InputError(f"{name}: an adapter whose base cannot be opened: {error}") from error
    return adapters.on_base(adapter, base, name)


def _outline_of_snapshot(name: str, found: hub.Snapshot, progress: Progress) -> Outline:
    about = {"kind": "hub", "source": f"hub, {found.words}", "revision": found.commit}
    return _fetched_again_if_damaged(
        lambda: outline_of_folder(found.folder, name, **about),
        name,
        found,
        progress,
    )


def _of_snapshot(name: str, found: hub.Snapshot, progress: Progress) -> Checkpoint:
    outline = _outline_of_snapshot(name, found, progress)
    digest = _fetched_again_if_damaged(
        lambda: content_hash(files_of_checkpoint(found.folder), progress=progress),
        name,
        found,
        progress,
    )
    return Checkpoint(outline, digest)


def _fetched_again_if_damaged(
    read: Callable[[], T], name: str, found: hub.Snapshot, progress: Progress
) -> T:
    """Read a snapshot in the hub's cache; again after a damaged file of it came anew.

    Args:
        read: reads it.
        name: the model as the user typed it.
        found: the snapshot.
        progress: told of the work.

    Returns:
        what ``read`` returns.

    Raises:
        InputError: it is as the hub has it, or cannot be fetched.
    """
    try:
        return read()
    except DamagedError as damage:
        if not hub.fetch_again(found, damage, name, progress=progress):
            raise
        return read()


def _of_text_model(outline: Outline, folder: Path, progress: Progress) -> Checkpoint:
    """The checkpoint of a language model that was fetched without its eyes and ears."""
    found = outline_of_folder(
        folder, outline.name, kind="hub", source=outline.source, revision=outline.revision
    )
    return Checkpoint(found, content_hash(files_of_checkpoint(folder), progress=progress))


def _with_head_of(own: Checkpoint, outline: Outline) -> Checkpoint:
    """A whole checkpoint that keeps its hash and is lent the head that ``outline`` is."""
    return replace(own, outline=replace(own.outline, head_from=outline.head_from))


def _of_conversion(name: str, kind: Kind, found: Converted) -> Checkpoint:
    outline = outline_of_folder(
        found.folder,
        name,
        kind=kind,
        source=_source_of(kind, found.original),
        precision=found.precision,
    )
    return Checkpoint(outline, found.content_hash)


def _source_of(kind: Kind, gguf: Path) -> str:
    return SOURCE if kind == "bundled" else f"GGUF file {gguf.name}"
