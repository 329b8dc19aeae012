"""A reader, a browser and a server as ``window_state.py`` has them, with all that lies between.

``Browser`` says in Python what ``window_state.js`` does; ``tests/browser`` compares the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from embfilter_viz.ui.window_state import DEFAULT_WINDOW, WindowState

Shown = dict[str, Any]
"""A window as the browser has it: its words and the d it was chosen for."""


@dataclass
class Browser:
    """The browser's half of the protocol."""

    count: int = 0
    heard: int = 0
    answered_last: int = 0
    epoch: int = 0
    session: str | None = None
    shown: Shown | None = None
    settled: Shown | None = None
    past: list[Shown] = field(default_factory=list)
    future: list[Shown] = field(default_factory=list)
    push: bool = False

    @property
    def unheard(self) -> bool:
        return self.heard < self.count

    def moves(self, shown: Shown) -> None:
        self.count, self.shown = self.count + 1, shown

    def settles(self) -> None:
        assert self.settled is not None
        assert self.shown is not None
        if self.settled["words"] != self.shown["words"]:
            self.past.append(self.settled)
            self.future, self.settled, self.push = [], self.shown, True

    def steps(self, back: bool) -> bool:
        source, target = (self.past, self.future) if back else (self.future, self.past)
        if not source:
            return False
        assert self.settled is not None
        target.append(self.settled)
        self.settled, self.push = source.pop(), True
        self.moves(self.settled)
        return True

    def travels(self, words: str) -> bool:
        known = (self.settled, self.shown)
        if self.settled is None:
            return False
        if not self.unheard and all(one and words == one["words"] for one in known):
            return False
        self.moves({"words": words, "d": 0})
        self.settles()
        self.push = False
        return True

    def answered(self, answer: Mapping[str, Any]) -> bool:
        words, heard, epoch = answer["words"], answer["heard"], answer["epoch"]
        known = self.session == answer["session"]
        if known and epoch < self.epoch:
            return False
        itself = known and epoch > self.epoch
        shown = self.shown or answer
        told = heard >= self.answered_last if known else words == shown["words"]
        lost = not told and not self.unheard
        self.session, self.epoch = answer["session"], epoch
        self.answered_last = max(self.answered_last, heard) if known else heard
        self.heard, self.count = max(self.heard, heard), max(self.count, heard)
        self.count += lost
        if self.unheard:
            return lost
        self.shown = {"words": words, "d": answer["d"]}
        settled = self.settled or self.shown
        if words == settled["words"] or settled["d"] not in (0, answer["d"]):
            self.settled = self.shown
        elif itself:
            self.settles()
        return False


@dataclass(frozen=True)
class Request:
    """What a browser asks of the server: what its strip said last, and what was done beside it."""

    said: Shown | None
    act: str = ""
    words: str = ""
    d: int = 0
    url: str = ""
    page: int = 0
    silent: bool = False
    """Whether the strip says nothing of it, because the words of the URL were shown already."""


class World:
    """One tab and its server; requests and answers are on their way until they are let arrive."""

    def __init__(self, d: int = 64) -> None:
        self.d = self.server_d = self.strip_d = d
        self.sessions = 0
        self.requests: list[Request] = []
        self.answers: list[tuple[int, Shown]] = []
        self.entries, self.at = [DEFAULT_WINDOW], 0
        self.browser = Browser()
        self.said: Shown | None = None
        self.page, self.mounted = 0, -1
        self.wanted: str | None = DEFAULT_WINDOW
        self._connect()
        self.settle()

    def _connect(self) -> None:
        """A session begins: it takes the words of the URL."""
        self.sessions += 1
        self.server = WindowState(self.entries[self.at], session=str(self.sessions))
        self.requests, self.answers = [], []
        self._ask("begins")

    # What the reader does.

    def move(self, words: str, *, ends: bool = True) -> None:
        if self.mounted == self.page:
            self.browser.moves({"words": words, "d": self.strip_d})
            self.wanted = words if self.strip_d == self.d or ":" not in words else None
            if ends:
                self._ended()

    def step(self, *, back: bool) -> None:
        if self.mounted == self.page and self.browser.steps(back):
            assert self.browser.shown is not None
            self.wanted = self.browser.shown["words"] if self.browser.shown["d"] == self.d else None
            self._ended()

    def click(self) -> None:
        """Press something that leaves the window alone."""
        self._flush()
        self._ask("click")

    def use(self, words: str) -> None:
        """Press a button that puts a window on the strip."""
        if self.mounted == self.page:
            self._flush()
            self._ask("use", words=words)
            self.wanted = words

    def choose_model(self, d: int) -> None:
        self._flush()
        self.d = d
        self._ask("model", d=d)
        if self.wanted is not None and ":" in self.wanted:
            self.wanted = (
                None  # its share; both sides must agree on that, which is tested elsewhere
            )

    def change_page(self) -> None:
        self._flush()
        self.page += 1
        self.said = None
        # Streamlit pushes the page's address; the words of the window are put into it.
        self._push(self.entries[self.at])
        self._ask("page")

    def travel(self, by: int) -> None:
        if 0 <= self.at + by < len(self.entries):
            self.at += by
            self.wanted = words = self.entries[self.at]
            travelled = self.browser.travels(words)
            if travelled and self.mounted == self.page:
                self._say()
            self._ask("history", url=words, silent=not travelled)

    # What happens on the way.

    def arrive(self) -> None:
        """The server gets a request and answers it."""
        if not self.requests:
            return
        request = self.requests.pop(0)
        state = self.server.hears(request.said)
        if request.act == "use":
            state = state.moves_to(request.words)
        if request.act == "history":
            state = state.moves_to(request.url, of_any_model=True)
        if request.act == "model":
            self.server_d = request.d
        self.server = state = state.of_width(self.server_d)
        answer = {
            "session": state.session, "epoch": state.epoch, "heard": state.heard,
            "words": state.words, "d": state.d,
        }  # fmt: skip
        self.answers.append((request.page, answer))

    def answer(self) -> None:
        """The browser gets an answer."""
        if not self.answers:
            return
        page, answer = self.answers.pop(0)
        first = page == self.page != self.mounted
        if page == self.page:
            self.mounted, self.strip_d = page, answer["d"]
        lost = self.browser.answered(answer)
        self._write()
        if lost or (first and self.browser.unheard):
            self._say()

    def lose(self) -> None:
        """A request in which a strip says something does not arrive."""
        self.requests = [r for i, r in enumerate(self.requests) if i or r.act != "say"]

    def drop_history_bit(self) -> None:
        """Streamlit merges a request by the browser's history with the one that follows."""
        merged = [i for i, r in enumerate(self.requests[:-1]) if r.act == "history"]
        for i in merged:
            if self.requests[i].silent:
                self.wanted = None  # a window of the server's may be on its way: all must agree
            self.requests[i] = Request(self.requests[i].said, "click", page=self.requests[i].page)

    def tire(self) -> None:
        """What is not answered for a while is said again."""
        if self.browser.unheard and self.mounted == self.page:
            self._say()

    def restart(self) -> None:
        """The server is started again while the tab is open."""
        assert self.browser.shown is not None
        self.wanted = self.browser.shown["words"]  # what else was asked for is lost with it
        if self.strip_d != self.d and ":" in self.wanted:
            self.wanted = None
        self.server_d = self.d  # the controls say which model is meant
        self._connect()

    def settle(self) -> None:
        """Let everything arrive that is on its way, and what is said again because of it."""
        for _ in range(50):
            while self.requests or self.answers:
                self.arrive()
                self.answer()
            if not self.browser.unheard:
                return
            self.tire()
        raise AssertionError("browser and server never stop talking")

    def agree(self) -> None:
        """Strip, session and URL show the window that the reader chose last."""
        assert self.browser.shown is not None
        shown = self.browser.shown["words"], self.server.words
        assert shown[0] == shown[1]
        assert self.wanted in (None, shown[0]), f"{shown[0]} is shown"
        self.browser.settles()
        self._write()
        assert self.entries[self.at] == shown[0]

    def _ended(self) -> None:
        self.browser.settles()
        self._write()
        self._say()

    def _flush(self) -> None:
        """A click has what was moved before it said first."""
        if self.browser.unheard and self.mounted == self.page:
            self._say()

    def _say(self) -> None:
        shown = self.browser.shown
        assert shown is not None
        self.said = {"number": self.browser.count, **shown}
        self._ask("say")

    def _ask(self, act: str, **more: Any) -> None:
        self.requests.append(Request(self.said, act, page=self.page, **more))

    def _write(self) -> None:
        browser = self.browser
        if browser.settled is not None and browser.settled["words"] != self.entries[self.at]:
            if browser.push:
                self._push(browser.settled["words"])
            self.entries[self.at] = browser.settled["words"]
        browser.push = False

    def _push(self, words: str) -> None:
        self.entries[self.at + 1 :] = [words]
        self.at += 1


class ClockWorld:
    """As it was before: every request brings a field, and one second tells how old it is."""

    BEHIND = 1.0

    def __init__(self) -> None:
        self.now = 0.0
        self.window = self.field = self.strip = self.wanted = "2"
        self.replaced: dict[str, float] = {}
        self.count = self.heard = 0
        self.requests: list[tuple[str, int, str]] = []
        self.answers: list[tuple[str, int]] = []

    def move(self, words: str) -> None:
        self.count += 1
        self.strip = self.wanted = words
        self._ask()

    def type(self, words: str) -> None:
        self.field = self.wanted = words
        self._ask()

    def click(self) -> None:
        self._ask()

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def arrive(self) -> None:
        if self.requests:
            field, number, strip = self.requests.pop(0)
            age = self.now - self.replaced.get(field, float("-inf"))
            if field != self.window and age >= self.BEHIND:
                self._take(field)
            if number > self.heard:
                self.heard = number
                self._take(strip)
            self.answers.append((self.window, self.heard))

    def answer(self) -> None:
        if self.answers:
            window, heard = self.answers.pop(0)
            self.field = window
            if heard >= self.count:
                self.strip = window

    def settle(self) -> None:
        while self.requests or self.answers:
            self.arrive()
            self.answer()

    def agree(self) -> None:
        assert self.window == self.strip == self.wanted

    def _ask(self) -> None:
        self.requests.append((self.field, self.count, self.strip))

    def _take(self, words: str) -> None:
        self.replaced[self.window] = self.now
        self.replaced.pop(words, None)
        self.window = words
