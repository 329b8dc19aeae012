"""The command that serves the explorer to strangers."""

import os
import sys

import pytest

from embfilter_viz.cli import main
from embfilter_viz.ui.access import LIMITS_VARIABLE, MODELS_VARIABLE, PUBLIC_VARIABLE, access


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What Streamlit is started with."""
    from streamlit.web import cli as streamlit

    calls: list[list[str]] = []
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setattr(streamlit, "main", lambda: calls.append(sys.argv))
    for name in (PUBLIC_VARIABLE, MODELS_VARIABLE, LIMITS_VARIABLE):
        monkeypatch.setenv(name, "")  # and put back afterwards
    return calls


def test_a_public_explorer_takes_its_rules_by_options(
    capsys: pytest.CaptureFixture[str],
    handed: list[list[str]],
) -> None:
    asked = ("app", "--public", "--allow", "a/b", "--allow", "c/d", "--limit", "file=20 MB",
             "--limit", "jobs=4")  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        main([*asked, "--prefix", "/x/y/"])
    assert ended.value.code == 0
    (words,) = handed
    assert words[words.index("--server.headless") + 1] == "true"
    assert words[words.index("--server.baseUrlPath") + 1] == "x/y"
    assert words[words.index("--server.maxUploadSize") + 1] == "20"
    rules = access()
    assert (rules.most_upload_bytes, rules.long_jobs_each) == (20_000_000, 4)
    assert (rules.most_texts, rules.long_jobs) == (2_000, 16)
    assert (os.environ[PUBLIC_VARIABLE], os.environ[MODELS_VARIABLE]) == ("1", "a/b,c/d")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--allow", "a/b"], "give --public too"),
        (["--limit", "texts=5"], "give --public too"),
        (["--public", "--allow", "a", "--limit", "texts=0"], "texts must be from 1 to 20,000"),
        (["--public", "--allow", "a", "--limit", "texts=²"], "texts must be from 1 to 20,000"),
        (
            ["--public", "--allow", "a", "--limit", "file=1 GB"],
            "file must be a size from 1 MB to 64 MB",
        ),
        (
            ["--public", "--allow", "a", "--limit", "rows=5"],
            "NAME=VALUE with one of texts, file, characters",
        ),
        (["--public", "--allow", "a", "--limit", "jobs"], "jobs must be from 1 to 1,000"),
        (["--prefix", "a b"], "must be a path of letters"),
        (["--prefix", "../x"], "must be a path of letters"),
        (["--prefix", "a" * 50_000 + "!"], "must be a path of letters"),
        (["--prefix", "//host"], "must be a path of letters"),
    ],
)
def test_bad_rules_are_one_line(
    capsys: pytest.CaptureFixture[str],
    handed: list[list[str]],
    options: list[str],
    said: str,
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["app", "--headless", *options])
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert handed == []
