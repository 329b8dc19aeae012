"""A lock whose waiters are served in the order they came."""

from collections import deque
from threading import Lock
from types import TracebackType

__all__ = ["Turns"]


class Turns:
    """First come, first served.

    A thread that releases a plain ``threading.Lock`` and wants it again at once nearly always
    gets it again: a long job would starve everybody who waits for one batch to end.

    >>> turns = Turns()
    >>> with turns:
    ...     pass
    """

    def __init__(self) -> None:
        self._guard = Lock()
        self._waiting: deque[Lock] = deque()
        self._taken = False

    def __enter__(self) -> None:
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            mine = Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()  # until whoever holds the turn hands it over

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False
