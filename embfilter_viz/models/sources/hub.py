"""A checkpoint on a model hub, fetched once into the Hugging Face cache.

Only configuration, safetensors and tokenizer files of the repository's root are fetched; no
pickle and no code. What is in the cache is opened without the network, so a branch stays at the
commit it had when it was fetched; ``org/name@revision`` asks for another. ``HF_ENDPOINT``,
``HF_HUB_OFFLINE``, ``HF_HOME``, ``HF_HUB_CACHE`` and the hub's token are honoured.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from embfilter_viz.errors import DamagedError, InputError
from embfilter_viz.models.families import check_causal
from embfilter_viz.models.formats.checks import is_whole, no_safetensors, read_config
from embfilter_viz.models.sources import adapters
from embfilter_viz.models.sources.hub_answers import (
    check_endpoint,
    endpoint,
    patiently,
    told_in_one_line,
    unreachable,
    xet_settings,
)
from embfilter_viz.system.certificates import check_certificates
from embfilter_viz.system.child_process import run_in_child
from embfilter_viz.system.memory import in_words
from embfilter_viz.system.paths import cache_folder, home_expanded, is_writable
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.system.regular import read_regular

__all__ = [
    "Snapshot",
    "all_cached",
    "fetch_again",
    "fetch_files",
    "find_adapter",
    "find_cached",
    "find_finished",
    "hub_cache",
    "in_child",
    "is_revision",
    "parse_id",
    "snapshot",
    "snapshot_in",
]

_PART = r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
"""Of an id: letters without accents, digits, and marks between them."""
_ID = re.compile(rf"(?P<repo>{_PART}/{_PART})(@(?P<revision>.*))?", re.DOTALL)
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")
_LONGEST_REVISION = 200
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LONGEST_NOTE = 1_000
"""Bytes of a file below ``refs``, which holds one commit."""
_WANTED = (
    *("config.json", "generation_config.json", "model.safetensors", "model-*-of-*.safetensors"),
    *("model.safetensors.index.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json"),
    *("vocab.json", "merges.txt", "special_tokens_map.json", "added_tokens.json", "spiece.model"),
    *("chat_template.jinja", "tekken.json", "adapter_config.json", "adapter_model.safetensors"),
    # What sentence-transformers knows of an embedder; none of it is large.
    *("modules.json", "config_sentence_transformers.json", "sentence_*_config.json"),
    *("[0-9]_Pooling/config.json", "[0-9]_Normalize/config.json"),
)
ANSWER_SECONDS = 9.0
"""In which the hub must have answered the first question; issue and patience allow ten."""


@dataclass(frozen=True)
class Snapshot:
    """One commit of a hub repository, in the cache."""

    repo: str
    """``org/name``."""
    commit: str
    """40 hexadecimal digits."""
    folder: Path
    """Its files."""

    @property
    def words(self) -> str:
        """Repository and commit, for a reader."""
        return f"{self.repo} at {self.commit[:12]}"


def parse_id(name: str) -> tuple[str, str | None] | None:
    """Repository and revision of a hub id, None for what is no hub id.

    By the hub's own rule, so that no path is built of anything else: ``--`` would be another
    repository's folder in the cache, and ``..`` or ``/dev/zero`` a place outside of it.

    >>> parse_id("org/name@v1.0"), parse_id("org/name"), parse_id("a/b/c")
    (('org/name', 'v1.0'), ('org/name', None), None)
    >>> [parse_id(name) for name in ("a--b/c", "a/b@/dev/zero", "a/b@../x", "a/ｂ")]
    [None, None, None, None]
    """
    found = _ID.fullmatch(name)
    if found is None or any(mark in found["repo"] for mark in ("--", "..")):
        return None
    if found["repo"].endswith(".git"):  # an address to clone from, which the hub refuses as an id
        return None
    revision = found["revision"]
    if revision is not None and not is_revision(revision):
        return None
    return found["repo"], revision


def is_revision(said: str) -> bool:
    """Tell whether ``said`` can be a branch, a tag or a commit, by git's rules for their names.

    >>> [is_revision(said) for said in ("main", "refs/pr/12", "v1.0", "a..b", "/dev/zero", "x/")]
    [True, True, True, False, False, False]
    """
    return len(said) <= _LONGEST_REVISION and ".." not in said and bool(_REVISION.fullmatch(said))


def hub_cache() -> Path:
    """The folder of the Hugging Face cache, by the hub's own rules.

    >>> from unittest.mock import patch
    >>> with patch.dict("os.environ", {"HF_HUB_CACHE": "/tmp/hub"}):
    ...     hub_cache().as_posix()
    '/tmp/hub'
    """
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if said := os.environ.get(variable):
            return home_expanded(os.path.expandvars(said), variable)
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or str(Path(base, "huggingface"))
    return home_expanded(os.path.expandvars(home), "HF_HOME") / "hub"


def find_cached(repo: str, revision: str | None = None) -> Snapshot | None:
    """The snapshot of ``repo`` at ``revision``, if it is in the cache and whole.

    >>> find_cached("no-such-org/no-such-model") is None
    True
    """
    found = find_finished(repo, revision)
    return found if found is not None and is_whole(found.folder) else None


def find_adapter(repo: str, revision: str | None = None) -> Snapshot | None:
    """The same of a repository that holds an adapter and no whole model.

    >>> find_adapter("no-such-org/no-such-adapter") is None
    True
    """
    found = find_finished(repo, revision)
    if found is None or not adapters.is_adapter(found.folder):
        return None
    return found if (found.folder / adapters.WEIGHTS).is_file() else None


def find_finished(repo: str, revision: str | None) -> Snapshot | None:
    """The snapshot in the cache, unless a fetch of it was broken off."""
    home = _home(repo)
    wanted = revision or "main"
    commit = _noted_commit(home / "refs" / wanted) or wanted
    if not _COMMIT.fullmatch(commit) or _unfinished(repo, commit).exists():
        return None
    return Snapshot(repo, commit, home / "snapshots" / commit)


def snapshot_in(folder: Path) -> Path:
    """The snapshot that a repository's folder in the Hugging Face cache holds; others as they are.

    >>> snapshot_in(Path("models")).as_posix()
    'models'
    """
    commit = _noted_commit(folder / "refs" / "main")
    return folder / "snapshots" / commit if commit and _COMMIT.fullmatch(commit) else folder


def _noted_commit(file: Path) -> str | None:
    """Return what a file below ``refs`` says; None where there is none that can be read."""
    try:
        return read_regular(file, _LONGEST_NOTE).decode("ascii").strip()
    except (OSError, ValueError):
        return None


def all_cached() -> Iterator[Snapshot]:
    """Every repository in the cache whose main branch is there: whole, or an adapter."""
    for home in sorted(hub_cache().glob("models--*--*")):
        name = home.name.removeprefix("models--").replace("--", "/", 1)
        known = parse_id(name)
        if known is None:  # a folder of another library's making
            continue
        found = find_cached(known[0]) or find_adapter(known[0])
        if found is not None:
            yield found


def snapshot(repo: str, revision: str | None = None, *, progress: Progress = silent) -> Snapshot:
    """The snapshot of ``repo`` at ``revision``; fetched where the cache does not have it.

    Args:
        repo: ``org/name``.
        revision: branch, tag or commit; None for the main branch.
        progress: told the megabytes fetched.

    Raises:
        InputError: the hub cannot be reached within ten seconds, has no such repository or
            revision, asks for a permission, or what it has is nothing the explorer can open.
    """
    found = find_cached(repo, revision)
    if found is not None:
        return found
    name = f"{repo}@{revision}" if revision else repo
    folder = in_child(download, name, progress, repo=repo, revision=revision)
    return Snapshot(repo, Path(folder).name, Path(folder))


def in_child(work: Callable[..., Any], name: str, progress: Progress, **arguments: Any) -> Any:
    """Run what asks the hub in a child process, and give up on a hub that does not answer.

    Args:
        work: of the top level of a module; also takes ``cache``, ``name`` and ``progress``.
        name: the model as the user typed it, for messages.
        progress: told of the work; what it raises stops the child at once.
        **arguments: further arguments of ``work``.

    Returns:
        What ``work`` returns.

    Raises:
        InputError: the hub has not answered in time, or what ``work`` raises.
    """
    check_endpoint(name)
    check_certificates()
    _check_cache(name)
    return run_in_child(
        work,
        {**arguments, "cache": str(hub_cache()), "name": name},
        progress=progress,
        environment={
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_ETAG_TIMEOUT": "8",
            **xet_settings(),
        },
        started=f"asking {endpoint()}",
        answer_within=(ANSWER_SECONDS, unreachable(name, "no answer")),
    )


def _check_cache(name: str) -> None:
    """Refuse to fetch into a cache that can be no folder, or is read-only.

    Raises:
        InputError: a file is in the way, or nothing can be written there.
    """
    cache = hub_cache().absolute()
    try:
        nearest = next(place for place in (cache, *cache.parents) if os.path.lexists(place))
        usable = nearest.is_dir()
    except OSError:  # a name too long
        usable = False
    if not usable:
        raise InputError(
            f"{name}: the hub's cache {str(cache)[:200]} can be no folder, for a file is in the "
            f"way; set HF_HOME or HF_HUB_CACHE to a folder"
        )
    if not is_writable(nearest):
        raise InputError(
            f"{name}: it is not here in full, and the hub's cache {cache} cannot be written to; "
            f"set HF_HOME or HF_HUB_CACHE to a folder of yours"
        )


def download(repo: str, revision: str | None, cache: str, name: str, progress: Progress) -> str:
    """Fetch what is needed of ``repo`` and return its snapshot folder; runs in a child process.

    Args:
        repo: the repository, as org/name.
        revision: branch, tag or commit.
        cache: the folder of the hub's cache.
        name: the model's name, for messages.
        progress: told of the work.

    Returns:
        the snapshot folder.
    """
    with told_in_one_line(repo, revision, name):
        return _download(repo, revision, cache, name, progress)


def _download(repo: str, revision: str | None, cache: str, name: str, progress: Progress) -> str:
    commit, files = listed(repo, revision, name, Path(cache), progress)
    return fetch_files(files, repo, revision, commit, cache, name, progress)


def fetch_files(
    files: list[Any],
    repo: str,
    revision: str | None,
    commit: str,
    cache: str,
    name: str,
    progress: Progress,
) -> str:
    """Fetch those ``files`` of a commit and return the folder of its snapshot.

    Args:
        files: as :func:`listed` gives them.
        repo: ``org/name``.
        revision: the branch, tag or commit that was asked for; None for the main branch.
        commit: what it stands for.
        cache: the folder of the Hugging Face cache.
        name: the model as the user typed it, for messages.
        progress: told the megabytes fetched.

    Returns:
        The folder.
    """
    import huggingface_hub as hf

    names = {s.rfilename for s in files}
    _check_disk(files, Path(cache), name)
    unfinished = _unfinished(repo, commit)
    with contextlib.suppress(OSError):  # a cache of ours that is read-only; the hub's may not be
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        unfinished.touch()
    blobs = {str(s.lfs.sha256 if s.lfs else s.blob_id): s.size or 0 for s in files}
    done = threading.Event()
    watch = threading.Thread(
        target=_watch, args=(blobs, _home(repo, Path(cache)) / "blobs", done, progress), daemon=True
    )
    watch.start()
    try:
        folder = patiently(
            lambda: hf.snapshot_download(
                repo,
                # The name and not the commit, so that the cache learns what the name stood for.
                revision=revision,
                cache_dir=cache,
                endpoint=endpoint(),
                allow_patterns=sorted(names),
                etag_timeout=8,
                max_workers=2,  # a file cut off is begun anew, so better few at a time
            ),
            progress,
        )
    finally:
        done.set()
        watch.join()
        _remove_left_behind(repo, Path(cache))  # of a process that was killed meanwhile
    unfinished.unlink(missing_ok=True)
    return folder


def fetch_again(
    found: Snapshot, damage: DamagedError, name: str, *, progress: Progress = silent
) -> bool:
    """Fetch a file of a snapshot once more, where it is not as the hub has it.

    Args:
        found: the snapshot.
        damage: what was met, and in which file.
        name: the model as the user typed it, for messages.
        progress: told the megabytes fetched.

    Returns:
        whether it was: False where the hub has the same bytes.

    Raises:
        InputError: it is damaged and cannot be fetched; with both reasons.
    """
    try:
        return bool(
            in_child(
                download_again,
                name,
                progress,
                repo=found.repo,
                commit=found.commit,
                file=damage.path.relative_to(found.folder).as_posix(),
            )
        )
    except DamagedError:
        raise
    except InputError as error:
        reason = str(error).removeprefix(f"{name}: ")
        met = str(damage).removeprefix(f"{name}: ").partition(";")[0]
        raise InputError(f"{name}: {met}, and it cannot be fetched again: {reason}") from error


def download_again(
    repo: str, commit: str, file: str, cache: str, name: str, progress: Progress
) -> bool:
    """Fetch one file of a commit once more; runs in a child process.

    Args:
        repo: the repository, as org/name.
        commit: which commit of it.
        file: the file, by its place in the repository.
        cache: the folder of the hub's cache.
        name: the model's name, for messages.
        progress: told of the work.

    Returns:
        whether it was another than the hub's.
    """
    with told_in_one_line(repo, commit, name):
        _, files = listed(repo, commit, name, Path(cache), progress)
        said = next((s for s in files if s.rfilename == file), None)
        path = _home(repo, Path(cache)) / "snapshots" / commit / file
        if said is None or not _differs(path, said, progress):
            return False
        for one in (path.resolve(), path):
            one.unlink(missing_ok=True)
        fetch_files(files, repo, commit, commit, cache, name, progress)
        return True


def _differs(path: Path, said: Any, progress: Progress) -> bool:
    """Tell whether a file is surely another than the hub says: by its length, or its SHA-256."""
    if said.size and path.stat().st_size != said.size:
        return True
    if not said.lfs:
        return False
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
            progress(f"checking {path.name}", file.tell() / 1e6, (said.size or 0) / 1e6, "MB")
    return bool(digest.hexdigest() != said.lfs.sha256)


def listed(
    repo: str, revision: str | None, name: str, cache: Path, progress: Progress
) -> tuple[str, list[Any]]:
    """The commit and those of its files that are wanted, with sizes; its configuration is fetched.

    Args:
        repo: the repository, as org/name.
        revision: branch, tag or commit.
        name: the model's name, for messages.
        cache: the folder of the hub's cache.
        progress: told of the work.

    Returns:
        the commit, and the files that are wanted.

    Raises:
        InputError: what is there is nothing the explorer can open.
    """
    import huggingface_hub as hf

    _remove_left_behind(repo, cache)
    api = hf.HfApi(endpoint=endpoint())
    info = patiently(lambda: _described(api, repo, revision, name), progress)
    commit = info.sha
    progress(f"found {repo}", 0, 0, "")
    siblings = info.siblings
    files = [s for s in siblings if any(fnmatchcase(s.rfilename, w) for w in _WANTED)]
    names = {s.rfilename for s in files}
    if adapters.CONFIG in names:
        _check_adapter(names, name)
        return commit, files
    if "config.json" in names:
        # First, and judged at once: an encoder is refused before gigabytes of it are fetched.
        path = patiently(
            lambda: hf.hf_hub_download(
                repo, "config.json", revision=commit, cache_dir=cache, endpoint=endpoint()
            ),
            progress,
        )
        check_causal(read_config(Path(path).parent, name), name)
    if not names & {"model.safetensors", "model.safetensors.index.json"}:
        raise no_safetensors([s.rfilename for s in siblings], name)
    return commit, files


def _described(api: Any, repo: str, revision: str | None, name: str) -> Any:
    """Ask the hub for a repository: its commit, and names of files that stay in its folder.

    Args:
        api: the hub's client.
        repo: the repository, as org/name.
        revision: branch, tag or commit.
        name: the model's name, for messages.

    Returns:
        ``sha`` and ``siblings`` as the client has them.

    Raises:
        InputError: the answer is no description of a repository.
    """
    from huggingface_hub.errors import HFValidationError

    from embfilter_viz.models.formats.schemas import HubListing, held_to

    what = f"{name}: what {endpoint()} says of it"
    way_out = "check HF_ENDPOINT, or download the model as a folder"
    try:
        info = api.model_info(repo, revision=revision, files_metadata=True, timeout=8)
    except (json.JSONDecodeError, UnicodeEncodeError, HFValidationError, OSError):
        raise
    except (TypeError, ValueError, LookupError, AttributeError, RecursionError) as error:
        if isinstance(error, ValueError) and "proxy" in str(error).lower():
            raise
        # The client takes the answer apart as it comes.
        raise InputError(f"{what} is no description of a model; {way_out}") from error
    siblings = [{"rfilename": one.rfilename, "size": one.size} for one in info.siblings or ()]
    held_to(HubListing, {"sha": info.sha, "siblings": siblings}, what, way_out)
    if any({"..", "."} & set(one.rfilename.split("/")) for one in info.siblings or ()):
        raise InputError(f"{what} names files outside of its folder; {way_out}")
    info.siblings = info.siblings or []
    return info


def _check_adapter(names: set[str], name: str) -> None:
    """Refuse an adapter that cannot be opened, before any of it is fetched."""
    if names & {"model.safetensors", "model.safetensors.index.json"}:
        raise InputError(
            f"{name}: a whole model and an adapter ({adapters.CONFIG}) in one repository, so it is "
            f"not said whether the adapter is to be applied; give another repository or a folder"
        )
    if adapters.WEIGHTS not in names:
        raise InputError(
            f"{name}: an adapter without {adapters.WEIGHTS} (pickled weights are never opened); "
            f"give one that has it"
        )


def _remove_left_behind(repo: str, cache: Path) -> None:
    """Delete what an earlier fetch was killed over: huggingface_hub neither uses nor removes it."""
    from filelock import FileLock

    home = _home(repo, cache)
    for part in (home / "blobs").glob("*.incomplete"):
        lock = cache / ".locks" / home.name / f"{part.name.partition('.')[0]}.lock"
        # Refused where it is being written now (Timeout), or the cache is read-only.
        with contextlib.suppress(OSError, NotImplementedError), FileLock(lock, timeout=0):
            part.unlink(missing_ok=True)


def _watch(
    blobs: Mapping[str, int], folder: Path, done: threading.Event, progress: Progress
) -> None:
    """Tell the megabytes of ``blobs`` (name to size) that are in ``folder``, until ``done``.

    Args:
        blobs: sizes by name.
        folder: where they arrive.
        done: set once all is fetched.
        progress: told of the work.
    """
    total = sum(blobs.values()) / 1e6
    while not done.wait(0.3):
        here = 0
        for blob, size in blobs.items():
            parts = folder.glob(f"{blob}*")
            with contextlib.suppress(FileNotFoundError):  # renamed as it was looked at
                here += min(size, max((p.stat().st_size for p in parts), default=0))
        progress("fetching from the hub", here / 1e6, total, "MB")


def _check_disk(files: list[Any], cache: Path, name: str) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    needed, free = sum(s.size or 0 for s in files), shutil.disk_usage(cache).free
    if needed > free:
        raise InputError(
            f"{name}: takes {in_words(needed)} on disk and {in_words(free)} are free in {cache}; "
            f"make room, or set HF_HOME to a folder on a larger disk"
        )


def _home(repo: str, cache: Path | None = None) -> Path:
    return (cache or hub_cache()) / f"models--{repo.replace('/', '--')}"


def _unfinished(repo: str, commit: str) -> Path:
    """A mark that our fetch of this snapshot has begun and not ended."""
    mark = f"{repo.replace('/', '--')}@{commit}"
    return cache_folder() / "models" / "hub" / f"{mark}.unfinished"
