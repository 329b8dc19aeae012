"""A server at an address: what it is, what it calls the model, and what tells it from another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from embfilter_viz.errors import InputError
from embfilter_viz.models.engines.dialects import (
    DIALECTS,
    Dialect,
    LlamaCpp,
    Ollama,
    OpenAI,
    VllmEmbeddings,
)
from embfilter_viz.models.engines.line import Line, RefusedError
from embfilter_viz.models.engines.names import EngineName
from embfilter_viz.wording import counted

__all__ = ["Found", "identify"]

_KEPT = ("id", "root", "parent", "max_model_len", "owned_by", "meta")
"""What of a model's entry tells one start of a server from another; vLLM and llama.cpp make
``created`` anew at every question."""
_WAYS = {
    VllmEmbeddings.engine: ("vllm-embeddings", "vllm-pooling"),
    LlamaCpp.engine: ("llama.cpp",),
    Ollama.engine: ("ollama",),
    OpenAI.engine: ("openai-ids", "openai-text"),
}


@dataclass(frozen=True)
class Found:
    """A server at an address."""

    engine: str
    """``vLLM``, ``llama.cpp``, ``Ollama``, or ``the engine`` for any other."""
    version: str
    """As the server states it; empty where it does not."""
    served: str
    """What it calls the model."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What of its answers changes when it is started with another model."""
    weights: str = ""
    """The numbers that its weights are stored in, as it names them; empty where it does not."""

    @property
    def words(self) -> str:
        """Return what a sentence calls it.

        >>> Found("vLLM", "0.32.0", "m").words, Found("the engine", "", "m").words
        ('vLLM 0.32.0', 'the engine')
        """
        return f"{self.engine} {self.version}".strip()

    @property
    def ways(self) -> list[Dialect]:
        """The ways to ask it, the best first."""
        named = (DIALECTS[name] for name in _WAYS[self.engine])
        return [way(self.served, takes_ids) for way, takes_ids in named]

    @property
    def fingerprint(self) -> dict[str, Any]:
        """The facts that are compared with those of the trial that was kept."""
        return {"engine": self.engine, "version": self.version, **self.facts}


def identify(line: Line, name: EngineName) -> Found:
    """Ask a server what it is and which models it serves: two or three short questions.

    Raises:
        InputError: it cannot be reached, serves another model, or several of which none is named.
    """
    try:
        said = line.get("/v1/models")
    except RefusedError as error:
        if error.status not in (404, 405, 501):
            raise
        said = {}
    listed = said.get("data") if isinstance(said, dict) else None
    entries = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    owner = str(entries[0].get("owned_by", "")) if entries else ""
    if owner == "vllm":
        served = _served(entries, name)
        version = _field(_got(line, "/version"), "version")
        return Found(VllmEmbeddings.engine, version, served, _facts(entries, served))
    if owner == "llamacpp":
        props = _got(line, "/props")
        served = _served(entries, name)
        facts = _facts(entries, served)
        meta = facts.get("meta")
        weights = _field(meta, "ftype") if isinstance(meta, Mapping) else ""
        return Found(LlamaCpp.engine, _field(props, "build_info"), served, facts, weights)
    ollama = _got(line, "/api/version") if owner in ("library", "") else {}
    if _field(ollama, "version"):
        return _ollama(line, name, _field(ollama, "version"))
    if entries:
        served = _served(entries, name)
        return Found(OpenAI.engine, "", served, _facts(entries, served))
    return Found(OpenAI.engine, "", name.served or name.checkpoint)


def _ollama(line: Line, name: EngineName, version: str) -> Found:
    tags = _got(line, "/api/tags")
    models = tags.get("models") if isinstance(tags.get("models"), Sequence) else []
    entries = [
        {"id": str(one.get("name")), "digest": one.get("digest"), "details": one.get("details")}
        for one in models or ()
        if isinstance(one, dict)
    ]
    plain = EngineName(name.url, name.served, name.checkpoint)
    known = {one["id"] for one in entries}
    if name.served not in known and f"{name.served}:latest" in known:
        plain = EngineName(name.url, f"{name.served}:latest", name.checkpoint)
    served = _served(entries, plain)
    entry = next(one for one in entries if one["id"] == served)
    details = entry["details"]
    weights = _field(details, "quantization_level") if isinstance(details, Mapping) else ""
    facts = {"id": served, "digest": entry["digest"]}
    return Found(Ollama.engine, version, served, facts, weights)


def _got(line: Line, path: str) -> dict[str, Any]:
    """The answer of a path that not every server has; empty where it has not."""
    try:
        said = line.get(path)
    except InputError:
        return {}
    return said if isinstance(said, dict) else {}


def _field(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    return str(value)[:80] if isinstance(value, str | int | float) else ""


def _served(entries: Sequence[Mapping[str, Any]], name: EngineName) -> str:
    """Return what the engine calls the model.

    Raises:
        InputError: it serves no such model, or several where none was named.
    """
    known = [str(one.get("id")) for one in entries]
    if name.served in known:
        return name.served
    if not name.served and len(known) == 1:
        return known[0]
    if not known:
        raise InputError(f"{name.url}: it serves no model; start it with one")
    shown = ", ".join(known[:5])
    raise InputError(
        f"{name.url}: it serves {counted(len(known), 'model')} ({shown})"
        + (f" and none is called {name.served!r}" if name.served else "")
        + f"; write {EngineName(name.url, known[0], name.checkpoint)}"
    )


def _facts(entries: Sequence[Mapping[str, Any]], served: str) -> dict[str, Any]:
    entry = next(one for one in entries if str(one.get("id")) == served)
    return {key: entry[key] for key in _KEPT if key in entry}
