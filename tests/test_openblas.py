"""Kernels are named only where OpenBLAS does not know the processor, and before it is loaded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from embfilter_viz.openblas import VARIABLE, choose_kernels, kernels_for

FLAGS = "fpu fma avx2 avx512f avx512cd avx512bw avx512dq avx512vl avx512_bf16"
ZEN_5 = f"processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 26\nflags\t\t: {FLAGS}\n\n"


@pytest.mark.parametrize(
    ("changed", "to"),
    [
        ("family\t: 26", "family\t: 25"),  # Zen 4, which OpenBLAS knows
        ("AuthenticAMD", "GenuineIntel"),
        ("avx512vl ", ""),  # a virtual machine may hide some
        ("flags", "features"),
    ],
)
def test_only_the_unknown_processor_with_every_instruction_is_named(changed: str, to: str) -> None:
    assert kernels_for(ZEN_5) == "SkylakeX"
    assert kernels_for(ZEN_5.replace(changed, to)) is None


def test_only_the_first_processor_is_asked() -> None:
    assert kernels_for(ZEN_5.replace("AuthenticAMD", "other") + ZEN_5) is None
    assert kernels_for("") is None


def test_it_is_named_once_and_who_names_another_is_obeyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(ZEN_5)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv(VARIABLE, "Haswell")
    assert choose_kernels(str(file)) is None
    monkeypatch.delenv(VARIABLE)
    assert choose_kernels(str(file)) is None, "NumPy is loaded: too late"
    monkeypatch.delitem(sys.modules, "numpy")
    assert choose_kernels(str(tmp_path / "nothing")) is None
    assert choose_kernels(str(file)) == "SkylakeX"
    assert choose_kernels(str(file)) is None


def test_numpy_takes_what_importing_the_package_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    script = (
        "import os, json, embfilter_viz, numpy, threadpoolctl;"
        f"print(json.dumps([os.environ.get({VARIABLE!r}),"
        "[i.get('architecture') for i in threadpoolctl.threadpool_info()]]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    named, taken = json.loads(done.stdout)
    assert named in (None, "SkylakeX")
    if named:
        assert named in taken, done.stderr.decode()
