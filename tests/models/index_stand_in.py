"""A Python package index on this machine, as JSON or HTML, that can misbehave."""

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class IndexStandIn:
    """A running stand-in; set ``PIP_INDEX_URL`` to :attr:`url`."""

    url: str
    project: str
    file_name: str
    content: bytes
    form: str = "json"
    """``json``, ``html``, or ``nonsense`` for a page that is no index."""
    ranges: bool = True
    """Whether ranges are honoured."""
    break_after: list[int] = field(default_factory=list)
    """For each coming download, the bytes after which the connection breaks."""
    bytes_per_second: float = float("inf")
    downloads: list[tuple[int, int]] = field(default_factory=list)
    """Of each download, where it began and how many bytes were sent."""


@contextmanager
def index_stand_in(project: str, file_name: str, content: bytes) -> Iterator[IndexStandIn]:
    """Serve one file of one project on a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    url = f"http://127.0.0.1:{server.server_port}/simple/"
    server.index = IndexStandIn(url, project, file_name, content)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.index  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        index: IndexStandIn = self.server.index  # type: ignore[attr-defined]
        if self.path == f"/simple/{index.project}/":
            self._page(index)
        elif self.path == f"/files/{index.file_name}":
            self._file(index)
        else:
            self.send_error(404)

    def _page(self, index: IndexStandIn) -> None:
        address = f"../../files/{index.file_name}"
        digest = hashlib.sha256(index.content).hexdigest()
        if index.form == "json":
            kind = "application/vnd.pypi.simple.v1+json"
            page = json.dumps({"files": [{"filename": index.file_name, "url": address}]})
        elif index.form == "html":
            kind = "text/html; charset=utf-8"
            page = f'<!DOCTYPE html><a href="{address}#sha256={digest}">{index.file_name}</a>'
        else:
            kind, page = "text/plain", "please log in to this hotel's network"
        self._send(200, {"Content-Type": kind}, page.encode())

    def _file(self, index: IndexStandIn) -> None:
        size, start = len(index.content), 0
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if wanted and index.ranges:
            start = int(wanted[1])
            if start >= size:
                self._send(416, {}, b"")
                return
        status = 206 if start else 200
        headers = {"Content-Range": f"bytes {start}-{size - 1}/{size}"} if start else {}
        stop = index.break_after.pop(0) if index.break_after else size
        self._send(status, headers, index.content[start:], stop)
        index.downloads.append((start, min(stop, size - start)))

    def _send(self, status: int, headers: dict[str, str], body: bytes, stop: int = 1 << 60) -> None:
        index: IndexStandIn = self.server.index  # type: ignore[attr-defined]
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        step = 1 << 14
        for at in range(0, min(len(body), stop), step):
            try:
                self.wfile.write(body[at : min(at + step, stop)])
            except OSError:
                break
            time.sleep(step / index.bytes_per_second)
        if stop < len(body):
            self.close_connection = True
