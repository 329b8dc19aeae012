"""A sentence-transformers model on a model hub or in a folder: its files, and nothing that runs.

Only configuration, safetensors and tokenizer files are fetched; no pickle and no code.
"""

import hashlib
from fnmatch import fnmatchcase
from pathlib import Path

from embfilter_viz.errors import InputError
from embfilter_viz.models.formats.fingerprints import file_hash
from embfilter_viz.models.sources import hub
from embfilter_viz.models.sources.hub_answers import endpoint, told_in_one_line
from embfilter_viz.models.sources.names import path_of
from embfilter_viz.system.progress import Progress, silent

__all__ = ["MODULES", "checked_embedder", "download", "embedder_digest", "embedder_folder"]

MODULES = "modules.json"
"""The file that tells a sentence-transformers folder from another."""

_OURS = "sentence_transformers."
_WANTED = (
    *(MODULES, "*.json", "[0-9]*_*/*.json", "[0-9]*_*/*.safetensors"),
    *("model.safetensors", "model-*-of-*.safetensors", "vocab.txt", "merges.txt"),
    *("tokenizer.model", "sentencepiece.bpe.model", "spiece.model", "[0-9]*_*/vocab.txt"),
)


def embedder_folder(name: str, *, progress: Progress = silent) -> Path:
    """The folder of a sentence-transformers model; fetched where the cache does not have it.

    Args:
        name: a folder, or ``org/name[@revision]`` on the hub.
        progress: told the megabytes fetched.

    Raises:
        InputError: there is no such folder or model, or it is not of sentence-transformers, or it
            holds modules of its own code or pickled weights.
    """
    folder = path_of(name)
    if folder.is_dir():
        return checked_embedder(hub.snapshot_in(folder), name)
    asked = hub.parse_id(name)
    if asked is None:
        raise InputError(
            f"{name if name.strip() else repr(name)}: neither a folder nor a hub id; give the "
            "folder of a sentence-transformers model, or org/name"
        )
    repo, revision = asked
    found = hub.find_finished(repo, revision)
    if found is not None and (found.folder / MODULES).is_file():
        return checked_embedder(found.folder, name)
    fetched = hub.in_child(download, name, progress, repo=repo, revision=revision)
    return checked_embedder(Path(fetched), name)


def embedder_digest(folder: Path, *, progress: Progress = silent) -> str:
    """SHA-256 over the files that decide what the model of a folder gives, and their places.

    Args:
        folder: of :func:`embedder_folder`.
        progress: told the megabytes read of each file whose hash is not known.
    """
    digest = hashlib.sha256()
    for path in _files(folder):
        place = path.relative_to(folder).as_posix()
        digest.update(f"{place}\0{file_hash(path, progress=progress)}\n".encode())
    return digest.hexdigest()


def download(repo: str, revision: str | None, cache: str, name: str, progress: Progress) -> str:
    """Fetch the model of ``repo`` and return its snapshot folder; runs in a child process.

    Args:
        repo: the repository, as org/name.
        revision: branch, tag or commit.
        cache: the folder of the hub's cache.
        name: the model's name, for messages.
        progress: told of the work.

    Returns:
        the snapshot folder.
    """
    import huggingface_hub as hf

    with told_in_one_line(repo, revision, name):
        api = hf.HfApi(endpoint=endpoint())
        info = api.model_info(repo, revision=revision, files_metadata=True, timeout=8)
        progress(f"found {repo}", 0, 0, "")
        files = [s for s in info.siblings or [] if _is_wanted(s.rfilename)]
        if MODULES not in {s.rfilename for s in files}:
            raise _foreign(name)
        return hub.fetch_files(files, repo, revision, info.sha or "", cache, name, progress)


def _files(folder: Path) -> list[Path]:
    """The files that are read, in their order."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in files if _is_wanted(path.relative_to(folder).as_posix()))


def _is_wanted(path: str) -> bool:
    return any(
        fnmatchcase(path, wanted) and path.count("/") == wanted.count("/") for wanted in _WANTED
    )


def _foreign(name: str) -> InputError:
    return InputError(
        f"{name}: no sentence-transformers model, for it has no {MODULES}; give one that was saved "
        "by sentence-transformers"
    )


def checked_embedder(folder: Path, name: str) -> Path:
    """The folder of a sentence-transformers model, once it is known to run nothing of its own.

    Raises:
        InputError: it is none, or it holds modules of its own code or pickled weights.
    """
    from embfilter_viz.models.formats.schemas import Modules, read_json

    if not (folder / MODULES).is_file():
        raise _foreign(name)
    modules = read_json(folder / MODULES, Modules, name, "fetch the model again")
    kinds = [module["type"] for module in modules]
    other = next((kind for kind in kinds if not kind.startswith(_OURS)), None)
    if other is not None:
        raise InputError(
            f"{name}: its module {other} is code of its own, which is never run; give a model of "
            "sentence-transformers' own modules"
        )
    if not any(path.suffix == ".safetensors" for path in _files(folder)):
        raise InputError(
            f"{name}: it has no safetensors, and pickled weights are never opened; give a model "
            "that has them"
        )
    return folder
