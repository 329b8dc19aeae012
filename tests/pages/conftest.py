"""Each test of a page starts with no model open and no job known, over results they share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from embfilter_viz.models.encoding.encoder import Encoder
from embfilter_viz.system.paths import CACHE_VARIABLE
from tests.environment import few_words
from tests.models.tiny_checkpoints import one_thread  # noqa: F401 - an autouse fixture
from tests.pages.brake import Brake
from tests.pages.explorer import as_served


@pytest.fixture(scope="session")
def shared_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all tests of pages."""
    return tmp_path_factory.mktemp("results")


@pytest.fixture(autouse=True)
def fresh_server(
    request: pytest.FixtureRequest, isolated: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """What sessions share lives in Streamlit's caches: begin and end without it."""
    from embfilter_viz.ui import services

    if not request.node.get_closest_marker("real_model"):
        monkeypatch.setenv(CACHE_VARIABLE, str(request.getfixturevalue("shared_results")))
        few_words(monkeypatch)
    st.cache_resource.clear()
    jobs = services.jobs()
    with as_served():
        yield
    for job in list(jobs._jobs.values()):
        job.cancel()
    st.cache_resource.clear()


@pytest.fixture
def brake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Brake]:
    brake = Brake()
    monkeypatch.setattr(
        Encoder, "encode_batches", lambda self, *rest, **more: brake.batches(self, *rest, **more)
    )
    yield brake
    brake.released.set()
