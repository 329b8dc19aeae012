"""The language model of a checkpoint with eyes or ears on the hub: only its bytes travel.

The tensors are fetched by ranges, as the head is, and written as one safetensors file with
configuration and tokenizer beside it: a checkpoint that opens as a folder does.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from embfilter_viz.models.families import is_of_text
from embfilter_viz.models.formats.safetensors_header import TensorEntry
from embfilter_viz.models.outline import Outline
from embfilter_viz.models.sources import hub, ranges
from embfilter_viz.models.sources.hub_answers import told_in_one_line
from embfilter_viz.system.locks import waiting_for
from embfilter_viz.system.progress import Progress

__all__ = ["download", "fetch_text_model", "find_text_model", "has_other_parts"]

_WEIGHTS = "model.safetensors"
_FOLDER = "text"


def has_other_parts(outline: Outline) -> bool:
    """Tell whether the checkpoint holds more than a language model."""
    return not all(is_of_text(entry.name) for entry in outline.tables)


def find_text_model(repo: str, commit: str) -> Path | None:
    """The folder of the language model of ``repo`` at ``commit``, if it was fetched.

    >>> find_text_model("no-such-org/no-such-model", "0" * 40) is None
    True
    """
    folder = ranges.home_of(repo) / commit / _FOLDER
    return folder if (folder / _WEIGHTS).is_file() else None


def fetch_text_model(repo: str, outline: Outline, *, progress: Progress) -> Path | None:
    """The same, fetched where that was not done before; None where the hub sends whole files only.

    Interrupted at any point, the next call goes on from the bytes that are there.

    Args:
        repo: ``org/name``.
        outline: of its head, which names the commit.
        progress: told the megabytes fetched; what it raises stops the fetch at once.

    Raises:
        InputError: as for ``hub.snapshot``.
    """
    assert outline.revision is not None
    home = ranges.home_of(repo)
    with waiting_for(home / "fetch.lock", "another process to fetch this model", progress):
        found = find_text_model(repo, outline.revision)
        if found is not None:
            return found
        said = hub.in_child(
            download,
            outline.name,
            progress,
            repo=repo,
            commit=outline.revision,
            home=str(home),
        )
    return find_text_model(repo, outline.revision) if said else None


def download(repo: str, commit: str, cache: str, home: str, name: str, progress: Progress) -> bool:
    """Fetch the language model; runs in a child process. False where ranges are not to be had.

    Args:
        repo: the repository, as org/name.
        commit: which commit of it.
        cache: the folder of the hub's cache.
        home: where the fetched parts are kept.
        name: the model's name, for messages.
        progress: told of the work.

    Returns:
        whether it was fetched.
    """
    with told_in_one_line(repo, commit, name):
        _, files = hub.listed(repo, commit, name, Path(cache), progress)
        sizes = {s.rfilename: int(s.size or 0) for s in files}
        place = ranges.Place(repo, commit, Path(cache), Path(home) / commit, name, sizes, progress)
        source = place.small_files()
        shards = sorted(set(ranges.index_of(source, place).values())) or [_WEIGHTS]
        folder = place.home / _FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        for file in sizes:
            if not file.endswith((".safetensors", ".index.json")):
                (folder / file).parent.mkdir(exist_ok=True)
                shutil.copyfile(source / file, folder / file)
        try:
            stored = ranges.stored_on_hub(shards, place)
            wanted = [entry for entry in stored.values() if is_of_text(entry.name)]
            ranges.check_disk(sum(e.n_bytes for e in wanted), "its language model", place)
            ranges.fetch_tensors(
                wanted, folder / _WEIGHTS, "the language model", place, _table_of(wanted)
            )
        except ranges.RangesIgnored:
            return False
    return True


def _table_of(entries: Sequence[TensorEntry]) -> bytes:
    """Return what a safetensors file of these tensors, one after the other, begins with."""
    table: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for entry in entries:
        table[entry.name] = {
            "dtype": entry.dtype,
            "shape": list(entry.shape),
            "data_offsets": [at, at + entry.n_bytes],
        }
        at += entry.n_bytes
    said = json.dumps(table).encode()
    said += b" " * (-len(said) % 8)
    return len(said).to_bytes(8, "little") + said
