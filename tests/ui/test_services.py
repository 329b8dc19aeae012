"""What the server holds for its visitors, and when it lets go of it."""

import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from embfilter_viz.jobs import Jobs
from embfilter_viz.ui import services
from embfilter_viz.ui.services import _Shelf, _Tidying

SOON = 20.0


@dataclass
class Opened:
    """A model, as far as the shelf looks at it."""

    identity: str


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    made = Jobs(1)
    monkeypatch.setattr(services, "jobs", lambda: made)
    yield made
    made.stop(SOON)


def put(shelf: _Shelf, name: str) -> "weakref.ref[Opened]":
    shelf.make_room()
    model = Opened(f"identity of {name}")
    shelf.put(name, model)  # type: ignore[arg-type]
    return weakref.ref(model)


def read(jobs: Jobs, shelf: _Shelf, name: str) -> None:
    """Have a job made whose result holds the model, as a text does that is ready for the lens."""
    model = shelf.get(name)
    assert model is not None
    jobs.start(("lens", model.identity), "Reading", lambda progress: [model]).wait(SOON)


def test_a_model_that_makes_room_takes_the_results_along_that_hold_it(jobs: Jobs) -> None:
    shelf = _Shelf()
    first, second = put(shelf, "first"), put(shelf, "second")
    read(jobs, shelf, "first")
    read(jobs, shelf, "second")
    put(shelf, "third")
    assert first() is None
    assert second() is not None
    assert jobs.find(("lens", "identity of second")) is not None


def test_a_model_goes_with_its_readers_but_for_the_last_one(jobs: Jobs) -> None:
    shelf = _Shelf()
    first, second = put(shelf, "first"), put(shelf, "second")
    for name, reader in (("first", "me"), ("first", "you"), ("second", "me")):
        shelf.get(name, reader)
    shelf.gone("me")
    shelf.let_go_of_unread()
    assert first() is not None  # you read it
    shelf.gone("you")
    shelf.let_go_of_unread()
    assert first() is None
    assert second() is not None  # for the next visitor


def test_a_model_that_nobody_asks_for_is_let_go_while_another_is_read(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = _Shelf()
    first, _ = put(shelf, "first"), put(shelf, "second")
    shelf.get("first", "me")
    shelf.get("second", "me")
    assert first() is not None
    monkeypatch.setattr(services, "MODEL_AT_REST", -1.0)
    jobs.start(("embed", "identity of first"), "Working", lambda progress: None).wait(SOON)
    shelf.get("second", "me")
    assert first() is None


def test_a_model_that_a_job_works_with_stays(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MODEL_AT_REST", -1.0)
    monkeypatch.setattr(jobs, "at_work_on", lambda part: part == "identity of first")
    shelf = _Shelf()
    first, _ = put(shelf, "first"), put(shelf, "second")
    shelf.get("second", "me")
    shelf.let_go_of_unread()
    assert first() is not None


def test_every_visitor_is_tidied_up_after_in_full_time(monkeypatch: pytest.MonkeyPatch) -> None:
    late, rung, twice = 0.3, [], threading.Event()

    def ring() -> None:
        rung.append(time.monotonic())
        if len(rung) == 2:
            twice.set()

    monkeypatch.setattr(services, "AFTER_LEAVING", (late,))
    monkeypatch.setattr(services, "ON_ITS_THREAD", 0.0)
    monkeypatch.setattr(services, "let_go_of_left_sessions", ring)
    monkeypatch.setattr(services, "_shelf", _Shelf)
    tidying, left = _Tidying(), []
    for _ in range(3):  # the last two while the clock of the first is running
        left.append(time.monotonic())
        tidying.begin()
        time.sleep(0.02)
    assert twice.wait(SOON)
    assert rung[0] >= left[0] + late
    assert rung[1] >= left[2] + late
    time.sleep(2 * late)
    assert len(rung) == 2
