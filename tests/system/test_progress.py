"""Long work that does not tell of itself all the time, and can be stopped all the same."""

import threading
import time

import pytest

from embfilter_viz.errors import Cancelled
from embfilter_viz.system.progress import Progress, silent, with_heartbeat


def test_what_was_told_last_is_repeated() -> None:
    heard: list[tuple[str, float]] = []

    def work(told: Progress) -> str:
        told("halfway", 1, 2, "parts")
        time.sleep(0.6)
        return "done"

    def listens(what: str, done: float, total: float, unit: str) -> None:
        heard.append((what, done))

    assert with_heartbeat(work, listens, "beginning") == "done"
    assert heard[0] == ("beginning", 0)
    assert heard.count(("halfway", 1)) >= 2


def test_what_the_work_raises_comes_out() -> None:
    with pytest.raises(ZeroDivisionError):
        with_heartbeat(lambda _: 1 / 0, silent, "dividing")


@pytest.mark.parametrize("error", [Cancelled, KeyboardInterrupt])
def test_a_listener_that_raises_stops_the_work(error: type[BaseException]) -> None:
    ended = threading.Event()

    def work(told: Progress) -> None:
        try:
            for i in range(100):
                told("counting", i, 100, "numbers")
                time.sleep(0.05)
        finally:
            ended.set()

    def listens(what: str, done: float, total: float, unit: str) -> None:
        if done > 2:
            raise error

    with pytest.raises(error):
        with_heartbeat(work, listens, "beginning")
    assert ended.is_set()
