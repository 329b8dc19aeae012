"""A container and a Space: each file that they need is there, each step is one that is tested."""

import re
import shutil
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
    command.write_text(
        '#!/bin/sh\necho "$1 $2" >> "$LOG"\n[ "$1" = spectrum ] && [ "$2" != missing ]\n'
    )
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
    # Without what the first page shows a model is fetched all the same.
    assert log.read_text() == "spectrum one\nlesson one\nspectrum org/two\nlesson org/two\n"
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


BUILDER = """#!/bin/sh
echo "$*" >> "$LOG"
case "$*" in
    pull*) exit "$PULL" ;;
    exec*"id -u") echo "$USER_ID" ;;
esac
"""
"""A stand-in for podman, which does nothing but to say who runs."""


def tried(tmp_path: Path, pull: int = 0, user: int = 1000, **builder: str) -> tuple[int, str, str]:
    """What try.sh ends with and says, and what it asked of the builders that are there."""
    for tool in ("dirname", "sed", "timeout", "sh", "sleep"):
        if not (tmp_path / tool).exists():
            (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    for name, script in builder.items():
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    log = tmp_path / "log"
    log.write_text("")
    run = subprocess.run(
        [str(shutil.which("sh")), str(DEPLOY / "try.sh")], capture_output=True, text=True,
        env={"PATH": str(tmp_path), "LOG": str(log), "PULL": str(pull), "USER_ID": str(user)},
    )  # fmt: skip
    return run.returncode, run.stdout + run.stderr, log.read_text()


def test_the_image_is_built_and_started_where_that_is_possible(tmp_path: Path) -> None:
    code, said, _ = tried(tmp_path)
    assert (code, said) == (0, "image: not built, for neither podman nor docker is here\n")
    code, said, asked = tried(tmp_path, pull=1, podman=BUILDER)
    assert code == 0
    assert said == f"image: not built, for {of('FROM')[0]} cannot be fetched here\n"
    assert "build" not in asked
    code, said, asked = tried(tmp_path)
    assert (code, said) == (0, "image: built, started and well\n")
    assert "build --format docker -f deploy/Containerfile" in asked
    assert "--read-only --tmpfs /tmp -v" in asked
    code, said, asked = tried(tmp_path, user=0)
    assert (code, said) == (1, "image: runs as another user than 1000\n")
    assert asked.rstrip().splitlines()[-3].startswith("rm -f")  # and nothing is left
