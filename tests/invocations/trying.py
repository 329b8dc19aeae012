"""Invocations tried, in this process or in one of their own, and what is wrong with the outcome."""

import contextlib
import importlib
import io
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.environment import ABSENT, NOWHERE, few_words
from tests.invocations.cases import Case
from tests.invocations.places import made_places, seen

__all__ = [
    "SECONDS",
    "Outcome",
    "Tried",
    "bound_memory",
    "faults_of",
    "places",
    "seconds_of_a_start",
    "tried_here",
    "tried_in_a_process",
]

SECONDS = 10.0
LONGEST_LINE = 1000
MEMORY = 12 << 30
"""Bytes of addresses, of which libraries reserve far more than they use."""
_WAY_OUT = re.compile(r"; |\b(must|write|give|give one|such as|it has|there are|name)\b")
"""What a line has that says how to do better; the lines themselves are read by a person."""
_SLOW_TO_IMPORT = ("mteb", "lancedb", "qdrant_client", "ray.data", "duckdb", "faiss")
_ROOT = Path(__file__).parents[2]
_STARTS = 30.0
"""Seconds more for a process that starts, on a machine that is busy."""


@dataclass(frozen=True)
class Outcome:
    """What an invocation left behind."""

    status: int | str
    """The exit code, or what it ended with instead."""
    out: bytes
    err: str
    seconds: float
    allowed: float = SECONDS
    left: tuple[str, ...] = ()
    """Files that were made, changed or removed."""

    @property
    def lines(self) -> list[str]:
        """What it said on standard error, without what it told of its work."""
        said = [line for line in self.err.splitlines() if not line.startswith("… ")]
        return [line for line in said if line.strip()]


@dataclass(frozen=True)
class Tried:
    """A case and what came of it."""

    case: Case
    outcome: Outcome

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with it."""
        return faults_of(self.case, self.outcome)


def faults_of(case: Case, outcome: Outcome) -> tuple[str, ...]:
    """Say what breaks the contract: a 2, and one line that names the input and the way out."""
    found, lines = [], outcome.lines
    line = lines[0] if lines else ""
    if outcome.status == 0:
        found.append("answered")
    elif outcome.status != 2:
        found.append(f"ended with {outcome.status}")
    if outcome.seconds > outcome.allowed:
        found.append(f"more than {SECONDS:g} s")
    if "Traceback (most recent" in outcome.err:
        found.append("a traceback")
    elif outcome.status == 2 and len(lines) != 1:
        found.append(f"{len(lines)} lines")
    if outcome.out and outcome.status != 0:
        found.append("words on standard output")
    if outcome.left:
        found.append(f"files left or changed: {', '.join(outcome.left)[:200]}")
    if outcome.status == 2 and len(lines) == 1:
        found += _faults_of_line(case, line)
    return tuple(found)


def _faults_of_line(case: Case, line: str) -> Iterator[str]:
    if not line.startswith("embfilter-viz: "):
        yield "not our line"
    if len(line) > LONGEST_LINE:
        yield "a line too long"
    if not line.isprintable():
        yield "a line that cannot be printed"
    if not _WAY_OUT.search(line):
        yield "no way out"
    if "free memory" in line and "MEMORY" not in str(case):
        yield "memory without a bound"
    low = line.lower()
    if case.named and not any(word.lower() in low for word in case.named):
        yield "the input is not named"


def bound_memory() -> None:
    """Hold this process and its children to :data:`MEMORY` beyond what they have."""
    import resource

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))


@contextlib.contextmanager
def places(*, few_libraries: bool = False) -> Iterator[Path]:
    """A folder with all files that cases name, in which an invocation finds itself.

    Args:
        few_libraries: whether those that take seconds to import are left to the first case that
            needs one.
    """
    before, variables = Path.cwd(), dict(os.environ)
    with tempfile.TemporaryDirectory() as made, contextlib.ExitStack() as stack:
        room = Path(made)
        folder = room / "places"
        folder.mkdir()
        for name in ABSENT:
            os.environ.pop(name, None)
        os.environ |= {
            "EMBFILTER_VIZ_CACHE": str(room / "cache"), "HF_HOME": str(room / "hf"),
            "HF_ENDPOINT": NOWHERE, "PIP_INDEX_URL": NOWHERE, "PYTHONWARNINGS": "ignore",
        }  # fmt: skip
        try:
            os.chdir(folder)
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            few_words(patch)
            for module in () if few_libraries else _SLOW_TO_IMPORT:
                with contextlib.suppress(ImportError):  # an optional part
                    importlib.import_module(module)
            made_places(folder)
            export = ("export", "model", "--window", "3:20", "--format", "filter", "-o",
                      "filter.safetensors")  # fmt: skip
            assert tried_here(Case("", export), folder).status == 0
            yield folder
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ.update(variables)
            (folder / "unreadable").chmod(0o600)


def tried_here(case: Case, folder: Path) -> Outcome:
    """Try a case in this process."""
    before = seen(folder)
    variables = dict(os.environ)
    with _captured() as said:
        begun = _quiet_clock()
        status = _status(case)
        seconds = _quiet_clock() - begun
    os.environ.clear()
    os.environ.update(variables)
    out, err = said
    return Outcome(status, out, err, seconds, left=_changed(before, seen(folder)))


def _status(case: Case) -> int | str:
    from embfilter_viz.cli import main
    from embfilter_viz.ui import launch

    def started(*_: Any) -> None:
        """In the place of a server."""

    really, launch.run = launch.run, started  # type: ignore[assignment]
    begun = _quiet_clock()

    def late(*_: object) -> None:
        left = SECONDS + 1 - (_quiet_clock() - begun)
        if left <= 0:
            raise _LateError
        signal.setitimer(signal.ITIMER_REAL, max(left, 0.1))

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS + 1)
    try:
        main(list(case.arguments))
    except SystemExit as left:
        if left.code == 128 + signal.SIGTERM:
            raise  # it is this whole run that is to end
        return left.code if isinstance(left.code, int) else str(left.code)
    except BaseException as error:  # whatever it is, the case is named
        import traceback

        traceback.print_exc()
        return type(error).__name__
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        launch.run = really
    return 0


class _LateError(BaseException):
    """An invocation took too long; no ``except Exception`` keeps it."""


def _quiet_clock() -> float:
    """Seconds by the clock, without those that this thread waited for a processor."""
    try:
        waited = int(Path("/proc/self/schedstat").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        waited = 0
    return time.monotonic() - waited / 1e9


@contextlib.contextmanager
def _captured() -> Iterator[list[Any]]:
    """What goes to standard output and standard error, from libraries of C too."""
    said: list[Any] = []
    sys.stdout.flush()
    sys.stderr.flush()
    streams, kept = (sys.stdout, sys.stderr), [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), "utf-8")
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), "utf-8", "backslashreplace")
        try:
            yield said
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            sys.stdout, sys.stderr = streams
            for number, before in zip((1, 2), kept, strict=True):
                os.dup2(before, number)
                os.close(before)
            out.seek(0)
            err.seek(0)
            said += [out.read(), err.read().decode(errors="replace")]


def tried_in_a_process(case: Case, folder: Path, allowed: float = SECONDS) -> Outcome:
    """Try a case as a user does: a process of its own.

    Args:
        case: the case.
        folder: where it is tried.
        allowed: seconds; on a machine that is busy the start alone takes many.
    """
    before = seen(folder)
    variables = {**os.environ, "PYTHONPATH": str(_ROOT), **case.variables}
    command = [sys.executable, "-m", "embfilter_viz", *case.arguments]
    begun = time.monotonic()
    with subprocess.Popen(
        command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
    ) as child:  # fmt: skip
        try:
            out, err = child.communicate(timeout=allowed + _STARTS)
            status: int | str = child.returncode
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            out, err = child.communicate()
            status = "nothing"
    seconds = time.monotonic() - begun
    return Outcome(status, out, err.decode(errors="replace"), seconds, allowed,
                   _changed(before, seen(folder)))  # fmt: skip


def seconds_of_a_start(folder: Path) -> float:
    """Seconds that a good command takes in a process of its own, most of them for imports."""
    good = Case("", ("lens", "model", "a cat", "--frequencies", "texts.txt"))
    outcome = tried_in_a_process(good, folder)
    assert outcome.status == 0, outcome.err
    return outcome.seconds


def _changed(before: Any, after: Any) -> tuple[str, ...]:
    return tuple(sorted(name for name in before.keys() | after.keys()
                        if before.get(name) != after.get(name)))  # fmt: skip
