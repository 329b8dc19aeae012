"""The two environments tests live in: one of their own, and the user's for the real model."""

import os
from functools import cache
from pathlib import Path

import pytest

from embfilter_viz.system.paths import CACHE_VARIABLE

__all__ = ["few_words", "isolate", "restore", "why_no_real_model"]

NOWHERE = "http://127.0.0.1:9"
"""An address that refuses at once: the discard port of this machine."""

PROXIES = [f"{kind}_proxy" for kind in ("http", "https", "all")]
ABSENT = (
    *(name.upper() for name in PROXIES),
    *PROXIES,
    *("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN"),
)
USERS_ENVIRONMENT = dict(os.environ)


def isolate(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Empty caches in ``folder``, no proxy, no hub, no package index."""
    patch.setenv(CACHE_VARIABLE, str(folder / "cache"))
    patch.setenv("HF_HOME", str(folder / "hf"))
    patch.setenv("HF_ENDPOINT", NOWHERE)
    patch.setenv("PIP_INDEX_URL", NOWHERE)
    for name in ABSENT:
        patch.delenv(name, raising=False)


def restore(patch: pytest.MonkeyPatch) -> None:
    """The user's environment again."""
    for name in (CACHE_VARIABLE, "HF_HOME", "HF_ENDPOINT", "PIP_INDEX_URL", *ABSENT):
        if name in USERS_ENVIRONMENT:
            patch.setenv(name, USERS_ENVIRONMENT[name])
        else:
            patch.delenv(name, raising=False)


def few_words(patch: pytest.MonkeyPatch) -> None:
    """Have English consist of its 2,000 most frequent words: counting all takes seconds a model."""
    import wordfreq

    words = _few_words()  # asked of what is replaced below
    patch.setattr(wordfreq, "get_frequency_dict", lambda *_, **__: words)


@cache
def _few_words() -> dict[str, float]:
    import wordfreq

    words = wordfreq.top_n_list("en", 2000, wordlist="best")
    return {word: wordfreq.word_frequency(word, "en", wordlist="best") for word in words}


@cache
def why_no_real_model() -> str | None:
    """Nothing once the bundled model is in the user's cache, fetched now if it was not there."""
    from embfilter_viz.errors import InputError
    from embfilter_viz.models.sources.locate import BUNDLED, locate

    try:
        locate(BUNDLED)
    except InputError as error:
        return f"the bundled model is not here and cannot be fetched: {error}"
    return None
