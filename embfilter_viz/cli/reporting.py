"""What is told on standard error: progress, as a bar or a line now and then, and our log."""

import logging
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import click

from embfilter_viz.errors import one_line
from embfilter_viz.system.progress import Progress

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["NAME", "NOTES", "watched"]

NAME = "embfilter-viz"
BAR_AFTER = 0.4
"""Seconds a stage may take before a bar appears."""
LINE_EVERY = 5.0
"""Seconds between two lines where standard error is no terminal."""


@contextmanager
def watched() -> Iterator[Progress]:
    """A listener to long work, for as long as the work takes.

    >>> with watched() as progress:
    ...     progress("Counting", 1, 2, "texts")
    """
    NOTES.tell()
    listener: _Listener = _Bar() if sys.stderr.isatty() else _Lines()
    try:
        yield listener.hear
    finally:
        listener.close()


class _Notes(logging.Handler):
    """Our log, a line each, on whatever standard error is at the time.

    What a command notes of its files is kept until the work on them begins: where one of them is
    refused, the refusal is all there is to read.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[str] | None = None

    def begin(self) -> None:
        """Listen to our log, and keep what it says."""
        ours = logging.getLogger("embfilter_viz")
        if self not in ours.handlers:
            ours.addHandler(self)
            ours.setLevel(logging.INFO)
        self._kept = []

    def tell(self) -> None:
        """Write what was kept, and from now on each note as it comes."""
        kept, self._kept = self._kept or [], None
        for line in kept:
            click.echo(line, err=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep or write one record."""
        line = f"{NAME}: {one_line(record.getMessage())}"
        if self._kept is None:
            click.echo(line, err=True)
        else:
            self._kept.append(line)


NOTES = _Notes()
"""The command line's listener to our log."""


class _Listener(Protocol):
    def hear(self, what: str, done: float, total: float, unit: str) -> None: ...

    def close(self) -> None: ...


class _Bar:
    """One bar a stage, gone when the stage is done."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None
        self._stage: tuple[str, str] | None = None
        self._since = 0.0

    def hear(self, what: str, done: float, total: float, unit: str) -> None:
        now = time.monotonic()
        if (what, unit) != self._stage:
            self.close()
            self._stage, self._since = (what, unit), now
        if self._bar is None:
            if now - self._since < BAR_AFTER:
                return
            self._bar = self._made(what, done, total, unit)
        self._bar.total = total or None
        self._bar.n = round(done, 1)
        self._bar.refresh()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _made(self, what: str, done: float, total: float, unit: str) -> "tqdm":
        from tqdm import tqdm

        amount = "{n:,.1f} of {total:,.1f}" if unit == "MB" else "{n:,.0f} of {total:,.0f}"
        known = f"{{desc}} {{bar:24}} {amount} {unit}, {{remaining}} left"
        size = shutil.get_terminal_size()
        bar = tqdm(
            desc=what,
            initial=round(done, 1),
            total=total or None,
            file=sys.stderr,
            leave=False,
            # Asked here: tqdm draws nothing in a terminal that does not tell its size.
            ncols=min(100, size.columns),
            nrows=size.lines,
            bar_format=known if total else "{desc} … {elapsed}",
        )
        bar.start_t = time.time() - (time.monotonic() - self._since)
        return bar


class _Lines:
    """A line every few seconds, none for what is done sooner."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def hear(self, what: str, done: float, total: float, unit: str) -> None:
        now = time.monotonic()
        if now - self._last < LINE_EVERY:
            return
        self._last = now
        amount = f": {done:,.0f} of {total:,.0f} {unit}" if total else ""
        click.echo(f"… {what}{amount}", err=True)

    def close(self) -> None: ...
