import errno
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.system.child_process import StoppedBySystem, run_in_child
from tests.models.hand_made import Listener


def count(n: int, progress: Callable[..., None]) -> list[int]:
    print("this must not reach the protocol")
    for i in range(n):
        progress("counting", i, n, "numbers")
    return list(range(n))


def refuse(progress: object) -> None:
    raise InputError("three: not a number; give a number")


def crash(progress: object) -> None:
    raise KeyError("ours")


def fill_the_disk(progress: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def kill_itself(progress: object) -> None:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)


def sleep(progress: object) -> None:
    time.sleep(60)


def note_and_sleep(path: str, progress: object) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


def test_result_and_progress_come_back(capfd: pytest.CaptureFixture[str]) -> None:
    listener = Listener()
    assert run_in_child(count, {"n": 3}, progress=listener, started="s") == [0, 1, 2]
    assert listener.told[0] == ("s", 0.0, 0.0, "")
    assert capfd.readouterr() == ("", "")


def test_input_error_keeps_its_line() -> None:
    with pytest.raises(InputError, match=r"^three: not a number; give a number$"):
        run_in_child(refuse, {})


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)exit code 1.*KeyError: 'ours'"):
        run_in_child(crash, {})


def test_a_full_disk_is_told_in_one_line() -> None:
    with pytest.raises(InputError, match=r"^fetching x: No space left on device; make room, or"):
        run_in_child(fill_the_disk, {}, started="fetching x")


def test_killed_from_outside_is_told_apart() -> None:
    with pytest.raises(StoppedBySystem, match="signal 9"):
        run_in_child(kill_itself, {})


def test_cancel_is_heard_at_once() -> None:
    heard = []

    def cancel_later(*told: object) -> None:
        heard.append(time.monotonic())
        if heard[-1] - heard[0] > 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        run_in_child(sleep, {}, progress=cancel_later)
    assert time.monotonic() - heard[-1] < 1
    assert max(b - a for a, b in itertools.pairwise(heard)) < 1


def test_no_answer_in_time() -> None:
    before = time.monotonic()
    with pytest.raises(InputError, match="late"):
        run_in_child(sleep, {}, answer_within=(1.0, InputError("late")))
    assert 1 <= time.monotonic() - before < 5


def test_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import sys; from embfilter_viz.system.child_process import run_in_child; "
        "from tests.system.test_child_process import note_and_sleep; "
        "run_in_child(note_and_sleep, {'path': sys.argv[1]})"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", code, str(note)], env=env) as parent:
        while not note.exists() or not note.read_text():
            assert parent.poll() is None
            time.sleep(0.05)
        child = psutil.Process(int(note.read_text()))
        parent.kill()
    child.wait(timeout=5)
    assert not child.is_running()
