"""Work that is killed and begun again, and what is wrong with what comes of it."""

import json
import random
import re
import shutil
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.kills.operations import Operation, content_of, same
from tests.kills.processes import Death, Ended, Started, apart

__all__ = ["Found", "Trials"]

_STORED = ("**/*.safetensors", "models/**/tokenizer*.json", "models/**/config.json")
"""Entries of the cache that say the same however they were made."""
_MAY_BE_GONE = re.compile(r"hashes/[0-9a-f]{32}\.json|cache/models/hub(-heads/.*)?")
"""What need not be there again: a file's hash may be known in another way by now, and a head that
was fetched by ranges lies in the hub's cache once all of the model does."""
_PROBE = re.compile(r"tmp/[a-z0-9_]{8}")
_LONGEST_PROBE = 4
"""Bytes that Python writes, and removes at once, to see whether a temporary folder will do."""
_LOCK = re.compile(r"-[0-9a-f]{3}\.lock$")


@dataclass
class Found:
    """What came of the kills of one operation."""

    tried: int = 0
    hit: Counter[str] = field(default_factory=Counter)
    """Kills in the middle of the work, by their kind."""
    faults: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    """Of each kind of fault, the first in full."""

    @property
    def hits(self) -> int:
        """Count the kills in the middle of the work."""
        return sum(self.hit.values())

    def fault(self, kind: str, what: str) -> None:
        """Note a fault."""
        self.faults[kind] += 1
        self.first.setdefault(kind, what)


@dataclass(frozen=True)
class Reference:
    """What comes of the work when nobody is killed."""

    said: Any
    out: Any
    stored: dict[str, Any]
    files: dict[str, int]
    """Files of cache, temporary and output folder with their sizes."""
    seconds: float
    changes: int
    largest: int


class Trials:
    """The trials of one operation in rooms below a folder.

    Args:
        operation: the operation.
        inputs: as ``made_inputs`` wrote them.
        folder: an empty one.
        environment: as ``served`` gave it.
        seed: of the moments.
    """

    def __init__(
        self, operation: Operation, inputs: Path, folder: Path, environment: Mapping[str, str],
        seed: int = 0,
    ) -> None:  # fmt: skip
        self.operation, self._inputs, self._folder = operation, inputs, folder
        self._environment = dict(environment)
        self._random = random.Random(f"{operation.name} {seed}")
        self.found = Found()
        self.reference = self._reference()

    def empty_room(self) -> Path:
        """Return a room with nothing in it."""
        room = self._folder / "room"
        shutil.rmtree(room, ignore_errors=True)
        for name in ("cache", "hf", "tmp", "out"):
            (room / name).mkdir(parents=True)
        return room

    def lay_out(self, room: Path) -> Path:
        """Lay into a room what the work changes."""
        if self.operation.prepare is not None:
            self.operation.prepare(self._inputs, room)
        self.laid_out = list((room / "out").iterdir())
        self._states = states_in(room / "out")
        return room

    def _room(self) -> Path:
        return self.lay_out(self.empty_room())

    def start(self, room: Path, death: Death | None = None, name: str = "a") -> Started:
        """Begin the work in a room."""
        environment = self._environment | {
            "EMBFILTER_VIZ_CACHE": str(room / "cache"),
            "HF_HOME": str(room / "hf"),
            "TMPDIR": str(room / "tmp"),
        }
        return Started(self.operation.run(self._inputs, room), room, environment, death, name)

    def _reference(self) -> Reference:
        # Twice: the second run finds what the first one kept, as a run after a kill may.
        first = self.start(room := self._room()).ended()
        again = self.start(room).ended()
        for one in (first, again):
            if one.code:
                raise RuntimeError(f"{self.operation.name} ends with {one.code}:\n{one.log}")
        files = files_in(room)
        return Reference(
            self.said(first), outputs_in(room), stored_in(room / "cache"), files,
            first.seconds, first.changes, max(files.values(), default=1),
        )  # fmt: skip

    def said(self, ended: Ended) -> Any:
        """Return what was printed, as a result to compare."""
        return json.loads(ended.said) if self.operation.prints and ended.said else None

    def draw(self, most: int) -> int:
        """Draw a number of bytes."""
        return self._random.randint(0, most)

    def death(self) -> Death:
        """Draw how the next process is to end, over the whole of its work."""
        how = self._random.choice(("after", "before", "behind", "write"))
        if how == "after":
            return Death("after", self._random.uniform(0, 1.02 * self.reference.seconds))
        if how == "write":
            return Death("write", self._random.randint(1, max(2, self.reference.largest)))
        return Death(how, self._random.randint(1, max(1, self.reference.changes)))

    def kill_once(self, in_a_row: int = 1) -> None:
        """Kill the work, as often as is said one after the other, and finish it."""
        room = self._room()
        killed = []
        for death in self._deaths(in_a_row):
            killed.append(self._kill(self.start(room, death), death, alone_in=room))
            self._states = states_in(room / "out")
        if any(killed):
            self.finish(room, ", ".join(map(str, self._drawn)))

    def _deaths(self, number: int) -> Iterator[Death]:
        self._drawn = []
        for _ in range(number):
            self._drawn.append(self.death())
            yield self._drawn[-1]

    def _kill(self, started: Started, death: Death, alone_in: Path | None = None) -> bool:
        """Wait for its end, and tell whether it was killed at work.

        Args:
            started: the process.
            death: how it is to end.
            alone_in: the room, where nobody else is at work in it.

        Returns:
            whether the kill hit the work in progress.
        """
        ended = started.ended()
        self.found.tried += 1
        # A part of the work in a process of its own may be what a write has ended.
        of_its_child = death.how == "write" and ended.code == 2 and ended.changes > 0
        if alone_in is None and ended.refused and not of_its_child:
            return False  # a database takes one at a time
        # A library that does not tell Python of its changes has made some all the same.
        untold = ended.code == -signal.SIGKILL and alone_in is not None and (
            states_in(alone_in / "out") != self._states
        )  # fmt: skip
        if ended.killed or of_its_child or untold:
            self.found.hit[death.how] += 1
            said = [line for line in ended.log.splitlines() if not line.startswith("… ")]
            if of_its_child and len(said) != 1:
                self.found.fault("no line", f"{death}: {ended.log[-600:]}")
            return True
        if ended.code not in (0, -signal.SIGKILL, -signal.SIGXFSZ):  # the last two: before it began
            self.found.fault("ended otherwise", f"{death}: {ended.code}, {ended.log[-2000:]}")
        return False

    def kill_one_of_two(self) -> None:
        """Let two processes do the same at once; kill one of them, or both."""
        room = self._room()
        deaths = [self.death(), self._random.choice((Death(), self.death()))]
        both = [self.start(room, death, name) for death, name in zip(deaths, "ab", strict=True)]
        hit = False
        for one, death in sorted(zip(both, deaths, strict=True), key=lambda pair: pair[1].at):
            if death.how != "never":
                hit = self._kill(one, death) or hit
                continue
            ended = one.ended()
            if ended.refused:  # a database takes one at a time
                continue
            if ended.code:
                self.found.fault("the other failed", f"{deaths[0]}: {ended.log[-2000:]}")
            elif not same(self.said(ended), self.reference.said):
                self.found.fault("lost results", f"the other, {deaths[0]}: {ended.said[:500]}")
        if hit:
            self.finish(room, " and ".join(map(str, deaths)))

    def finish(self, room: Path, how: str) -> None:
        """Run the work to its end and hold all that is there against a run that was not killed."""
        ended = self.start(room).ended()
        if ended.code:
            self.found.fault("not finished", f"{how}: {ended.code}, {ended.log[-3000:]}")
            return
        whole = same(outputs_in(room), self.reference.out)
        if not (whole and same(self.said(ended), self.reference.said)):
            names = sorted(path.name for path in (room / "out").iterdir())
            self.found.fault("lost results", f"{how}: {names} {ended.said[:500]}")
        for name, entry in stored_in(room / "cache").items():
            if name in self.reference.stored and not same(entry, self.reference.stored[name]):
                self.found.fault("damaged entries", f"{how}: {name}")
        files = files_in(room)
        if left := sorted(files.keys() - self.reference.files.keys()):
            self.found.fault("leftovers", f"{how}: {left}")
        gone = sorted(self.reference.files.keys() - files.keys())
        if gone := [name for name in gone if not _MAY_BE_GONE.search(name)]:
            self.found.fault("missing", f"{how}: {gone}")


def outputs_in(room: Path) -> Any:
    """What lies in the output folder of a room."""
    return apart(lambda: content_of(room / "out"))


def stored_in(cache: Path) -> dict[str, Any]:
    """Entries of a cache by their place, vectors of each table by their key among them."""
    found = {
        str(path.relative_to(cache)): content_of(path)
        for pattern in _STORED
        for path in cache.glob(pattern)
        if path.is_file() and not path.name.startswith(".") and "/." not in str(path)
    }
    import numpy as np

    for path in cache.glob("results/*/*.sqlite"):
        with sqlite3.connect(path) as db:
            rows = db.execute("SELECT key, vector FROM vectors ORDER BY key").fetchall()
        db.close()
        found[str(path.relative_to(cache))] = {
            key: np.frombuffer(vector, "<f4") for key, vector in rows
        }
    return found


def states_in(folder: Path) -> dict[str, tuple[int, int]]:
    """Sizes and times of the files in a folder."""
    found = {}
    for path in folder.rglob("*"):
        state = path.lstat()
        found[str(path)] = (state.st_size, state.st_mtime_ns)
    return found


def files_in(room: Path) -> dict[str, int]:
    """Files that lie there when nobody works, by names without what differs each time."""
    found: Counter[str] = Counter()
    for top in ("cache", "hf", "tmp", "out"):
        for path in (room / top).rglob("*"):
            name = path.relative_to(room).as_posix()
            if path.is_dir() and any(path.iterdir()):
                continue
            if name.endswith(("-wal", "-shm")) and top == "cache":
                continue  # SQLite's own, which the next reader takes up
            if _PROBE.fullmatch(name) and path.stat().st_size <= _LONGEST_PROBE:
                continue
            name = _LOCK.sub("-NNN.lock", name)
            found[name] = max(found[name], path.lstat().st_size if path.is_file() else 0)
    return dict(found)
