from pathlib import Path
from typing import Any

import pytest

from embfilter_viz.models.sources import gguf_conversion, gguf_outline, hub


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches of this test's own, and no hub to reach but one the test starts."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("EMBFILTER_VIZ_CACHE", str(cache))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(variable, raising=False)
    return cache


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetch and convert without a child process, whose start takes longer than all the rest."""

    def here(function: Any, arguments: dict[str, Any], *, progress: Any, **_: Any) -> Any:
        return function(**arguments, progress=progress)

    for module in (hub, gguf_conversion, gguf_outline):
        monkeypatch.setattr(module, "run_in_child", here)
