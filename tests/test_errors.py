"""A disk that is full: told in one line, and never passed over."""

import subprocess
import sys

import pytest

pytest.importorskip("resource", reason="a bound on the size of files is Unix's")

WRITE = """
import resource, signal, sys
import numpy as np
from embfilter_viz.errors import line_of_disk
from embfilter_viz.system.arrays import write_npy, write_numbers

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
array = np.zeros(int(sys.argv[2]))
write = {"numpy": np.save, "npy": write_npy, "numbers": write_numbers}[sys.argv[1]]
try:
    with open(sys.argv[3], "wb") as file:
        write(file, array)
except OSError as error:
    print(line_of_disk(error, "embedding"))
"""


@pytest.mark.parametrize(
    ("how", "n"),
    [("numpy", 50_000), *((how, n) for how in ("npy", "numbers") for n in (1251, 50_000))],
)
def test_an_array_that_fits_in_part_is_told_as_a_full_disk(
    how: str, n: int, tmp_path: object
) -> None:
    run = subprocess.run(
        [sys.executable, "-c", WRITE, how, str(n), f"{tmp_path}/a.npy"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.count("\n") == 1
    assert run.stdout.startswith("embedding: ")
    assert "; make room, or set EMBFILTER_VIZ_CACHE" in run.stdout
