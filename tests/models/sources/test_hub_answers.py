"""A hub that is busy, a login page, a mirror, and variables that nobody can use: one line each."""

import email.utils
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.models.sources import hub_answers
from embfilter_viz.models.sources.locate import locate, outline
from tests.models import hand_made
from tests.models.hand_made import Listener
from tests.models.hub_stand_in import Fault, HubStandIn, Repository, hub_stand_in

pytestmark = pytest.mark.usefixtures("own_cache")

AT_ONCE = {"Retry-After": "0"}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return hand_made.write(tmp_path / "content", shards=2)


@pytest.fixture
def served(model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    with hub_stand_in({"org/tiny": Repository(model)}) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.address)
        yield running


def one_line() -> str:
    with pytest.raises(InputError) as refusal:
        locate("org/tiny")
    said = str(refusal.value)
    assert said.startswith("org/tiny: ")
    assert "\n" not in said
    return said


def test_a_busy_hub_is_waited_for(served: HubStandIn) -> None:
    served.faults = [
        Fault("^/api/", 429, {"Retry-After": "1"}, times=1),
        Fault("/config.json$", 503, AT_ONCE, times=1),
        Fault("safetensors$", 503, AT_ONCE, times=2),
    ]
    listener = Listener()
    opened = outline("org/tiny", progress=listener)
    assert opened.kind == "hub"
    said = {what for what, *_ in listener.told}
    assert "the hub is busy and asks to wait 1 second" in said
    assert [fault.times for fault in served.faults] == [0, 0, 0]


@pytest.mark.parametrize(
    ("wait", "words"), [("0", "busy (429) and asks to wait 1 second"), ("7200", "120 minutes")]
)
def test_one_that_stays_busy_is_told_of(served: HubStandIn, wait: str, words: str) -> None:
    served.faults = [Fault("^/api/", 429, {"Retry-After": wait})]
    assert words in one_line()
    asked = [line for line in served.requests if "/api/" in line]
    assert len(asked) == (hub_answers.TRIES if wait == "0" else 1)


def test_a_login_page_is_no_model(served: HubStandIn) -> None:
    served.faults = [Fault("^/api/", 200, {"Content-Type": "text/html"}, b"<html>Log in</html>")]
    assert "is not JSON, such as a login page" in one_line()


def test_a_mirror_that_names_no_commit(served: HubStandIn) -> None:
    served.hidden_headers = ("X-Repo-Commit",)
    assert "(X-Repo-Commit), as some mirrors do not" in one_line()


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("HTTP_PROXY", "nonsense://host", "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names cannot"),
        ("HF_TOKEN", "hf_schlüssel", "HF_TOKEN has signs that cannot be sent"),
        ("HF_ENDPOINT", "http://[host", "HF_ENDPOINT='http://[host' is no address"),
        ("HF_ENDPOINT", "http://host:99999", "is no address"),
        ("HF_ENDPOINT", "hub", "HF_ENDPOINT='hub' is no address"),
    ],
)
def test_variables_that_cannot_be_used(
    served: HubStandIn, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    for name in (variable, variable.lower()):
        monkeypatch.setenv(name, value)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    said = one_line()
    assert words in said
    assert variable != "HF_TOKEN" or "schl" not in said  # a token is a secret


def test_pointers_of_git_lfs_are_no_weights(served: HubStandIn, model: Path) -> None:
    for path in model.glob("*.safetensors"):
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    assert "is a Git LFS pointer in the place of the weights" in one_line()


def answer(status: int, wait: str) -> SimpleNamespace:
    headers = {"Retry-After": wait} if wait else {}
    return SimpleNamespace(response=SimpleNamespace(status_code=status, headers=headers))


def test_the_wait_is_a_number_or_a_date_or_a_guess() -> None:
    now = time.time()
    assert hub_answers.wait_asked(answer(429, "17")) == 17
    date = email.utils.formatdate(now + 40, usegmt=True)
    assert hub_answers.wait_asked(answer(429, date)) == pytest.approx(40, abs=5)
    past = email.utils.formatdate(now - 40, usegmt=True)
    assert hub_answers.wait_asked(answer(429, past)) == 0
    for nonsense in ("", "soon", "-3", "9" * 400):
        assert hub_answers.wait_asked(answer(503, nonsense)) == hub_answers.DEFAULT_WAIT


def test_a_wait_can_be_cancelled() -> None:
    def cancelled(*_: object) -> None:
        raise Cancelled("no more")

    before = time.monotonic()
    with pytest.raises(Cancelled):
        hub_answers.wait_as_asked(answer(429, "30"), cancelled)
    assert time.monotonic() - before < 5
