"""Plotly's script reaches the browser also where nobody may write beside the app."""

from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.components.v1 import declare_component
from streamlit.web.server.starlette.starlette_routes import create_component_routes

from embfilter_viz.figures.plotly_js import plotly_script
from embfilter_viz.ui import assets, streamlit_internals


def test_plotly_is_copied_beside_the_app_and_nothing_else(tmp_path: Path) -> None:
    static = tmp_path / "static"
    url = assets.plotly_url(static)
    assert url == f"app/static/plotly.min.js?size={plotly_script().stat().st_size}"
    assert [path.name for path in static.iterdir()] == ["plotly.min.js"]
    assert (static / "plotly.min.js").read_bytes() == plotly_script().read_bytes()


def test_in_a_read_only_installation_it_is_served_out_of_its_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    declared: list[Any] = []

    def kept(*given: Any, **more: Any) -> Any:
        declared.append(declare_component(*given, **more))
        return declared[-1]

    monkeypatch.setattr(streamlit_internals, "declare_component", kept)
    url = assets.plotly_url(Path("/proc/static"))  # where root may not write either

    class Registry:
        def get_component_path(self, name: str) -> str | None:
            return {one.name: one.abspath for one in declared}.get(name)

    app = Starlette(routes=create_component_routes(Registry(), ""))  # type: ignore[arg-type]
    answer = TestClient(app).get(f"/{url}")
    assert answer.status_code == 200
    assert "javascript" in answer.headers["content-type"]
    assert answer.content == plotly_script().read_bytes()
