"""Processes that begin with all libraries imported, and are killed on purpose.

A process that has imported everything forks one child for each trial, so that a trial takes as long
as the work and not as long as the imports. What the command runs in processes of its own
(``system/child_process``) is forked in the same way; its protocol is the real one.
"""

import atexit
import gc
import io
import mmap
import os
import pickle
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from embfilter_viz.system import child_process, paths
from embfilter_viz.system.files import _tidy_up

__all__ = ["Death", "Ended", "Started", "apart", "get_ready"]

CHANGES = frozenset(
    {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate",
     "shutil.rmtree", "shutil.copyfile", "sqlite3.connect"}
)  # fmt: skip
"""What Python tells its audit hooks before it changes what lies on the disk; ``open`` besides."""
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_LONGEST = 600.0
"""Seconds after which a process is taken to hang."""


@dataclass(frozen=True)
class Death:
    """How a process is to end.

    ``after`` seconds; ``before`` the change of that number, or at once behind it (``behind``); in
    the middle of a ``write``, once a file has so many bytes.
    """

    how: Literal["never", "after", "before", "behind", "write"] = "never"
    at: float = 0

    def __str__(self) -> str:
        unit = {"after": " s", "write": " bytes"}.get(self.how, "")
        return f"{self.how} {self.at:g}{unit}"


@dataclass(frozen=True)
class Ended:
    """What became of a process."""

    code: int
    """Its exit code; less than 0 for a signal."""
    changes: int
    """Changes on the disk that it had begun."""
    seconds: float
    said: str
    """What it wrote to standard output."""
    log: str
    """What it wrote to standard error."""

    @property
    def killed(self) -> bool:
        """Whether it was ended in the middle of its work, and not before or after."""
        return -self.code == signal.SIGXFSZ or (-self.code == signal.SIGKILL and self.changes > 0)

    @property
    def refused(self) -> bool:
        """Whether it did not do its work, and said why in one line."""
        return self.code == 2 and self.log.count("embfilter-viz: ") == 1


class Started:
    """A forked process that does ``work``."""

    def __init__(
        self, work: Callable[[], None], room: Path, environment: Mapping[str, str],
        death: Death | None = None, name: str = "a",
    ) -> None:  # fmt: skip
        self._death = death or Death()
        for stream in ("said", "log"):
            (room / f"{name}.{stream}").write_text("")
        self._files = [room / f"{name}.{stream}" for stream in ("said", "log")]
        self._counter = mmap.mmap(-1, 8)
        self._begun = time.monotonic()
        assert len(list(Path("/proc/self/task").iterdir())) == 1, (
            "a thread would be lost in the fork"
        )
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if not self.pid:
            _live(work, self._files, environment, self._death, self._counter)

    @property
    def changes(self) -> int:
        """Changes on the disk that it has begun so far."""
        return int(struct.unpack("q", self._counter[:8])[0])

    def ended(self) -> Ended:
        """Wait for its end, which comes as it was to come, or of itself."""
        if self._death.how == "after":
            time.sleep(max(0.0, self._begun + self._death.at - time.monotonic()))
            os.kill(self.pid, signal.SIGKILL)
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            seconds = time.monotonic() - self._begun
            if pid:
                break
            if seconds > _LONGEST:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                return Ended(998, self.changes, seconds, "", "it hangs")
            time.sleep(0.002)
        said, log = (file.read_text(errors="replace") for file in self._files)
        return Ended(os.waitstatus_to_exitcode(status), self.changes, seconds, said, log)


def apart(function: Callable[[], Any]) -> Any:
    """Return what a function gives in a process of its own: the threads it starts end with it."""
    out, its_out = os.pipe()
    pid = os.fork()
    if not pid:
        code = 1
        try:
            with os.fdopen(its_out, "wb") as pipe:
                pickle.dump(function(), pipe)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(its_out)
    with os.fdopen(out, "rb") as pipe:
        data = pipe.read()
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise RuntimeError("what is there cannot be read, as told above")
    return pickle.loads(data)


def get_ready(*, few: bool = False) -> None:
    """Import what commands import, or ``few`` of it: the rest is then imported in each trial."""
    child_process.subprocess = _Forking  # type: ignore[attr-defined]
    import embfilter_viz.cli  # noqa: F401
    from embfilter_viz.analyses import spectrum  # noqa: F401
    from embfilter_viz.vectors import applying  # noqa: F401

    if not few:
        _import_all()
    gc.freeze()  # else each fork copies what its collector looks at


def _import_all() -> None:
    import duckdb  # noqa: F401
    import faiss  # noqa: F401
    import huggingface_hub
    import onnx  # noqa: F401
    import onnxscript  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import sentence_transformers  # noqa: F401
    import torch
    import transformers
    import transformers.models.auto.modeling_auto
    import transformers.models.llama.modeling_llama  # noqa: F401

    from embfilter_viz.corpus import embedding  # noqa: F401
    from embfilter_viz.export import model_folder, onnx_folder  # noqa: F401
    from embfilter_viz.models.sources import bundled, hub, ranges  # noqa: F401

    torch.set_num_threads(1)
    huggingface_hub.constants.HF_HUB_DISABLE_PROGRESS_BARS = True


def _live(
    work: Callable[[], None], files: list[Path], environment: Mapping[str, str], death: Death,
    counter: mmap.mmap,
) -> None:  # fmt: skip
    code = 1
    try:
        for number, path in enumerate(files, 1):
            handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            os.dup2(handle, number)
            os.close(handle)
        sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", closefd=False), encoding="utf-8")
        sys.stderr = io.TextIOWrapper(
            os.fdopen(2, "wb", closefd=False), encoding="utf-8", write_through=True
        )
        os.environ.update(environment)
        tempfile.tempdir = None
        atexit._clear()  # what the parent is to do when it ends is not this process's to do
        atexit.register(_tidy_up)
        paths._clear_once.cache_clear()
        _be_counted(counter, death)
        work()
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        atexit._run_exitfuncs()
        os._exit(code)


def _be_counted(counter: mmap.mmap, death: Death) -> None:
    """Count the changes of this process and those that it forks, and die as was said."""
    leader, armed = os.getpid(), False

    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal armed
        if armed:
            armed = False  # the kill itself is told too
            os.kill(leader, signal.SIGKILL)
        if event == "open":
            if not isinstance(arguments[2], int) or not arguments[2] & _WRITES:
                return
        elif event not in CHANGES:
            return
        number = struct.unpack("q", counter[:8])[0] + 1
        counter[:8] = struct.pack("q", number)
        if number == death.at:
            if death.how == "before":
                os.kill(leader, signal.SIGKILL)
            armed = death.how == "behind"

    if death.how == "write":
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(death.at), int(death.at)))
    sys.addaudithook(heard)


class _ForkedPopen:
    """As ``subprocess.Popen``, of a child that has imported everything already."""

    def __init__(self, command: list[str], *, stderr: Any, env: Mapping[str, str], **_: Any):
        (its_in, in_), (out, its_out) = os.pipe(), os.pipe()
        self.pid = os.fork()
        if not self.pid:
            code = 1
            try:
                for number, handle in enumerate((its_in, its_out, stderr.fileno())):
                    os.dup2(handle, number)
                os.closerange(3, 1 << 16)
                os.environ.clear()
                os.environ.update(env)
                sys.argv = command[-2:]
                child_process._main()
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        os.close(its_in)
        os.close(its_out)
        self.stdin, self.stdout = os.fdopen(in_, "wb"), os.fdopen(out, "rb")
        self.returncode: int | None = None

    def __enter__(self) -> "_ForkedPopen":
        return self

    def __exit__(self, *_: object) -> None:
        self.stdin.close()
        self.stdout.close()
        self.wait()

    def kill(self) -> None:
        """Kill it, if it has not ended."""
        if self.returncode is None and not self._looked(os.WNOHANG):
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        if self.returncode is None:
            self._looked(0)
        assert self.returncode is not None
        return self.returncode

    def _looked(self, how: int) -> bool:
        pid, status = os.waitpid(self.pid, how)
        if pid:
            self.returncode = os.waitstatus_to_exitcode(status)
        return bool(pid)


class _Forking:
    """What ``system/child_process`` takes of ``subprocess``."""

    from subprocess import PIPE, TimeoutExpired

    Popen = _ForkedPopen
