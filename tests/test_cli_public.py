"""The command that serves the explorer to strangers."""

import os
import sys

import pytest

from embfilter_viz.cli import main
from embfilter_viz.ui.access import MODELS_VARIABLE, PUBLIC_VARIABLE


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What Streamlit is started with."""
    from streamlit.web import cli as streamlit

    calls: list[list[str]] = []
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setattr(streamlit, "main", lambda: calls.append(sys.argv))
    for name in (PUBLIC_VARIABLE, MODELS_VARIABLE):
        monkeypatch.setenv(name, "")  # and put back afterwards
    return calls


def test_a_public_explorer_takes_its_rules_by_options(
    capsys: pytest.CaptureFixture[str],
    handed: list[list[str]],
) -> None:
    asked = ("app", "--public", "--allow", "a/b", "--allow", "c/d")
    with pytest.raises(SystemExit) as ended:
        main([*asked, "--prefix", "/x/y/"])
    assert ended.value.code == 0
    (words,) = handed
    assert words[words.index("--server.headless") + 1] == "true"
    assert words[words.index("--server.baseUrlPath") + 1] == "x/y"
    assert words[words.index("--server.maxUploadSize") + 1] == "5"
    assert (os.environ[PUBLIC_VARIABLE], os.environ[MODELS_VARIABLE]) == ("1", "a/b,c/d")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--allow", "a/b"], "give --public too"),
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
