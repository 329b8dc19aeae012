"""What the visitors of a server may do: all on one's own machine, what is named on a public one.

A public server is one that strangers reach. It opens the models that are named, reads no folder or
file of its machine, fetches nothing else, and bounds what one visitor can ask for. It is chosen by
``embfilter-viz app --public`` or, where Streamlit is started by others, by environment variables.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from embfilter_viz.errors import InputError
from embfilter_viz.models.engines.names import PREFIX, EngineName, address_of, is_engine
from embfilter_viz.models.sources.bundled import BUNDLED
from embfilter_viz.system.memory import in_words, size_of
from embfilter_viz.wording import listed

__all__ = [
    "ELSEWHERE",
    "ENGINES_VARIABLE",
    "LIMITS_VARIABLE",
    "MODELS_VARIABLE",
    "PUBLIC_VARIABLE",
    "Access",
    "access",
]

PUBLIC_VARIABLE = "EMBFILTER_VIZ_PUBLIC"
"""Environment variable; ``1`` makes the server a public one."""
MODELS_VARIABLE = "EMBFILTER_VIZ_MODELS"
"""Environment variable: the models that a public server opens, with commas between them."""
ENGINES_VARIABLE = "EMBFILTER_VIZ_ENGINES"
"""Environment variable: the served engines that pages may ask, with commas between them."""

LIMITS_VARIABLE = "EMBFILTER_VIZ_LIMITS"
"""Environment variable: limits of a public server, as ``texts=500, file=20 MB``."""

ELSEWHERE = "for more, run the explorer on your own machine"

_LIMITS = {
    "texts": ("most_texts", 1, 20_000),
    "file": ("most_upload_bytes", 10**6, 64 * 10**6),
    "characters": ("most_characters", 100, 1_000_000),
    "jobs": ("long_jobs_each", 1, 1_000),
    "all-jobs": ("long_jobs", 1, 1_000),
    "memory-left": ("memory_kept_free", 10**6, 10**15),
    "results": ("bytes_of_results", 10**6, 10**15),
}
"""By its name outside: the field of :class:`Access`, and the least and the most it may be."""
_SIZES = ("file", "memory-left", "results")

_PATH = re.compile(r"(?<![\w:/.])(?:~?/)(?:[^\s'\"“”`,;()]*/)*([^\s'\"“”`,;()/]+)")


@dataclass(frozen=True)
class Access:
    """The rules for visitors of a server.

    >>> Access().refuses_model("/etc")
    ''
    >>> Access(public=True).refuses_model("/etc")
    "model '/etc': this public explorer opens smollm2-135m only; for more, run the explorer on ..."
    """

    public: bool = False
    """Whether strangers reach the server; else nothing below holds."""
    models: tuple[str, ...] = (BUNDLED,)
    """Models that are opened, by their names."""
    engines: tuple[str, ...] = ()
    """Served engines that pages may ask, public or not: a link must not make the server ask an
    address of somebody's choice. Each is an address, or ``engine:URL#NAME``, which is offered."""
    most_texts: int = 2_000
    """Texts of one file."""
    most_upload_bytes: int = 5_000_000
    """Bytes of one file."""
    most_characters: int = 20_000
    """Characters of a text that is typed."""
    long_jobs_each: int = 2
    """Long jobs of one visitor, at work or waiting."""
    long_jobs: int = 16
    """Long jobs of all visitors."""
    bytes_of_results: int = 256_000_000
    """Bytes that the results of ended jobs may hold together, for all visitors."""
    memory_kept_free: int = 400_000_000
    """Bytes below which nothing new is begun."""

    @staticmethod
    def of(variables: Mapping[str, str]) -> "Access":
        """Return what environment variables say.

        Raises:
            InputError: a switch that is neither on nor off, no models, an engine that is no
                address, or a limit that is none.

        >>> Access.of({"EMBFILTER_VIZ_PUBLIC": "1", "EMBFILTER_VIZ_MODELS": "a/b, c/d"}).models
        ('a/b', 'c/d')
        """
        said = variables.get(PUBLIC_VARIABLE, "").strip().lower()
        if said not in {"", "0", "false", "no", "1", "true", "yes"}:
            raise InputError(f"{PUBLIC_VARIABLE}={said!r}: must be 1 for a public server, or 0")
        engines = _names(variables.get(ENGINES_VARIABLE, ""))
        for one in engines:
            _address(one)  # refused at the start, not at a visit
        if said in {"", "0", "false", "no"}:
            return Access(engines=engines)
        models = _names(variables.get(MODELS_VARIABLE, BUNDLED))
        if not models:
            raise InputError(
                f"{MODELS_VARIABLE} is empty: name the models that the public server opens, with "
                "commas between them, or leave the variable out"
            )
        limits = _limits(variables.get(LIMITS_VARIABLE, ""))
        return Access(public=True, models=models, engines=engines, **limits)

    def refuses_model(self, *names: str) -> str:
        """Say in one line why one of these models is not opened; empty where all are."""
        for name in names:
            if is_engine(name) and not self._asks(name):
                return (
                    f"model {name!r}: these pages ask no served engine but those named when the "
                    "explorer was started; start it with embfilter-viz app --engine URL"
                )
            if self.public and name and name not in self.models:
                return (
                    f"model {name!r}: this public explorer opens {listed(self.models)} only; "
                    f"{ELSEWHERE}"
                )
        return ""

    def _asks(self, name: str) -> bool:
        """Tell whether an engine may be asked; one of a bad name is, to be refused by its rule."""
        if self.public and name in self.models:
            return True
        try:
            address = EngineName.of(name).url
        except InputError:
            return True
        return address in map(_address, self.engines)

    @property
    def offered(self) -> tuple[str, ...]:
        """The engines that were named with a model, to pick from."""
        return tuple(one for one in self.engines if is_engine(one) and "#" in one)

    def check_upload(self, n_bytes: int, name: str) -> None:
        """Check the size of a file.

        Raises:
            InputError: it is larger than a public server takes.
        """
        if self.public and n_bytes > self.most_upload_bytes:
            raise InputError(
                f"{name}: {n_bytes / 1e6:.1f} MB; this public explorer takes files of up to "
                f"{self.most_upload_bytes / 1e6:g} MB; {ELSEWHERE}"
            )

    def check_texts(self, n: int, name: str) -> None:
        """Check the number of texts.

        Raises:
            InputError: there are more than a public server reads.
        """
        if self.public and n > self.most_texts:
            raise InputError(
                f"{name}: {n:,} texts; this public explorer reads up to {self.most_texts:,} at "
                f"once; give a part of them, or {ELSEWHERE}"
            )

    def at_most(self, n: int) -> int:
        """Return how many texts are taken of a file where the explorer takes ``n``."""
        return min(n, self.most_texts) if self.public else n

    def without_paths(self, said: str) -> str:
        """A line as visitors may read it: of paths of the server's machine the last name alone.

        >>> Access(public=True).without_paths("/srv/x/cache/head.npy: no space left; see ~/a/b")
        'head.npy: no space left; see b'
        >>> Access(public=True).without_paths("org/name: 3/4 of https://example.org/a/b")
        'org/name: 3/4 of https://example.org/a/b'
        """
        return _PATH.sub(r"\1", said) if self.public else said


def _limits(said: str) -> dict[str, int]:
    """Limits by the fields of :class:`Access`.

    Raises:
        InputError: a name that is none, or a value outside of its bounds.

    >>> _limits("texts=500, file=20 MB")
    {'most_texts': 500, 'most_upload_bytes': 20000000}
    >>> _limits("texts=0")
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: limit 'texts=0': texts must be from 1 to 20,000
    """
    found = {}
    for one in _names(said):
        name, _, value = (part.strip() for part in one.partition("="))
        if name not in _LIMITS:
            raise InputError(f"limit {one!r}: write NAME=VALUE with one of {listed(list(_LIMITS))}")
        field, least, most = _LIMITS[name]
        if name in _SIZES:
            number = size_of(value)
            bounds = f"a size from {least / 1e6:g} MB to {in_words(most)}"
        else:
            whole = value.isascii() and value.isdigit() and len(value) < 10
            number = int(value) if whole else None
            bounds = f"from {least:,} to {most:,}"
        if number is None or not least <= number <= most:
            raise InputError(f"limit {one!r}: {name} must be {bounds}")
        found[field] = number
    return found


def _names(said: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in said.split(",") if name.strip()))


def _address(engine: str) -> str:
    return address_of(engine.removeprefix(PREFIX).partition("#")[0])


def access() -> Access:
    """Return what visitors of this server may do."""
    return Access.of(os.environ)
