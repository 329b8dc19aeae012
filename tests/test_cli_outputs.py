"""The option -o of every command: what it may replace, what it refuses, and standard output."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from embfilter_viz.analyses import lesson as lesson_analysis
from embfilter_viz.analyses import replicate as replicate_analysis
from embfilter_viz.cli import commands, main
from embfilter_viz.errors import InputError
from embfilter_viz.export import lesson_sheet, session
from embfilter_viz.system import outputs
from embfilter_viz.system.outputs import checked_output, written_folder, written_output
from tests.models.tiny_checkpoints import D_MODEL, one_thread

__all__ = ["one_thread"]


class Recipe(NamedTuple):
    """A command that writes a file: its arguments without -o, and what it reads and writes."""

    arguments: tuple[str, ...]
    ending: str
    reads: str
    streams: bool = True


EMBED = ("embed", "MODEL", "TEXTS", "--prompt", "mean", "--raw")
EXPORT = ("export", "MODEL", "--window", "3:20", "--format")
RECIPES = {
    "embed": Recipe(EMBED, ".npy", "TEXTS"),
    "apply": Recipe(("apply", "FILTER", "VECTORS"), ".npy", "VECTORS"),
    "export filter": Recipe((*EXPORT, "filter"), ".safetensors", "MODEL"),
    "export numpy": Recipe((*EXPORT, "numpy"), ".py", "MODEL", streams=False),
    "export faiss": Recipe((*EXPORT, "faiss"), ".vt", "MODEL", streams=False),
    "export report": Recipe((*EXPORT, "report", "--texts", "TEXTS"), ".html", "TEXTS"),
    "lesson": Recipe(("lesson", "MODEL", "a cat", "a dog", "--window", "3:20"), ".html", "MODEL"),
    "replicate json": Recipe(("replicate", "MODEL", "--tasks", "STSBenchmark"), ".json", "MODEL"),
}
every = pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))

Run = Callable[..., tuple[int, bytes, str]]


class Found:
    """A record as an analysis of some minutes returns it."""

    def to_json(self) -> dict[str, Any]:
        return {"made": True}


@pytest.fixture(scope="module")
def one_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def places(tiny: Path, tmp_path: Path, one_cache: Path, monkeypatch: pytest.MonkeyPatch,
           made_filter: Path) -> dict[str, Path]:  # fmt: skip
    """What the words in capitals of a recipe stand for; works of minutes are made short."""
    monkeypatch.setenv("EMBFILTER_VIZ_CACHE", str(one_cache))
    monkeypatch.setattr(session, "session_report", lambda *_, **__: "<p>é</p>")
    monkeypatch.setattr(lesson_analysis, "lesson", lambda *_, **__: Found())
    monkeypatch.setattr(lesson_sheet, "lesson_sheet", lambda *_, **__: "<p>é</p>")
    monkeypatch.setattr(replicate_analysis, "replicate", lambda *_, **__: Found())
    texts, vectors = tmp_path / "texts.txt", tmp_path / "vectors.npy"
    texts.write_text("the cat sat\na dog\n")
    np.save(vectors, np.random.default_rng(0).standard_normal((4, D_MODEL), dtype=np.float32))
    return {"MODEL": tiny, "TEXTS": texts, "VECTORS": vectors, "FILTER": made_filter}


@pytest.fixture(scope="module")
def made_filter(tiny: Path, tmp_path_factory: pytest.TempPathFactory, one_cache: Path) -> Path:
    path = tmp_path_factory.mktemp("filter") / "f.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBFILTER_VIZ_CACHE", str(one_cache))
        with pytest.raises(SystemExit) as left:
            main(["export", str(tiny), "--window", "3:20", "--format", "filter", "-o", str(path)])
    assert left.value.code == 0
    return path


@pytest.fixture
def run(places: dict[str, Path], capsysbinary: pytest.CaptureFixture[bytes]) -> Run:
    def running(recipe: Recipe, out: object, *more: object) -> tuple[int, bytes, str]:
        arguments = [str(places.get(one, one)) for one in recipe.arguments]
        with pytest.raises(SystemExit) as left:
            main([*arguments, "-o", str(out), "--json", *map(str, more)])
        captured = capsysbinary.readouterr()
        assert isinstance(left.value.code, int)
        return left.value.code, captured.out, captured.err.decode()

    return running


def refused(said: tuple[int, bytes, str], words: str) -> None:
    status, out, err = said
    assert (status, out) == (2, b""), err
    assert err.count("\n") == 1, err
    assert words in err


def test_every_command_that_writes_has_a_recipe() -> None:
    options = {
        name: {option for one in command.params for option in one.opts}
        for name, command in commands.cli.commands.items()
    }
    writing = {name for name, known in options.items() if {"-o", "--output"} & known}
    assert writing == {recipe.arguments[0] for recipe in RECIPES.values()}
    assert all({"-o", "--output", "--force"} <= options[name] for name in writing)


@every
def test_what_is_no_file_is_refused_and_stays(recipe: Recipe, run: Run, tmp_path: Path) -> None:
    pipe = tmp_path / f"pipe{recipe.ending}"
    os.mkfifo(pipe)
    refused(run(recipe, pipe, "--force"), "is a pipe and no file")
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    link = tmp_path / f"link{recipe.ending}"
    link.symlink_to(pipe)
    refused(run(recipe, link), "is a pipe and no file")
    folder = tmp_path / f"folder{recipe.ending}"
    folder.mkdir()
    refused(run(recipe, folder, "--force"), "is a folder")
    assert list(folder.iterdir()) == []
    with socket.socket(socket.AF_UNIX) as server:
        place = tmp_path / f"s{recipe.ending}"
        try:
            server.bind(str(place))
        except OSError:  # the path is too long for a socket here
            return
        refused(run(recipe, place, "--force"), "is a socket and no file")


@every
def test_a_device_is_refused_and_stays(recipe: Recipe, run: Run, tmp_path: Path) -> None:
    device = tmp_path / f"null{recipe.ending}"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except OSError:
        pytest.skip("only root makes a device")
    refused(run(recipe, device, "--force"), "is a device and no file")
    assert stat.S_ISCHR(device.lstat().st_mode)


def test_the_machines_own_devices_and_streams_are_refused() -> None:
    for name in ("/dev/null", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        with pytest.raises(InputError, match=r"is a (device|stream) and no file"):
            checked_output(Path(name), force=True)


@every
def test_a_foreign_file_needs_force_and_hands_on_its_permissions(
    recipe: Recipe, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / f"out{recipe.ending}"
    out.write_bytes(b"years of work")
    out.chmod(0o640)
    before = {path.name for path in tmp_path.iterdir()}
    refused(run(recipe, out), "not as embfilter-viz wrote it")
    assert out.read_bytes() == b"years of work"
    assert {path.name for path in tmp_path.iterdir()} == before
    status, _, err = run(recipe, out, "--force")
    assert status == 0, err
    assert out.read_bytes() != b"years of work"
    assert stat.S_IMODE(out.stat().st_mode) == 0o640
    assert not list(tmp_path.glob("*.part"))
    assert not list(tmp_path.glob(".*.part"))


@every
def test_a_command_may_be_run_again_through_a_link_that_stays(
    recipe: Recipe, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / f"real{recipe.ending}", tmp_path / f"link{recipe.ending}"
    link.symlink_to(Path("there") / target.name)
    for _ in range(2):
        status, _, err = run(recipe, link)
        assert status == 0, err
        assert link.is_symlink()
        assert target.is_file()
    # Until somebody changes it; a format that says whose it is stays ours.
    if recipe.ending in {".npy", ".json"}:
        with target.open("ab") as file:
            file.write(b"mine")
        refused(run(recipe, link), "not as embfilter-viz wrote it")


@every
def test_what_the_command_reads_is_never_its_output(
    recipe: Recipe, run: Run, places: dict[str, Path], tmp_path: Path
) -> None:
    read = places[recipe.reads]
    if read.is_dir():
        read = read / "model.safetensors"
        out = tmp_path / f"same{recipe.ending}"
        out.symlink_to(read)
    else:
        out = tmp_path / f"same{recipe.ending}"
        os.link(read, out)
    before = read.read_bytes()
    refused(run(recipe, out, "--force"), "is read by this very work")
    assert read.read_bytes() == before


@every
def test_a_dash_is_standard_output_for_one_file(recipe: Recipe, run: Run, tmp_path: Path) -> None:
    if not recipe.streams:
        refused(run(recipe, "-"), "writes two files; name it")
        return
    status, content, err = run(recipe, "-")
    assert status == 0, err
    out = tmp_path / f"out{recipe.ending}"
    assert run(recipe, out)[0] == 0
    # safetensors writes the names of its metadata in any order
    assert sorted(content) == sorted(out.read_bytes())
    assert json.loads(err.splitlines()[-1])  # the record stands aside


def test_a_folder_is_no_stream_and_is_not_moved_from_under_the_work(
    run: Run, places: dict[str, Path], tmp_path: Path
) -> None:
    recipe = Recipe((*EXPORT, "sentence-transformers"), "", "MODEL")
    refused(run(recipe, "-"), "writes a folder; name it")
    model = places["MODEL"]
    before = sorted(path.name for path in model.iterdir())
    refused(run(recipe, model, "--force"), "holds what this very work reads")
    assert sorted(path.name for path in model.iterdir()) == before
    os.mkfifo(tmp_path / "pipe")
    refused(run(recipe, tmp_path / "pipe", "--force"), "neither a folder nor a file")


def test_a_link_to_a_folder_stays(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("real")
    for content in ("a", "b"):
        with written_folder(link) as folder:
            (folder / "embfilter.json").write_text('{"format": "embfilter-viz folder"}')
            (folder / content).touch()
    assert link.is_symlink()
    assert {path.name for path in (tmp_path / "real").iterdir()} == {"embfilter.json", "b"}
    assert {path.name for path in tmp_path.iterdir()} == {"link", "real"}


def test_permissions_of_new_files_are_the_umasks(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with written_output(tmp_path / "new") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_empty_files_are_filled_and_protected_ones_are_kept(tmp_path: Path) -> None:
    empty, kept = tmp_path / "empty", tmp_path / "kept"  # the first is what mktemp makes
    empty.touch()
    with written_output(empty) as file:
        file.write(b"x")
    with written_output(kept) as file:
        file.write(b"x")
    kept.chmod(0o444)
    with pytest.raises(InputError, match="--force"), written_output(kept):
        pytest.fail("the block must not run")


def test_a_file_is_ours_whenever_its_writer_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the new one is moved into its place, or right after it."""
    out, note = tmp_path / "out", outputs._remember

    def killed(path: Path, part: Path) -> None:
        note(path, part)
        raise KeyboardInterrupt

    for content in (b"first", b"second"):
        with written_output(out) as file:
            file.write(content)
    monkeypatch.setattr(outputs, "_remember", killed)
    with pytest.raises(KeyboardInterrupt), written_output(out) as file:
        file.write(b"third")
    assert checked_output(out) == out
    assert out.read_bytes() == b"second"
    out.write_bytes(b"mine")
    with pytest.raises(InputError, match="not as embfilter-viz wrote it"):
        checked_output(out)


def test_what_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match="is a pipe"), written_output(out):
        os.mkfifo(out)
    assert stat.S_ISFIFO(out.lstat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127, "a\nb", "*[x]?", " "])
def test_any_name_of_a_file_will_do(tmp_path: Path, name: str) -> None:
    (folder := tmp_path / "folder").mkdir()
    for content in (b"a", b"b"):
        with written_output(folder / name) as file:
            file.write(content)
    assert [path.name for path in folder.iterdir()] == [name]


def test_writers_in_one_process_do_not_disturb_each_other(tmp_path: Path) -> None:
    (folder := tmp_path / "folder").mkdir()
    both = threading.Barrier(2)

    def write(content: bytes) -> None:
        with written_output(folder / "out", force=True) as file:
            both.wait(10)
            file.write(content)

    threads = [threading.Thread(target=write, args=(one * 1000,)) for one in (b"a", b"b")]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (folder / "out").read_bytes() in {b"a" * 1000, b"b" * 1000}
    assert [path.name for path in folder.iterdir()] == ["out"]


# -- signals ----------------------------------------------------------------------------------

WAITING = """
import sys, time
from embfilter_viz.export import filter_file
def waiting(*_, **__):
    print("at work", file=sys.stderr, flush=True)
    time.sleep(60)
filter_file.filter_bytes = waiting
from embfilter_viz.cli import main
main()
"""


@pytest.fixture
def child(tiny: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A command that is at work on a file."""
    command = [sys.executable, "-c", WAITING, "export", str(tiny), "--format", "filter",
               "-o", str(tmp_path / "out.safetensors")]  # fmt: skip
    kinds: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, "EMBFILTER_VIZ_CACHE": str(tmp_path / "cache")}
    with subprocess.Popen(command, env=environment, **kinds) as started:
        assert started.stderr is not None
        told = iter(started.stderr.readline, "")
        assert next(line for line in told if not line.startswith("… ")) == "at work\n"
        yield started
        started.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_no_part(
    child: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    assert len(list(tmp_path.glob(".out.safetensors.*.part"))) == 1
    child.send_signal(number)
    said, err = child.communicate(timeout=30)
    assert (child.returncode, said) == (128 + number, "")
    assert err == "embfilter-viz: ended; what was finished is kept\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache"]


IN_A_THREAD = """
import sys, threading, time
from pathlib import Path
from embfilter_viz.system.outputs import written_folder, written_output
begun = threading.Barrier(3)
def write(how):
    with how:
        begun.wait()
        time.sleep(60)
here = Path(sys.argv[1])
for how in (written_output(here / "file"), written_folder(here / "folder")):
    threading.Thread(target=write, args=[how], daemon=True).start()
begun.wait()
assert len(list(here.iterdir())) == 2
"""


def test_the_end_of_a_server_leaves_no_part_of_its_threads(tmp_path: Path) -> None:
    environment = {**os.environ, "EMBFILTER_VIZ_CACHE": str(tmp_path.parent / "other")}
    (place := tmp_path / "place").mkdir()
    subprocess.run(
        [sys.executable, "-c", IN_A_THREAD, str(place)], env=environment, check=True, timeout=60
    )
    assert list(place.iterdir()) == []


def test_a_reader_of_the_file_who_has_left_is_no_fault(tiny: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "embfilter_viz", "export", str(tiny), "--format", "filter",
               "-o", "-"]  # fmt: skip
    environment = {**os.environ, "EMBFILTER_VIZ_CACHE": str(tmp_path / "cache")}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        started.stdout.close()
        said = started.stderr.read().decode().splitlines()
        assert [line for line in said if not line.startswith("… ")] == []
        assert started.wait(60) == 128 + signal.SIGPIPE
