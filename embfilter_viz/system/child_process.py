"""A function run in a child process, followed and stopped from here.

Converting a GGUF and fetching from a hub spend long stretches inside libraries that can neither
be interrupted nor told where to print. In a child process they can be stopped at any instant,
their memory goes back to the system when they end, and nothing they print reaches our output.
"""

import contextlib
import importlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from embfilter_viz.errors import InputError, line_of_disk
from embfilter_viz.system.progress import Progress, silent

__all__ = ["StoppedBySystem", "run_in_child"]

_HEARTBEAT = 0.2
"""Seconds between two calls of ``progress``, so also how soon a cancel is noticed."""


class StoppedBySystem(InputError):  # noqa: N818 - the system's doing, not an error of the child
    """The child process was killed from outside, most likely for want of memory."""

    def __init__(self, at_work: str, signal: int = 9) -> None:
        super().__init__(
            f"{at_work}: the system stopped the process that does this (signal {signal}), most "
            f"likely for want of memory; close other programs and try again"
        )


def run_in_child(
    function: Callable[..., Any],
    arguments: Mapping[str, Any],
    *,
    progress: Progress | None = silent,
    environment: Mapping[str, str] | None = None,
    started: str = "starting",
    answer_within: tuple[float, InputError] | None = None,
) -> Any:
    """Run ``function(**arguments, progress=…)`` in a child process and return its result.

    Args:
        function: of the top level of a module; takes and returns what JSON can hold.
        arguments: its keyword arguments but ``progress``.
        progress: called several times a second; whatever it raises stops the child at once.
            None for a function that takes none.
        environment: variables to set for the child.
        started: what ``progress`` is told until the child speaks.
        answer_within: seconds in which the child must call progress or end, and what is raised
            where it does not.

    Returns:
        what the function returned.

    Raises:
        InputError: raised by the function, with its own line, or a disk is full.
        StoppedBySystem: the child was killed by a signal; one line for a reader as well.
        RuntimeError: the function failed in any other way; the message ends with its traceback.

    >>> run_in_child(os.path.basename, {"p": "a/b"}, progress=None)
    'b'
    """
    name = f"{function.__module__}:{function.__qualname__}"
    root = str(Path(__file__).parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, **(environment or {}), "PYTHONPATH": os.pathsep.join(paths)}
    # -P: a file of the working folder, which may be a checkpoint, must not stand in for a library.
    command = [sys.executable, "-P", "-X", "utf8", "-m", "embfilter_viz.system.child_process", name]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=env
        ) as child,
    ):
        assert child.stdin is not None
        lines: queue.Queue[bytes | None] = queue.Queue()
        reader = threading.Thread(target=_read_lines, args=(child.stdout, lines), daemon=True)
        reader.start()
        try:
            given = dict(arguments)
            task = {"arguments": given, "progress": progress is not None, "started": started}
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(json.dumps(task).encode() + b"\n")
                child.stdin.flush()
            answer = _follow(lines, progress, started, answer_within)
            if not answer:  # its pipe closed without a last word: it is ending by itself
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(timeout=5)
        finally:
            child.kill()
            child.wait()
            reader.join()
        if "input_error" in answer:
            raise InputError(answer["input_error"])
        if "result" in answer:
            return answer["result"]
        if child.returncode < 0:
            raise StoppedBySystem(started, -child.returncode)
        log.seek(0)
        told = log.read().decode(errors="replace")[-4000:]
        raise RuntimeError(f"{name} failed with exit code {child.returncode}:\n{told}")


def _read_lines(stream: Any, lines: "queue.Queue[bytes | None]") -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _follow(
    lines: "queue.Queue[bytes | None]",
    progress: Progress | None,
    started: str,
    answer_within: tuple[float, InputError] | None,
) -> dict[str, Any]:
    """The child's last word, with ``progress`` called all along; {} where it left none.

    Args:
        lines: what the child writes.
        progress: told of the work.
        started: what is told before its first line.
        answer_within: seconds it has for its first line, and the error if it has none.

    Returns:
        the last word, or {}.
    """
    said: tuple[str, float, float, str] = (started, 0.0, 0.0, "")
    begun = time.monotonic()
    spoke = False
    while True:
        if progress is not None:
            progress(*said)
        if answer_within and not spoke and time.monotonic() - begun > answer_within[0]:
            raise answer_within[1]
        try:
            line = lines.get(timeout=_HEARTBEAT)
            while line is not None:
                message = json.loads(line)
                if "progress" not in message:
                    return message
                what, done, total, unit = message["progress"]
                said, spoke = (what, done, total, unit), True
                line = lines.get_nowait()
            return {}
        except queue.Empty:
            continue


class _Teller:
    """The child's side of the pipe: throttled progress, and an end when nobody listens."""

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._last = 0.0
        self._what = ""

    def say(self, message: Mapping[str, Any]) -> None:
        with self._lock:
            try:
                data = json.dumps(message).encode() + b"\n"
                while data:
                    data = data[os.write(self._channel, data) :]
            except OSError:
                os._exit(1)  # the parent is gone: whatever is half done is in a temporary folder

    def progress(self, what: str, done: float, total: float, unit: str) -> None:
        now = time.monotonic()
        if what != self._what or now - self._last > 0.1:
            self._what, self._last = what, now
            self.say({"progress": [what, done, total, unit]})


def _end_with_parent() -> None:
    """Leave as soon as the parent's end of our standard input closes, however it died."""
    while os.read(0, 4096):
        pass
    os._exit(1)


def _main() -> None:
    channel = os.dup(1)
    os.dup2(2, 1)  # what libraries print goes to the log, never into the protocol
    task_line = b""
    while not task_line.endswith(b"\n"):
        task_line += os.read(0, 1) or sys.exit(1)
    task = json.loads(task_line)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    teller = _Teller(channel)
    module, _, name = sys.argv[1].partition(":")
    function = getattr(importlib.import_module(module), name)
    extra = {"progress": teller.progress} if task["progress"] else {}
    try:
        result = function(**task["arguments"], **extra)
    except InputError as error:
        teller.say({"input_error": str(error)})
    except OSError as error:
        line = line_of_disk(error, task["started"])
        if line is None:
            raise
        teller.say({"input_error": line})
    else:
        teller.say({"result": result})


if __name__ == "__main__":
    _main()
