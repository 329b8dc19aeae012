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
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.models.head.ordinary import OrdinaryTokens
from embfilter_viz.spectral.average_token import AverageToken
from embfilter_viz.spectral.contrast import Contrast, contrast
from embfilter_viz.spectral.edge_to_bulk import LEVEL, EdgeToBulk, describe, edge_to_bulk, times
from embfilter_viz.spectral.spectroscopy import (
    absolute_shifts,
    bands,
    contributions,
    relative_shifts,
    signed_shifts,
    token_rows,
)
from embfilter_viz.system.progress import Progress, silent

__all__ = ["CONTROLS", "Spectroscopy", "shift_map", "spectroscopy"]

CONTROLS = ("frequent", "infrequent", "random")
"""The token sets measured: the effect, and the paper's two controls."""

DRAWS = 20
"""Sets of random tokens that are drawn, so that no single set decides."""

NO_END = 1.5
"""Times the bulk that an end without a U hardly exceeds: chance alone gives up to about 1.3."""

MOST_RANDOM = 20_000
"""Random tokens at most, over all draws."""


@dataclass(frozen=True)
class Spectroscopy:
    """Logit shifts of the average token along the spectrum, with their controls."""

    average: AverageToken
    """The average token ĥ in the chosen gauge."""
    frequencies: TokenFrequencies
    """p̂ and where it came from."""
    ordinary: OrdinaryTokens
    """The tokens that infrequent and random ones are chosen from."""
    top: int
    """k, the number of tokens in each set."""
    draws: int
    """Sets of random tokens that were drawn."""
    edges: np.ndarray
    """(N + 1,) int64 borders of the bands; ``arange(d + 1)`` for single directions."""
    absolute_shift: dict[str, np.ndarray]
    """Each (N,) float64: mean absolute shift of the frequent, infrequent and random tokens'
    logits, in logits."""
    shift: dict[str, np.ndarray]
    """Each (N,) float64: the paper's Δπ, the same relative to the tokens' own logits."""
    permuted: np.ndarray
    """(3, N) float64. 2.5, 50 and 97.5 % points of the frequent tokens' shift under permuted
    token frequencies, in logits, at the level that the true ones have in the bulk; of single
    directions their running median."""
    edge_to_bulk: EdgeToBulk
    """How much larger the frequent tokens' shift is at the ends, and what chance gives."""
    contrast: dict[str, Contrast]
    """Ends over bulk of the frequent tokens, over the same of each control."""
    frequent_tokens: tuple[Token, ...]
    """(k,) the frequent tokens, most frequent first; ``logit`` is the average token's."""
    decoded: tuple[Token, ...]
    """(k,) what the average token decodes to."""

    @property
    def sentence(self) -> str:
        """Tell whether the U is there, for which tokens, and what the constant does."""
        return f"{self.u_sentence} {self.control_sentence} {self.gauge_sentence}"

    @property
    def u_sentence(self) -> str:
        """Tell whether the U of the paper's figure is there, in words."""
        return describe(self.edge_to_bulk)

    @property
    def short(self) -> str:
        """The same for a narrow place."""
        strong, weak = self.edge_to_bulk.strong, self.edge_to_bulk.weak
        opening = {
            "both": "The U is there",
            "absent": "There is no U",
            "strong": "There is no U, only its strong end",
            "weak": "There is no U, only its weak end",
        }[self.edge_to_bulk.verdict]
        return (
            f"{opening}. Removing a direction from the strong end moves frequent tokens' logits "
            f"{times(strong.ratio)} times as much as removing one from the bulk. For the weak end "
            f"it is {times(weak.ratio)} times as much. Chance gives up to "
            f"{times(strong.permuted)} and {times(weak.permuted)} times."
        )

    @property
    def control_sentence(self) -> str:
        """Tell whether frequent tokens depend on the ends more than the controls do, in words."""
        random, infrequent = self.contrast["random"], self.contrast["infrequent"]
        return (
            f"{_compared(random, 'random')}: at the ends their logits shift {times(random.tokens)} "
            f"times as much as in the bulk, and those of random tokens {times(random.others)} "
            f"times as much. The contrast is {_with_interval(random)}, over tokens and "
            f"{self.draws} draws of random tokens. {_compared(infrequent, 'infrequent')}: the "
            f"logits of infrequent tokens shift {times(infrequent.others)} times as much, and the "
            f"contrast is {_with_interval(infrequent)}."
        )

    @property
    def gauge_sentence(self) -> str:
        """Return what is constant and what is frequency, in words."""
        mean = f"{np.log(self.frequencies.p).mean():.1f}".replace("-", "−")
        constant = f"the mean of log p̂ ({mean}), a constant that softmax ignores"
        if self.average.gauge != "paper":
            also = "" if self.average.gauge == "centred" else ", and so is the mean row of W_U"
            return (
                f"Gauge {self.average.gauge}: {constant}, is subtracted before the fit{also}. What "
                "is left is frequency."
            )
        strong = self.edge_to_bulk.strong
        if strong.stands_out:
            finding = "frequency comes on top of it at the strong end"
        elif strong.permuted_median > NO_END:
            finding = "the strong end comes from this constant, not from frequency"
        else:
            finding = "on this head it makes no strong end"
        return (
            f"Gauge paper: the average token also fits {constant}, and {finding}. Permuted "
            "frequencies, which say nothing about any token, shift logits there "
            f"{times(strong.permuted_median)} times as much as in the bulk (median), and the true "
            f"frequencies {times(strong.ratio)} times as much. The centred gauge shows frequency "
            "alone."
        )

    def to_json(self) -> dict[str, Any]:
        """The report under its names on the command line."""
        ends = self.edge_to_bulk
        low, median, high = self.permuted.tolist()
        return finite(
            {
                "gauge": self.average.gauge,
                "constant": float(np.log(self.frequencies.p).mean()),
                "frequencies": {
                    "source": self.frequencies.source,
                    "detail": self.frequencies.detail,
                    "smoothing": self.frequencies.smoothing,
                    "zeros": self.frequencies.zeros,
                },
                "top": self.top,
                "left_out": self.ordinary.left_out,
                "bands": [
                    [int(a), int(b)] for a, b in zip(self.edges, self.edges[1:], strict=False)
                ],
                "shift": {name: values.tolist() for name, values in self.shift.items()},
                "absolute_shift": {
                    name: values.tolist() for name, values in self.absolute_shift.items()
                },
                "permuted_shift": {"low": low, "median": median, "high": high},
                "edge_to_bulk": {
                    **asdict(ends),
                    "percent_point": 100 * (1 - LEVEL),
                    "strong": {**asdict(ends.strong), "above_chance": ends.strong.stands_out},
                    "weak": {**asdict(ends.weak), "above_chance": ends.weak.stands_out},
                    "verdict": ends.verdict,
                },
                "contrast": {
                    "draws": self.draws,
                    **{
                        name: {**asdict(one), "verdict": _verdict(one)}
                        for name, one in self.contrast.items()
                    },
                },
                "correlation": self.average.correlation,
                "frequent_tokens": [token.to_json() for token in self.frequent_tokens],
                "decoded": [token.to_json() for token in self.decoded],
                "sentence": self.sentence,
            }
        )


def _verdict(found: Contrast) -> str:
    """``more``, ``less`` or ``not decided``: whether the interval lies above or below 1."""
    return "more" if found.low > 1 else "less" if found.high < 1 else "not decided"


def _compared(found: Contrast, others: str) -> str:
    more = f"requent tokens depend on the ends more than {others} tokens do"
    return {
        "more": f"F{more}",
        "less": f"F{more.replace('more', 'less')}, against the paper's claim",
        "not decided": f"Whether f{more} is not decided",
    }[_verdict(found)]


def _with_interval(found: Contrast) -> str:
    return f"{times(found.ratio)} (95 % interval {times(found.low)} to {times(found.high)})"


def spectroscopy(
    model: Model,
    frequencies: TokenFrequencies,
    *,
    gauge: str = "centred",
    top: int = 100,
    n_bands: int | None = None,
    spacing: str = "linear",
    seed: int = 0,
    progress: Progress = silent,
) -> Spectroscopy:
    """Measure logit shifts along the spectrum for frequent, infrequent and random tokens.

    Infrequent and random tokens are taken from the tokens of text, see
    :mod:`embfilter_viz.models.head.ordinary`; p̂ and its permutations cover all rows of W_U.

    Args:
        model: the opened model.
        frequencies: p̂, which also says which tokens are frequent.
        gauge: ``centred``, ``paper`` or ``invariant``; see
            :data:`~embfilter_viz.spectral.average_token.GAUGES`.
        top: k, tokens in each set.
        n_bands: remove whole bands, this many, instead of single directions.
        spacing: ``linear`` or ``log`` widths of the bands.
        seed: of the random tokens, the permutations and the resampling.
        progress: told of the work.

    Returns:
        the shifts along the spectrum, and whether they are beyond chance.

    Raises:
        InputError: for k or N out of range.
    """
    ordinary = model.ordinary_tokens(progress=progress)
    most = min(model.d_vocab // 3, len(ordinary.ids))
    if not 2 <= top <= most:
        raise InputError(
            f"top {top}: three sets of that many tokens must fit in the vocabulary; "
            f"take 2 to {most}"
        )
    edges = (
        np.arange(model.d_model + 1) if n_bands is None else bands(model.d_model, n_bands, spacing)
    )
    permuted = model.permuted_shifts(
        frequencies, gauge, top=top, borders=None if n_bands is None else edges, seed=seed,
        progress=progress,
    )  # fmt: skip
    average = model.average_token(frequencies, gauge, progress=progress)
    spectrum = model.spectrum_of_head(centre=gauge == "invariant", progress=progress)
    draws = max(1, min(DRAWS, MOST_RANDOM // top))
    sets = {
        "frequent": frequencies.most(top),
        "infrequent": frequencies.least(top, ordinary.ids),
        "random": np.concatenate(
            [frequencies.random(top, (seed, draw), ordinary.ids) for draw in range(draws)]
        ),
    }
    each = {}
    for name, ids in sets.items():
        progress("Measuring logit shifts", 0, 0, "")
        rows = token_rows(model.unembedding.W_U, ids, gauge, spectrum.mean_row)
        each[name] = contributions(spectrum.V, rows, average.h)
    ends = edge_to_bulk(each["frequent"], permuted, seed=seed)
    _, _, bulk = permuted.ends.means(np.abs(each["frequent"]).mean(axis=0))
    logits = average.logits
    return Spectroscopy(
        average=average,
        frequencies=frequencies,
        ordinary=ordinary,
        top=top,
        draws=draws,
        edges=edges,
        absolute_shift={name: absolute_shifts(each[name], edges) for name in CONTROLS},
        shift={name: relative_shifts(each[name], edges) for name in CONTROLS},
        permuted=permuted.profile * float(bulk),
        edge_to_bulk=ends,
        contrast={
            name: contrast(each["frequent"], each[name], ends=permuted.ends, seed=seed)
            for name in CONTROLS[1:]
        },
        frequent_tokens=tokens_of(sets["frequent"], logits, model.vocabulary, frequencies),
        decoded=tokens_of(top_tokens(logits, top).ids, logits, model.vocabulary, frequencies),
    )


def shift_map(
    model: Model, result: Spectroscopy, *, n_tokens: int = 40, n_bands: int = 24
) -> tuple[np.ndarray, np.ndarray]:
    """Signed logit shifts of the most frequent tokens, band by band.

    Args:
        model: the opened model.
        result: whose tokens and average token are taken.
        n_tokens: how many of the most frequent.
        n_bands: how many bands of neighbouring directions.

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
