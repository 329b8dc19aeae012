"""Each test of a page starts with no model open and no job known, over results they share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from embfilter_viz.paths import CACHE_VARIABLE
from tests.models.tiny_checkpoints import one_thread  # noqa: F401 - an autouse fixture


@pytest.fixture(scope="session")
def shared_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all tests of pages: counting English words takes seconds."""
    return tmp_path_factory.mktemp("results")


@pytest.fixture(autouse=True)
def fresh_server(
    request: pytest.FixtureRequest, isolated: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """What sessions share lives in Streamlit's caches: begin and end without it."""
    from embfilter_viz.ui import services

    start = PagesManager.__init__

    def start_with_the_router(self: PagesManager, *rest: Any, **more: Any) -> None:
        # AppTest forgets before each run that the app has a router and would serve pages/ without
        # it; a real server knows from its first visitor on (see ui/page.py).
        start(self, *rest, **more)
        PagesManager.uses_pages_directory = False

    monkeypatch.setattr(PagesManager, "__init__", start_with_the_router)
    if not request.node.get_closest_marker("real_model"):
        monkeypatch.setenv(CACHE_VARIABLE, str(request.getfixturevalue("shared_results")))
    st.cache_resource.clear()
    jobs = services.jobs()
    yield
    for job in list(jobs._jobs.values()):
        job.cancel()
    st.cache_resource.clear()
