"""A GGUF model in one file, or in parts: all of them are read, whichever is given.

``llama-gguf-split`` writes ``…-00001-of-0000N.gguf`` and so on. Each part has its own tensor table
and says how many there are (``split.count``, counted from 0 in ``split.no``); the first alone has
the metadata. One part by itself would open: with random layers and, where the head lies in another
part, with a wrong head.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from embfilter_viz.errors import InputError
from embfilter_viz.models.formats.gguf_header import GgufHeader, read_header

__all__ = ["models_in", "read_gguf"]

_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>\.gguf)", re.I)
_NOT_THE_TEXT = "mmproj"
"""In the names of files that hold the eyes of a multimodal model."""


def read_gguf(path: Path, name: str) -> GgufHeader:
    """The header of the model at ``path``, with the tensors of all its parts.

    Args:
        path: the file, or any part of the model.
        name: the model as the user typed it, for messages.

    Raises:
        InputError: damaged, or a part is missing or belongs to another model.
    """
    given = read_header(path, name)
    count = _number(given, "split.count")
    if count <= 1:
        return given
    headers = [
        given if part == path else read_header(part, name) for part in _all_parts(path, count, name)
    ]
    for number, header in enumerate(headers):
        if (_number(header, "split.count"), _number(header, "split.no")) != (count, number):
            raise InputError(
                f"{name}: {header.files[0].name} is no part {number + 1} of {count} of this model; "
                f"download all parts again"
            )
    tensors = tuple(tensor for header in headers for tensor in header.tensors)
    said = given.metadata.get("split.tensors.count", len(tensors))
    if said != len(tensors):
        raise InputError(
            f"{name}: its {count} parts hold {len(tensors):,} tensors and should hold {said:,}; "
            f"download all parts again"
        )
    return replace(
        headers[0],
        tensors=tensors,
        files=tuple(header.files[0] for header in headers),
        n_bytes=tuple(header.n_bytes[0] for header in headers),
    )


def models_in(folder: Path) -> list[Path]:
    """The GGUF models in a folder, each by its file or the first of its parts that is there.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a-00002-of-00002", "a-00001-of-00002", "b", "mmproj-b"):
    ...         Path(folder, f"{name}.gguf").touch()
    ...     [path.name for path in models_in(Path(folder))]
    ['a-00001-of-00002.gguf', 'b.gguf']
    """
    found: dict[str, Path] = {}
    for path in _ggufs(folder):
        part = _PART.fullmatch(path.name)
        found.setdefault(f"{part['stem']} in {part['count']} parts" if part else path.name, path)
    return list(found.values())


def _ggufs(folder: Path) -> Iterable[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() == ".gguf" and path.is_file() and _NOT_THE_TEXT not in path.name
    )


def _all_parts(path: Path, count: int, name: str) -> list[Path]:
    said = _PART.fullmatch(path.name)
    if said is None or int(said["count"]) != count:
        raise InputError(
            f"{name}: one of the {count} parts of a model, under another name; give all parts the "
            f"names they were downloaded with, which end in -00001-of-{count:05}.gguf and so on"
        )
    names = [f"{said['stem']}-{n + 1:05}-of-{count:05}{said['suffix']}" for n in range(count)]
    parts = [path.with_name(one) for one in names]
    missing = [part.name for part in parts if not part.is_file()]
    if missing:
        what = f"{missing[0]} is missing"
        if len(missing) > 1:
            what = f"{len(missing)} are missing, the first {missing[0]}"
        raise InputError(
            f"{name}: of the {count} parts of this model, {what}; put all parts into {path.parent}"
        )
    return parts


def _number(header: GgufHeader, key: str) -> int:
    value = header.metadata.get(key, 0)
    return value if isinstance(value, int) else 0
