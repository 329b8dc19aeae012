"""A folder in one file, to be downloaded: what lies on the server is of no use to its reader."""

import zipfile
from pathlib import Path

from embfilter_viz.errors import InputError
from embfilter_viz.system.outputs import written_output
from embfilter_viz.system.progress import Progress, silent

__all__ = ["zip_folder"]

_BLOCK = 1 << 22
"""Bytes copied between two looks at the listener."""


def zip_folder(folder: Path, *, progress: Progress = silent) -> Path:
    """Pack a folder into a zip beside it, which unpacks into a folder of the same name.

    Nothing is compressed: weights hardly shrink, and packing then takes as long as copying.

    Args:
        folder: what is packed.
        progress: told megabytes; may raise to stop, and then leaves nothing behind.

    Returns:
        the zip.

    Raises:
        InputError: there is no such folder, or no place for the zip.
    """
    if not folder.is_dir():
        raise InputError(f"{folder.name}: the folder is gone; write it again")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    total, done = sum(path.stat().st_size for path in files) / 1e6, 0.0
    target = folder.with_name(f"{folder.name}.zip")
    with (
        written_output(target, force=True) as out,  # a place of ours in the cache
        zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive,
    ):
        for path in files:
            entry = zipfile.ZipInfo.from_file(path, f"{folder.name}/{path.relative_to(folder)}")
            with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as place:
                while block := source.read(_BLOCK):
                    place.write(block)
                    done += len(block) / 1e6
                    progress("Packing the folder", done, total, "MB")
    return target
