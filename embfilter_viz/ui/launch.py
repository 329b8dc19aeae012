"""Start the explorer: the script it is, and Streamlit, which serves it."""

import os
import re
import socket
from collections.abc import Sequence
from pathlib import Path

import embfilter_viz
from embfilter_viz.errors import InputError
from embfilter_viz.system.memory import keep_few_pools, memory_bound
from embfilter_viz.ui.access import (
    ENGINES_VARIABLE,
    LIMITS_VARIABLE,
    MODELS_VARIABLE,
    PUBLIC_VARIABLE,
    access,
)
from embfilter_viz.ui.streamlit_internals import run

__all__ = ["launch"]

_ADDRESS = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,252}|[0-9A-Fa-f:]{2,45}")


def launch(
    *,
    port: int,
    headless: bool,
    address: str = "127.0.0.1",
    prefix: str = "",
    public: bool = False,
    models: Sequence[str] = (),
    engines: Sequence[str] = (),
    limits: Sequence[str] = (),
) -> None:
    """Serve the explorer at ``port`` until it is stopped; open a browser unless ``headless``.

    Args:
        port: where it answers.
        headless: whether no browser is opened; a public explorer opens none.
        address: the address of this machine at which it answers; 0.0.0.0 for all of them.
        prefix: the path that it answers below, such as ``/embeddings``.
        public: whether strangers reach it; environment variables can say so too.
        models: that a public explorer opens; the bundled one if none are named.
        engines: served engines that pages may ask.
        limits: of a public explorer, each ``NAME=VALUE``.

    Returns:
        when it is stopped.

    Raises:
        InputError: the explorer's script is not there, a prefix that is no path, or a variable that
            sets its rules cannot be read.
    """
    if public:
        os.environ[PUBLIC_VARIABLE] = "1"
    if models:
        os.environ[MODELS_VARIABLE] = ",".join(models)
    if engines:
        os.environ[ENGINES_VARIABLE] = ",".join(engines)
    if limits:
        os.environ[LIMITS_VARIABLE] = ",".join(limits)
    keep_few_pools()
    rules = access()
    memory_bound()
    if not re.fullmatch(r"/?([\w.~-]+(/[\w.~-]+)*)?/?", prefix, re.ASCII) or ".." in prefix:
        raise InputError(
            f"--prefix {prefix!r}: must be a path of letters, digits and - . _ ~, such as "
            "/embeddings"
        )
    if not _ADDRESS.fullmatch(address):
        raise InputError(
            f"--address {address!r}: is no address; give one of this machine, such as 0.0.0.0"
        )
    _check_free(address, port)
    headless = headless or rules.public
    options = ["--server.address", address]
    options += ["--server.port", str(port), "--server.headless", str(headless).lower()]
    if prefix.strip("/"):
        options += ["--server.baseUrlPath", prefix.strip("/")]
    if rules.public:
        options += ["--server.maxUploadSize", str(-(-rules.most_upload_bytes // 10**6))]
    run(_app(), options)


def _check_free(address: str, port: int) -> None:
    """Refuse an address that the explorer cannot answer at, which Streamlit tells in many lines.

    Raises:
        InputError: it is none of this machine, or another program answers there.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no name of a machine"
        raise InputError(
            f"--address {address}: is no address here ({reason}); give one of this machine, such "
            "as 127.0.0.1 or 0.0.0.0"
        ) from error
    with socket.socket(family, kind, protocol) as tried:
        if os.name == "posix":  # as the server does: a port just left is free
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(place)
        except OSError as error:
            raise InputError(
                f"--address {address} --port {port}: cannot be taken ({error.strerror or error}); "
                "choose another port, or an address of this machine"
            ) from error


def _app() -> Path:
    """The app's script: beside the package in a checkout, inside it when installed."""
    package = Path(embfilter_viz.__file__).parent
    for script in (package.parent / "app.py", package / "_explorer" / "app.py"):
        if script.exists() and (script.parent / "pages").is_dir():
            return script
    raise InputError("the explorer's app.py is not there; install embfilter-viz again")
