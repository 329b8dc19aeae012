"""A public explorer: only named models, bounded work, and nothing of its machine on any page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embfilter_viz.ui import choices, files, inputs, page, services, task_inputs
from embfilter_viz.ui.access import MODELS_VARIABLE, PUBLIC_VARIABLE, Access
from tests.pages.brake import Brake
from tests.pages.explorer import Explorer

LINES = ("mine.txt", "\n".join(f"line {i}" for i in range(40)).encode(), "text/plain")


@pytest.fixture
def public(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A public server of the tiny model alone."""
    monkeypatch.setenv(PUBLIC_VARIABLE, "1")
    monkeypatch.setenv(MODELS_VARIABLE, str(tiny))
    return tiny


@pytest.fixture
def rules(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the rules of the server."""

    def become(**more: Any) -> None:
        made = Access(public=True, models=(str(tiny),), **more)
        for module in (choices, files, inputs, page, services, task_inputs):
            monkeypatch.setattr(module, "access", lambda: made)

    return become


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that the server begins to open."""
    names: list[str] = []
    real = services.open_model

    def note(name: str, **more: Any) -> Any:
        names.append(name)
        return real(name, **more)

    monkeypatch.setattr(services, "open_model", note)
    return names


@pytest.mark.parametrize("name", ["/etc", "org/name", "smollm2-135m", "..", "org/name@/dev/zero"])
def test_a_link_to_another_model_is_refused_or_led_to_the_named_one(
    public: Path, opened: list[str], name: str
) -> None:
    explorer = Explorer("spectrum", model=name, prompt="last")
    refused = [line for line in explorer.errors if "this public explorer opens" in line]
    assert refused or explorer.at.session_state["_model"] == str(public)
    assert set(opened) <= {str(public)}


def test_nor_does_another_place_of_a_model_open_one(
    public: Path, opened: list[str], tmp_path: Path
) -> None:
    of_tiny = {"model": str(public), "prompt": "last"}
    for where, link in [
        ("spectrum", {"second": "/etc"}),
        ("spectrum", {"second_model": "/etc"}),
        ("spectrum", {"head_from": "org/other"}),
        ("claims", {"beside": "org/other · last"}),
        ("compare", {"first": "trained · /etc"}),
        ("compare", {"second": "org/other · last · 2"}),
    ]:
        Explorer(where, **of_tiny, **link)
    assert set(opened) <= {str(public)}


def test_a_named_model_works_and_the_page_shows_nothing_of_the_machine(
    public: Path, tmp_path: Path
) -> None:
    explorer = Explorer("filter_and_lens", model=str(public), prompt="last")
    assert explorer.errors == []
    assert "ranks_chart" in explorer.figures
    explorer.fold("Model card")
    assert "GB free" not in explorer.words
    explorer.go("window_lab")
    assert "Write a folder" not in [button.label for button in explorer.at.button]
    assert any("writes no model folder" in one.value for one in explorer.at.caption)


def test_a_file_is_bounded_in_bytes_and_in_texts(rules: Callable[..., None], tiny: Path) -> None:
    rules(most_texts=20, most_upload_bytes=1000)
    explorer = Explorer("geometry", model=str(tiny), texts="your file", prompt="last")
    explorer.change("upload", LINES)
    assert explorer.button("Embed 20 texts")
    explorer = Explorer("geometry", model=str(tiny), texts="your file", prompt="last")
    explorer.change("upload", ("large.txt", b"a line\n" * 1000, "text/plain"))
    assert explorer.errors == [
        "large.txt: 0.0 MB; this public explorer takes files of up to 0.001 MB; "
        "for more, run the explorer on your own machine"
    ]


def test_one_visitor_has_so_many_long_jobs_and_no_more(
    rules: Callable[..., None],
    tiny: Path,
    brake: Brake,
) -> None:
    rules(long_jobs_each=1)
    brake.after = 0
    explorer = Explorer("geometry", wait=False, model=str(tiny), texts="your file", prompt="last")
    explorer.settle()
    explorer.control("upload").set_value(LINES)
    explorer.run()
    explorer.button("Embed 40 texts").click()
    explorer.run()
    assert brake.reached.wait(20)
    explorer.control("upload").set_value(("more.txt", LINES[1] + b"\nanother", "text/plain"))
    explorer.run()
    explorer.button("Embed 41 texts").click()
    explorer.run()
    assert any("no more than 1 of one visitor" in one.value for one in explorer.at.warning)
    brake.released.set()
    (first,) = [job for job in services.jobs()._jobs.values() if job.running]
    first.wait(60)
    explorer.press("Try again").press("Embed 41 texts")
    assert explorer.errors == []
    assert not explorer.at.warning
    assert "map_chart" in explorer.figures


def test_nothing_new_is_begun_without_memory(
    rules: Callable[..., None], tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules()
    explorer = Explorer("spectrum", model=str(tiny), prompt="last")
    monkeypatch.setattr(services, "memory_free", lambda: 200_000_000)
    assert "spectrum_chart" in explorer.settle().figures  # what is open stays so
    explorer.go("filter_and_lens")
    said = {one.value for one in explorer.at.warning}
    assert len(said) == 1
    assert said.pop().startswith("The server has 200 MB of memory left")
    assert "ranks_chart" not in explorer.figures
    monkeypatch.setattr(services, "memory_free", lambda: 2_000_000_000)
    next(button for button in explorer.at.button if button.label == "Try again").click()
    explorer.settle()
    assert "ranks_chart" in explorer.figures


def test_rules_that_cannot_be_read_are_said_and_nothing_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(PUBLIC_VARIABLE, "perhaps")
    explorer = Explorer("start")
    assert explorer.errors == [
        "EMBFILTER_VIZ_PUBLIC='perhaps': must be 1 for a public server, or 0"
    ]
    assert not explorer.at.selectbox
