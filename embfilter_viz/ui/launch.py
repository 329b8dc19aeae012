"""Start the explorer: the script it is, and Streamlit, which serves it."""

import os
from collections.abc import Sequence
from pathlib import Path

import embfilter_viz
from embfilter_viz.errors import InputError
from embfilter_viz.system.memory import memory_bound
from embfilter_viz.ui.access import MODELS_VARIABLE, PUBLIC_VARIABLE, access
from embfilter_viz.ui.streamlit_internals import run

__all__ = ["launch"]


def launch(*, port: int, headless: bool, public: bool = False, models: Sequence[str] = ()) -> None:
    """Serve the explorer at ``port`` until it is stopped; open a browser unless ``headless``.

    Args:
        port: where it answers.
        headless: whether no browser is opened.
        public: whether strangers reach it; environment variables can say so too.
        models: that a public explorer opens; the bundled one if none are named.

    Returns:
        when it is stopped.

    Raises:
        InputError: the explorer's script is not there, or a variable that sets its rules cannot be
            read.
    """
    if public:
        os.environ[PUBLIC_VARIABLE] = "1"
    if models:
        os.environ[MODELS_VARIABLE] = ",".join(models)
    rules = access()
    memory_bound()
    options = ["--server.port", str(port), "--server.headless", str(headless).lower()]
    if rules.public:
        options += ["--server.maxUploadSize", str(rules.most_upload_bytes // 10**6)]
    run(_app(), options)


def _app() -> Path:
    """The app's script: beside the package in a checkout, inside it when installed."""
    package = Path(embfilter_viz.__file__).parent
    for script in (package.parent / "app.py", package / "_explorer" / "app.py"):
        if script.exists() and (script.parent / "pages").is_dir():
            return script
    raise InputError("the explorer's app.py is not there; install embfilter-viz again")
