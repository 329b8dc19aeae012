"""A cache of its own for each test, and the two models that tests ask: a tiny one and the real."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from embfilter_viz.model import Model, open_model
from embfilter_viz.models.sources.locate import BUNDLED
from tests.environment import isolate
from tests.models.tiny_checkpoints import write_checkpoint


@pytest.fixture(autouse=True)
def isolated(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[None]:
    """Give each test its own cache and nobody to talk to but this machine.

    A test that tries to fails, also where a library passes over that it could not.
    """
    if request.node.get_closest_marker("real_model"):
        yield
        return
    isolate(monkeypatch, tmp_path)
    connect, others = socket.socket.connect, []

    def connect_here(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else "localhost"
        if host not in {"localhost", "127.0.0.1", "::1"}:
            others.append(host)
            raise ConnectionRefusedError(f"a test must not reach {host}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)
    yield
    assert others == []


@pytest.fixture(scope="session")
def bundled() -> Model:
    """SmolLM2-135M, opened; for tests marked ``real_model``."""
    return open_model(BUNDLED)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny random Llama: 384 rows, 32 columns, 3 layers, a byte-level tokenizer."""
    return write_checkpoint(tmp_path_factory.mktemp("tiny") / "llama").folder


@pytest.fixture
def tiny_model(tiny: Path) -> Model:
    """The tiny model, opened, with an empty store of its own."""
    return open_model(str(tiny))
