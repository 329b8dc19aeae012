"""A short run of every target, and every input that ever failed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from embfilter_viz.errors import InputError
from tests.fuzz import __main__ as fuzz
from tests.fuzz.child import fault_of_line, input_of, outcome_of
from tests.fuzz.targets import ALL, TARGETS, Target

FAILED = sorted(path for path in fuzz.FAILED.glob("*/*") if path.is_file())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", FAILED, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_once_failed_is_answered_or_refused(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / path.parent.name
    folder.mkdir()
    target = TARGETS[path.parent.name]
    assert outcome_of(target, path.read_bytes(), folder) in ("answered", "refused")


def test_a_short_run_finds_no_fault(tmp_path: Path) -> None:
    """In one process of its own, bounded as a long run is; libraries are imported once."""
    names = fuzz.QUICK
    command = [sys.executable, "-m", "tests.fuzz.child", ",".join(names), "0", "25", "1"]
    run = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, text=True, check=True, timeout=120
    )
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert [line for line in lines if "fault" in line] == []
    assert {line["target"]: sum(line["counts"].values()) for line in lines} == dict.fromkeys(
        names, 25
    )


@pytest.mark.parametrize(
    "name", [n for n in TARGETS if not n.startswith("gguf") and n not in ("name", "table")]
)
def test_seeds_are_answered(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    for data in TARGETS[name].seeds():
        assert outcome_of(TARGETS[name], data, folder) == "answered"


def test_a_panic_is_told_in_one_line_without_its_stack(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tokenizer").mkdir()
    panics = fuzz.FAILED / "tokenizer" / "5b7b7f01fdca"
    assert (
        outcome_of(TARGETS["tokenizer"], panics.read_bytes(), tmp_path / "tokenizer") == "refused"
    )
    assert capfd.readouterr().err == ""


def test_an_input_is_the_same_each_time() -> None:
    assert input_of(TARGETS["gguf"], 7, 0) == input_of(TARGETS["gguf"], 7, 0)


def test_the_run_can_fail(tmp_path: Path) -> None:
    def fails(path: Path) -> None:
        raise ZeroDivisionError

    def panics(path: Path) -> None:
        raise type("PanicException", (BaseException,), {})("called unwrap")

    def refuses(path: Path) -> None:
        raise InputError("x: is no y; give z")

    for read, outcome in ((fails, "ZeroDivisionError"), (panics, "Panic"), (refuses, "refused")):
        target = Target("t", list, lambda rng, seed: seed, "t", read)
        assert outcome in outcome_of(target, b"", tmp_path)
    assert fault_of_line("two\nlines") == "fault: not one line"
    assert fault_of_line("9" * 2000) == "fault: a line too long"


def test_an_input_that_takes_too_long_or_ends_the_process_is_a_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fuzz, "SECONDS", 0.4)
    monkeypatch.setattr(fuzz, "_WAITS", 5)
    inputs = [input_of(ALL["self-test"], number, 12) for number in range(3)]
    assert sorted(inputs) == [b"abort", b"fine", b"hang"]
    found = fuzz.fuzz("self-test", 3, 12)
    assert found.faults == {"fault: more than 0.4 s": 1, "fault: the process ended with -6": 1}
    assert sum(found.counts.values()) == 3
    found.commit = "abc1234"
    assert "| self-test | 3 |" in fuzz.table_of({"self-test": found})


def test_a_run_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    kept = tmp_path / "counts.json"
    fuzz.record(kept, {"window": fuzz.fuzz("window", 20)})
    (known,) = fuzz.recorded(kept).values()
    assert known.n == 20
    whole, gone_on = fuzz.fuzz("window", 50), fuzz.fuzz("window", 50, found=known)
    assert gone_on.counts == whole.counts
