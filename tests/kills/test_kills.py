"""A short run: a few kills of two operations, and the same on disks that are full or read-only."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.kills.operations import OPERATIONS, made_inputs, same

CHOSEN = ("spectrum", "apply to an array")
"""Operations that need no torch, whose import takes longer than all the rest."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    made_inputs(folder, [one for one in OPERATIONS if one.name in CHOSEN])
    return folder


def rows_of(inputs: Path, *options: str, below: Sequence[str] = ()) -> list[list[int]]:
    """What the command prints, a row of numbers an operation."""
    command = [*below, sys.executable, "-m", "tests.kills", "--inputs", str(inputs), *options]
    run = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert run.returncode == 0, run.stderr
    rows = [line.split("|")[2:-1] for line in run.stdout.splitlines()[2:]]
    return [[int(cell) for cell in row] for row in rows]


def test_a_few_kills_lose_nothing(inputs: Path) -> None:
    asked = [f"--operation={name}" for name in CHOSEN]
    rows = rows_of(inputs, "--kills", "4", *asked)
    assert [row[0] >= 4 and not any(row[1:]) for row in rows] == [True, True]


def test_disks_that_take_nothing_lose_nothing(inputs: Path) -> None:
    # Root of a namespace of its own may mount disks; a container may not let it be that.
    below = ["unshare", "-rm"]
    try:
        subprocess.run([*below, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no disk can be mounted here")
    rows = rows_of(inputs, "--kills", "0", "--disks", "0", f"--operation={CHOSEN[1]}", below=below)
    # Cache, temporary folder and output are read-only in turn, and full.
    assert [(sum(row[:4]), any(row[4:])) for row in rows] == [(6, False)]


def test_results_that_differ_are_told_apart() -> None:
    import numpy as np

    assert same({"a": np.ones(3), "b": [1.0, "x"]}, {"a": np.ones(3), "b": [1.000001, "x"]})
    assert not same({"a": np.ones(3)}, {"a": np.ones(4)})
    assert not same({"a": np.ones(3)}, {"a": np.full(3, 1.001)})
    assert not same([1.0], [1.0, 2.0])
