"""A visitor of the explorer without a browser: a client of Streamlit's own protocol.

A browser's tab holds a WebSocket. It asks for runs of the page with what its controls hold
(``BackMsg``), and is sent what changed on the page, element by element (``ForwardMsg``). A visitor
here does the same, finds controls by their labels as they stand on the page, and does what our
components do by themselves: the strip numbers its moves (``window_state.js``), the clock of
``rest.js`` asks once nothing has changed for a while, and a fragment with ``run_every`` is asked
for again and again. Nothing is drawn, so that twenty visitors take little of the machine.

The parts of the protocol are those of the release that ``ui/streamlit_internals.py`` names.
"""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import UploadedFileInfo
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

__all__ = ["Answer", "VisitError", "Visitor", "visiting"]

PATIENCE = 120.0
"""Seconds that a page may leave a visitor without an answer."""
LONG_PATIENCE = 900.0
"""Seconds that work may take which the page says is under way."""

XSRF = "_streamlit_xsrf"
"""The cookie that an upload names in a header, too."""

Path = tuple[int, ...]


class VisitError(Exception):
    """What a visitor calls an error: a red line, a lost connection, no answer, no such control."""


@dataclass(frozen=True)
class Answer:
    """What came of one action."""

    first: float
    """Seconds from sending it to the end of the first run that answers it."""
    whole: float
    """Seconds until no run is under way and no bar says that work is."""
    received: int
    """Bytes that the server sent meanwhile."""


@dataclass
class _Node:
    """A part of the page: an element, or a block, which has none."""

    element: Element | None
    fragment: str
    run: str


@contextlib.asynccontextmanager
async def visiting(server: str, page: str = "", query: str = "") -> AsyncIterator["Visitor"]:
    """A visitor of the explorer at ``server``, with a page open, who leaves in the end.

    Fetches the files that a browser with an empty cache fetches first.

    Args:
        server: the explorer's address.
        page: the path of the page that is opened first, as ``filter_and_lens``.
        query: of its address, as ``model=org%2Fname``.
    """
    async with httpx2.AsyncClient(base_url=server, timeout=PATIENCE) as files:
        await files.get("/_stcore/health")  # which sets the cookie that an upload names
        for address in re.findall(r'(?:src|href)="(\./[^"]+)"', (await files.get("/")).text):
            await files.get(address.removeprefix("."))
        stream = server.replace("http", "ws", 1) + "/_stcore/stream"
        async with connect(stream, subprotocols=["streamlit"], max_size=None) as socket:
            visitor = Visitor(socket, files)
            try:
                await visitor.arrive(page, query)
                yield visitor
            finally:
                await visitor.leave()


class Visitor:
    """One visitor, from :func:`visiting`.

    >>> async def stay():
    ...     async with visiting("http://127.0.0.1:8501") as visitor:
    ...         await visitor.go("Spectrum")
    ...         return await visitor.move("100:480")
    >>> asyncio.run(stay()).first  # doctest: +SKIP
    0.11
    """

    def __init__(self, socket: ClientConnection, files: httpx2.AsyncClient) -> None:
        self.received = 0
        """Bytes that the server has sent."""
        self.page = ""
        """The page that is open, by its title in the navigation."""
        self.arrival: Answer | None = None
        """How the page was answered that was opened first."""
        self._socket, self._files = socket, files
        self._nodes: dict[Path, _Node] = {}
        self._roots: dict[str, Path] = {}
        self._states: dict[str, WidgetState] = {}
        self._pages: dict[str, str] = {}
        self._session = self._query = self._page_hash = ""
        self._run, self._of, self._at_work = "", (), False
        self._ended: list[tuple[str, ...]] = []
        self._upload_urls: dict[str, Any] = {}
        self._repeated: dict[str, asyncio.Task[None]] = {}
        self._clocks: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._moves = 0
        self._news = asyncio.Event()
        self._trouble: VisitError | None = None
        self._reader = asyncio.create_task(self._read())

    # -- what a visitor does -----------------------------------------------------------------------

    async def arrive(self, page: str = "", query: str = "") -> Answer:
        """Open a page by its address, as a link does."""
        self._query = query
        self.arrival = await self._ask("", lambda: self._rerun(page_name=page))
        for loader in self._components("embfilter_plotly"):
            await self._files.get("/" + loader[1]["plotly"])
        return self.arrival

    async def go(self, title: str) -> Answer:
        """Change the page by the navigation's entry of that title."""
        if title not in self._pages:
            raise VisitError(f"no page {title!r} in the navigation")
        self._query, self._page_hash = "", self._pages[title]
        answer = await self._ask("", self._rerun)
        self.page = title
        return answer

    async def move(self, *windows: str, every: float = 0.25) -> Answer:
        """Drag the strip over these windows; the answer is to the last of them.

        Args:
            windows: as ``l:r``.
            every: seconds between two of them, as ``strip.js`` tells of a handle that is held.

        Returns:
            the answer.
        """
        for window in windows[:-1]:
            await self._says(window)
            await asyncio.sleep(every)
        fragment = self._strip()[0].fragment
        return await self._ask(fragment, lambda: self._says(windows[-1]), self._heard)

    async def type(self, label: str, text: str) -> Answer:
        """Type a text into the field of that label."""
        node, widget = self._control(("text_area", "text_input"), label)
        return await self._set(node, WidgetState(id=widget.id, string_value=text))

    async def choose(self, label: str, option: str) -> Answer:
        """Choose one of the options that stand in a row under that label."""
        node, widget = self._control(("button_group",), label)
        state = WidgetState(id=widget.id)
        state.string_array_value.data.append(option)
        return await self._set(node, state)

    async def press(self, begins: str) -> Answer:
        """Press the button whose words begin so."""
        node, widget = self._control(("button",), begins)
        return await self._set(node, WidgetState(id=widget.id, trigger_value=True), once=True)

    async def upload(self, label: str, name: str, data: bytes) -> Answer:
        """Put a file into the field whose label begins so."""
        node, widget = self._control(("file_uploader",), label)
        asked = f"{time.monotonic_ns()}"
        message = BackMsg()
        message.file_urls_request.request_id = asked
        message.file_urls_request.file_names.append(name)
        message.file_urls_request.session_id = self._session
        await self._send(message)
        await self._until(lambda: asked in self._upload_urls, PATIENCE, "an address to upload to")
        urls = self._upload_urls.pop(asked)
        put = await self._files.put(
            urls.upload_url, files={"file": (name, data)},
            headers={"X-Xsrftoken": self._files.cookies.get(XSRF, "")},
        )  # fmt: skip
        if put.status_code >= 400:
            raise VisitError(f"upload: {put.status_code} {put.text[:200]}")
        state = WidgetState(id=widget.id)
        state.file_uploader_state_value.uploaded_file_info.append(
            UploadedFileInfo(name=name, size=len(data), file_id=urls.file_id, file_urls=urls)
        )
        return await self._set(node, state)

    async def leave(self) -> None:
        """Close the tab."""
        self._stop_clocks()
        self._reader.cancel()
        await self._socket.close()

    # -- what a visitor sees -----------------------------------------------------------------------

    @property
    def words(self) -> list[str]:
        """The page's headings, sentences, captions and coloured lines, in their order."""
        said = []
        for _, element in self._elements():
            kind = element.WhichOneof("type")
            if kind in ("markdown", "heading", "text", "alert"):
                said.append(getattr(element, kind).body)
        return said

    @property
    def stamps(self) -> list[str]:
        """Which state of the controls each figure shows, in their order."""
        return [data["stamp"] for _, data in self._components("embfilter_chart")]

    @property
    def window(self) -> tuple[int, int, int]:
        """The window as the server has it: first direction, first dropped, number of all."""
        data = self._strip()[1]
        return data["l"], data["r"], data["d"]

    def has_button(self, begins: str) -> bool:
        """Tell whether there is a button whose words begin so."""
        with contextlib.suppress(VisitError):
            self._control(("button",), begins)
            return True
        return False

    @property
    def busy(self) -> bool:
        """Tell whether a run is under way, or a bar on the page says that work is."""
        return self._at_work or any(e.WhichOneof("type") == "progress" for _, e in self._elements())

    # -- asking ------------------------------------------------------------------------------------

    async def _set(self, node: _Node, state: WidgetState, *, once: bool = False) -> Answer:
        """Set a control, and ask for a run of the fragment that it stands in."""
        if not once:
            self._states[state.id] = state
        return await self._ask(
            node.fragment, lambda: self._rerun(node.fragment, state if once else None)
        )

    async def _ask(
        self, fragment: str, send: Callable[[], Awaitable[None]],
        answered: Callable[[], bool] = lambda: True,
    ) -> Answer:  # fmt: skip
        """Send, and wait for a run of the page or the fragment, and for what it sets going."""
        begun, before = time.perf_counter(), self.received
        self._ended.clear()
        await send()
        await self._until(
            lambda: answered() and any(not of or fragment in of for of in self._ended),
            PATIENCE,
            "an answer",
        )
        first = time.perf_counter() - begun
        await self._until(lambda: not self.busy, LONG_PATIENCE, "the end of the work")
        whole = time.perf_counter() - begun
        for _, element in self._elements():
            if element.WhichOneof("type") == "exception":
                raise VisitError(f"an exception: {element.exception.message}")
            if element.WhichOneof("type") == "alert" and element.alert.format == Alert.ERROR:
                raise VisitError(f"a red line: {element.alert.body}")
        return Answer(first, whole, self.received - before)

    async def _until(self, state: Callable[[], bool], seconds: float, what: str) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not state():
                    if self._trouble:
                        raise self._trouble
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise VisitError(f"{what} did not come in {seconds:.0f} s") from None

    async def _rerun(
        self, fragment: str = "", once: WidgetState | None = None, *, page_name: str = "",
        of_itself: bool = False,
    ) -> None:  # fmt: skip
        message = BackMsg()
        asked = message.rerun_script
        asked.query_string, asked.page_name = self._query, page_name
        asked.page_script_hash, asked.fragment_id = self._page_hash, fragment
        asked.is_auto_rerun = of_itself
        asked.widget_states.widgets.extend(self._states.values())
        if once is not None:
            asked.widget_states.widgets.append(once)
        await self._send(message)

    async def _send(self, message: BackMsg) -> None:
        try:
            await self._socket.send(message.SerializeToString())
        except ConnectionClosed as error:
            raise VisitError(f"lost connection: {error}") from error

    async def _says(self, window: str) -> None:
        """Tell of a move of the strip, with a number that no move had before."""
        node, data = self._strip()
        self._moves = max(self._moves, data["heard"]) + 1
        said = {"number": self._moves, "words": window, "d": data["d"]}
        assert node.element is not None
        name = node.element.bidi_component.id
        self._states[name] = WidgetState(id=name, json_value=json.dumps({"said": said}))
        await self._rerun(node.fragment)

    def _heard(self) -> bool:
        return self._strip()[1]["heard"] >= self._moves

    # -- being answered ----------------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            async for data in self._socket:
                assert isinstance(data, bytes)
                self.received += len(data)
                message = ForwardMsg.FromString(data)
                getattr(self, f"_on_{message.WhichOneof('type')}", _pass)(message)
                self._news.set()
            self._trouble = VisitError("lost connection: the server closed it")
        except ConnectionClosed as error:
            self._trouble = VisitError(f"lost connection: {error}")
        except Exception as error:
            self._trouble = VisitError(f"not understood: {error!r}")
        self._news.set()

    def _on_new_session(self, message: ForwardMsg) -> None:
        run = message.metadata.run
        self._run, self._of = run.script_run_id, tuple(run.fragment_ids)
        self._at_work = True
        self._session = message.new_session.initialize.session_id or self._session
        if not self._of:
            self._page_hash = message.new_session.page_script_hash
            for task in self._repeated.values():
                task.cancel()
            self._repeated.clear()

    def _on_navigation(self, message: ForwardMsg) -> None:
        pages = message.navigation.app_pages
        self._pages = {page.page_name: page.page_script_hash for page in pages}
        self._page_hash = message.navigation.page_script_hash
        self.page = next(t for t, page in self._pages.items() if page == self._page_hash)

    def _on_page_info_changed(self, message: ForwardMsg) -> None:
        self._query = message.page_info_changed.query_string

    def _on_file_urls_response(self, message: ForwardMsg) -> None:
        answer = message.file_urls_response
        self._upload_urls[answer.response_id] = answer.file_urls[0]

    def _on_auto_rerun(self, message: ForwardMsg) -> None:
        asked = message.auto_rerun
        self._forget_repeated(asked.fragment_id)
        task = asyncio.create_task(self._repeat(asked.fragment_id, asked.interval))
        self._repeated[asked.fragment_id] = task

    def _on_stop_auto_rerun(self, message: ForwardMsg) -> None:
        for fragment in message.stop_auto_rerun.fragment_ids:
            self._forget_repeated(fragment)

    def _on_ref_hash(self, message: ForwardMsg) -> None:
        raise NotImplementedError("messages kept by the browser; .streamlit/config.toml forbids it")

    def _on_session_event(self, message: ForwardMsg) -> None:
        if message.session_event.WhichOneof("type") == "script_compilation_exception":
            raise VisitError(message.session_event.script_compilation_exception.message)

    def _on_delta(self, message: ForwardMsg) -> None:
        path, delta = tuple(message.metadata.delta_path), message.delta
        fragment = delta.fragment_id
        if delta.WhichOneof("type") == "add_block":
            if fragment and fragment not in self._roots:
                self._roots[fragment] = path
            self._nodes[path] = _Node(None, fragment, self._run)
        elif delta.WhichOneof("type") == "new_element":
            before = self._nodes.get(path)
            if before is not None and before.element is None:
                self._drop(lambda at, node: at[: len(path)] == path)
            self._nodes[path] = _Node(delta.new_element, fragment, self._run)

    def _on_script_finished(self, message: ForwardMsg) -> None:
        if message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            return  # another run follows at once
        self._at_work = False
        if message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
            raise VisitError("the page does not compile")
        # What this run did not make anew is gone: of the page, or of its fragments.
        roots = [self._roots[one] for one in self._of if one in self._roots] if self._of else [()]
        self._drop(
            lambda at, node: (
                node.run != self._run
                and any(at[: len(root)] == root and at != root for root in roots)
            )
        )
        here = {_id(element) for _, element in self._elements()}
        self._states = {name: state for name, state in self._states.items() if name in here}
        self._ended.append(self._of)
        self._components_act()

    def _drop(self, gone: Callable[[Path, _Node], bool]) -> None:
        self._nodes = {at: node for at, node in self._nodes.items() if not gone(at, node)}

    # -- what our components do by themselves ------------------------------------------------------

    def _components_act(self) -> None:
        clocks = {}
        for node, data in self._components("embfilter_rest"):
            assert node.element is not None
            name = node.element.bidi_component.id
            known, clock = self._clocks.pop(name, ("", None))
            ticket = data["ticket"] or ""
            if ticket != known:
                if clock is not None:
                    clock.cancel()
                clock = asyncio.create_task(self._rest(node, ticket, data["ms"] / 1000))
            if clock is not None:
                clocks[name] = (ticket, clock)
        for _, clock in self._clocks.values():
            clock.cancel()
        self._clocks = clocks
        for node, data in self._components("embfilter_texts"):
            if data["has"] != data["name"]:
                assert node.element is not None
                name = node.element.bidi_component.id
                said = json.dumps({"has": data["name"]})
                self._states[name] = WidgetState(id=name, json_value=said)

    async def _rest(self, node: _Node, ticket: str, seconds: float) -> None:
        """The clock of ``rest.js``."""
        if not ticket:
            return
        await asyncio.sleep(seconds)
        while self._at_work:
            await asyncio.sleep(0.1)
        assert node.element is not None
        name = _make_trigger_id(node.element.bidi_component.id, "events")
        said = json.dumps([{"event": "rested", "value": ticket}])
        with contextlib.suppress(VisitError):
            await self._rerun(node.fragment, WidgetState(id=name, json_trigger_value=said))

    async def _repeat(self, fragment: str, seconds: float) -> None:
        """A fragment with ``run_every``."""
        with contextlib.suppress(VisitError):
            while True:
                await asyncio.sleep(seconds)
                await self._rerun(fragment, of_itself=True)

    def _forget_repeated(self, fragment: str) -> None:
        task = self._repeated.pop(fragment, None)
        if task is not None:
            task.cancel()

    def _stop_clocks(self) -> None:
        for task in [*self._repeated.values(), *(clock for _, clock in self._clocks.values())]:
            task.cancel()

    # -- finding -----------------------------------------------------------------------------------

    def _elements(self) -> Iterator[tuple[_Node, Element]]:
        for _, node in sorted(self._nodes.items(), key=lambda item: item[0]):
            if node.element is not None:
                yield node, node.element

    def _control(self, kinds: tuple[str, ...], begins: str) -> tuple[_Node, Any]:
        """The first control of one of these kinds whose label begins so."""
        for node, element in self._elements():
            kind = element.WhichOneof("type")
            if kind in kinds and getattr(element, kind).label.startswith(begins):
                return node, getattr(element, kind)
        raise VisitError(f"no control {begins!r} on {self.page}")

    def _components(self, name: str) -> Iterator[tuple[_Node, dict[str, Any]]]:
        """Our components of that name, with what the server says to them."""
        for node, element in self._elements():
            if element.WhichOneof("type") == "bidi_component":
                component = element.bidi_component
                if component.component_name == name:
                    mixed = component.WhichOneof("data") == "mixed"
                    yield node, json.loads(component.mixed.json if mixed else component.json)

    def _strip(self) -> tuple[_Node, dict[str, Any]]:
        for node, data in self._components("embfilter_strip"):
            return node, data
        raise VisitError(f"no strip on {self.page}")


def _id(element: Element) -> str:
    kind = element.WhichOneof("type")
    return getattr(getattr(element, kind), "id", "") if kind else ""


def _pass(message: ForwardMsg) -> None:
    """Leave a message that nothing here needs."""
