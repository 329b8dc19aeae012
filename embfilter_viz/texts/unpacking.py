"""A compressed file of texts -> the file in it, of a bounded size whatever it claims."""

import gzip
import io
import zlib
from pathlib import Path

from embfilter_viz.errors import InputError

__all__ = ["GZ", "LONGEST", "unpacked"]

GZ = ".gz"
LONGEST = 64_000_000
"""Bytes of an unpacked file: what the pages take of one that is not compressed."""


def unpacked(data: bytes, name: str, at_most: int = LONGEST) -> tuple[bytes, str]:
    """The file in a ``.gz`` and its name; any other file as it is.

    Args:
        data: the file.
        name: of it; what is left without ``.gz`` says what the file in it is.
        at_most: bytes that are unpacked.

    Returns:
        the bytes and the name without ``.gz``.

    Raises:
        InputError: no gzip file, a damaged one, or one that holds more.

    >>> unpacked(gzip.compress(b"text,label"), "reviews.csv.gz")
    (b'text,label', 'reviews.csv')
    >>> unpacked(gzip.compress(bytes(10**6)), "bomb.csv.gz", at_most=1000)
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: bomb.csv.gz: holds more than 0.001 MB; unpack it, and give ...
    """
    if not name.lower().endswith(GZ):
        return data, name
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            found = file.read(at_most + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"{name}: no gzip file, or a damaged one ({reason}); compress it again"
        ) from error
    if len(found) > at_most:
        raise InputError(
            f"{name}: holds more than {at_most / 1e6:g} MB; unpack it, and give a part of it"
        )
    inner = name[: -len(GZ)]
    if not Path(inner).suffix:
        raise InputError(
            f"{name}: its name does not say what it holds; name it as .csv.gz, .jsonl.gz and so on"
        )
    return found, inner
