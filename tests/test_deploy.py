"""A container and a Space: each file that they need is there, each step is one that is tested."""

import re
import subprocess
import tomllib
from pathlib import Path

import yaml

from embfilter_viz.models.sources.bundled import BUNDLED

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"


def instructions() -> list[tuple[str, str]]:
    """Each instruction of the Containerfile with its words, comments left out."""
    lines = [
        line
        for line in (DEPLOY / "Containerfile").read_text().replace("\\\n", " ").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    return [
        (name, " ".join(rest.split())) for name, _, rest in (line.partition(" ") for line in lines)
    ]


def of(name: str) -> list[str]:
    return [words for one, words in instructions() if one == name]


def test_all_that_is_installed_is_copied_before() -> None:
    copied = {source for words in of("COPY") for source in words.split()[:-1]}
    assert all((ROOT / source).exists() for source in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], *wheel["force-include"], "requirements.txt", "pyproject.toml"}
    needed |= {project["project"]["readme"], *project["project"]["license-files"]}
    assert all(any(path == one or path.startswith(f"{one}/") for one in copied) for path in needed)


def test_nobody_is_root_and_one_volume_holds_all_that_is_written() -> None:
    names = [name for name, _ in instructions()]
    assert names.index("USER") < names.index("CMD")
    assert of("USER") == ["1000"]
    assert of("VOLUME") == ["/data"]
    variables = dict(
        word.split("=", 1) for words in of("ENV") for word in words.split() if "=" in word
    )
    assert all(variables[name].startswith("/data") for name in ("EMBFILTER_VIZ_CACHE", "HOME"))
    assert variables["EMBFILTER_VIZ_PUBLIC"] == "1"


def test_it_starts_checks_and_fetches_by_the_scripts_that_are_tested() -> None:
    assert of("CMD") == ['["sh", "deploy/start.sh"]']
    assert of("HEALTHCHECK")[0].endswith("CMD python deploy/healthy.py")
    assert [words for words in of("RUN") if "fetch.sh" in words] == ["sh deploy/fetch.sh $MODELS"]
    assert of("ARG") == [f"MODELS={BUNDLED}"]


def test_models_are_fetched_at_the_build_or_none_are(tmp_path: Path) -> None:
    command = tmp_path / "embfilter-viz"
    command.write_text('#!/bin/sh\necho "$@" >> "$LOG"\n[ "$2" != missing ]\n')
    command.chmod(0o755)
    log = tmp_path / "log"

    def fetched(*models: str) -> int:
        log.write_text("")
        return subprocess.run(
            ["sh", str(DEPLOY / "fetch.sh"), *models],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin", "LOG": str(log)},
            capture_output=True,
        ).returncode

    assert fetched() == 0
    assert log.read_text() == ""
    assert fetched("one", "org/two") == 0
    assert log.read_text() == "spectrum one\nspectrum org/two\n"
    assert fetched("missing", "two") != 0  # a build must not go on without it
    assert log.read_text() == "spectrum missing\n"


def test_a_space_is_written_with_its_front_matter(tmp_path: Path) -> None:
    space = tmp_path / "space"
    subprocess.run(["sh", str(DEPLOY / "space.sh"), str(space)], check=True, capture_output=True)
    _, front, text = (space / "README.md").read_text().split("---\n", 2)
    said = yaml.safe_load(front)
    assert said["sdk"] == "docker"
    assert [str(said["app_port"])] == of("EXPOSE")
    assert len(said["short_description"]) <= 60
    assert re.search(r"^# \w", text, re.MULTILINE)
    assert (space / "Dockerfile").read_text() == (DEPLOY / "Containerfile").read_text()
    copied = {source for words in of("COPY") for source in words.split()[:-1]}
    assert all((space / source).exists() for source in copied)
    assert not list(space.rglob("__pycache__"))
    again = subprocess.run(["sh", str(DEPLOY / "space.sh"), str(space)], capture_output=True)
    assert (again.returncode, again.stderr.count(b"\n")) == (2, 1)
