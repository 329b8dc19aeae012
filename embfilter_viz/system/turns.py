"""A lock whose waiters are served in the order they came, those in a hurry first."""

import contextvars
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from types import TracebackType

__all__ = ["Turns", "in_a_hurry"]

HURRIED_IN_A_ROW = 3
"""Turns that go to those in a hurry before one of the others has its turn."""

_hurried: contextvars.ContextVar[bool] = contextvars.ContextVar("hurried", default=False)


@contextmanager
def in_a_hurry() -> Iterator[None]:
    """Take turns before others, in this thread and those it starts with its context.

    For work of one turn or a few, that a person waits for.
    """
    before = _hurried.set(True)
    try:
        yield
    finally:
        _hurried.reset(before)


class Turns:
    """First come, first served; who is in a hurry comes before who is not.

    A thread that releases a plain ``threading.Lock`` and wants it again at once nearly always
    gets it again: a long job would starve everybody who waits for one batch to end. Those in a
    hurry starve nobody either: after three of them one of the others has its turn.

    >>> turns = Turns()
    >>> with turns, in_a_hurry():
    ...     pass
    """

    def __init__(self) -> None:
        self._guard = Lock()
        self._waiting: deque[Lock] = deque()
        self._hurried: deque[Lock] = deque()
        self._in_a_row = 0
        self._taken = False

    def __enter__(self) -> None:
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            mine = Lock()
            mine.acquire()
            (self._hurried if _hurried.get() else self._waiting).append(mine)
        mine.acquire()  # until whoever holds the turn hands it over

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._guard:
            others_first = self._waiting and self._in_a_row >= HURRIED_IN_A_ROW
            if self._hurried and not others_first:
                self._in_a_row += 1
                self._hurried.popleft().release()
            elif self._waiting:
                self._in_a_row = 0
                self._waiting.popleft().release()
            else:
                self._taken = False
