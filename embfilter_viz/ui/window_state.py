"""One window, two who hold it, and how they come to agree: the browser's strip and the session.

The reader moves the window in the browser (strip, typed field and slider of τ are one component);
the server computes with it, and sometimes moves it itself. The browser numbers what the reader
does, and the server counts what it does itself:

========  =======================================  =================================================
who       when                                     does
========  =======================================  =================================================
browser   the reader moves, undoes or redoes       shows it; count + 1; says (count, words, d)
browser   a move has ended                         writes the URL: one entry of the history each
browser   its history leads to other words         the same, with d = 0: those of the URL's model
browser   an answer of a session not known, whose  count + 1; says what it shows
          words differ, or of one that lost heard
browser   an answer of an epoch before the known   leaves it
browser   an answer with heard < count             leaves it: what the reader did since is newer
browser   any other answer                         shows it; writes the URL if the epoch is new
browser   a lost connection is there again         asks for a run, so that there is an answer
server    a session begins                         takes the words of the URL
server    it is told of a number > heard           takes the words, in the d of its model; heard
server    it moves the window itself, or a page    first hears what the same request tells;
          is led to by the browser's history       takes the words; epoch + 1
server    the model's d changes                    carries the share over; epoch + 1
server    each run of a page                       answers (session, epoch, heard, words, l, r, d)
========  =======================================  =================================================

No clock decides what is newer. Requests arrive in the order in which the reader acts, and each one
holds what the page's strip said last, so the order of arrival is that of the acts. What was lost is
said again until it is heard: after a while, and by the next page's strip. While a handle is held,
moves are said now and then; the end of a move is said at once, before anything else is clicked.
The browser's half is ``components/window_state.js``, and ``connection.py`` asks for the run after a
lost connection; this module is the server's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import Any

from embfilter_viz.errors import InputError
from embfilter_viz.spectral.windows import Window

__all__ = ["DEFAULT_WINDOW", "WindowState"]

DEFAULT_WINDOW = "2"
"""The paper's recommendation: τ = 2. It is what a URL without a window means."""

LONGEST = 100
"""Characters of a window's words that are looked at."""


@dataclass(frozen=True)
class WindowState:
    """The window as one session of the server has it.

    >>> state = WindowState("72:504").of_width(576)
    >>> state = state.hears({"number": 1, "words": "80:504", "d": 576})
    >>> state = state.hears({"number": 1, "words": "9:10", "d": 576})  # once more, or too late
    >>> state.words, state.heard, state.epoch
    ('80:504', 1, 0)
    >>> state = state.moves_to("2").of_width(32)
    >>> str(state.window()), state.epoch
    ('8:24', 2)
    """

    words: str = DEFAULT_WINDOW
    """The window as it was chosen, ``2`` or ``72:504``; it may be none."""
    d: int = 0
    """(). Number of directions that it was chosen for; 0 for those of the next model."""
    heard: int = 0
    """(). The greatest number heard of the browser."""
    epoch: int = 0
    """(). How often the server moved the window itself."""
    session: str = field(default_factory=lambda: token_hex(4))
    """What tells this session from one after the server was started again."""

    def hears(self, said: Any) -> "WindowState":
        """Take what the browser says, ``{"number", "words", "d"}``, unless it was heard before."""
        if not isinstance(said, Mapping):
            return self
        number, words, d = (said.get(name) for name in ("number", "words", "d"))
        if not (isinstance(number, int) and isinstance(words, str) and isinstance(d, int)):
            return self
        if number <= self.heard:
            return self
        words = _carried(words[:LONGEST], d, self.d)
        return replace(self, words=words, d=(self.d or d) if d else 0, heard=number)

    def moves_to(self, words: str, *, of_any_model: bool = False) -> "WindowState":
        """Move the window without the reader's hand on it."""
        return replace(self, words=words, d=0 if of_any_model else self.d, epoch=self.epoch + 1)

    def of_width(self, d: int) -> "WindowState":
        """Keep the window's share of the spectrum where the model, and with it d, has changed."""
        words = _carried(self.words, self.d, d)
        return replace(self, words=words, d=d, epoch=self.epoch + (self.d not in (0, d)))

    def window(self) -> Window:
        """The window that the words mean.

        Raises:
            InputError: they mean none.
        """
        return Window.parse(self.words, self.d)


def _carried(words: str, before: int, d: int) -> str:
    """The words of a window of ``before`` directions for ``d``: the same share; τ stays."""
    if 0 in (before, d) or before == d or ":" not in words:
        return words
    try:
        window = Window.parse(words, before)
    except InputError:
        return words
    low = min(round(window.l / before * d), d - 1)
    return f"{low}:{max(low + 1, round(window.r / before * d))}"
