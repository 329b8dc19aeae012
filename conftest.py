"""No test or doctest reaches the user's cache, the hub or the package index.

Those marked ``real_model`` do. They share one cache for the session, the user's own, so that the
98 MB of the bundled model are fetched once and not at every run.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environment import isolate, restore, why_no_real_model

SHARED = Path(tempfile.gettempdir(), f"embfilter-viz-tests-{os.getpid()}")
"""Where doctests and fixtures wider than a test keep things."""


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
