"""Which of Streamlit's private parts a release has changed, by name."""

import asyncio
import importlib
import inspect
import tomllib
import weakref
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit
from packaging.requirements import Requirement
from streamlit import config, net_util
from streamlit.components import v1 as components
from streamlit.proto.BackMsg_pb2 import BackendOperationRequest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import Runtime, backend_operation_handler
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext
from streamlit.runtime.session_manager import SessionInfo
from streamlit.runtime.websocket_session_manager import WebsocketSessionManager
from streamlit.testing.v1 import AppTest
from streamlit.web import cli, skills
from streamlit.web.server import server_util

from embfilter_viz.ui import streamlit_internals
from embfilter_viz.ui.streamlit_internals import HIDDEN_SETTINGS, KNOWN, SESSIONS_KEPT_FOR

ROOT = Path(__file__).parents[2]
RELEASE = streamlit.__version__

PARTS = [
    (ScriptRunContext, "main_script_path", "app_folder"),
    (ScriptRunContext, "session_id", "session_id"),
    (ScriptRunContext, "page_script_hash", "page_id"),
    (ScriptRunContext, "is_history_navigation", "came_by_history"),
    (ScriptRunContext, "query_string", "query_of_history"),
    (PagesManager, "uses_pages_directory", "serve_pages_by_the_router_alone"),
    (Runtime, "_get_async_objs", "let_go_of_left_sessions"),
    (Runtime, "exists", "is_served"),
    (net_util, "get_external_ip", "ask_nobody_for_our_address"),
    (skills, "agent_harness_present", "offer_no_agent_skills"),
    (ForwardMsgQueue, "clear", "keep_answers"),
    (cli, "main", "run"),
    (components, "declare_component", "served_folder"),
]


def run_apart(work: Coroutine[Any, Any, Any]) -> Any:
    """Run it in a loop of its own thread: Playwright's runs in this one, after a browser test."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def test_this_is_the_release_whose_parts_are_known() -> None:
    assert RELEASE.startswith(f"{KNOWN}."), (
        f"Streamlit {RELEASE} is installed, and ui/streamlit_internals.py knows {KNOWN}: if all "
        "other tests pass, raise KNOWN there and the range in pyproject.toml"
    )


def test_pyproject_allows_the_known_release_and_not_the_next() -> None:
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (allowed,) = [
        found.specifier for line in named if (found := Requirement(line)).name == "streamlit"
    ]
    major, minor = map(int, KNOWN.split("."))
    assert allowed.contains(f"{KNOWN}.0")
    assert allowed.contains(f"{KNOWN}.9")
    assert not allowed.contains(f"{major}.{minor + 1}.0")


@pytest.mark.parametrize(("owner", "name", "used_by"), PARTS, ids=[part[2] for part in PARTS])
def test_the_part_is_still_there(owner: Any, name: str, used_by: str) -> None:
    has = name in getattr(owner, "__dataclass_fields__", ()) or hasattr(owner, name)
    assert has, (
        f"Streamlit {RELEASE} has no {owner.__name__}.{name} any more: {used_by} in "
        "ui/streamlit_internals.py needs another way"
    )


def test_every_function_of_the_module_has_its_part_in_the_list() -> None:
    functions = {
        name
        for name in streamlit_internals.__all__
        if inspect.isfunction(getattr(streamlit_internals, name))
    }
    assert functions == {used_by for _, _, used_by in PARTS}


def test_streamlit_knows_every_setting_of_ours() -> None:
    ours = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    known = config._config_options_template
    names = {
        f"{section}.{name}"
        for section, values in ours.items()
        for name, value in values.items()
        if not isinstance(value, dict)
    }
    unknown = sorted(names - set(known))
    assert not unknown, f"Streamlit {RELEASE} passes over these lines of config.toml: {unknown}"
    assert {name for name in names if known[name].visibility == "hidden"} == set(HIDDEN_SETTINGS)


def test_a_run_says_its_session_its_page_and_its_folder() -> None:
    def script() -> None:
        import streamlit as st

        from embfilter_viz.ui import streamlit_internals as parts

        st.session_state["said"] = (
            parts.session_id(), parts.page_id(), parts.app_folder(), parts.came_by_history(),
            parts.query_of_history(),
        )  # fmt: skip

    session, page, folder, by_history, query = (
        AppTest.from_function(script).run().session_state["said"]
    )
    assert session not in ("", "no session")
    assert page
    assert folder.is_dir()
    assert folder != Path.cwd()
    assert (by_history, query) == (False, {})


def test_outside_of_a_server_there_is_no_run() -> None:
    assert streamlit_internals.session_id() == "no session"
    assert streamlit_internals.page_id() == ""
    assert streamlit_internals.app_folder() == Path.cwd()
    assert streamlit_internals.query_of_history() == {}


def test_a_browser_from_an_unknown_host_has_nobody_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    importlib.reload(net_util)  # as it comes: another test may have had a page run
    asked: list[str] = []
    monkeypatch.setattr(net_util, "get_internal_ip", lambda: "192.0.2.1")
    monkeypatch.setattr(net_util, "_make_blocking_http_get", lambda url, **_: asked.append(url))
    assert not server_util.is_url_from_allowed_origins("http://elsewhere.example")
    assert asked, f"Streamlit {RELEASE} asks nobody any more: ask_nobody_for_our_address can go"
    asked.clear()
    streamlit_internals.ask_nobody_for_our_address()
    assert not server_util.is_url_from_allowed_origins("http://elsewhere.example")
    assert asked == []


def test_nothing_is_offered_or_written_for_coding_agents(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    importlib.reload(skills)  # as it comes: another test may have had a page run
    (home := tmp_path / "home").joinpath(".claude").mkdir(parents=True)
    monkeypatch.setattr(Path, "home", lambda: home)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(backend_operation_handler, "connection_locality", lambda _: "loopback")
    headless = config.get_option("server.headless")
    config.set_option("server.headless", False)
    app = tmp_path / "app"
    app.mkdir()
    assert skills.should_show_skills_nudge(str(app)), (
        f"Streamlit {RELEASE} offers nothing here any more: offer_no_agent_skills can go"
    )
    streamlit_internals.offer_no_agent_skills()
    try:
        assert not skills.should_show_skills_nudge(str(app))
        handler = backend_operation_handler.InstallSkillsHandler(lambda: str(app))
        asked = BackendOperationRequest(request_id="1")
        answer = run_apart(handler.handle(asked, "a session"))
    finally:
        config.set_option("server.headless", headless)
        importlib.reload(skills)
    assert "not available" in answer.error_msg
    assert list(app.iterdir()) == []


def an_answer(kind: str) -> ForwardMsg:
    """A message of that type."""
    answer = ForwardMsg.DESCRIPTOR.fields_by_name[kind]
    message = ForwardMsg(**{kind: True if answer.message_type is None else {}})
    assert message.WhichOneof("type") == kind
    return message


@pytest.mark.parametrize("fragments", [None, ["a fragment"]])
@pytest.mark.parametrize("kind", streamlit_internals.ANSWERS)
def test_an_answer_outlives_the_run_that_begins_before_it_is_sent(
    kind: str, fragments: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = ForwardMsg()
    shown.delta.new_element.text.body = "of the last run"
    shown.delta.fragment_id = "a fragment"
    waiting = [shown, an_answer(kind)]

    def left() -> list[str | None]:
        queue = ForwardMsgQueue()
        for message in waiting:
            queue.enqueue(message)
        queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=fragments)
        queue.enqueue(shown)
        return [message.WhichOneof("type") for message in queue.flush()]

    monkeypatch.setattr(ForwardMsgQueue, "clear", streamlit_internals._clear)
    if fragments is None:
        assert left() == ["delta"], f"Streamlit {RELEASE} keeps {kind}: keep_answers can go"
    streamlit_internals.keep_answers()
    assert left() == [kind, "delta"]


def test_a_queue_that_was_sent_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ForwardMsgQueue, "clear", streamlit_internals._clear)
    streamlit_internals.keep_answers()
    queue = ForwardMsgQueue()
    queue.enqueue(an_answer("file_urls_response"))
    assert len(queue.flush()) == 1
    assert queue.is_empty()


class _Large:
    """What a session holds."""


class _Session:
    """A session, as far as its storage looks at it."""

    id = "left"

    def __init__(self) -> None:
        self.ended: list[str] = []
        self._session_state: object = _Large()
        self._fragment_storage: object = _Large()

    def shutdown(self) -> None:
        self.ended.append(self.id)


def test_the_last_sessions_to_leave_are_let_go_too(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = MemorySessionStorage(ttl_seconds=0)
    sessions = WebsocketSessionManager(storage, None, None, None)  # type: ignore[arg-type]
    session = _Session()
    storage.save(SessionInfo(client=None, session=session, script_run_count=1))  # type: ignore[arg-type]
    left, held = weakref.ref(session), session
    holds = [weakref.ref(session._session_state), weakref.ref(session._fragment_storage)]
    del session
    assert left() is not None  # kept, although its time has run out

    async def run() -> None:
        loop = asyncio.get_running_loop()
        runtime = SimpleNamespace(
            _session_mgr=sessions, _get_async_objs=lambda: SimpleNamespace(eventloop=loop)
        )
        monkeypatch.setattr(Runtime, "exists", lambda: True)
        monkeypatch.setattr(Runtime, "instance", lambda: runtime)
        await asyncio.to_thread(streamlit_internals.let_go_of_left_sessions)
        await asyncio.sleep(0)

    run_apart(run())
    assert held.ended == ["left"]
    assert [one() for one in holds] == [None, None]  # whoever holds the session holds nothing by it
    del held
    assert left() is None


def test_a_session_has_the_parts_that_are_cleared() -> None:
    assert callable(AppSession.shutdown)
    assert {"_session_state", "_fragment_storage"} <= {*AppSession.__init__.__code__.co_names}


def test_a_session_is_kept_for_as_long_as_we_say() -> None:
    assert MemorySessionStorage()._cache.ttl == SESSIONS_KEPT_FOR
