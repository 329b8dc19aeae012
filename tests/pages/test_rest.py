"""What takes its time is measured when the window rests, once, and not at every move."""

from typing import Any

import numpy as np
import pytest

from embfilter_viz.analyses import geometry
from embfilter_viz.analyses.calibration import CalibrationRows
from embfilter_viz.analyses.geometry import Geometry, TextGeometry
from embfilter_viz.jobs import Jobs
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from embfilter_viz.ui import results
from embfilter_viz.ui.choices import View
from tests.models.tiny_checkpoints import D_MODEL

TEXTS = tuple(f"text {i}" for i in range(40))


class Browser:
    """The clock of ``rest.js``: it gives back the ticket it was wound up with last."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ticket: str | None = None
        self.heard = ""
        jobs = Jobs(1)
        monkeypatch.setattr(results, "jobs", lambda: jobs)
        monkeypatch.setattr(results, "rested", lambda key: self.heard)
        monkeypatch.setattr(results, "ask_at_rest", self.wind_up)

    def wind_up(self, ticket: str | None, *, key: str) -> None:
        self.ticket = ticket

    def runs(self, view: View, ready: TextGeometry, *, at_rest: bool = False) -> Geometry:
        self.heard = str(self.ticket) if at_rest else ""
        return results.isotropy_report(view, ready, TEXTS)


@pytest.fixture
def ready(tiny_model: Model, monkeypatch: pytest.MonkeyPatch) -> TextGeometry:
    monkeypatch.setattr(geometry, "QUICK_RANK", 4)
    E = np.random.default_rng(1).normal(2, 1, (len(TEXTS), D_MODEL)).astype(np.float32)
    return TextGeometry(tiny_model, E, CalibrationRows(E[:9] + 1, "nine others"))


def view(model: Model, spec: str) -> View:
    return View(model, "mean", Window.parse(spec, D_MODEL))


def test_the_last_intervals_follow_when_the_window_rests(
    tiny_model: Model, ready: TextGeometry, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser(monkeypatch)
    here, there = view(tiny_model, "3:20"), view(tiny_model, "4:20")
    assert not browser.runs(here, ready).complete
    first = browser.ticket
    assert not browser.runs(there, ready).complete
    assert browser.ticket not in (None, first)
    # A clock that had run down for the window before says nothing of this one.
    browser.ticket = first
    assert not browser.runs(there, ready, at_rest=True).complete
    assert browser.runs(there, ready, at_rest=True).complete
    assert browser.ticket is None
    assert browser.runs(there, ready).complete
    assert browser.ticket is None


def test_measuring_that_fails_is_not_asked_for_again(
    tiny_model: Model, ready: TextGeometry, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser(monkeypatch)

    def fail(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(ready, "report", fail)
    here = view(tiny_model, "3:20")
    browser.runs(here, ready)
    ticket = browser.ticket
    assert not browser.runs(here, ready, at_rest=True).complete
    assert browser.ticket == ticket  # which the browser has heard: it rings no more
