"""What does the spectrum of the head look like, and what do its directions write?"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from embfilter_viz.analyses.finite import finite
from embfilter_viz.analyses.tokens import Token, tokens_of
from embfilter_viz.embeddings.logit_lens import top_tokens
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.spectral.spectrum import Spectrum
from embfilter_viz.system.progress import Progress, silent

__all__ = ["Direction", "SpectrumReport", "describe_direction", "describe_spectrum"]


@dataclass(frozen=True)
class SpectrumReport:
    """The spectrum of one head, ready to be drawn or printed."""

    model: str
    """The model's name."""
    spectrum: Spectrum
    """Singular values and vectors, with their accuracy."""

    @property
    def sentence(self) -> str:
        """Return what this head shows, in words."""
        s = self.spectrum.singular_values
        first = s[0] ** 2 / np.sum(s**2)
        half = int(np.searchsorted(self.spectrum.cumulative_energy, 0.5)) + 1
        condition = self.spectrum.condition_number
        beside = f", {s[0] / s[1]:.1f} × the second" if len(s) > 1 and s[1] > 0 else ""
        strongest = f"first {half} of {len(s)} directions" if half > 1 else "first direction alone"
        words = (
            f"the first direction alone holds {first:.0%} of the head's energy. The largest σ is "
            f"{s[0]:.3g}{beside}. Half of the energy is in the {strongest}, and the "
            f"condition number is {condition:.3g}."
        )
        if not np.isfinite(condition):
            words = words.replace("is inf.", "is infinite: some directions of the head are empty.")
        if self.spectrum.groups:
            n = len(self.spectrum.groups)
            words += (
                f" {n} {'groups' if n > 1 else 'group'} of neighbours {'are' if n > 1 else 'is'} "
                "too close to tell apart: one of those directions alone has no meaning."
            )
        return words

    @property
    def short(self) -> str:
        """The same in half a line."""
        s = self.spectrum.singular_values
        return (
            f"σ falls from {s[0]:.3g} to {s[-1]:.3g} over {len(s)} directions; the first alone "
            f"holds {s[0] ** 2 / np.sum(s**2):.0%} of the head's energy."
        )

    def to_json(self) -> dict[str, Any]:
        """The report under its names on the command line."""
        spectrum = self.spectrum
        return finite(
            {
                "model": self.model,
                "d_vocab": spectrum.d_vocab,
                "d_model": spectrum.d_model,
                "centred": spectrum.centred,
                "singular_values": spectrum.singular_values.tolist(),
                "relative_error": spectrum.relative_error.tolist(),
                "condition_number": spectrum.condition_number,
                "cumulative_energy": spectrum.cumulative_energy.tolist(),
                "degenerate_groups": [list(group) for group in spectrum.groups],
                "route": spectrum.route,
            }
        )


def describe_spectrum(
    model: Model, *, centre: bool = False, progress: Progress = silent
) -> SpectrumReport:
    """The spectrum of W_U, or of W_U with its mean row subtracted."""
    return SpectrumReport(model.name, model.spectrum_of_head(centre=centre, progress=progress))


@dataclass(frozen=True)
class Direction:
    """One right singular vector and the tokens it writes most, up and down."""

    index: int
    """Its place in the spectrum, 0 = largest σ."""
    singular_value: float
    """Its σ."""
    group: tuple[int, int] | None
    """The degenerate group [start, stop) it belongs to, if any."""
    positive: tuple[Token, ...]
    """(k,) tokens whose logit it raises most; ``logit`` is w_j·v_i."""
    negative: tuple[Token, ...]
    """(k,) tokens whose logit it lowers most."""

    def to_json(self) -> dict[str, Any]:
        """The direction under its names on the command line."""
        return finite(
            {
                "index": self.index,
                "singular_value": self.singular_value,
                "degenerate_group": list(self.group) if self.group else None,
                "positive": [token.to_json() for token in self.positive],
                "negative": [token.to_json() for token in self.negative],
            }
        )


def describe_direction(
    model: Model,
    index: int,
    *,
    top: int = 20,
    centre: bool = False,
    frequencies: TokenFrequencies | None = None,
) -> Direction:
    """The tokens at both ends of direction ``index``: the largest and smallest w_j·v_i.

    The sign of a singular vector is arbitrary, so which end is called positive is too.

    Args:
        model: the opened model.
        index: which direction, 0 is the strongest.
        top: how many tokens at each end.
        centre: whether the mean row of W_U is subtracted first.
        frequencies: p̂ for the ranks of the tokens, if they are wanted.

    Returns:
        the direction's σ and its tokens at both ends.

    Raises:
        InputError: if there is no such direction.
    """
    if not 0 <= index < model.d_model:
        raise InputError(
            f"direction {index}: {model.name} has directions 0 to {model.d_model - 1}; "
            "take one of those"
        )
    spectrum = model.spectrum_of_head(centre=centre)
    loadings = model.unembedding.W_U @ spectrum.V[:, index]
    if centre:
        loadings = loadings - np.float32(spectrum.mean_row @ spectrum.V[:, index])
    group = next(((a, b) for a, b in spectrum.groups if a <= index < b), None)
    ends = [top_tokens(sign * loadings, top).ids for sign in (1, -1)]
    return Direction(
        index,
        float(spectrum.singular_values[index]),
        group,
        *(tokens_of(ids, loadings, model.vocabulary, frequencies) for ids in ends),
    )
