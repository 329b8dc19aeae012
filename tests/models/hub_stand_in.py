"""A hub on this machine: enough of its protocol to fetch models and data sets from it."""

import hashlib
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

_NAME = r"((?:datasets/)?[^/]+/[^/]+)"


@dataclass
class Repository:
    """One model or data set of the stand-in: a folder at one commit."""

    folder: Path
    revisions: tuple[str, ...] = ("main",)
    gated: bool = False
    any_revision: bool = False
    """Whether it answers for every revision: who asks says which, and is believed."""

    @property
    def commit(self) -> str:
        return hashlib.sha1(str(self.folder).encode()).hexdigest()

    @property
    def files(self) -> dict[str, Path]:
        found = sorted(p for p in self.folder.rglob("*") if p.is_file())
        return {p.relative_to(self.folder).as_posix(): p for p in found}


@dataclass
class Fault:
    """An answer that the stand-in gives in the place of its own."""

    path: str
    """Pattern of the paths that are answered so."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    times: int = 1_000
    """How often, before its own answers are given again."""


@dataclass
class HubStandIn:
    """A running stand-in; set ``HF_ENDPOINT`` to :attr:`address`."""

    address: str
    repositories: dict[str, Repository] = field(default_factory=dict)
    """``org/name`` of a model, ``datasets/org/name`` of a data set."""
    bytes_per_second: float = float("inf")
    requests: list[str] = field(default_factory=list)
    """Method and path of each request, in order."""
    bytes_sent: dict[str, int] = field(default_factory=dict)
    """File name to bytes of content sent."""
    ignores_ranges: bool = False
    """Whether it answers a question for some bytes of a file with all of them."""
    breaks_after: int | None = None
    """Bytes of one answer after which the line breaks, once."""
    redirects: bool = False
    """Whether weights are sent by another host, as the real one does."""
    faults: list[Fault] = field(default_factory=list)
    """Answers given in the place of its own."""
    xet: str = ""
    """Address of a Xet store that weights are said to lie in; nothing of it is served here."""
    hides_sizes: bool = False
    """Whether its lists say nothing of how long files are, as those of some mirrors."""
    hides_lengths: bool = False
    """Whether it says nothing of the length of a file when it is asked about it."""
    hidden_headers: tuple[str, ...] = ()
    """Headers that it leaves out, as some mirrors do."""
    counting: threading.Lock = field(default_factory=threading.Lock)
    tokens: list[str] = field(default_factory=list)
    """Tokens that were shown to the hub itself."""
    tokens_elsewhere: list[str] = field(default_factory=list)
    """Tokens that were shown to that other host."""

    @property
    def travelled(self) -> int:
        """Bytes of content sent in all."""
        return sum(self.bytes_sent.values())


def etag(path: Path) -> tuple[str, bool]:
    """The hub's name for a file's content, and whether it is kept in LFS (weights are)."""
    return _etag(path, path.stat().st_mtime_ns)


@lru_cache
def _etag(path: Path, _changed: int) -> tuple[str, bool]:
    if path.suffix in (".safetensors", ".bin"):
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), True
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(), False


@contextmanager
def hub_stand_in(repositories: dict[str, Repository] | None = None) -> Iterator[HubStandIn]:
    """Serve ``repositories`` (``org/name`` to content) on a free port of this machine."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    hub = HubStandIn(f"http://127.0.0.1:{server.server_port}", dict(repositories or {}))
    server.hub = hub  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _entry(file: str, path: Path) -> dict[str, object]:
    """What the hub says of a file in a listing."""
    digest, lfs = etag(path)
    size = path.stat().st_size
    entry: dict[str, object] = {"type": "file", "path": file, "size": size, "oid": digest[:40]}
    if lfs:
        entry["lfs"] = {"oid": digest, "size": size, "pointerSize": 134}
    return entry


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of lines that the other side cut: tests cut many."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> HubStandIn:
        return self.server.hub  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        pass

    def send_header(self, keyword: str, value: str) -> None:
        if keyword not in self.hub.hidden_headers:
            super().send_header(keyword, value)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_POST(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        if "Authorization" in self.headers:
            elsewhere = path.startswith("/cdn/")
            shown = self.hub.tokens_elsewhere if elsewhere else self.hub.tokens
            shown.append(self.headers["Authorization"])
        for fault in self.hub.faults:
            if fault.times and re.search(fault.path, path):
                fault.times -= 1
                self.send_response(fault.status)
                for name, value in fault.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(fault.body)))
                self.end_headers()
                if body:
                    self.wfile.write(fault.body)
                return
        # A data set's files lie under "datasets/org/name", and the API has them as "datasets".
        if self.hub.xet and "/xet-read-token/" in path:
            self._xet_token()
            return
        path = path.replace("/api/datasets/", "/api/models/datasets/").replace(
            "/api/models/", "/api/"
        )
        if found := re.fullmatch(rf"/api/{_NAME}", path):
            self._info(found[1], "main")
        elif found := re.fullmatch(rf"/api/{_NAME}/revision/(.+)", path):
            self._info(found[1], found[2])
        elif found := re.fullmatch(rf"/api/{_NAME}/tree/([^/]+)/?(.*)", path):
            self._tree(found[1], found[2], found[3])
        elif found := re.fullmatch(rf"/api/{_NAME}/paths-info/([^/]+)", path):
            self._paths(found[1], found[2])
        elif found := re.fullmatch(rf"/{_NAME}/resolve/([^/]+)/(.+)", path):
            self._resolve(found[1], found[2], found[3], body=body)
        elif found := re.fullmatch(rf"/cdn/{_NAME}/([^/]+)/(.+)", path):
            self._content(self.hub.repositories[found[1]], found[3], body=body)
        else:
            self._error(404, "EntryNotFound")

    def _repository(self, name: str, revision: str) -> Repository | None:
        repository = self.hub.repositories.get(name)
        if repository is None:
            self._error(401, "RepoNotFound")  # as the real one answers those not logged in
        elif not repository.any_revision and revision not in (
            *repository.revisions,
            repository.commit,
        ):
            self._error(404, "RevisionNotFound")
        else:
            return repository
        return None

    def _info(self, name: str, revision: str) -> None:
        repository = self._repository(name, revision)
        if repository is None:
            return
        siblings = []
        for file, path in repository.files.items():
            digest, lfs = etag(path)
            size = path.stat().st_size
            entry = {"rfilename": file, "size": size, "blobId": digest[:40]}
            if lfs:
                entry["lfs"] = {"sha256": digest, "size": size, "pointerSize": 134}
            if self.hub.hides_sizes:
                del entry["size"]
            siblings.append(entry)
        self._json({"id": name, "modelId": name, "sha": repository.commit, "siblings": siblings})

    def _tree(self, name: str, revision: str, under: str) -> None:
        repository = self._repository(name, revision)
        if repository is None:
            return
        inside = f"{under}/" if under else ""
        found = {f: path for f, path in repository.files.items() if f.startswith(inside)}
        if under and not found:
            self._error(404, "EntryNotFound")
            return
        folders: set[str] = set()
        if "recursive=true" not in urlsplit(self.path).query.lower():
            below = {f: f.removeprefix(inside).split("/") for f in found}
            folders = {inside + parts[0] for parts in below.values() if len(parts) > 1}
            found = {f: path for f, path in found.items() if len(below[f]) == 1}
        listed = [{"type": "directory", "path": name, "oid": "0" * 40} for name in sorted(folders)]
        self._json([*listed, *(_entry(file, path) for file, path in found.items())])

    def _paths(self, name: str, revision: str) -> None:
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        repository = self._repository(name, revision)
        if repository is None:
            return
        files = repository.files
        self._json([_entry(file, files[file]) for file in asked.get("paths", ()) if file in files])

    def _resolve(self, name: str, revision: str, file: str, *, body: bool) -> None:
        repository = self._repository(name, revision)
        if repository is None:
            return
        if repository.gated:
            self._error(403, "GatedRepo")
            return
        path = repository.files.get(file)
        if path is None:
            self._error(404, "EntryNotFound")
            return
        if self.hub.redirects and etag(path)[1]:
            self._redirect(f"/cdn/{name}/{revision}/{file}", path, repository)
            return
        self._content(repository, file, body=body)

    def _redirect(self, there: str, path: Path, repository: Repository) -> None:
        self.send_response(302)
        address = self.hub.address.replace("127.0.0.1", "localhost")
        self.send_header("Location", address + there)
        self._linked(path, repository)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _linked(self, path: Path, repository: Repository) -> None:
        digest, lfs = etag(path)
        self.send_header("ETag", f'"{digest}"')
        if lfs:
            self.send_header("X-Linked-Etag", f'"{digest}"')
            if not self.hub.hides_lengths:
                self.send_header("X-Linked-Size", str(path.stat().st_size))
            if self.hub.xet:
                self.send_header("X-Xet-Hash", digest)
                route = f"{self.hub.address}/api/models/org/any/xet-read-token/main"
                self.send_header("X-Xet-Refresh-Route", route)
        self.send_header("X-Repo-Commit", repository.commit)

    def _xet_token(self) -> None:
        self.send_response(200)
        self.send_header("X-Xet-Cas-Url", self.hub.xet)
        self.send_header("X-Xet-Access-Token", "token")
        self.send_header("X-Xet-Token-Expiration", str(int(time.time()) + 3600))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _content(self, repository: Repository, file: str, *, body: bool) -> None:
        path = repository.files[file]
        size = path.stat().st_size
        start, end = 0, size
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if self.hub.ignores_ranges:
            wanted = None
        if wanted:
            start, end = int(wanted[1]), min(end, int(wanted[2] or end) + 1)
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self._linked(path, repository)
        self.send_header("Accept-Ranges", "bytes")
        if body or not self.hub.hides_lengths:
            self.send_header("Content-Length", str(end - start))
        self.end_headers()
        if body:
            self._send(file, path, start, end)

    def _send(self, file: str, path: Path, start: int, end: int) -> None:
        breaks = self.hub.breaks_after
        with path.open("rb") as stream:
            stream.seek(start)
            while part := stream.read(min(1 << 16, end - stream.tell())):
                if breaks is not None and stream.tell() - start > breaks:
                    self.hub.breaks_after = None
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                try:
                    self.wfile.write(part)
                except OSError:
                    self.close_connection = True
                    return
                with self.hub.counting:
                    sent = self.hub.bytes_sent.get(file, 0)
                    self.hub.bytes_sent[file] = sent + len(part)
                time.sleep(len(part) / self.hub.bytes_per_second)

    def _json(self, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _error(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()
