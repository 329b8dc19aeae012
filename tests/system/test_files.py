"""What is unfinished: where it is made, and what becomes of it when its process is killed."""

import os
import signal
import time
from pathlib import Path

import pytest

from embfilter_viz.system import files
from embfilter_viz.system.files import clear_left, kept_aside, unfinished
from embfilter_viz.system.outputs import CARD, written_folder

OURS = '{"format": "embfilter-viz folder"}'


def left_by_a_killed_process(path: Path) -> Path:
    """A folder of unfinished work whose process was killed in the middle of it."""
    pid = os.fork()
    if not pid:
        with unfinished(path) as place:
            place.write_text("half of")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    (left,) = path.parent.glob(f".{path.name}.*.part")
    return left


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_what_a_killed_process_left_is_removed_and_what_is_at_work_stays(tmp_path: Path) -> None:
    left = left_by_a_killed_process(tmp_path / "x")
    assert (left / "x").read_text() == "half of"
    with unfinished(tmp_path / "another") as at_work:
        assert not left.exists()
        at_work.write_text("so far")
        clear_left(tmp_path)
        assert at_work.read_text() == "so far"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_of_the_same_number_does_not_keep_what_was_left(tmp_path: Path) -> None:
    """In a container each process may be number 1."""
    left = left_by_a_killed_process(tmp_path / "x")
    number = left.name.split(".")[2]
    clear_left(left.rename(left.with_name(left.name.replace(number, str(os.getpid())))).parent)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_another_process_does_not_clear_what_is_at_work(tmp_path: Path) -> None:
    with unfinished(tmp_path / "x") as at_work:
        at_work.touch()
        if not (pid := os.fork()):
            clear_left(tmp_path)
            os._exit(0)
        os.waitpid(pid, 0)
        assert at_work.exists()


def test_without_locks_the_number_of_a_process_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_locked", lambda folder: (True, None))
    dead, alive = (tmp_path / f".x.{n}.{files._HOST}0123.part" for n in (999_999_999, os.getppid()))
    dead.mkdir()
    alive.mkdir()
    clear_left(tmp_path)
    assert list(tmp_path.iterdir()) == [alive]


def test_the_work_of_another_machine_is_left_alone_for_a_day(
    tmp_path: Path,
) -> None:
    """On a shared disk that does not tell of its locks."""
    with unfinished(tmp_path / "x") as place:
        place.touch()
        theirs = place.parent.rename(tmp_path / ".x.999999999.01234567.part")
    clear_left(tmp_path)
    assert theirs.exists()
    yesterday = time.time() - 90_000
    os.utime(theirs, (yesterday, yesterday))
    clear_left(tmp_path)
    assert theirs.exists()  # its file has changed since
    os.utime(theirs / "x", (yesterday, yesterday))
    clear_left(tmp_path)
    assert not theirs.exists()


def test_names_of_others_are_left_alone(tmp_path: Path) -> None:
    names = [".x.part", "x.999999999-abc.part", ".x.999999999-abc.part~", ".x.1a.01234567.part"]
    for name in names:
        (tmp_path / name).mkdir()
    clear_left(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(names)


def test_an_export_that_was_about_to_be_replaced_is_put_back(tmp_path: Path) -> None:
    """Killed after the old one was set aside, before the new one stood there."""
    room = tmp_path / f".model.999999999.{files._HOST}0123.part"
    (room / "old" / "model").mkdir(parents=True)
    (room / "old" / "model" / "weights").write_text("all")
    (room / "model").mkdir()
    clear_left(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "weights").read_text() == "all"


def test_a_replaced_export_is_not_put_back_in_part(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    with unfinished(target) as place:
        place.mkdir()
        target.rename(kept_aside(place, target))
        place.rename(target)
        files._put_back(place.parent)  # as the end of the block begins
        assert not (place.parent / "old").exists()
        target.rmdir()  # and here its reader takes the new one away
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_put_in_its_place_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with written_folder(target) as place:
        (place / CARD).write_text(OURS)
        (place / "a").touch()
    with unfinished(target) as place:
        target.rename(kept_aside(place, target))
        assert not target.exists()
    assert sorted(path.name for path in target.iterdir()) == ["a", CARD]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_clearing_costs_no_time_worth_speaking_of(tmp_path: Path) -> None:
    for i in range(2000):
        (tmp_path / f"{i:032x}.json").touch()
    begun = time.process_time()
    clear_left(tmp_path)
    assert time.process_time() - begun < 0.2
