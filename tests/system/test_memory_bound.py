"""A stated bound on the memory of the process, and freed memory that goes back."""

import os
import platform
import subprocess
import sys

import pytest

from embfilter_viz.errors import InputError
from embfilter_viz.system.memory import (
    MEMORY_VARIABLE,
    POOLS,
    memory_bound,
    memory_free,
    resident,
)


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


SAID = ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")
"""Variables by which a user sets the number of pools."""

COUNT_POOLS = """
import ctypes, os, sys, tempfile, threading
from embfilter_viz.system.memory import keep_few_pools

if sys.argv[1] == "few":
    keep_few_pools()
libc, together = ctypes.CDLL("libc.so.6"), threading.Barrier(12)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]

def take():
    together.wait()
    held = [libc.malloc(5000) for _ in range(100)]
    together.wait()
    for one in held:
        libc.free(one)

threads = [threading.Thread(target=take) for _ in range(12)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc.fopen.restype, libc.fclose.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
with tempfile.NamedTemporaryFile() as out:
    file = libc.fopen(out.name.encode(), b"w")
    libc.malloc_info(0, file)
    libc.fclose(file)
    print(out.read().count(b"<heap nr"))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="pools are glibc's")
def test_few_pools_of_freed_memory() -> None:
    def pools(how: str, **variables: str) -> int:
        plain = {name: said for name, said in os.environ.items() if name not in SAID}
        return int(
            subprocess.check_output(
                [sys.executable, "-c", COUNT_POOLS, how], text=True, env=plain | variables
            )
        )

    assert pools("as it comes") > POOLS
    assert pools("few") <= POOLS
    assert pools("few", MALLOC_ARENA_MAX="5") == 5  # what was said holds
