"""Questions to one server over HTTP: several at once, patient with a busy one, silent about keys.

All engines share one event loop in a thread of its own, so that a limit of requests in flight holds
for the whole process, and a caller that is cancelled leaves nothing running.
"""

import asyncio
import json
import os
import queue
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from embfilter_viz.errors import InputError
from embfilter_viz.system.certificates import check_certificates
from embfilter_viz.system.retry_after import seconds_asked

if TYPE_CHECKING:
    import ssl

    import httpx2

__all__ = ["API_KEY", "IN_FLIGHT", "LOOK_BYTES", "Line", "Patience", "Question", "RefusedError"]

API_KEY = "EMBFILTER_VIZ_API_KEY"
"""The environment variable that holds a server's key; it is sent and kept nowhere."""

IN_FLIGHT = 8
"""Requests to one server that run at once, unless another number is asked for."""

LOOK_BYTES = 16_000_000
"""Bytes of an answer that says what a server is and serves."""

_BUSY = (429, 502, 503, 504)
"""Statuses of a server that may answer later."""
_HERE = ("localhost", "127.0.0.1", "::1")
_BEAT = 0.25
_SHOWN = 200

Question = tuple[str, dict[str, Any] | None]
"""A path and what is posted there; None: the path is got."""


@dataclass(frozen=True)
class Patience:
    """Bounds on the time that a server is waited for."""

    connect: float = 5.0
    """Seconds until it takes a connection."""
    look: float = 10.0
    """Seconds until it says what it is."""
    answer: float = 300.0
    """Seconds between two signs of life once it was asked for embeddings."""
    tries: int = 7
    """How often a question is asked that meets a busy server or a lost connection."""
    first_pause: float = 0.5
    """Seconds before the second try; doubled each time."""
    longest_pause: float = 60.0
    """Seconds that a server may ask to wait."""


class RefusedError(InputError):
    """The server answered with a status that no second try changes."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Line:
    """The way to one server.

    A server that was never reached is given up at once; one that was is asked again, with growing
    pauses or those that it asks for (``Retry-After``), when it is busy or the connection is lost.
    Redirects are not followed: they could lead the key elsewhere.

    Args:
        url: the server's address, as ``names.address_of`` gives it.
        in_flight: requests that run at once, over all lines of this process to this server.
        patience: how long it is waited for.
    """

    def __init__(
        self, url: str, *, in_flight: int = IN_FLIGHT, patience: Patience | None = None
    ) -> None:
        if in_flight < 1:
            raise InputError(f"engine requests {in_flight}: must be 1 or more")
        self.url = url
        self.in_flight = in_flight
        self.patience = patience or Patience()
        self._reached = False

    def get(self, path: str) -> Any:
        """The answer to a plain look at ``path``.

        Raises:
            InputError: it cannot be reached, refuses, or answers with something that is no JSON.
        """
        return self.ask((path, None))

    def ask(self, question: Question, *, beat: Callable[[], None] = lambda: None) -> Any:
        """The answer to one question, see :meth:`ask_all`."""
        return next(answer for _, answer in self.ask_all([question], beat=beat))

    def ask_all(
        self,
        questions: Iterable[Question],
        *,
        most_bytes: int = LOOK_BYTES,
        beat: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[int, Any]]:
        """Answers to questions as they come, each with its place; a few are asked at once.

        Args:
            questions: each is taken when there is room to ask it.
            most_bytes: of one answer; a server that sends more is not listened to any longer.
            beat: called four times a second while there is nothing to hand out; may raise, which
                stops what is still asked.

        Yields:
            the place of the question and its answer, read as JSON.

        Raises:
            InputError: in one line, after all answers that came before it were handed out.
        """
        answers: queue.Queue[tuple[int, bytes | None, BaseException | None] | None] = queue.Queue()

        async def work(
            client: "httpx2.AsyncClient", waiting: Iterator[tuple[int, Question]]
        ) -> None:
            place = -1
            while True:
                try:
                    place, question = next(waiting)
                    answers.put((place, await self._asked(client, question, most_bytes), None))
                except StopIteration:
                    return
                except Exception as error:  # handed on to whoever waits
                    answers.put((place, None, error))
                    return

        async def work_all() -> None:
            waiting = iter(enumerate(questions))
            try:
                async with self._opened() as client, asyncio.TaskGroup() as workers:
                    for _ in range(self.in_flight):
                        workers.create_task(work(client, waiting))
            finally:
                answers.put(None)

        asked = asyncio.run_coroutine_threadsafe(work_all(), _loop())
        failed: BaseException | None = None
        try:
            while True:
                try:
                    # After a failure only what is here already is handed out.
                    found = answers.get(timeout=0 if failed else _BEAT)
                except queue.Empty:
                    if failed:
                        break
                    beat()
                    continue
                if found is None:
                    break
                place, content, error = found
                if error is not None or content is None:
                    failed = failed or error
                    asked.cancel()
                    continue
                yield place, self._read(content)
            if failed:
                raise failed
            asked.result()
        finally:
            asked.cancel()

    def _read(self, content: bytes) -> Any:
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{self.url}: the answer is no JSON; correct the address") from error

    async def _asked(
        self, client: "httpx2.AsyncClient", question: Question, most_bytes: int
    ) -> bytes:
        pause = self.patience.first_pause
        for left in range(self.patience.tries - 1, -1, -1):
            async with _slots(self.url, self.in_flight):
                content, wait, why = await self._once(client, question, most_bytes)
            if content is not None:
                return content
            wait = pause * random.uniform(0.8, 1.2) if wait is None else wait
            if wait > self.patience.longest_pause:
                raise InputError(
                    f"{self.url}: the server is busy and asks to wait {wait:.0f} s; come back "
                    "then. What was finished is kept"
                )
            if left:
                await asyncio.sleep(wait)
                pause = min(2 * pause, self.patience.longest_pause)
        raise InputError(
            f"{self.url}: {why} {self.patience.tries} times in a row; look after the server and "
            "run again. What was finished is kept"
        )

    async def _once(
        self, client: "httpx2.AsyncClient", question: Question, most_bytes: int
    ) -> tuple[bytes | None, float | None, str]:
        """One try: the answer, or the seconds to wait that the server asks for, and why."""
        import httpx2

        path, body = question
        seconds = self.patience.look if body is None else self.patience.answer
        key = _key()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        headers["Accept-Encoding"] = "identity"  # what is packed has no bound before it is unpacked
        try:
            async with client.stream(
                "GET" if body is None else "POST", self.url + path, json=body, headers=headers,
                timeout=httpx2.Timeout(seconds, connect=self.patience.connect, pool=None),
            ) as answer, asyncio.timeout(seconds):  # fmt: skip
                content = await self._within(answer, path, most_bytes)
        except (httpx2.TimeoutException, TimeoutError) as error:
            if isinstance(error, httpx2.ConnectTimeout):
                raise self._unreachable(error) from error
            raise InputError(
                f"{self.url}{path}: no answer within {seconds:g} s; look after the server, or ask "
                "for less at once (--engine-requests 1), and run again. What was finished is kept"
            ) from error
        except InputError:  # ours, though a ValueError too
            raise
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            if not self._reached or not isinstance(error, httpx2.TransportError):
                raise self._unreachable(error) from error
            return None, None, "the connection was lost"
        self._reached = True
        if answer.status_code in _BUSY:
            said = seconds_asked(answer.headers.get("retry-after"))
            return None, said, f"the server is busy (status {answer.status_code})"
        if answer.status_code != 200:
            said_of_it = content.decode(errors="replace")
            raise self._refused(path, answer.status_code, said_of_it, key)
        return content, None, ""

    async def _within(self, answer: "httpx2.Response", path: str, most_bytes: int) -> bytes:
        """The content of an answer that is no longer than what was asked for can be."""
        found = bytearray()
        async for chunk in answer.aiter_raw(1 << 16):
            found += chunk
            if len(found) > most_bytes:
                raise InputError(
                    f"{self.url}{path}: the answer is longer than {most_bytes / 1e6:,.0f} MB, the "
                    "most that was asked for; look after the server, or correct the address"
                )
        return bytes(found)

    def _opened(self) -> "httpx2.AsyncClient":
        import httpx2

        here = httpx2.URL(self.url).host in _HERE
        return httpx2.AsyncClient(
            verify=_certificates(),
            limits=httpx2.Limits(max_connections=self.in_flight),
            trust_env=not here,  # no proxy stands between a machine and itself
        )

    def _unreachable(self, error: Exception) -> InputError:
        return InputError(
            f"{self.url}: the server cannot be reached ({type(error).__name__}); start it, or "
            "correct the address"
        )

    def _refused(self, path: str, status: int, text: str, key: str) -> RefusedError:
        where = self.url + path
        if status in (401, 403):
            return RefusedError(
                f"{where}: the server asks for a key (status {status}); put it into the "
                f"environment variable {API_KEY}",
                status,
            )
        said = " ".join(text.split())[:_SHOWN]
        if key:
            said = said.replace(key, "…")
        return RefusedError(
            f"{where}: the server answers with status {status} ({said}); correct the address or "
            "the name of the model, or take shorter texts",
            status,
        )


def _key() -> str:
    """The server's key, empty where there is none.

    Raises:
        InputError: it cannot be sent; its value is not shown.
    """
    key = os.environ.get(API_KEY, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise InputError(f"{API_KEY}: has signs that cannot be sent; set it again, or unset it")
    return key


@cache
def _certificates() -> "ssl.SSLContext":
    """The certificates that servers are known by; reading them takes longer than a question."""
    import httpx2

    check_certificates()
    return httpx2.create_ssl_context()


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="embfilter-engines", daemon=True).start()
    return loop


@asynccontextmanager
async def _slots(url: str, in_flight: int) -> AsyncIterator[None]:
    """A place among the requests to a server that run at once; only used on the loop."""
    async with _SLOTS.setdefault((url, in_flight), asyncio.Semaphore(in_flight)):
        yield


_SLOTS: dict[tuple[str, int], asyncio.Semaphore] = {}
