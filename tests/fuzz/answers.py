"""Answers made wrong: of engines, package indexes and the hub, of links and of browsers.

No server is asked: the answer is put where the network's would be.
"""

import base64
import json
import os
import random
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl

import numpy as np

from tests.fuzz.mutations import ODD_TEXTS, bytes_changed, json_changed

__all__ = [
    "answer_seeds",
    "history_seeds",
    "index_page_changed",
    "index_page_seeds",
    "link_seeds",
    "listing_seeds",
    "models_seeds",
    "read_answer",
    "read_history",
    "read_index_page",
    "read_link",
    "read_listing",
    "read_models",
]

WIDTH, TEXTS = 4, 2
PROJECT, FILE = "a-model", "a_model-1.0-py3-none-any.whl"


def answer_seeds() -> list[bytes]:
    """Two embeddings in every form that an engine gives them in."""
    rows = np.arange(8, dtype=np.float32).reshape(TEXTS, WIDTH)
    coded = [base64.b64encode(row.tobytes()).decode() for row in rows]
    listed = rows.tolist()
    openai = {"data": [{"index": i, "embedding": one} for i, one in enumerate(listed)]}
    vllm = {"data": [{"index": i, "embedding": one} for i, one in enumerate(coded)]}
    pooling = {"data": [{"index": i, "data": one} for i, one in enumerate(coded)]}
    llama = [{"index": i, "embedding": [one]} for i, one in enumerate(listed)]
    return [json.dumps(one).encode() for one in (openai, vllm, pooling, llama,
                                                 {"embeddings": listed})]  # fmt: skip


def read_answer(path: Path) -> None:
    """One answer, as every dialect reads it; refused where none can."""
    from embfilter_viz.errors import InputError
    from embfilter_viz.models.engines.dialects import DIALECTS
    from embfilter_viz.models.engines.line import Line

    said = Line("http://127.0.0.1:9")._read(path.read_bytes())
    refused, read = None, 0
    for kind, takes_ids in DIALECTS.values():
        try:
            states = kind("m", takes_ids).rows(said, TEXTS, WIDTH)
        except InputError as error:
            refused = error
            continue
        assert all(one.shape[1] == WIDTH and np.isfinite(one).all() for one in states)
        read += 1
    if not read and refused is not None:
        raise refused


def models_seeds() -> list[bytes]:
    """What each kind of server says of itself, by path."""
    entry = {"id": "m", "max_model_len": 512, "root": "org/m", "created": 3}
    vllm = {"/v1/models": {"data": [entry | {"owned_by": "vllm"}]}, "/version": {"version": "0.3"}}
    llama = {
        "/v1/models": {"data": [entry | {"owned_by": "llamacpp", "meta": {"ftype": "F32"}}]},
        "/props": {"build_info": "b1"},
    }
    ollama = {
        "/api/version": {"version": "0.9"},
        "/api/tags": {"models": [{"name": "m:latest", "digest": "d",
                                  "details": {"quantization_level": "F16"}}]},
    }  # fmt: skip
    other = {"/v1/models": {"data": [entry]}}
    return [json.dumps(one).encode() for one in (vllm, llama, ollama, other)]


def read_models(path: Path) -> None:
    """What a server is, and how it is asked."""
    from embfilter_viz.models.engines.identify import identify
    from embfilter_viz.models.engines.line import Line, RefusedError
    from embfilter_viz.models.engines.names import EngineName

    class Told(Line):
        def get(self, path: str) -> Any:
            if not isinstance(said, dict) or path not in said:
                raise RefusedError(f"{self.url}{path}: not found", 404)
            return said[path]

    line = Told("http://127.0.0.1:9")
    said = line._read(path.read_bytes())
    found = identify(line, EngineName(line.url, "m", "org/name"))
    _ = found.words, found.ways, json.dumps(found.fingerprint), found.weights


@cache
def index_page_seeds() -> list[bytes]:
    """A project's files as PEP 691 and as PEP 503 have them."""
    files = [{"filename": FILE, "url": f"../../files/{FILE}", "hashes": {}, "size": 9},
             {"filename": "other.tar.gz", "url": "https://files.example/x"}]  # fmt: skip
    said = {"meta": {"api-version": "1.1"}, "name": PROJECT, "files": files}
    links = "".join(f'<a href="{one["url"]}#sha256=0" data-x>{one["filename"]}</a><br>\n'
                    for one in files)  # fmt: skip
    page = f"<!DOCTYPE html><html><head><title>x</title></head><body>{links}</body></html>"
    return [json.dumps(said).encode(), page.encode()]


def index_page_changed(rng: random.Random, seed: bytes) -> bytes:
    """The JSON with values changed, or the page with signs put into it."""
    if seed.startswith(b"{"):
        return json_changed(rng, seed)
    text = seed.decode()
    pieces = (
        *ODD_TEXTS,
        "<",
        ">",
        "</",
        "<!",
        "<![",
        "&#x110000;",
        "//[",
        "://",
        "?#",
        "<a href='",
    )
    for _ in range(rng.choice((1, 2, 4))):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(pieces) + text[at + rng.randrange(6) :]
    data = text.encode("utf-8", "surrogatepass")
    return bytes_changed(rng, data) if rng.random() < 0.3 else data


def read_index_page(path: Path) -> None:
    """The address of a file, as the index answers."""
    import httpx2

    from embfilter_viz.models.sources import package_index

    data = path.read_bytes()
    kind = "application/vnd.pypi.simple.v1+json" if data[:1] in b"{[" else "text/html"
    answer = httpx2.Response(200, headers={"Content-Type": kind}, content=data)
    with (
        patch.object(package_index, "_client", lambda: httpx2.Client(
            transport=httpx2.MockTransport(lambda _: answer))),
        patch.dict(os.environ, {"PIP_INDEX_URL": "https://index.example/simple"}),
    ):  # fmt: skip
        assert package_index.address_of(PROJECT, FILE)


COMMIT = "0" * 40


def listing_seeds() -> list[bytes]:
    """What the hub says of a model and of an adapter."""
    names = {"model.safetensors": 500, "tokenizer.json": 90, "README.md": 3, "1_Pooling/x.json": 4}
    adapter = {"adapter_config.json": 80, "adapter_model.safetensors": 300}
    shards = {"model-00001-of-00002.safetensors": 3, "model-00002-of-00002.safetensors": 4}
    return [
        json.dumps({
            "id": "org/name", "sha": COMMIT, "private": False, "tags": ["x"], "downloads": 3,
            "lastModified": "2024-01-01T00:00:00.000Z", "gated": False,
            "siblings": [{"rfilename": name, "size": size, "blobId": "b"} | (
                {"lfs": {"sha256": "0" * 64, "size": size, "pointerSize": 9}} if size > 200 else {}
            ) for name, size in files.items()],
        }).encode()
        for files in (names, adapter, names | shards | {"model.safetensors.index.json": 5})
    ]  # fmt: skip


def read_listing(path: Path) -> None:
    """The commit and the files that would be fetched, each to a place within the cache."""
    import httpx2
    import huggingface_hub as hf

    from embfilter_viz.models.sources import hub
    from embfilter_viz.models.sources.hub_answers import told_in_one_line
    from embfilter_viz.system.progress import silent

    answer = httpx2.Response(200, headers={"Content-Type": "application/json"},
                             content=path.read_bytes())  # fmt: skip
    asked = httpx2.Client(transport=httpx2.MockTransport(lambda request: answer))
    hf.close_session()  # one of before would be asked
    try:
        with (
            patch.object(hf.utils._http, "_GLOBAL_CLIENT_FACTORY", lambda: asked),
            told_in_one_line("org/name", None, "org/name"),
        ):
            commit, files = hub.listed("org/name", None, "org/name", path.parent, silent)
    finally:
        hf.close_session()
    assert commit
    for one in files:
        place = (path.parent / one.rfilename).resolve()
        assert place.is_relative_to(path.parent.resolve()), one.rfilename
        assert 0 <= int(one.size or 0) < 1 << 62


def history_seeds() -> list[bytes]:
    """Runs that a browser remembers."""
    run = {
        **{"model": "m", "prompt": "mean", "window": "1:3", "task": "sts", "data": "x.csv"},
        **{"score": 71.5, "low": 70.0, "high": 73.0, "raw": 69.0, "units": 80},
    }
    return [json.dumps([run, run | {"low": None, "high": None}]).encode()]


def read_history(path: Path) -> None:
    """The runs, and their names and places."""
    from embfilter_viz.ui.history import tried_of_json
    from embfilter_viz.ui.window_state import WindowState

    text = path.read_bytes().decode("utf-8", "replace")
    for run in tried_of_json(text):
        _ = run.name, run.id, f"{run.score:.1f} {run.raw:.1f} {run.units:,}"
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return
    WindowState("72:504").of_width(576).hears(said).of_width(32)


def link_seeds() -> list[bytes]:
    """Links to pages, with all that they hold."""
    return [
        b"model=smollm2-135m&prompt=prompteol&window=72:504&language=en,id&text=A+cat.&step=3",
        b"model=a/b&template=Say+%22{text}%22+as:&pooling=mean&window=2&language=en%3D3,id",
        b"model=a/b%40v1&prompt=mean%4020&guess_1=3.5&guess_2=none&step=2&direction=7",
    ]


def read_link(path: Path) -> None:
    """What the words of a link stand for, in the session of no browser."""
    from embfilter_viz.errors import InputError
    from embfilter_viz.models.encoding.prompts import find_prompt
    from embfilter_viz.models.head.languages import Languages
    from embfilter_viz.models.sources.names import repository, understood
    from embfilter_viz.ui import lesson_state
    from embfilter_viz.ui.access import Access
    from embfilter_viz.ui.choices import words_of
    from embfilter_viz.ui.commands import command_line
    from embfilter_viz.ui.links import LONGEST, fits, whole_number
    from embfilter_viz.ui.markdown import escaped
    from embfilter_viz.ui.window_state import WindowState

    line = path.read_bytes().decode("utf-8", "replace")
    said = dict(parse_qsl(line, keep_blank_values=True))
    state = WindowState(said.get("window", "2")).of_width(576).moves_to(said.get("second", "3:9"))
    refused = None
    template = f"{said.get('pooling', 'last')}:{said.get('template', '{text}')}"

    def model() -> None:
        name, kind = understood(said.get("model", ""))
        if kind == "hub":
            repository(name)

    for read in (
        lambda: WindowState(said.get("window", "2")).of_width(576).window(),
        lambda: state.window(),
        lambda: words_of(said.get("prompt", "mean")),
        lambda: find_prompt(template),
        lambda: Languages.of(said.get("language", "en")),
        model,
    ):
        try:
            read()
        except InputError as error:
            refused = error
    Access(public=True).refuses_model(said.get("model", ""))
    with patch.object(lesson_state, "st", _Session(said)):
        step = lesson_state.current_step()
        _ = lesson_state.made(), lesson_state.guess_of(step)
    for name, text in said.items():
        _ = escaped(text), command_line("lens", name, text)
        _ = name in LONGEST and fits(name, text), whole_number(text)
    if refused is not None:
        raise refused


class _Session:
    """Streamlit, as far as the lesson's state asks it."""

    def __init__(self, said: dict[str, str]) -> None:
        self.query_params, self.session_state = dict(said), {}  # type: ignore[var-annotated]
