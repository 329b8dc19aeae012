"""UMAP in a process of its own: one at a time, warm between calls, stopped by ending it.

Two fits at once can abort a process under numba's default threading layer, and a fit cannot be
interrupted from outside. So one child does them all in turn; a cancel kills it and starts the
next. It is started with ``python -m``, not through multiprocessing, so that it never imports
the parent's main module, be that Streamlit, pytest or a script without a guard.
"""

import atexit
import contextlib
import functools
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from embfilter_viz.embeddings.layouts import Layout
from embfilter_viz.errors import InputError
from embfilter_viz.system.progress import Progress, silent

__all__ = ["LayoutProcess", "aligned_umap", "warm_up"]

# Seconds between two calls of progress: so soon a cancel is noticed.
_HEARTBEAT = 0.25
# Seconds without a request after which a new child loads and compiles UMAP on its own account.
_WARM_UP_AFTER = 0.5
_ENDED = ("ended",)


class LayoutProcess:
    """A child that lays out maps, one at a time whoever asks.

    Made once, by :func:`aligned_umap`; may be called from any thread.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._inbox: queue.Queue[tuple[Any, ...]] = queue.Queue()

    def warm_up(self) -> None:
        """Start the child, which loads and compiles UMAP by itself; returns at once."""
        if self._turn.acquire(blocking=False):
            try:
                self._started()
            finally:
                self._turn.release()

    def aligned_umap(
        self, sets: Sequence[np.ndarray], *, progress: Progress = silent, **parameters: Any
    ) -> Layout:
        """:func:`embfilter_viz.embeddings.layouts.aligned_umap`, in the child.

        Args:
            sets: as there.
            progress: called four times a second; what it raises ends the child within a second
                and passes through.
            **parameters: as there.

        Raises:
            InputError: as there, or the system ended the child, most often for want of memory.
            RuntimeError: the child failed.
        """
        while not self._turn.acquire(timeout=_HEARTBEAT):
            progress("waiting for another map", 0, 0, "")
        try:
            kind, content = self._exchange(sets, parameters, progress)
        except BaseException:
            # Cancelled: the child is in the middle of what nobody waits for any more.
            self.close()
            with contextlib.suppress(OSError):
                self._started()
            raise
        finally:
            self._turn.release()
        if kind == "layout":
            # Made anew, because pickled arrays come back writeable.
            return replace(content)
        if kind == "input error":
            raise InputError(content)
        raise RuntimeError(f"the map's process failed: {content}")

    def close(self) -> None:
        """End the child, whatever it does."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for stream in (child.stdin, child.stdout):
                with contextlib.suppress(OSError):
                    assert stream is not None
                    stream.close()

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._child is not None and self._child.poll() is None:
            return self._child
        self.close()
        root = str(Path(__file__).parents[1])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        # -P: a file of the user's working folder must not stand in for a library.
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-X", "utf8", "-m", "embfilter_viz.layout_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        self._inbox = queue.Queue()
        threading.Thread(
            target=_receive_all, args=(self._child.stdout, self._inbox), daemon=True
        ).start()
        return self._child

    def _exchange(
        self, sets: Sequence[np.ndarray], parameters: dict[str, Any], progress: Progress
    ) -> tuple[str, Any]:
        """Ask the child and follow it to its last word: what it is, and the thing itself."""
        child = self._started()
        # Sent from a thread of its own: a child that is busy loading is slow to listen.
        request = pickle.dumps((list(map(np.asarray, sets)), parameters), protocol=5)
        threading.Thread(target=_send, args=(child.stdin, request), daemon=True).start()
        said: tuple[Any, ...] = ("starting the map's process", 0, 0, "")
        while True:
            progress(*said)
            try:
                kind, *content = self._inbox.get(timeout=_HEARTBEAT)
            except queue.Empty:
                continue
            if kind == "progress":
                said = tuple(content)
            elif kind == "ended":
                code = child.wait()
                if code == -getattr(signal, "SIGKILL", 9):
                    return "input error", (
                        "UMAP: the system ended its process, most often for want of memory; take "
                        "fewer texts or PCA"
                    )
                return "error", f"it ended with exit code {code}"
            else:
                return kind, content[0]


@functools.cache
def _shared() -> LayoutProcess:
    process = LayoutProcess()
    atexit.register(process.close)
    return process


def aligned_umap(
    sets: Sequence[np.ndarray],
    *,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    seed: int = 0,
    progress: Progress = silent,
) -> Layout:
    """Aligned UMAP of each set, in the one process kept for it, which a cancel ends.

    Same arguments, result and errors as :func:`embfilter_viz.embeddings.layouts.aligned_umap`;
    ``progress`` is called four times a second and may raise to stop.

    Args:
        sets: (n, d) embeddings each.
        n_neighbors: how many neighbours are looked at.
        min_dist: how close points may lie.
        seed: of the random numbers.
        progress: told of the work.

    Returns:
        one map for each set, and how true they are.
    """
    return _shared().aligned_umap(
        sets, n_neighbors=n_neighbors, min_dist=min_dist, seed=seed, progress=progress
    )


def warm_up() -> None:
    """Load and compile UMAP in the background, before the first map is asked for."""
    _shared().warm_up()


def _send(stream: BinaryIO, message: bytes) -> None:
    # Whoever should listen has ended, and its end is told elsewhere.
    with contextlib.suppress(OSError, ValueError):
        stream.write(struct.pack("<Q", len(message)))
        stream.write(message)
        stream.flush()


def _receive(stream: BinaryIO) -> Any:
    """One message, or None at the end of the stream."""
    with contextlib.suppress(OSError, ValueError):
        head = stream.read(8)
        if len(head) == 8:
            (size,) = struct.unpack("<Q", head)
            message = stream.read(size)
            if len(message) == size:
                return pickle.loads(message)
    return None


def _receive_all(stream: BinaryIO, inbox: "queue.Queue[tuple[Any, ...]]") -> None:
    while (message := _receive(stream)) is not None:
        inbox.put(message)
    inbox.put(_ENDED)


def _listen(stream: BinaryIO, requests: "queue.Queue[Any]") -> None:
    """In the child: take requests, and end at once when the parent is gone."""
    while (request := _receive(stream)) is not None:
        requests.put(request)
    os._exit(0)


def _serve() -> None:
    """The child's life: load, then lay out map after map until the parent is gone."""
    # Ctrl-C in the terminal is for the parent, which decides what becomes of us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What libraries print must not come between the messages.
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, requests), daemon=True).start()

    def tell(*message: Any) -> None:
        _send(channel, pickle.dumps(message, protocol=5))

    def progress(what: str, done: float, total: float, unit: str) -> None:
        tell("progress", what, float(done), float(total), unit)

    import traceback

    from embfilter_viz.embeddings import layouts

    progress("loading and compiling UMAP (10 to 30 s the first time)", 0, 0, "")
    try:
        # A request that is already there need not wait for a rehearsal.
        requests.put(requests.get(timeout=_WARM_UP_AFTER))
    except queue.Empty:
        with contextlib.suppress(Exception):  # a request will tell what is wrong
            layouts.aligned_umap([np.eye(8, 9), np.eye(8, 9)], n_epochs=2)
    while True:
        sets, parameters = requests.get()
        try:
            tell("layout", layouts.aligned_umap(sets, progress=progress, **parameters))
        except InputError as error:
            tell("input error", str(error))
        except Exception:
            tell("error", traceback.format_exc())


if __name__ == "__main__":
    _serve()
