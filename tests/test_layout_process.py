"""The process that draws maps: real UMAP fits, cancel, and an end with its parent."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from embfilter_viz.embeddings.layouts import trustworthiness
from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.layout_process import LayoutProcess

ROOT = str(Path(__file__).parents[1])


@pytest.fixture(scope="module")
def process():
    """One child for all real fits: loading and compiling UMAP is paid once."""
    process = LayoutProcess()
    process.warm_up()
    yield process
    process.close()


@pytest.fixture
def sets():
    rng = np.random.default_rng(0)
    centres = np.repeat(np.eye(3, 12), 15, axis=0)
    raw = 6 * centres + rng.normal(size=(45, 12)) * 0.6
    return [raw.astype(np.float32), raw[:, :8].astype(np.float32)]


def test_a_real_aligned_layout(process, sets):
    seen = []
    first = process.aligned_umap(
        sets, n_neighbors=8, seed=4, progress=lambda *told: seen.append(told)
    )
    assert first.method == "umap"
    assert first.seed == 4
    assert first.parameters["n_neighbors"] == 8
    assert first.parameters["min_dist"] == 0.1
    assert first.parameters["metric"] == "cosine"
    assert any(what == "laying out" for what, *_ in seen)

    topic = np.repeat(np.arange(3), 15)
    for points, E, trusted in zip(first.points, sets, first.trustworthiness, strict=True):
        assert points.shape == (45, 2)
        assert points.dtype == np.float32
        assert not points.flags.writeable
        assert np.isfinite(points).all()
        assert trusted == pytest.approx(trustworthiness(E, points, 8))
        assert trusted > 0.85
        distances = np.linalg.norm(points[:, None] - points, axis=2) + 1e9 * np.eye(45)
        assert (topic[distances.argmin(axis=1)] == topic).mean() > 0.95
    # Aligned: a text's two points are nearer one another than two topics are.
    apart = np.linalg.norm(first.points[0] - first.points[1], axis=1)
    centres = np.array([first.points[0][topic == t].mean(axis=0) for t in range(3)])
    between = np.linalg.norm(centres[:, None] - centres, axis=2)[np.triu_indices(3, 1)]
    assert np.median(apart) < between.min() / 2

    again = process.aligned_umap(sets, n_neighbors=8, seed=4)
    other = process.aligned_umap(sets, n_neighbors=8, seed=5)
    loose = process.aligned_umap(sets, n_neighbors=8, seed=4, min_dist=0.9)
    for number in range(2):
        np.testing.assert_array_equal(again.points[number], first.points[number])
        assert not np.array_equal(other.points[number], first.points[number])
    nearest = [
        np.median(np.sort(np.linalg.norm(P[:, None] - P, axis=2), axis=1)[:, 1])
        for P in (first.points[0], loose.points[0])
    ]
    assert nearest[1] > 1.5 * nearest[0]


@pytest.mark.parametrize("n", [4, 5, 8])
def test_few_and_repeated_texts(process, n):
    E = np.random.default_rng(1).normal(size=(n, 6))
    E[1] = E[0]
    found = process.aligned_umap([E, E[:, :3]], n_neighbors=15)
    assert found.parameters["n_neighbors"] == n
    assert all(np.isfinite(P).all() for P in found.points)
    assert all(0 <= trusted <= 1 for trusted in found.trustworthiness)


def test_input_errors_come_through_and_the_child_lives_on(process, sets):
    child = process._child.pid
    with pytest.raises(InputError, match="at least 4 texts"):
        process.aligned_umap([sets[0][:2]])
    with pytest.raises(RuntimeError, match="unexpected keyword"):
        process.aligned_umap(sets, nonsense=1)
    assert process._child.pid == child
    assert len(process.aligned_umap([sets[0]], n_neighbors=5).points) == 1
    assert process._child.pid == child


def test_one_at_a_time_and_the_waiting_can_leave(process, sets):
    holding, leave = threading.Event(), threading.Event()

    def hold(*told):
        holding.set()
        leave.wait(20)

    def give_up(what, done, total, unit):
        assert what == "waiting for another map"
        raise Cancelled

    thread = threading.Thread(
        target=process.aligned_umap, args=([sets[0]],), kwargs={"progress": hold}
    )
    thread.start()
    try:
        assert holding.wait(20)
        with pytest.raises(Cancelled):
            process.aligned_umap(sets, progress=give_up)
    finally:
        leave.set()
        thread.join()


def test_a_cancel_in_the_middle_ends_the_child_within_two_seconds_and_starts_another(process):
    E = np.random.default_rng(0).normal(size=(3000, 20)).astype(np.float32)
    old = process._child
    stopped = []

    def cancel(what, done, total, unit):
        if what == "laying out" and done > 0:
            stopped.append(time.monotonic())
            raise Cancelled

    with pytest.raises(Cancelled):
        process.aligned_umap([E, E[:, :10]], progress=cancel)
    assert time.monotonic() - stopped[0] < 2
    assert old.returncode is not None
    assert process._child.pid != old.pid
    assert process._child.poll() is None


def test_a_child_killed_by_the_system_is_told_in_one_line():
    process = LayoutProcess()

    def kill(*told):
        process._child.send_signal(signal.SIGKILL)

    try:
        with pytest.raises(InputError, match="want of memory") as caught:
            process.aligned_umap([np.eye(5)], progress=kill)
        assert "\n" not in str(caught.value)
        with pytest.raises(InputError, match="at least 4 texts"):
            process.aligned_umap([np.eye(3)])
    finally:
        process.close()


PLAIN_SCRIPT = """
import os
import numpy as np
from embfilter_viz.errors import InputError
from embfilter_viz.layout_process import aligned_umap

print("imported", flush=True)
try:
    aligned_umap([np.eye(3)])
except InputError as error:
    print(error)
"""


def test_a_script_without_a_guard_is_not_run_again(tmp_path):
    script = tmp_path / "plain.py"
    script.write_text(PLAIN_SCRIPT)
    # In the working folder, names of libraries that the child must not take from there.
    for name in ("umap.py", "numba.py", "random.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong module')")
    done = subprocess.run(
        [sys.executable, "-P", str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.splitlines()[0] == "imported"
    assert "at least 4 texts" in done.stdout
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr == ""


DYING_PARENT = """
import os, signal
from embfilter_viz.layout_process import _shared, warm_up

warm_up()
print(_shared()._child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills by POSIX signal")
def test_the_child_ends_with_its_parent():
    parent = subprocess.run(
        [sys.executable, "-c", DYING_PARENT],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ROOT},
        text=True,
        timeout=60,
        check=False,
    )
    child = int(parent.stdout)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the child outlived its parent by 20 s")
