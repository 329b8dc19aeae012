"""Whom a browser speaks to, with all its tabs and windows."""

from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page, Route

__all__ = ["Gate", "names_no_other_host"]

INSIDE = frozenset({"data", "blob", "about", "chrome-error"})
"""Schemes of addresses that are part of the page itself."""


class Gate:
    """All requests of a browser's context go through it; those to other hosts end here."""

    def __init__(self, context: BrowserContext, own: str) -> None:
        """Watch a context that has no page open yet; ``own`` is the address of its one server."""
        self.own = urlsplit(own)
        self.others: list[str] = []
        self.asked = 0
        context.route("**/*", self._asked)
        context.on("page", self._opened)
        for page in context.pages:
            self._opened(page)

    def _opened(self, page: Page) -> None:
        page.on("websocket", lambda socket: self._is_own(socket.url))

    def _asked(self, route: Route) -> None:
        self.asked += 1
        if self._is_own(route.request.url):
            route.fallback()
        else:
            route.abort()

    def _is_own(self, url: str) -> bool:
        parts = urlsplit(url)
        if parts.scheme in INSIDE:
            return True
        if self.own.scheme == "file":
            own = (parts.scheme, parts.path) == ("file", self.own.path)
        else:
            own = parts.netloc == self.own.netloc
        if not own:
            self.others.append(url)
        return own


# Of what a page names, all that a browser fetches by itself or looks up the address of.
NAMED = """() => [...document.querySelectorAll(
    "link[href], script[src], img[src], iframe[src], source[src], embed[src], object[data]")]
  .map((e) => e.href || e.src || e.data).filter((url) => url)"""


def names_no_other_host(page: Any, gate: Gate) -> None:
    """Nothing in the page names another host that a browser would turn to by itself.

    Favicons are fetched out of Playwright's sight, and hints such as ``dns-prefetch`` ask a name
    server only.
    """
    for url in page.evaluate(NAMED):
        parts = urlsplit(url)
        assert parts.scheme in INSIDE or parts.netloc == gate.own.netloc, url
