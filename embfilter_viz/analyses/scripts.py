"""Shares of the scripts in the vocabulary and in the token frequencies p̂."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embfilter_viz.model import Model
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.models.head.scripts import NO_LETTERS
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import listed

__all__ = ["ScriptShare", "ScriptShares", "script_shares", "shares_of"]

_NAMED = 3
"""Scripts that the sentence names."""


@dataclass(frozen=True)
class ScriptShare:
    """The tokens of one script."""

    script: str
    """The script's name in Unicode, or what tokens without one script are."""
    n_tokens: int
    """() how many rows of W_U."""
    vocabulary: float
    """() their share of the rows, 0 to 1."""
    frequency: float
    """() their share of p̂, 0 to 1."""


@dataclass(frozen=True)
class ScriptShares:
    """All scripts of a vocabulary, the most frequent first."""

    shares: tuple[ScriptShare, ...]
    """(n,) each script that has a token."""
    detail: str
    """The source of p̂ in words."""

    @property
    def sentence(self) -> str:
        """Name the scripts that most of p̂ falls on, beside their share of the vocabulary."""
        most = [
            f"{_tokens(one.script)} have {_percent(one.frequency)} of p̂ and are "
            f"{_percent(one.vocabulary)} of the vocabulary"
            for one in self.shares[:_NAMED]
        ]
        said = listed(most)
        return f"{said[0].upper()}{said[1:]}."

    def to_json(self) -> list[dict[str, Any]]:
        """The scripts under their names on the command line."""
        return [asdict(one) for one in self.shares]


def script_shares(
    model: Model, frequencies: TokenFrequencies, *, progress: Progress = silent
) -> ScriptShares:
    """Share of each script in the rows of W_U and in p̂.

    A token's script is the Unicode property Script of its letters; see
    :mod:`embfilter_viz.models.head.scripts`. A byte-level tokenizer spells scripts it hardly knows
    by parts of characters, which belong to none.

    Args:
        model: the opened model; only its tokenizer is read.
        frequencies: p̂.
        progress: told of the work.

    Returns:
        the shares, the most frequent script first.
    """
    return shares_of(model.token_scripts(progress=progress), frequencies)


def shares_of(scripts: tuple[str, ...], frequencies: TokenFrequencies) -> ScriptShares:
    """The same for the scripts of all tokens, (d_vocab,).

    >>> from embfilter_viz.models.head.frequencies import smoothed
    >>> p = smoothed(np.array([6.0, 2.0, 2.0]), 0, source="corpus", detail="by hand")
    >>> found = shares_of(("Latin", "Han", "Latin"), p)
    >>> [(one.script, one.n_tokens, round(one.frequency, 2)) for one in found.shares]
    [('Latin', 2, 0.8), ('Han', 1, 0.2)]
    """
    names, places = np.unique(np.array(scripts), return_inverse=True)
    counts = np.bincount(places, minlength=len(names))
    weights = np.bincount(places, weights=frequencies.p, minlength=len(names))
    found = [
        ScriptShare(str(name), int(count), float(count / len(scripts)), float(weight))
        for name, count, weight in zip(names, counts, weights, strict=True)
    ]
    return ScriptShares(
        tuple(sorted(found, key=lambda one: (-one.frequency, one.script))), frequencies.detail
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.095 or share == 0 else f"{100 * share:.1f} %"


def _tokens(script: str) -> str:
    """Name the tokens of a script; names of Unicode scripts begin with a capital."""
    if script[0].isupper():
        return f"{script} tokens"
    return f"tokens {'without letters' if script == NO_LETTERS else f'of {script}'}"
