"""A server that reads texts as vLLM, llama.cpp, Ollama or OpenAI's interface would, and its faults.

Behind it is a tiny model. What is asked of it is kept, so that a test can count texts.
"""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from embfilter_viz.models.encoding.encoder import Encoder
from embfilter_viz.models.encoding.prepared import Prepared
from embfilter_viz.models.sources.locate import outline_of_folder

KINDS = ("vllm", "vllm-tokens", "llama.cpp", "ollama", "openai", "openai-text")


_READING = threading.Lock()


@cache
def states_of(folder: Path, ids: tuple[int, ...]) -> np.ndarray:
    """(n_tokens, d) the last states of a sequence, by the tiny model in ``folder``."""
    with _READING:
        model = encoder_of(folder)._model
        states: np.ndarray = model.layers_of_tokens(Prepared(ids, 0, False))[-1]
        return states


@cache
def encoder_of(folder: Path) -> Encoder:
    """The tiny model in ``folder``, on one thread."""
    return Encoder(outline_of_folder(folder, "tiny"), threads=1)


class LocalOnce:
    """The local layers for a trial, which reads the same texts in every test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def pooled(self, sequences: Sequence[Prepared], **_: Any) -> np.ndarray:
        """As ``Encoder.pooled``."""
        return _pooled(self.folder, tuple(sequences))


@cache
def _pooled(folder: Path, sequences: tuple[Prepared, ...]) -> np.ndarray:
    with _READING:
        return encoder_of(folder).pooled(sequences)


@dataclass
class StandIn:
    """One server: how it speaks, and what is wrong with it."""

    folder: Path
    kind: str = "vllm"
    served: str = "tiny"
    pooling: str = "last"
    """``last``, ``mean``, ``first`` or ``tokens``."""
    normalised: bool = False
    rounded: Callable[[np.ndarray], np.ndarray] = lambda states: states
    reads: int | None = None
    """Tokens after which a text is cut; None: all."""
    refuses_over: int | None = None
    adds: tuple[int, ...] = ()
    """Tokens it puts behind every text."""
    shuffles: bool = False
    columns: int | None = None
    broken: float | None = None
    """A number in place of the first of every vector."""
    weights: str = "all F32"
    """What llama.cpp and Ollama say of them."""
    version: str = "0.32.0"
    key: str = ""
    """A key without which it answers nothing."""
    events: list[Any] = field(default_factory=list)
    """What happens to the next embedding requests, in their order: a status, ``(status, seconds)``
    to wait, ``drop``, ``hang``, ``html``, ``endless``, or None for an answer."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    """Paths that were got."""
    headers: list[dict[str, str]] = field(default_factory=list)
    most_at_once: int = 0
    sent_endlessly: int = 0
    """Bytes of answers without an end."""
    slow: float = 0.0
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def texts_asked(self) -> int:
        """Inputs of all embedding requests, answered or not."""
        return sum(len(body.get("input") or body.get("content") or ()) for body in self.asked)

    def states(self, one: Any) -> np.ndarray:
        """(1 or n, d) what is answered for token ids or a text."""
        if isinstance(one, str):
            ids = tuple(encoder_of(self.folder).vocabulary.tokenizer.encode(one).ids)
        else:
            ids = tuple(one)
        ids = (*ids, *self.adds)[: self.reads]
        states = states_of(self.folder, ids)
        if self.pooling != "tokens":
            pooled = {"last": states[-1], "mean": states.mean(axis=0), "first": states[0]}
            states = pooled[self.pooling][None]
        states = np.array(self.rounded(states), dtype=np.float32)[:, : self.columns]
        if self.normalised:
            states = states / np.linalg.norm(states, axis=1, keepdims=True)
        if self.broken is not None:
            states[:, 0] = self.broken
        return states

    def get(self, path: str) -> Any:
        """What a plain look is answered; None for an unknown path."""
        self.looks.append(path)
        entry = {"id": self.served, "object": "model", "created": int(time.time())}
        owner = {"llama.cpp": "llamacpp", "ollama": "library"}.get(self.kind, "someone")
        if self.kind.startswith("vllm"):
            entry |= {"owned_by": "vllm", "root": "/models/tiny", "max_model_len": 8192}
            entry["permission"] = [{"id": f"modelperm-{time.time_ns()}"}]
            if path == "/version":
                return {"version": self.version}
        elif path == "/props" and self.kind == "llama.cpp":
            return {"build_info": "b1234-abc", "model_path": "tiny.gguf"}
        elif path == "/api/version" and self.kind == "ollama":
            return {"version": "0.12.0"}
        elif path == "/api/tags" and self.kind == "ollama":
            details = {"quantization_level": self.weights}
            return {"models": [{"name": self.served, "digest": "sha256:1", "details": details}]}
        if path != "/v1/models":
            return None
        if self.kind == "llama.cpp":
            entry["meta"] = {"n_embd": 32, "ftype": self.weights}
        return {"object": "list", "data": [{"owned_by": owner, **entry}]}

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and answer to an embedding request."""
        inputs = body.get("content" if self.kind == "llama.cpp" else "input")
        where = {"vllm-tokens": "/pooling", "llama.cpp": "/embedding", "ollama": "/api/embed"}
        if path != where.get(self.kind, "/v1/embeddings"):
            return 501, {"error": {"message": "The model does not support this API"}}
        if body.get("model") != self.served and self.kind != "llama.cpp":
            return 404, {"error": {"message": f"The model `{body.get('model')}` does not exist."}}
        if not isinstance(inputs, list) or not inputs:
            return 400, {"error": {"message": "no input"}}
        if self.kind in ("ollama", "openai-text") and not isinstance(inputs[0], str):
            return 400, {"error": "invalid input type"}
        if self.refuses_over and any(len(one) > self.refuses_over for one in inputs):
            said = f"This model's maximum context length is {self.refuses_over} tokens."
            return 400, {"error": {"message": said}}
        found = [self.states(one) for one in inputs]
        if self.kind.startswith("vllm") and body.get("use_activation") is not False:
            found = [one / np.linalg.norm(one, axis=1, keepdims=True) for one in found]
        if self.kind == "llama.cpp" and body.get("embd_normalize") != -1:
            found = [one / np.linalg.norm(one, axis=1, keepdims=True) for one in found]
        if self.kind in ("ollama", "openai", "openai-text"):
            found = [one / np.linalg.norm(one, axis=1, keepdims=True) for one in found]
        if self.shuffles:
            found = found[1:] + found[:1]
        return 200, self._said(found, body)

    def _said(self, found: list[np.ndarray], body: dict[str, Any]) -> Any:
        if self.kind == "llama.cpp":
            return [{"index": i, "embedding": one.tolist()} for i, one in enumerate(found)]
        if self.kind == "ollama":
            return {"model": self.served, "embeddings": [one[0].tolist() for one in found]}
        numbers: list[Any] = [one.tolist() for one in found]
        if body.get("encoding_format") == "base64":
            numbers = [base64.b64encode(one.astype("<f4").tobytes()).decode() for one in found]
        elif self.pooling != "tokens":
            numbers = [one[0] for one in numbers]
        name = "data" if self.kind == "vllm-tokens" else "embedding"
        data = [{"index": i, name: one} for i, one in enumerate(numbers)]
        return {"object": "list", "data": data[::-1], "model": self.served}


@contextmanager
def serving(engine: StandIn) -> Iterator[str]:
    """The address of a server, while the block runs."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *said: Any) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            self._answer(*((200, found) if (found := engine.get(self.path)) else (404, {})))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with engine._lock:
                engine.asked.append(body)
                engine.headers.append(dict(self.headers))
                event = engine.events.pop(0) if engine.events else None
                engine._at_once += 1
                engine.most_at_once = max(engine.most_at_once, engine._at_once)
            try:
                time.sleep(engine.slow)
                if event is None:
                    self._answer(*engine.post(self.path, body))
                elif event == "hang":
                    ended.wait(20)
                elif event == "drop":
                    self.close_connection = True
                elif event == "endless":
                    self._endlessly()
                elif event == "html":
                    self._answer(200, None, b"<html>a page</html>")
                else:
                    status, wait = event if isinstance(event, tuple) else (event, None)
                    self._answer(status, {"error": "as it was told"}, wait=wait)
            finally:
                with engine._lock:
                    engine._at_once -= 1

        def _endlessly(self) -> None:
            self.close_connection = True
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while not ended.is_set():
                    engine.sent_endlessly += self.wfile.write(b" " * (1 << 20))

        def _answer(
            self, status: int, said: Any, content: bytes | None = None, wait: float | None = None
        ) -> None:
            if engine.key and self.headers.get("authorization") != f"Bearer {engine.key}":
                status, said = 401, {"error": "Incorrect API key provided"}
            content = content or json.dumps(said).encode()
            self.send_response(status)
            if wait is not None:
                self.send_header("Retry-After", str(wait))
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
