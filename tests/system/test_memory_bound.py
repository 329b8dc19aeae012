"""A stated bound on the memory of the process."""

import subprocess
import sys

import pytest

from embfilter_viz.errors import InputError
from embfilter_viz.system.memory import MEMORY_VARIABLE, memory_bound, memory_free, resident


@pytest.mark.parametrize(
    ("said", "n_bytes"),
    [
        ("", None),
        ("123", 123),
        ("4 GB", 4_000_000_000),
        ("2gib", 2 << 30),
        ("0.5MB", 500_000),
    ],
)
def test_a_bound_is_read(monkeypatch: pytest.MonkeyPatch, said: str, n_bytes: int | None) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, said)
    assert memory_bound() == n_bytes


@pytest.mark.parametrize("said", ["much", "-1 GB", "0", "4 TB of it", "1e400", "9" * 5000])
def test_no_bound_is_one_line(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, said)
    with pytest.raises(InputError, match="must be a size such as 4 GB"):
        memory_bound()


def test_what_is_free_ends_at_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, str(resident() + 300_000_000))
    before = memory_free()
    held = bytearray(b"x" * 100_000_000)
    assert 50_000_000 < before - memory_free() < 150_000_000
    del held
    monkeypatch.setenv(MEMORY_VARIABLE, "1 MB")
    assert memory_free() == 0


def test_children_count() -> None:
    before = resident()
    code = "held = bytearray(b'x' * 200_000_000); print('ready', flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    assert resident() - before > 150_000_000
    child.communicate("\n")
