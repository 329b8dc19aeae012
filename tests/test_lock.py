"""The lock (requirements*.txt) follows from the ranges in pyproject.toml and can be shared."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = ("linux", "darwin", "win32")

Pins = dict[str, list[Requirement]]


def lines_of(file: str) -> list[str]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def pins_of(file: str) -> Pins:
    pins: Pins = {}
    for line in lines_of(file):
        if line != "-e .":
            requirement = Requirement(line)
            pins.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return pins


def version_of(pin: Requirement) -> str:
    (specifier,) = pin.specifier
    assert specifier.operator == "==", str(pin)
    assert "*" not in specifier.version, str(pin)
    return specifier.version


RUNTIME, DEV = pins_of("requirements.txt"), pins_of("requirements-dev.txt")
EXTRAS = {line for extra in PROJECT["optional-dependencies"].values() for line in extra}
WANTED = [(line, RUNTIME) for line in PROJECT["dependencies"]] + [
    (line, DEV) for line in (*PROJECT["dependencies"], *sorted(EXTRAS))
]


@pytest.mark.parametrize(("line", "pins"), WANTED, ids=lambda value: str(value)[:30])
def test_every_dependency_is_pinned_within_its_range(line: str, pins: Pins) -> None:
    wanted = Requirement(line)
    found = pins.get(canonicalize_name(wanted.name), [])
    for pin in found:
        assert wanted.specifier.contains(version_of(pin), prereleases=True), str(pin)
    for python in PYTHONS:
        for platform in PLATFORMS:
            place = {
                "python_version": python,
                "python_full_version": f"{python}.0",
                "sys_platform": platform,
            }
            usable = [pin for pin in found if pin.marker is None or pin.marker.evaluate(place)]
            assert len(usable) == 1, f"{line} on Python {python}, {platform}: {usable}"


@pytest.mark.parametrize("pins", [RUNTIME, DEV], ids=["runtime", "dev"])
def test_torch_is_the_one_version(pins: Pins) -> None:
    assert [str(pin) for pin in pins["torch"]] == ["torch==2.13.0"]


def test_both_files_agree_where_they_overlap() -> None:
    assert {name: list(map(str, DEV.get(name, []))) for name in RUNTIME} == {
        name: list(map(str, pins)) for name, pins in RUNTIME.items()
    }


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_nothing_of_the_machine_it_was_made_on(file: str) -> None:
    lines = lines_of(file)
    assert lines.count("-e .") == 1
    for line in lines:
        if line != "-e .":
            assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*( ; [^/\\@:]+)?", line), line
    content = (ROOT / file).read_text(encoding="utf-8")
    assert not re.search(r"(^|[\s=\"'])(/|~|[A-Za-z]:\\|file:|https?:)|--", content, re.MULTILINE)
    assert "nvidia" not in content  # left to pip: a CPU build of torch does without


def test_the_oldest_python_of_the_lock_is_the_projects() -> None:
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
