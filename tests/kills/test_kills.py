"""A short run: a few kills of two operations, and the same on disks that are full or read-only."""

import subprocess
import sys
from pathlib import Path

from tests.kills.operations import OPERATIONS, made_inputs, same

CHOSEN = ("spectrum", "apply to an array")
"""Operations that need no torch, whose import takes longer than all the rest."""


def test_a_short_run_loses_nothing(tmp_path: Path) -> None:
    made_inputs(tmp_path, [one for one in OPERATIONS if one.name in CHOSEN])
    command = [sys.executable, "-m", "tests.kills", "--kills", "6", "--inputs", str(tmp_path)]
    for name in CHOSEN:
        command += ["--operation", name]
    # Root of a namespace of its own may mount disks; a container may not let it be that.
    alone = ["unshare", "-rm"]
    try:
        subprocess.run([*alone, "true"], check=True, capture_output=True)
        command = [*alone, *command, "--disks", "1"]
    except (OSError, subprocess.CalledProcessError):
        pass
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    rows = [line for line in run.stdout.splitlines() if line.startswith(("| spectrum", "| apply"))]
    cells = [[int(cell) for cell in row.split("|")[2:-1]] for row in rows]
    # Of three disks each is read-only, full at once and full on the way.
    assert [(sum(row[:4]), any(row[4:])) for row in cells[2:]] in ([], [(9, False)] * 2)
    assert [row[0] >= 6 and not any(row[1:]) for row in cells[:2]] == [True, True]


def test_results_that_differ_are_told_apart() -> None:
    import numpy as np

    assert same({"a": np.ones(3), "b": [1.0, "x"]}, {"a": np.ones(3), "b": [1.000001, "x"]})
    assert not same({"a": np.ones(3)}, {"a": np.ones(4)})
    assert not same({"a": np.ones(3)}, {"a": np.full(3, 1.001)})
    assert not same([1.0], [1.0, 2.0])
