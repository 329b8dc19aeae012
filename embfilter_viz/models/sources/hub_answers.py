"""Answers of a hub that are not what was asked: told in one line, or waited for."""

import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from traceback import walk_tb
from typing import Any, TypeVar
from urllib.parse import urlsplit

from embfilter_viz.errors import InputError
from embfilter_viz.system.progress import Progress
from embfilter_viz.system.retry_after import seconds_asked

__all__ = [
    "check_endpoint",
    "endpoint",
    "patiently",
    "told_in_one_line",
    "unreachable",
    "unusable_proxy",
    "wait_as_asked",
    "xet_settings",
]

T = TypeVar("T")

_UNWRITABLE = frozenset(
    getattr(errno, name)
    for name in ("EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "ENOTDIR", "ELOOP")
    if hasattr(errno, name)
)
"""Of the system's refusals, those that are about the place and not about the other side."""
_XET = {
    "HF_XET_CLIENT_CONNECT_TIMEOUT": "5s",
    "HF_XET_CLIENT_READ_TIMEOUT": "8s",
    "HF_XET_CLIENT_RETRY_MAX_ATTEMPTS": "1",
    "HF_XET_CLIENT_RETRY_BASE_DELAY": "200ms",
    "HF_XET_TELEMETRY_ENABLED": "0",
}

BUSY = (429, 503)
"""Answers that ask to come again later."""
TRIES = 4
LONGEST_WAIT = 60.0
"""Seconds that are waited at most; who asks for more is told of in one line."""
DEFAULT_WAIT = 2.0
"""Seconds that are waited where the hub does not say how many."""


def endpoint() -> str:
    """The hub's address: ``HF_ENDPOINT``, or the public one."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def check_endpoint(name: str) -> None:
    """Check that ``HF_ENDPOINT`` is an address, before a library is given it.

    Raises:
        InputError: it is none.
    """
    try:
        parts = urlsplit(endpoint())
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise InputError(
            f"{name}: HF_ENDPOINT={endpoint()!r} is no address; it must be one such as "
            f"https://huggingface.co"
        )


def unreachable(name: str, reason: str) -> InputError:
    """Return the refusal of a model whose hub does not answer."""
    return InputError(
        f"{name}: the hub {endpoint()} cannot be reached ({reason}); check the network or "
        f"HF_ENDPOINT, or pick a model that is here (embfilter-viz models)"
    )


def unusable_proxy(name: str) -> InputError:
    """Return the refusal of what was to be fetched through a proxy that can be none."""
    return InputError(
        f"{name}: the proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names cannot be "
        f"used: it must be an address such as http://host:3128; set it again, or unset it"
    )


def patiently(ask: Callable[[], T], progress: Progress) -> T:
    """Return what ``ask()`` gives, asked again where the hub is busy, after the wait it asks for.

    Files that the hub keeps in its Xet store are fetched from the hub itself, over HTTP, once that
    store has failed: it is another machine, which a proxy may not let through.

    Args:
        ask: asks the hub.
        progress: told of the wait; may raise ``Cancelled``.

    Raises:
        HfHubHTTPError: it is busy still, asks for more than a minute, or answers another error.
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError

    left = TRIES - 1
    while left:
        try:
            return ask()
        except Exception as error:
            if _of_xet(error) and not constants.HF_HUB_DISABLE_XET:
                progress("the Xet store does not answer: fetching from the hub itself", 0, 0, "")
                constants.HF_HUB_DISABLE_XET = True  # as the variable of that name
            elif isinstance(error, HfHubHTTPError):
                wait_as_asked(error, progress)
                left -= 1
            else:
                raise
    return ask()


def xet_settings() -> dict[str, str]:
    """Variables for the hub's Xet client: it gives up in seconds, for there is another way.

    By itself it asks for minutes. What the reader has set stays.
    """
    return {name: value for name, value in _XET.items() if name not in os.environ}


def _of_xet(error: BaseException) -> bool:
    """Tell whether an error was raised while a file was fetched from the Xet store.

    Its client raises ``RuntimeError``, as do many others, so the way it took is looked at. It is
    not even asked where the hub does not say how long a file is.
    """
    if "have a Content-Length" in str(error.__cause__):
        return True
    frames = walk_tb(error.__traceback__)
    return any(frame.f_code.co_name == "xet_get" for frame, _ in frames)


def wait_as_asked(error: Any, progress: Progress) -> None:
    """Wait as long as a busy hub asks for; raise its answer where it is another, or asks for more.

    Args:
        error: the hub's answer, an ``HfHubHTTPError``.
        progress: told of the wait; may raise ``Cancelled``.
    """
    wait = wait_asked(error)
    if error.response.status_code not in BUSY or wait > LONGEST_WAIT:
        raise error
    end = time.monotonic() + wait
    while (left := end - time.monotonic()) > 0:
        progress(f"the hub is busy and asks to wait {words_for_wait(wait)}", 0, 0, "")
        time.sleep(min(0.25, left))


def wait_asked(error: Any) -> float:
    """Seconds that the answer asks for, or two where it does not say."""
    asked = seconds_asked(error.response.headers.get("Retry-After"))
    return DEFAULT_WAIT if asked is None else asked


def words_for_wait(seconds: float) -> str:
    """Say how long to wait.

    >>> [words_for_wait(s) for s in (0.2, 1, 40, 600)]
    ['1 second', '1 second', '40 seconds', '10 minutes']
    """
    if seconds >= 120:
        return f"{round(seconds / 60):,} minutes"
    whole = max(1, round(seconds))
    return f"{whole} second{'s' if whole > 1 else ''}"


@contextmanager
def told_in_one_line(repo: str, revision: str | None, name: str) -> Iterator[None]:
    """Return what the hub or the network refuses, as an :class:`InputError` with the way out."""
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise InputError(
            f"{name}: not in the cache, and HF_HUB_OFFLINE forbids asking the hub; unset it, or "
            f"pick a model that is here"
        ) from error
    except errors.GatedRepoError as error:
        raise InputError(
            f"{name}: gated: its owners ask for an agreement; accept it on {endpoint()}/{repo} "
            f"and log in (hf auth login, or HF_TOKEN)"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise InputError(
            f"{name}: {repo} has no revision {revision}; give a branch, tag or commit of it"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise InputError(
            f"{name}: the hub has no model {repo}, or it is private; check the spelling, or log in "
            f"(hf auth login, or HF_TOKEN)"
        ) from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise InputError(
                f"{name}: the hub refuses access ({status}); check HF_TOKEN, or log in "
                f"(hf auth login)"
            ) from error
        if status in BUSY:
            raise InputError(
                f"{name}: the hub {endpoint()} is busy ({status}) and asks to wait "
                f"{words_for_wait(wait_asked(error))}; try again then"
            ) from error
        raise InputError(
            f"{name}: the hub {endpoint()} answered with error {status}; try again later, or check "
            f"HF_ENDPOINT"
        ) from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{name}: {endpoint()} answered with something that is not JSON, such as a login page; "
            f"check the network, the proxy or HF_ENDPOINT"
        ) from error
    except (UnicodeEncodeError, httpx2.LocalProtocolError):
        # Neither names the value: it may be a token.
        raise InputError(
            f"{name}: HF_TOKEN has signs that cannot be sent; set it again, or unset it"
        ) from None
    except ValueError as error:
        if "proxy" in str(error).lower():
            raise unusable_proxy(name) from None
        raise
    except errors.LocalEntryNotFoundError as error:
        if isinstance(error.__cause__, errors.FileMetadataError):
            raise InputError(
                f"{name}: {endpoint()} does not name the commit of its files (X-Repo-Commit), as "
                f"some mirrors do not; set HF_ENDPOINT to another, or download the model as a "
                f"folder"
            ) from error
        raise unreachable(name, " ".join(str(error).split())[:120]) from error
    except (httpx2.HTTPError, ConnectionError) as error:
        raise unreachable(name, " ".join(str(error).split())[:120]) from error
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        raise InputError(
            f"{name}: the hub's cache cannot be written to ({error.filename or 'its folder'}: "
            f"{error.strerror}); make room, or set HF_HOME to a folder of yours"
        ) from error
