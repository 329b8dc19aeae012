"""The head of a checkpoint on the hub: of the weights only its bytes travel.

A safetensors file says at its beginning where each tensor lies, and hubs and their content
networks answer HTTP range requests. So the tables of all shards are fetched, kilobytes each, then
the bytes of W_U out of the one shard that holds it: 1 GB of 16 for an 8-billion model. They are
kept beside our other caches under the commit; configuration and tokenizer go to the Hugging Face
cache, where fetching the whole model later finds them.
"""

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from embfilter_viz.errors import InputError
from embfilter_viz.models.families import bias_names, is_tied
from embfilter_viz.models.formats.checks import (
    check_tokenizer,
    has_tokenizer,
    model_config,
)
from embfilter_viz.models.formats.safetensors_header import (
    TensorEntry,
    fault_of,
    parse_table,
    read_index,
    read_tables,
    table_length,
)
from embfilter_viz.models.head.unembedding import NoHeadError, check_readable, head_candidates
from embfilter_viz.models.sources import hub
from embfilter_viz.models.sources.adapters import CONFIG
from embfilter_viz.models.sources.hub_answers import (
    endpoint,
    patiently,
    told_in_one_line,
    wait_as_asked,
)
from embfilter_viz.system.files import write_atomically
from embfilter_viz.system.locks import waiting_for
from embfilter_viz.system.paths import cache_folder, place_in_cache
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.system.regular import read_regular

__all__ = [
    "HubHead",
    "Place",
    "RangesIgnored",
    "all_hub_heads",
    "check_disk",
    "fetch_tensors",
    "find_hub_head",
    "home_of",
    "hub_head",
    "index_of",
    "stored_on_hub",
]

_TABLES = "tables.json"
"""Written last: where it is, the head is there in full."""
_HEAD = "head.bin"
_INDEX, _SINGLE = "model.safetensors.index.json", "model.safetensors"
_CHUNK = 1 << 20
_TRIES = 5
_PATIENCE = 10.0
"""Seconds without a byte after which a line counts as broken."""
_LONGEST_NOTE = 1_000
"""Bytes of a file below ``refs``, which holds one commit."""
_LONGEST_TABLES = 200_000_000
"""Bytes of :data:`_TABLES`."""
_AT_ONCE = 4
"""Connections for the tables of the shards."""


@dataclass(frozen=True)
class HubHead:
    """The head of one commit of a hub repository, with its configuration and tokenizer."""

    commit: str
    """40 hexadecimal digits."""
    folder: Path
    """config.json and tokenizer files."""
    tables: tuple[TensorEntry, ...]
    """Every tensor of the checkpoint; those of the head lie in a file on this disk."""

    @property
    def n_bytes(self) -> int:
        """Return what of the tensors is on this disk."""
        return sum(entry.n_bytes for entry in self.tables if entry.file.is_file())


class RangesIgnored(Exception):  # noqa: N818 - no error: there is another way
    """The server answered a question for some bytes with all of them."""


def find_hub_head(repo: str, revision: str | None = None) -> HubHead | None:
    """The head of ``repo`` at ``revision``, if it was fetched before.

    >>> find_hub_head("no-such-org/no-such-model") is None
    True
    """
    home = home_of(repo)
    try:
        commit = read_regular(_reference(home, revision), _LONGEST_NOTE).decode("ascii").strip()
    except (OSError, ValueError):
        commit = revision or ""
    return _read(home / commit, commit) if commit and hub.is_revision(commit) else None


def all_hub_heads() -> Iterator[tuple[str, HubHead]]:
    """Every repository whose main branch's head was fetched, with that head."""
    for home in sorted((cache_folder() / "models" / "hub-heads").glob("*--*")):
        repo = home.name.replace("--", "/", 1)
        found = find_hub_head(repo) if hub.parse_id(repo) else None
        if found is not None:
            yield repo, found


def hub_head(
    repo: str, revision: str | None = None, *, progress: Progress = silent
) -> HubHead | hub.Snapshot:
    """The head of ``repo`` at ``revision``; fetched where that was not done before.

    Interrupted at any point, the next call goes on from the bytes that are there. A model without
    a head comes with none, and an adapter as it is: it is small.

    Args:
        repo: ``org/name``.
        revision: branch, tag or commit; None for the main branch.
        progress: told the megabytes fetched; what it raises stops the fetch at once.

    Raises:
        InputError: as for ``hub.snapshot``, and for a head that cannot be read by itself.
    """
    found = find_hub_head(repo, revision)
    if found is not None:
        return found
    name = f"{repo}@{revision}" if revision else repo
    home = home_of(repo)
    home.mkdir(parents=True, exist_ok=True)
    with waiting_for(home / "fetch.lock", "another process to fetch this head", progress):
        found = find_hub_head(repo, revision)  # the other process may have done it
        if found is not None:
            return found
        commit = hub.in_child(
            download, name, progress, repo=repo, revision=revision, home=str(home)
        )
    fetched = _read(home / commit, commit) or hub.find_adapter(repo, commit)
    assert fetched is not None
    return fetched


def home_of(repo: str) -> Path:
    """Return where what is fetched of a repository by ranges is kept, a folder a commit."""
    return place_in_cache("models", "hub-heads", repo.replace("/", "--"))


def _reference(home: Path, revision: str | None) -> Path:
    """Return where the commit is noted that a branch or tag stood for when it was fetched."""
    return home / "refs" / quote(revision or "main", safe="")


def _read(folder: Path, commit: str) -> HubHead | None:
    from embfilter_viz.models.formats.schemas import HubTables, json_of

    try:
        data = read_regular(folder / _TABLES, _LONGEST_TABLES)
        said = json_of(data, HubTables, _TABLES, "fetch it again")
        tables = tuple(
            TensorEntry(**{**one, "shape": tuple(one["shape"]), "file": Path(one["file"])})
            for one in said["tables"]
        )
        config = Path(said["folder"])
        lengths = {Path(file): size for file, size in said["lengths"].items()}
        whole = all(file.stat().st_size == size for file, size in lengths.items()) and all(
            fault_of(one) is None and one.start + one.n_bytes <= lengths.get(one.file, 1 << 63)
            for one in tables
        )
        if not whole or not (config / "config.json").is_file() or not has_tokenizer(config):
            return None  # the Hugging Face cache was cleared, or a file damaged
    except (OSError, ValueError):  # InputError among them
        return None
    return HubHead(commit, config, tables)


def download(
    repo: str, revision: str | None, cache: str, home: str, name: str, progress: Progress
) -> str:
    """Fetch the head of ``repo`` and return its commit; runs in a child process.

    Args:
        repo: the repository, as org/name.
        revision: branch, tag or commit.
        cache: the folder of the hub's cache.
        home: where the fetched parts are kept.
        name: the model's name, for messages.
        progress: told of the work.

    Returns:
        the commit.
    """
    with told_in_one_line(repo, revision, name):
        commit, files = hub.listed(repo, revision, name, Path(cache), progress)
        sizes = {s.rfilename: int(s.size or 0) for s in files}
        if CONFIG in sizes:
            hub.fetch_files(files, repo, revision, commit, cache, name, progress)
            return commit
        place = Place(repo, commit, Path(cache), Path(home) / commit, name, sizes, progress)
        if _read(place.home, commit) is None:
            _fetch(place)
        write_atomically(_reference(Path(home), revision), commit)
        return commit


@dataclass(frozen=True)
class Place:
    """One commit, and where what is fetched of it goes."""

    repo: str
    commit: str
    cache: Path
    home: Path
    name: str
    sizes: dict[str, int]
    progress: Progress

    def size(self, file: str) -> int:
        """Bytes of a file; the hub is asked where its list, as that of some mirrors, has none."""
        if not self.sizes[file]:
            with _asked(self, file, 0, 8) as answer:
                total = answer.headers["Content-Range"].rpartition("/")[2]
            if not total.isdecimal():
                raise RangesIgnored(file)  # then the file has to travel for its length
            self.sizes[file] = int(total)
        return self.sizes[file]

    def whole_file(self, file: str) -> Path:
        """Fetch a file as it is, into the Hugging Face cache."""
        import huggingface_hub as hf

        found = patiently(
            lambda: hf.hf_hub_download(
                self.repo,
                file,
                revision=self.commit,
                cache_dir=self.cache,
                endpoint=endpoint(),
            ),
            self.progress,
        )
        return Path(found)

    def small_files(self) -> Path:
        """Fetch all but the weights into the Hugging Face cache, and return their folder."""
        for file in self.sizes:
            if not file.endswith(".safetensors"):
                self.whole_file(file)
        return self.whole_file("config.json").parent


def _fetch(place: Place) -> None:
    folder = place.small_files()
    config = model_config(folder, place.name)
    check_tokenizer(folder, place.name)
    place.home.mkdir(parents=True, exist_ok=True)
    shard_of = index_of(folder, place)
    shards = sorted(set(shard_of.values())) or [_SINGLE]
    try:
        stored = stored_on_hub(shards, place)
        wanted = _wanted(stored, is_tied(config), place.name)
        check_disk(sum(e.n_bytes for e in wanted), "its head", place)
        here = fetch_tensors(wanted, place.home / _HEAD, "the head", place)
    except RangesIgnored:
        stored, here = _by_whole_files(shard_of, shards, is_tied(config), place)
    tables = [asdict(e) | {"file": str(e.file)} for e in (stored | here).values()]
    files = {str(e.file): e.file.stat().st_size for e in here.values()}
    record = {"folder": str(folder), "lengths": files, "tables": tables}
    write_atomically(place.home / _TABLES, json.dumps(record))


def index_of(folder: Path, place: Place) -> dict[str, str]:
    """Tensor names to shards by the index; empty where all is in one file."""
    path = folder / _INDEX
    if not path.is_file():
        return {}
    found = read_index(path, place.name)
    absent = sorted(set(found.values()) - set(place.sizes))
    if absent:
        raise InputError(
            f"{place.name}: the shard {absent[0]} named in {_INDEX} is not on the hub; tell its "
            f"owners, or pick another model"
        )
    return found


def stored_on_hub(shards: Sequence[str], place: Place) -> dict[str, TensorEntry]:
    """Every tensor in ``shards`` on the hub, by its name: of each shard its table travels.

    Raises:
        RangesIgnored: the server sends whole files only.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda shard: _table(shard, place), shards)
        return {entry.name: entry for entries in found for entry in entries}


def _table(shard: str, place: Place) -> list[TensorEntry]:
    """The table of a shard: its length first, then exactly its bytes."""
    path, size = place.home / shard, place.size(shard)
    length = table_length(b"".join(_bytes(place, shard, 0, min(8, size))), path, size, place.name)
    data = b"".join(_bytes(place, shard, 8, 8 + length))
    return parse_table(data, path, size, place.name)


def _wanted(stored: dict[str, TensorEntry], tied: bool | None, name: str) -> list[TensorEntry]:
    """The tensors to fetch: those that may be W_U, and the bias; none of a model without a head."""
    chosen = _candidates(stored, tied, name)
    if not chosen:
        return []
    check_readable(chosen[-1], stored, name)
    return chosen + [stored[b] for b in list(bias_names(stored))[:1]]


def _candidates(stored: dict[str, TensorEntry], tied: bool | None, name: str) -> list[TensorEntry]:
    """The tensors that may be W_U; none where another model has to lend it."""
    try:
        return head_candidates(stored, tied, name)
    except NoHeadError:
        return []


def check_disk(needed: int, what: str, place: Place) -> None:
    """Refuse to fetch what the disk has no room for.

    Raises:
        InputError: with both numbers.
    """
    import shutil

    from embfilter_viz.system.memory import in_words

    free = shutil.disk_usage(place.home).free
    if needed > free:
        raise InputError(
            f"{place.name}: {what} takes {in_words(needed)} on disk and {in_words(free)} are "
            f"free in {place.home}; make room, or set EMBFILTER_VIZ_CACHE to a folder on a "
            f"larger disk"
        )


def fetch_tensors(
    wanted: Sequence[TensorEntry], target: Path, what: str, place: Place, beginning: bytes = b""
) -> dict[str, TensorEntry]:
    """Fetch tensors one after the other into one file, going on from what is there of it.

    Args:
        wanted: where they lie in the files on the hub.
        target: the file, which appears under its name when it is whole.
        what: the work's name for ``place.progress``.
        place: the commit.
        beginning: what the file has before the first tensor.

    Returns:
        The tensors by name, where they lie in ``target``.
    """
    total = len(beginning) + sum(e.n_bytes for e in wanted)
    plan = json.dumps([[e.name, e.file.name, e.start, e.n_bytes] for e in wanted])
    part = target.with_name(f"{target.name}.part")
    note = target.with_name(f"{target.name}.plan")
    if not note.is_file() or note.read_text(encoding="utf-8") != plan:
        part.unlink(missing_ok=True)
        write_atomically(note, plan)
    here, at = {}, len(beginning)
    with part.open("ab") as file:
        done = file.tell()
        if done > total or done < at:
            file.truncate(0)
            done = file.write(beginning)
        for entry in wanted:
            here[entry.name] = replace(entry, file=target, start=at)
            before = max(0, done - at)  # bytes of it that an earlier fetch left
            at += entry.n_bytes
            stop = entry.start + entry.n_bytes
            for chunk in _bytes(place, entry.file.name, min(entry.start + before, stop), stop):
                file.write(chunk)
                done += len(chunk)
                place.progress(f"fetching {what} from the hub", done / 1e6, total / 1e6, "MB")
        file.flush()
        os.fsync(file.fileno())
    assert part.stat().st_size == total, "every piece was counted"
    part.replace(target)
    note.unlink()
    return here


def _bytes(place: Place, file: str, start: int, stop: int) -> Iterator[bytes]:
    """Bytes ``start`` to ``stop`` of a file, in pieces; a broken line is taken up where it broke.

    Args:
        place: where the repository is.
        file: its file.
        start: the first byte.
        stop: the byte after the last.

    Returns:
        the bytes in pieces.

    Raises:
        RangesIgnored: the server sends the whole file instead; none of it is read.
        InputError: it sends other bytes than it was asked for.
    """
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    left = _TRIES
    while start < stop:
        try:
            with _asked(place, file, start, stop) as answer:
                for chunk in answer.iter_raw(_CHUNK):
                    chunk = chunk[: stop - start]
                    start += len(chunk)
                    yield chunk
            if start < stop:
                raise httpx2.RemoteProtocolError(f"{stop - start:,} bytes short")
        except HfHubHTTPError as error:
            left -= 1
            if not left:
                raise
            wait_as_asked(error, place.progress)
        except (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError):
            left -= 1
            if not left:
                raise


@contextmanager
def _asked(place: Place, file: str, start: int, stop: int) -> Iterator[Any]:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    headers = build_hf_headers() | {
        "Range": f"bytes={start}-{stop - 1}",
        "Accept-Encoding": "identity",
    }
    url = hf_hub_url(place.repo, file, revision=place.commit, endpoint=endpoint())
    # To a content network the hub redirects; the client keeps our token from other hosts.
    session = get_session()
    with session.stream(
        "GET", url, headers=headers, follow_redirects=True, timeout=_PATIENCE
    ) as answer:
        hf_raise_for_status(answer)
        if answer.status_code != 206:
            raise RangesIgnored(file)
        expected = f"bytes {start}-{stop - 1}/{place.sizes[file] or ''}"
        if not answer.headers.get("Content-Range", "").strip().startswith(expected):
            raise InputError(
                f"{place.name}: the hub was asked for {expected} of {file} and sent "
                f"{answer.headers.get('Content-Range') or 'something else'}; try again later"
            )
        yield answer


def _by_whole_files(
    shard_of: dict[str, str], shards: list[str], tied: bool | None, place: Place
) -> tuple[dict[str, TensorEntry], dict[str, TensorEntry]]:
    """The same from a server that knows no ranges: the files that hold the head travel whole.

    Args:
        shard_of: the shard of each tensor.
        shards: all shards.
        tied: whether the head is tied to the input embedding, if that is known.
        place: where the repository is.

    Returns:
        all entries by name, and those that are wanted.
    """
    # What a name's tensor is like stands in the files; which of them to fetch, the index says.
    stored = {
        name: TensorEntry(name, "BF16", (0,), place.home / shard, 0, 0)
        for name, shard in shard_of.items()
    }
    fetched = shards
    if stored:
        chosen = [e.name for e in _candidates(stored, tied, place.name)]
        fetched = sorted({shard_of[n] for n in (*chosen, *bias_names(stored))})
    here: dict[str, TensorEntry] = {}
    for shard in fetched:
        size = place.sizes[shard]
        place.progress(f"the hub sends whole files only: fetching {shard}", 0, size / 1e6, "MB")
        here |= {e.name: e for e in read_tables([place.whole_file(shard)], place.name)}
    wanted = {e.name: e for e in _wanted(stored | here, tied, place.name)}
    # Of the other files only names and sizes are known: each counts as one tensor more.
    dtype = next((e.dtype for e in wanted.values()), "BF16")
    for shard in set(shards) - set(fetched):
        size = place.sizes[shard]
        n = size // {"F32": 4, "F64": 8}.get(dtype, 2)
        stored[shard] = TensorEntry(shard, dtype, (n,), place.home / shard, 0, size)
    return stored | here, wanted
