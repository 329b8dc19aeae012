"""Which directions carry the frequent tokens? Logit Spectroscopy on the average token.

Cancedda, "Spectral Filters, Dark Signals, and Attention Sinks" (ACL 2024), as the EmbedFilter
paper uses it: remove one direction, or one band, from the average token and see how far the
logits of frequent, infrequent and random tokens move.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embfilter_viz.analyses.finite import finite
from embfilter_viz.analyses.tokens import Token, tokens_of
from embfilter_viz.embeddings.logit_lens import top_tokens
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.models.frequencies import TokenFrequencies
from embfilter_viz.progress import Progress, silent
from embfilter_viz.spectral.average_token import AverageToken
from embfilter_viz.spectral.edge_to_bulk import (
    EdgeToBulk,
    Ratio,
    describe,
    edge_ratio,
    edge_to_bulk,
)
from embfilter_viz.spectral.spectroscopy import (
    band_shifts,
    bands,
    logit_shifts,
    signed_shifts,
    token_rows,
)

__all__ = ["CONTROLS", "Spectroscopy", "shift_map", "spectroscopy"]

CONTROLS = ("frequent", "infrequent", "random")
"""The token sets measured: the effect, and the paper's two controls."""


@dataclass(frozen=True)
class Spectroscopy:
    """Logit shifts of the average token along the spectrum, with their controls."""

    average: AverageToken
    """The average token ĥ in the chosen gauge."""
    frequencies: TokenFrequencies
    """p̂ and where it came from."""
    top: int
    """k, the number of tokens in each set."""
    edges: np.ndarray
    """(N + 1,) int64 borders of the bands; ``arange(d + 1)`` for single directions."""
    shift: dict[str, np.ndarray]
    """Each (N,) float64: Δπ of the frequent, infrequent and random tokens."""
    edge_to_bulk: EdgeToBulk
    """How much larger the frequent tokens' shift is at the ends, with its interval."""
    over_control: dict[str, Ratio]
    """Shift of the frequent tokens at both ends over that of each control, with intervals."""
    frequent_tokens: tuple[Token, ...]
    """(k,) the frequent tokens, most frequent first; ``logit`` is the average token's."""
    decoded: tuple[Token, ...]
    """(k,) what the average token decodes to."""

    @property
    def sentence(self) -> str:
        """Whether the U of the paper's figure is there, in words."""
        return f"{describe(self.edge_to_bulk)} {self.control_sentence}"

    @property
    def short(self) -> str:
        """The same for a narrow place."""
        ends = self.edge_to_bulk
        opening = {"both": "the U is there", "absent": "the U is absent"}.get(
            ends.verdict, "half of the U is there"
        )
        return (
            f"{opening}. Removing a direction from the head moves frequent tokens' logits "
            f"{ends.head.ratio:.2g} times as much as one from the bulk ({ends.head.low:.2g} to "
            f"{ends.head.high:.2g}), one from the tail {ends.tail.ratio:.2g} times "
            f"({ends.tail.low:.2g} to {ends.tail.high:.2g})."
        )

    @property
    def control_sentence(self) -> str:
        """Whether frequent tokens feel the ends more than the controls do, in words."""
        ratios = self.over_control.values()
        if all(ratio.low > 1 for ratio in ratios):
            finding = "Frequent tokens feel both ends more than the controls do"
        elif all(ratio.high < 1 for ratio in ratios):
            finding = "Frequent tokens feel the ends less than the controls, unlike in the paper"
        else:
            finding = "Frequent tokens do not surely feel the ends more than both controls do"
        parts = [
            f"{ratio.ratio:.2g} times as much as {name} ones ({ratio.low:.2g} to {ratio.high:.2g})"
            for name, ratio in self.over_control.items()
        ]
        return f"{finding}: {' and '.join(parts)}, each set relative to its own logits."

    def to_json(self) -> dict[str, Any]:
        """The report under its names on the command line."""
        ends = self.edge_to_bulk
        return finite(
            {
                "gauge": self.average.gauge,
                "frequencies": {
                    "source": self.frequencies.source,
                    "detail": self.frequencies.detail,
                    "smoothing": self.frequencies.smoothing,
                    "zeros": self.frequencies.zeros,
                },
                "top": self.top,
                "bands": [
                    [int(a), int(b)] for a, b in zip(self.edges, self.edges[1:], strict=False)
                ],
                "shift": {name: values.tolist() for name, values in self.shift.items()},
                "edge_to_bulk": {**asdict(ends), "verdict": ends.verdict},
                "frequent_over_control": {
                    name: asdict(ratio) for name, ratio in self.over_control.items()
                },
                "correlation": self.average.correlation,
                "frequent_tokens": [token.to_json() for token in self.frequent_tokens],
                "decoded": [token.to_json() for token in self.decoded],
                "sentence": self.sentence,
            }
        )


def spectroscopy(
    model: Model,
    frequencies: TokenFrequencies,
    *,
    gauge: str = "paper",
    top: int = 100,
    n_bands: int | None = None,
    spacing: str = "linear",
    seed: int = 0,
    progress: Progress = silent,
) -> Spectroscopy:
    """Measure Δπ along the spectrum for frequent, infrequent and random tokens.

    Args:
        model: the opened model.
        frequencies: p̂, which also says which tokens are frequent.
        gauge: ``paper``, ``centred`` or ``invariant``; see method.md, section 3.
        top: k, tokens in each set.
        n_bands: remove whole bands, this many, instead of single directions.
        spacing: ``linear`` or ``log`` widths of the bands.
        seed: of the random tokens and of the resampling.
        progress: told of the work.

    Raises:
        InputError: for k or N out of range.
    """
    if not 1 <= top <= model.d_vocab // 3:
        raise InputError(
            f"top {top}: three sets of that many tokens must fit in the vocabulary; "
            f"take 1 to {model.d_vocab // 3}"
        )
    average = model.average_token(frequencies, gauge, progress=progress)
    spectrum = model.spectrum_of_head(centre=gauge == "invariant", progress=progress)
    V, W_U = spectrum.V, model.unembedding.W_U
    sets = {
        "frequent": frequencies.most(top),
        "infrequent": frequencies.least(top),
        "random": frequencies.random(top, seed),
    }
    rows = {name: token_rows(W_U, ids, gauge, spectrum.mean_row) for name, ids in sets.items()}
    edges = (
        np.arange(model.d_model + 1) if n_bands is None else bands(model.d_model, n_bands, spacing)
    )
    measure = logit_shifts if n_bands is None else band_shifts
    more = () if n_bands is None else (edges,)
    logits = average.logits
    return Spectroscopy(
        average,
        frequencies,
        top,
        edges,
        {name: measure(V, rows[name], average.h, *more) for name in CONTROLS},
        edge_to_bulk(V, rows["frequent"], average.h, seed=seed),
        {
            name: edge_ratio(V, rows["frequent"], rows[name], average.h, seed=seed)
            for name in CONTROLS[1:]
        },
        tokens_of(sets["frequent"], logits, model.vocabulary, frequencies),
        tokens_of(top_tokens(logits, top).ids, logits, model.vocabulary, frequencies),
    )


def shift_map(
    model: Model, result: Spectroscopy, *, n_tokens: int = 40, n_bands: int = 24
) -> tuple[np.ndarray, np.ndarray]:
    """Signed logit shifts of the most frequent tokens, band by band.

    Returns:
        (n_tokens, n_bands) float64, what removing the band adds to each token's logit, and
        (n_bands + 1,) the borders.
    """
    gauge = result.average.gauge
    spectrum = model.spectrum_of_head(centre=gauge == "invariant")
    ids = result.frequencies.most(min(n_tokens, result.top))
    edges = bands(model.d_model, min(n_bands, model.d_model))
    rows = token_rows(model.unembedding.W_U, ids, gauge, spectrum.mean_row)
    return signed_shifts(spectrum.V, rows, result.average.h, edges), edges
