"""One file from a Python package index: found by name, streamed, resumed.

Simple repository API, as JSON (PEP 691) or HTML (PEP 503). ``PIP_INDEX_URL`` is honoured as
pip does, with a user and password in it if need be; so are ``SSL_CERT_FILE`` and the usual
proxy variables.
"""

import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from embfilter_viz.errors import InputError
from embfilter_viz.models.sources.hub_answers import unusable_proxy
from embfilter_viz.system.certificates import check_certificates
from embfilter_viz.system.progress import Progress, silent

if TYPE_CHECKING:
    import httpx2

__all__ = ["address_of", "fetch", "find_and_fetch", "index_url"]

_ACCEPT = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, "
    "text/html;q=0.01"
)
_CONNECT_SECONDS = 8.0
_STALL_SECONDS = 20.0
_FRUITLESS_TRIES = 3
_CHUNK = 1 << 18
_WAY_OUT = "check the network, or set PIP_INDEX_URL to an index you can reach"


def index_url() -> str:
    """The package index in use, without a closing slash.

    >>> from unittest.mock import patch
    >>> with patch.dict("os.environ", {"PIP_INDEX_URL": "https://mirror.example/simple/"}):
    ...     index_url()
    'https://mirror.example/simple'
    """
    url = os.environ.get("PIP_INDEX_URL", "").strip() or "https://pypi.org/simple"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # which is looked at only when asked for
    except ValueError:
        usable = False
    if not usable or not url.isprintable():
        shown = re.sub(r"//[^/]*@", "//", url)[:200]  # without a password
        raise InputError(
            f"PIP_INDEX_URL={shown!r}: the index must start with http:// or https:// and name "
            f"a host; unset it to use pypi.org"
        )
    return url.rstrip("/")


def address_of(project: str, file_name: str, *, progress: Progress = silent) -> str:
    """The address of ``file_name`` among the files of ``project`` on the index.

    Raises:
        InputError: the index cannot be reached, answers with an error, or lacks the file.
    """
    import httpx2

    page = f"{index_url()}/{project}/"
    progress("asking the package index", 0, 0, "")
    try:
        with _client() as client:
            answer = client.get(page, headers={"Accept": _ACCEPT})
            answer.raise_for_status()
            link = _links(answer).get(file_name)
            address = None if link is None else str(answer.url.join(link)).partition("#")[0]
    except httpx2.HTTPStatusError as error:
        raise InputError(
            f"{_without_password(page)}: the package index answered {error.response.status_code}; "
            f"{_WAY_OUT}"
        ) from error
    except httpx2.TransportError as error:
        raise _unreachable(page, error) from error
    except InputError:
        raise
    except (ValueError, httpx2.InvalidURL) as error:
        raise InputError(
            f"{_without_password(page)}: what answered is not a package index; {_WAY_OUT}"
        ) from error
    if address is None:
        raise InputError(
            f"{_without_password(page)}: the package index does not have {file_name}; {_WAY_OUT}"
        )
    return address


def find_and_fetch(
    project: str, file_name: str, part: str, size: int, what: str, progress: Progress
) -> None:
    """Both of the below, to be run in a child process: :func:`address_of`, then :func:`fetch`.

    Args:
        project: the project's name on the index.
        file_name: the file that is wanted.
        part: where it is written.
        size: its bytes.
        what: what a reader sees.
        progress: told of the work.
    """
    address = address_of(project, file_name, progress=progress)
    fetch(address, Path(part), size=size, what=what, progress=progress)


def fetch(address: str, part: Path, *, size: int, what: str, progress: Progress = silent) -> None:
    """Stream ``address`` into ``part``, going on from the bytes already there.

    A connection that breaks is taken up again as long as each try brings something; what
    arrived is kept in ``part`` however this ends.

    Args:
        address: where the file is.
        part: where it goes; bytes already in it are taken to be its beginning.
        size: its full length in bytes.
        what: the work's name for ``progress``.
        progress: told the megabytes there are.

    Raises:
        InputError: it cannot be reached, is refused, or keeps breaking off.
    """
    import httpx2

    fruitless = 0
    while True:
        before = _length(part)
        try:
            with _client() as client:
                _stream(client, address, part, size, what, progress)
            return
        except httpx2.HTTPStatusError as error:
            raise InputError(
                f"{_without_password(address)}: the download was refused "
                f"({error.response.status_code}); {_WAY_OUT}"
            ) from error
        except httpx2.TransportError as error:
            fruitless = 0 if _length(part) > before else fruitless + 1
            if fruitless == _FRUITLESS_TRIES or isinstance(error, httpx2.ConnectError):
                raise InputError(
                    f"{_without_password(address)}: the download broke off at "
                    f"{_length(part) / 1e6:.0f} of {size / 1e6:.0f} MB ({_reason(error)}); start "
                    f"again to go on from there"
                ) from error


def _stream(
    client: "httpx2.Client", address: str, part: Path, size: int, what: str, progress: Progress
) -> None:
    import httpx2

    done = _length(part)
    if done > size:  # not the beginning of this file
        part.unlink()
        done = 0
    headers = {"Range": f"bytes={done}-"} if done else {}
    # Compression on the way would make the offsets of a resumed download mean something else.
    headers["Accept-Encoding"] = "identity"
    with client.stream("GET", address, headers=headers) as answer:
        if answer.status_code == 416:  # nothing left to send
            return
        answer.raise_for_status()
        resumed = answer.status_code == 206 and _starts_at(answer) == done
        if done and answer.status_code == 206 and not resumed:
            raise httpx2.RemoteProtocolError("the server sent another range than was asked for")
        done = done if resumed else 0
        with part.open("ab" if resumed else "wb") as file:
            for chunk in answer.iter_bytes(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                progress(what, done / 1e6, size / 1e6, "MB")
            file.flush()
            os.fsync(file.fileno())
    if done < size:
        raise httpx2.RemoteProtocolError(f"{size - done} bytes missing")


def _client() -> "httpx2.Client":
    import httpx2

    check_certificates()
    timeout = httpx2.Timeout(_STALL_SECONDS, connect=_CONNECT_SECONDS)
    try:
        return httpx2.Client(follow_redirects=True, timeout=timeout)
    except ValueError as error:
        raise unusable_proxy("the package index") from error


def _links(answer: "httpx2.Response") -> dict[str, str]:
    """File names to links, which may be relative to the page.

    Raises:
        ValueError: the answer is no list of files.
    """
    from embfilter_viz.models.formats.schemas import IndexPage, json_of

    kind = answer.headers.get("content-type", "")
    if "json" in kind:
        files = json_of(answer.content, IndexPage, "the answer", _WAY_OUT)["files"]
        return {one["filename"]: one["url"] for one in files}
    if "html" not in kind:
        raise ValueError(kind)
    page = _Anchors()
    try:
        page.feed(answer.text)
    except AssertionError as error:  # of a declaration that is none
        raise ValueError("no HTML") from error
    return {_file_of(href): href for href in page.hrefs}


def _file_of(href: str) -> str:
    """The name of the file behind a link; empty for what is no address."""
    try:
        return unquote(urlsplit(href).path.rpartition("/")[2])
    except ValueError:
        return ""


class _Anchors(HTMLParser):
    """Collects the targets of a page's links."""

    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an ``a`` element's ``href``."""
        if tag == "a":
            self.hrefs += [value for key, value in attrs if key == "href" and value]


def _starts_at(answer: "httpx2.Response") -> int | None:
    said = answer.headers.get("content-range", "").removeprefix("bytes ").partition("-")[0]
    return int(said) if said.isdigit() else None


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _unreachable(page: str, error: Exception) -> InputError:
    return InputError(
        f"{_without_password(page)}: the package index cannot be reached ({_reason(error)}); "
        f"{_WAY_OUT}"
    )


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _without_password(address: str) -> str:
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
