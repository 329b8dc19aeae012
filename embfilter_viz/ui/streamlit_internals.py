"""All that we use of Streamlit beyond what it promises to keep, each with its reason.

A release may change any of it without a word. So ``pyproject.toml`` allows the releases of
``KNOWN`` only, and ``tests/ui/test_streamlit_internals.py`` says by name which part is no longer
as it was. Two kinds of parts stand elsewhere: hidden settings in ``.streamlit/config.toml``
(``HIDDEN_SETTINGS``), and the names of elements and attributes in ``components/*.js`` and
``*.css``, which the tests look for in Chromium.
"""

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qsl

from streamlit import net_util
from streamlit.components.v1 import declare_component
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import Runtime
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.fragment import MemoryFragmentStorage
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.state.session_state import SessionState

__all__ = [
    "HIDDEN_SETTINGS",
    "KNOWN",
    "SESSIONS_KEPT_FOR",
    "app_folder",
    "ask_nobody_for_our_address",
    "came_by_history",
    "is_served",
    "keep_answers",
    "let_go_of_left_sessions",
    "offer_no_agent_skills",
    "page_id",
    "query_of_history",
    "run",
    "serve_pages_by_the_router_alone",
    "served_folder",
    "session_id",
]

KNOWN = "1.67"
"""The release whose parts these are."""

HIDDEN_SETTINGS = ("global.minCachedMessageSize", "runner.postScriptGC")
"""Settings we rely on that Streamlit does not list; ``.streamlit/config.toml`` says what for."""


def run(script: Path, options: Sequence[str] = ()) -> None:
    """Serve ``script`` as ``streamlit run`` does, until it is stopped.

    By the command line, because ``bootstrap.run`` does not read the ``.streamlit/config.toml``
    beside the script.
    """
    from streamlit.web import cli

    ask_nobody_for_our_address()
    offer_no_agent_skills()
    _hang_up_as_terminate()
    sys.argv = ["streamlit", "run", str(script), *options]
    cli.main()


def _hang_up_as_terminate() -> None:
    """End on a closed terminal as on SIGTERM, which Streamlit has a handler for, and tidily.

    One that is ignored stays so: `nohup` asks for that.
    """
    if not hasattr(signal, "SIGHUP") or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


def app_folder() -> Path:
    """The folder of the script that is served; the working folder outside of a server."""
    context = get_script_run_ctx()
    return Path(context.main_script_path).parent if context else Path.cwd()


def served_folder(name: str, folder: Path) -> str:
    """Serve the files of a folder as those of a component of the first kind.

    Args:
        name: what the address calls it.
        folder: the folder; nothing is written to it.

    Returns:
        the address below which its files are.
    """
    return f"component/{declare_component(name, path=folder).name}"


def session_id() -> str:
    """Return what names this session of this server."""
    context = get_script_run_ctx()
    return context.session_id if context else "no session"


def page_id() -> str:
    """Return what names the page that runs; empty outside of a server."""
    context = get_script_run_ctx()
    return context.page_script_hash if context else ""


def came_by_history() -> bool:
    """Tell whether this run is due to the browser's back or forward button."""
    context = get_script_run_ctx()
    return bool(context and context.is_history_navigation)


def query_of_history() -> dict[str, str]:
    """The query in the URL that the browser's history led to.

    Where the page changed with it, ``st.query_params`` has lost the values of the page's widgets.
    """
    context = get_script_run_ctx()
    return dict(parse_qsl(context.query_string)) if context and came_by_history() else {}


SESSIONS_KEPT_FOR = 120.0
"""Seconds that Streamlit keeps a session for a tab whose connection was lost."""


def let_go_of_left_sessions() -> None:
    """Have the server drop sessions that it keeps for longer than it means to.

    It drops those whose time has run out only when one more session is lost: the last ones to
    leave stay, with all that they hold, until somebody else has come and left. And while nobody is
    there the loop that sends what changed holds on to the session that it served last, so what a
    dropped session holds is cleared too.
    """
    if not is_served():
        return
    runtime = Runtime.instance()
    kept = runtime._session_mgr._session_storage._cache  # type: ignore[attr-defined]

    def drop() -> None:
        for _, info in kept.expire():
            session = info.session
            session.shutdown()
            # Of its state, ``clear`` would leave the callbacks, which hold models.
            session._session_state = SessionState()
            session._fragment_storage = MemoryFragmentStorage()

    # On the server's own thread, like all that touches its sessions.
    runtime._get_async_objs().eventloop.call_soon_threadsafe(drop)


def is_served() -> bool:
    """Tell whether a server is at work, and not the stand-in for one that ``AppTest`` has."""
    return Runtime.exists() and hasattr(Runtime.instance(), "_session_mgr")


def serve_pages_by_the_router_alone() -> None:
    """Have the server take pages from ``st.navigation``, not from a folder named ``pages``.

    Until ``st.navigation`` was called once, a server that finds that folder serves its scripts by
    itself (``script_runner``, "MPA v1").
    """
    PagesManager.uses_pages_directory = False


def ask_nobody_for_our_address() -> None:
    """Keep the server from asking checkip.amazonaws.com which address it has.

    It asks when a browser comes by a host name that it does not know, and only to allow that
    address as well; ``browser.serverAddress`` and ``server.corsAllowedOrigins`` allow a host by
    its name.
    """
    net_util.get_external_ip = _unknown


def _unknown() -> None:
    """No address."""


def offer_no_agent_skills() -> None:
    """Keep the server from offering, and from writing, instructions for coding agents.

    Where it finds such an agent in the home folder, Streamlit covers the strip with a card whose
    button writes files beside the app. It does so for whoever seems to browse on this machine,
    which is every visitor behind a proxy on it. A session that began before the script ran gets the
    card all the same; ``page.css`` hides it, and the server refuses what its button asks for.
    """
    from streamlit.web import skills

    skills.agent_harness_present = _none_present


def _none_present() -> bool:
    """No agent."""
    return False


ANSWERS = ("file_urls_response", "backend_operation_response", "heartbeat_ack")
"""Messages that answer the browser itself, each once, and are not part of what a run shows."""

_clear = ForwardMsgQueue.clear
"""How Streamlit's own queue is cleared."""


def keep_answers() -> None:
    """Have a run that begins keep the answers that wait to be sent to the browser.

    It drops all that the last run has not sent yet, and among it the address to which the browser
    asked to send a file: the file that a reader gives while a run begins would be lost, without a
    word, because the browser waits for that answer for good.
    """
    ForwardMsgQueue.clear = _clear_all_but_answers  # type: ignore[method-assign]


def _clear_all_but_answers(
    self: ForwardMsgQueue,
    retain_lifecycle_msgs: bool = False,
    fragment_ids_this_run: list[str] | None = None,
) -> None:
    """Clear the queue as Streamlit does; of one that goes on, the answers stay in front."""
    kept: list[ForwardMsg] = []
    if retain_lifecycle_msgs:
        kept = [message for message in self._queue if message.WhichOneof("type") in ANSWERS]
        self._queue = [one for one in self._queue if one.WhichOneof("type") not in ANSWERS]
    _clear(self, retain_lifecycle_msgs, fragment_ids_this_run)
    self._queue[:0] = kept
