"""How the explorer answers many visitors: python benchmarks/load.py [--visitors 20 --minutes 10].

Starts ``embfilter-viz app --public`` and sends it visitors without browsers (``visitor.py``). One
visitor is alone first: what it waits is the idle figure, and what the server holds when it has
left is the memory that is compared with. Then ``--visitors`` of them stay for ``--minutes``: each
changes pages, drags the strip, types sentences that nobody typed before, and once uploads 300
texts of its own and has them embedded. Prints what each kind of action took, beside the idle
figure, and the memory of the server's processes. Ends with 1 where a rule was not kept.
"""

import argparse
import asyncio
import contextlib
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from turns import machine
from visitor import Answer, VisitError, Visitor, visiting

from embfilter_viz.data import demo_texts
from embfilter_viz.system.paths import CACHE_VARIABLE, cache_folder

ROOT = Path(__file__).parents[1]

PAGES = ("Start", "Lesson", "Spectrum", "Average token", "Filter and lens", "Two texts", "Geometry",
         "Window laboratory", "Claims", "Compare")  # fmt: skip
WITHOUT_STRIP = ("Lesson", "Words")
SENTENCE_PAGE, TEXTS_PAGE = "Filter and lens", "Geometry"

ARRIVAL, PAGE, STRIP, SENTENCE = "arrival", "page change", "strip", "sentence"
UPLOAD, TEXTS = "upload of a file", "300 texts embedded"
KINDS = (ARRIVAL, PAGE, STRIP, SENTENCE, UPLOAD, TEXTS)

N_TEXTS = 300
SLOWEST = 2.0
"""Seconds that 95 of 100 answers take at most."""
SETTLED = 120.0
"""Seconds after which memory stays level."""
BACK = 1.10
"""Times the memory of before that is held at most when all have left."""
LEVEL = 0.01
"""Share of the memory by which it may still rise in a minute and be called level."""
GOODBYE = 150.0
"""Seconds that the server has to give memory back: for 120 it keeps the session of a lost tab."""


@dataclass
class Log:
    """What was seen by the visitors of one phase."""

    answers: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    errors: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    refused: int = 0
    """Long jobs that the server had no room for, which were asked for again."""


class Memory:
    """The resident memory of a process and its children, looked at every two seconds."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._root = psutil.Process(process.pid)
        self.seen: list[tuple[float, float]] = []
        """When, in seconds of ``time.monotonic``, and how many bytes."""

    def now(self) -> float:
        """Bytes that are held now."""
        total = 0
        for process in [self._root, *self._root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        self.seen.append((time.monotonic(), total))
        return total

    async def watch(self) -> None:
        """Look every two seconds, until cancelled."""
        while True:
            self.now()
            await asyncio.sleep(2)

    def between(self, begin: float, end: float) -> np.ndarray:
        """(n, 2) times and bytes seen in that time."""
        return np.array([one for one in self.seen if begin <= one[0] <= end])

    async def after(self, seconds: float) -> float:
        """Bytes that are held after so many seconds."""
        await asyncio.sleep(seconds)
        return self.now()


class Stay:
    """What one visitor does, by chance but the same in each run."""

    def __init__(self, number: int, server: str, log: Log, *, pause: float) -> None:
        self.number, self.server, self.log, self.pause = number, server, log, pause
        self.chance = random.Random(number)
        demo = [word for text in demo_texts().texts for word in text.split()]
        self._words, self._texts = demo, 0

    async def until(self, end: float, texts_at: float) -> None:
        """Come, act until ``end``, from ``texts_at`` on have the texts embedded once, and leave."""
        embedded = False
        while time.monotonic() < end:
            try:
                async with visiting(self.server) as visitor:
                    assert visitor.arrival is not None
                    self.log.answers[ARRIVAL].append(visitor.arrival)
                    while time.monotonic() < end:
                        await asyncio.sleep(self.pause * self.chance.uniform(0.5, 1.5))
                        if not embedded and time.monotonic() >= texts_at:
                            embedded = True
                            await self.embeds(visitor)
                        else:
                            await self.acts(visitor)
                    return
            except (VisitError, OSError) as error:
                self.log.errors[ARRIVAL].append(str(error))
                await asyncio.sleep(self.pause)

    async def acts(self, visitor: Visitor) -> None:
        """Do one thing."""
        kind = self.chance.choices((PAGE, STRIP, SENTENCE), (2, 3, 1))[0]
        if kind == SENTENCE:
            if visitor.page != SENTENCE_PAGE:
                await self._goes(visitor, SENTENCE_PAGE)
            await self._does(kind, visitor.type("Your text", self.sentence()))
        elif kind == STRIP and visitor.page not in WITHOUT_STRIP:
            try:
                left, right, d = visitor.window
            except VisitError:  # a page that has nothing to show yet
                await self._goes(visitor, "Spectrum")
                return
            steps = [self.chance.randint(-d // 12, d // 12)] * self.chance.randint(1, 4)
            low = [max(0, min(right - 8, left + step * i)) for i, step in enumerate(steps, 1)]
            await self._does(kind, visitor.move(*(f"{at}:{right}" for at in low)))
        else:
            await self._goes(visitor, self.chance.choice(PAGES))

    async def embeds(self, visitor: Visitor) -> None:
        """Upload texts and have them embedded; where there is no room, ask again."""
        await self._goes(visitor, TEXTS_PAGE)
        await self._does("", visitor.choose("Texts", "your file"))
        texts = "\n".join(self.sentence() for _ in range(N_TEXTS)).encode()
        name = f"texts-{self.number}.txt"
        await self._does(UPLOAD, visitor.upload("A .txt file", name, texts))
        begun = time.perf_counter()
        answer = await self._does("", visitor.press("Embed"))
        while answer is not None and visitor.has_button("Try again"):
            self.log.refused += 1
            await asyncio.sleep(10)
            answer = await self._does("", visitor.press("Try again"))
        if answer is not None:
            whole = time.perf_counter() - begun
            self.log.answers[TEXTS].append(Answer(answer.first, whole, answer.received))
            if not visitor.stamps:
                self.log.errors[TEXTS].append("the page has no figures of the texts")

    def sentence(self) -> str:
        """A dozen words that were not read before."""
        words = self.chance.sample(self._words, self.chance.randint(8, 16))
        return " ".join(words).replace(".", "").capitalize() + "."

    async def _goes(self, visitor: Visitor, page: str) -> None:
        await self._does(PAGE, visitor.go(page))

    async def _does(self, kind: str, doing: object) -> Answer | None:
        try:
            answer: Answer = await doing  # type: ignore[misc]
        except VisitError as error:
            if "lost connection" in str(error):
                raise
            self.log.errors[kind or TEXTS].append(str(error))
            return None
        if kind:
            self.log.answers[kind].append(answer)
        return answer


@contextlib.contextmanager
def served(cache: Path, log: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A public explorer at a free port, once it is well: its address and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "embfilter_viz", "app", "--public", "--headless"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--port", str(port)], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT,
            env={**os.environ, CACHE_VARIABLE: str(cache), "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 90
        while time.monotonic() < end and process.poll() is None:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=5)
                yield address, process
                return
            time.sleep(0.1)
        raise SystemExit(f"the server did not start: {log.read_text()}")
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


async def measure(given: argparse.Namespace, server: str, process: subprocess.Popen[bytes]) -> bool:
    """Send the visitors, and print the tables; tell whether all rules were kept."""
    memory = Memory(process)
    started = memory.now()
    first = Log()
    say(f"{machine()}; OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'not set')}")
    say("a first visitor opens every page, so that the model is open and all is counted once")
    await through_all_pages(server, first)
    idle = Log()
    say(f"one visitor alone, {given.idle:g} minutes")
    begun = time.monotonic()
    watching = asyncio.create_task(memory.watch())
    alone = Stay(10_000, server, idle, pause=given.pause / 4)
    await alone.until(begun + 60 * given.idle, begun + 12 * given.idle)
    before = await memory.after(given.goodbye)
    say(f"nobody there, {before / 1e6:.0f} MB; {given.visitors} visitors come")
    busy = Log()
    begun = time.monotonic()
    end = begun + 60 * given.minutes
    many = []
    for number in range(given.visitors):
        stay = Stay(number, server, busy, pause=given.pause)
        # They come in the first half minute, and their texts in the first two thirds of the stay.
        texts_at = begun + (0.05 + 0.6 * number / given.visitors) * 60 * given.minutes
        many.append(asyncio.create_task(stay.until(end, texts_at)))
        await asyncio.sleep(min(30.0, 6 * given.minutes) / given.visitors)
    await asyncio.gather(*many)
    left = time.monotonic()
    say(f"all have left after {(left - begun) / 60:.1f} minutes")
    after = await memory.after(given.goodbye)
    watching.cancel()
    print()
    kept = answers_table(idle, busy)
    print()
    return memory_table(memory, started, before, begun, left, after) and kept


async def through_all_pages(server: str, log: Log) -> None:
    """Open every page once."""
    async with visiting(server) as visitor:
        for page in PAGES:
            answer = await visitor.go(page)
            say(f"  {page}: {answer.first:.1f} s, complete after {answer.whole:.1f} s")
            await asyncio.sleep(1.5)  # what follows once the window rests


def answers_table(idle: Log, busy: Log) -> bool:
    """Print what each kind of action took; tell whether 95 of 100 pages answered in time."""
    print("| action | count | errors | page answers: median, 95 % | alone | ratio "
          "| complete: median, 95 % | alone | ratio | kB |\n" + "|---" * 10 + "|")  # fmt: skip
    for kind in KINDS:
        many, alone = busy.answers[kind], idle.answers[kind]
        if not many:
            continue
        cells = [f"{len(many):,}", str(len(busy.errors[kind]))]
        for name in ("first", "whole"):
            theirs = [getattr(one, name) for one in many]
            own = [getattr(one, name) for one in alone] or [float("nan")]
            cells += [of(theirs), of(own), f"{np.median(theirs) / np.median(own):.1f}"]
        cells.append(f"{np.median([one.received for one in many]) / 1000:,.0f}")
        print(f"| {kind} | " + " | ".join(cells) + " |")
    pages = [one.first for kind in (PAGE, STRIP, SENTENCE) for one in busy.answers[kind]]
    whole = [one.whole for kind in (PAGE, STRIP, SENTENCE) for one in busy.answers[kind]]
    slowest = float(np.quantile(pages, 0.95))
    errors = Counter(line for lines in busy.errors.values() for line in lines)
    print(
        f"\npage change, strip and sentence together: 95 % answered within {slowest:.2f} s (the "
        f"rule is {SLOWEST:g} s: {verdict(slowest <= SLOWEST)}), complete within "
        f"{np.quantile(whole, 0.95):.2f} s"
    )
    print(
        f"errors: {errors.total()}: {verdict(not errors)}; long jobs asked for again because "
        f"there was no room: {busy.refused}"
    )
    for line, count in errors.most_common(10):
        print(f"  {count} x {line}")
    for line, count in Counter(line for lines in idle.errors.values() for line in lines).items():
        print(f"  alone: {count} x {line}")
    return slowest <= SLOWEST and not errors


def memory_table(
    memory: Memory, started: float, before: float, begun: float, left: float, after: float
) -> bool:  # fmt: skip
    """Print the memory of the server; tell whether it was level and came back."""

    def row(when: str, held: float) -> None:
        print(f"| {when} | {held / 1e6:,.0f} MB | {held / before:.0%} |")

    print("| server's memory | held | of before |\n|---|---|---|")
    row("started, nothing open", started)
    row("before: one visitor was there and left", before)
    minutes = np.arange(begun + 60, left + 1, 60)
    for minute, at in enumerate(minutes, 1):
        seen = memory.between(at - 60, at)
        row(f"minute {minute}, mean", seen[:, 1].mean())
    row("most", memory.between(begun, left)[:, 1].max())
    row(f"{memory.seen[-1][0] - left:.0f} s after all had left", after)
    settled = memory.between(begun + SETTLED, left)
    kept = after <= before * BACK
    print(f"\nback to {after / before:.0%} of before; the rule is {BACK:.0%}: {verdict(kept)}")
    if len(settled) < 10 or settled[-1, 0] - settled[0, 0] < 60:
        print("slope: the stay was too short to tell")
        return kept
    rise = 60 * float(np.polyfit(settled[:, 0], settled[:, 1], 1)[0])
    level = rise / settled[:, 1].mean() <= LEVEL
    print(
        f"after {SETTLED / 60:.0f} minutes it rises by {rise / 1e6:+.1f} MB a minute "
        f"({rise / settled[:, 1].mean():+.2%}); the rule is {LEVEL:.0%}: {verdict(level)}"
    )
    return kept and level


def of(values: list[float]) -> str:
    """Median and 95th percentile, in seconds."""
    return f"{np.median(values):.2f}, {np.quantile(values, 0.95):.2f} s"


def verdict(kept: bool) -> str:
    """Say whether a rule was kept."""
    return "kept" if kept else "NOT kept"


def say(line: str) -> None:
    """Say how far it is."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--visitors", type=int, default=20)
    words.add_argument("--minutes", type=float, default=10, help="how long they stay")
    words.add_argument("--idle", type=float, default=2, help="minutes of the one visitor alone")
    words.add_argument("--pause", type=float, default=8, help="mean seconds between two actions")
    words.add_argument("--goodbye", type=float, default=GOODBYE, help="seconds of nobody there")
    words.add_argument("--cache", type=Path, help="of the explorer; else one without results")
    words.add_argument("--log", type=Path, help="where the server's own log goes")
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as room:
        cache = given.cache or Path(room, "cache")
        if given.cache is None:
            cache.mkdir()
            (cache / "models").symlink_to(cache_folder() / "models")
        log = given.log or Path(room, "log.txt")
        with served(cache, log) as (server, process):
            kept = asyncio.run(measure(given, server, process))
        trouble = [
            line for line in log.read_text().splitlines() if "Traceback" in line or "Error" in line
        ]
        print(f"the server's log: {len(trouble)} lines of trouble: {verdict(not trouble)}")
        for line in trouble[:5]:
            print(f"  {line}")
    sys.exit(0 if kept and not trouble else 1)


if __name__ == "__main__":
    main()
