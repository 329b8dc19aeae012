"""How long work tells where it is, without knowing who listens.

A long function takes ``progress: Progress = silent`` and calls it at least once a second with
what it is doing, how much is done, how much there is, and the unit. The listener may raise
:class:`~embfilter_viz.errors.Cancelled` from inside the call: that is how work is stopped, so
a function must leave only finished, valid things behind wherever it calls.
"""

import contextvars
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from embfilter_viz.errors import Cancelled

__all__ = ["Progress", "silent", "with_heartbeat", "with_progress"]

T = TypeVar("T")

_HEARTBEAT = 0.25
_GRACE_SECONDS = 1.0


class Progress(Protocol):
    """A listener to long work."""

    def __call__(self, what: str, done: float, total: float, unit: str) -> None:
        """Take note of ``done`` out of ``total`` ``unit`` of ``what``; may raise ``Cancelled``.

        ``total`` is 0 where the amount of work is not known beforehand.

        Args:
            what: what is being done.
            done: how much of it is done.
            total: how much there is, 0 if unknown.
            unit: what is counted.
        """


def silent(what: str, done: float, total: float, unit: str) -> None:
    """Listen to nothing.

    Args:
        what: what is being done.
        done: how much of it is done.
        total: how much there is, 0 if unknown.
        unit: what is counted.
    """


def with_progress(
    work: Callable[[], T], progress: Progress, what: str, done: float, total: float, unit: str
) -> T:
    """Return what ``work()`` gives; ``progress`` is called four times a second while it lasts.

    For a call that cannot report from inside, as one into LAPACK that takes seconds. It must let
    other threads run. Where the listener raises, the work is left behind: it ends by itself,
    heard by nobody.

    Args:
        work: the work.
        progress: told of the work.
        what: what is being done.
        done: how much of it is done.
        total: how much there is, 0 if unknown.
        unit: what is counted.

    Returns:
        what ``work()`` gave.

    >>> with_progress(lambda: 6 * 7, silent, "multiplying", 0, 1, "steps")
    42
    """
    found: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:  # handed on to whoever waits
            raised.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True)
    progress(what, done, total, unit)
    thread.start()
    while thread.is_alive():
        thread.join(_HEARTBEAT)
        progress(what, done, total, unit)
    if raised:
        raise raised[0]
    return found[0]


def with_heartbeat(
    work: Callable[[Progress], T],
    progress: Progress,
    what: str,
    done: float = 0,
    total: float = 0,
    unit: str = "",
) -> T:
    """Return what ``work(told)`` gives; what it last told is repeated four times a second.

    For work that reports from inside, but not all the time. Where the listener raises, the work is
    told so when it next reports, and gets some seconds to end.

    Args:
        work: the work; it is given a listener.
        progress: told of the work.
        what: what is being done until the work says otherwise.
        done: how much of it is done.
        total: how much there is, 0 if unknown.
        unit: what is counted.

    Returns:
        what ``work`` gave.

    >>> def work(told):
    ...     told("adding", 1, 2, "numbers")
    ...     return 1 + 1
    >>> with_heartbeat(work, silent, "beginning")
    2
    """
    last = [(what, done, total, unit)]
    stopped, ended = threading.Event(), threading.Event()

    def told(what: str, done: float, total: float, unit: str) -> None:
        if stopped.is_set():
            raise Cancelled
        last[0] = (what, done, total, unit)

    def run() -> T:
        try:
            return work(told)
        finally:
            ended.set()

    try:
        return with_progress(run, lambda *_: progress(*last[0]), what, done, total, unit)
    except BaseException:
        stopped.set()
        ended.wait(_GRACE_SECONDS)
        raise
