"""Records as text for a terminal: aligned columns, few digits, lines that fit."""

import shutil
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from embfilter_viz.wording import fixed, signed

if TYPE_CHECKING:
    from embfilter_viz.analyses.geometry import Geometry
    from embfilter_viz.analyses.lens import Lens
    from embfilter_viz.analyses.scripts import ScriptShares
    from embfilter_viz.analyses.spectroscopy import Spectroscopy
    from embfilter_viz.analyses.spectrum import Direction
    from embfilter_viz.analyses.sweep import Sweep, WindowScore
    from embfilter_viz.analyses.tokens import Token
    from embfilter_viz.embeddings.interval import Interval
    from embfilter_viz.spectral.spectrum import Spectrum
    from embfilter_viz.spectral.windows import Window

__all__ = [
    "cells",
    "columns",
    "direction_table",
    "geometry_table",
    "lens_table",
    "number",
    "paragraph",
    "script_table",
    "shift_table",
    "spectrum_table",
    "sweep_tables",
    "tau_cell",
    "tokens_beside",
]

BANDS_IN_FULL = 40
"""Up to this many bands each has its line; more are averaged over parts of the spectrum."""

PARTS = ((0, 2), (2, 10), (10, 75), (75, 90), (90, 98), (98, 100))
"""Parts of the spectrum in per cent, as method.md's own measurements are given."""

TOKEN_WIDTH = 20

WINDOWS_IN_FULL = 12
"""Up to this many windows each has its line; of more the best are shown."""


def paragraph(text: str) -> str:
    """A sentence broken into lines that fit the terminal, 100 columns at most."""
    return textwrap.fill(text, min(100, shutil.get_terminal_size().columns))


def number(value: float) -> str:
    """Four significant digits, without an exponent where a reader can do without.

    >>> [number(v) for v in (509.92353, 0.01234567, 12345.6, 2.5e-9, float("inf"))]
    ['509.9', '0.01235', '12,346', '2.5e-09', 'inf']
    """
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"


def cells(text: str) -> int:
    r"""Columns that ``text`` takes in a terminal: two for a wide character, none for an accent.

    >>> [cells(text) for text in ("ab", "日本", "e\u0301")]
    [2, 4, 1]
    """
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def columns(rows: Iterable[Sequence[str]], sides: str) -> str:
    """Rows as aligned columns, two blanks in front of each.

    Args:
        rows: each as many cells as there are sides.
        sides: ``<`` or ``>`` for each column: where its cells are flush.

    >>> print(columns([["a", "1"], ["bcd", "10"]], "<>"))
      a     1
      bcd  10
    """
    rows = list(rows)
    widths = [max(cells(row[i]) for row in rows) for i in range(len(sides))]
    lines = []
    for row in rows:
        line = ""
        for cell, width, side in zip(row, widths, sides, strict=True):
            blank = " " * (width - cells(cell))
            line += "  " + (cell + blank if side == "<" else blank + cell)
        lines.append(line.rstrip())
    return "\n".join(lines)


def tokens_beside(blocks: Sequence[tuple[str, Sequence["Token"]]], *, logits: bool = True) -> str:
    """Lists of tokens side by side, best first, with logit, unless left out, and frequency rank."""
    shown = slice(None) if logits else slice(None, None, 2)
    titles = ((title, "logit", "freq. rank")[shown] for title, _ in blocks)
    head = ["", *(cell for title in titles for cell in title)]
    rows = [
        [str(place), *(cell for token in row for cell in _cells_of(token)[shown])]
        for place, row in enumerate(zip_longest(*(tokens for _, tokens in blocks)), start=1)
    ]
    return columns([head, *rows], ">" + "<>>"[shown] * len(blocks))


def lens_table(report: "Lens", names: tuple[str, str] = ("raw", "filtered")) -> str:
    """The top tokens raw and filtered, and where each filtered one stood before."""
    head = ["", names[0], "logit", "freq. rank", names[1], "logit", "freq. rank"]
    head.append(f"{names[0]} place")
    rows = [
        [str(place), *_cells_of(raw), *_cells_of(kept), f"{before + 1:,}"]
        for place, (raw, kept, before) in enumerate(
            zip(report.raw, report.filtered, report.rank_in_raw, strict=True), start=1
        )
    ]
    return columns([head, *rows], "><>><>>>")


def spectrum_table(spectrum: "Spectrum") -> str:
    """About a dozen singular values along the spectrum, both ends among them."""
    d = spectrum.d_model
    marks = sorted({0, 1, 2, *range(d // 10, d, max(1, d // 10)), d - 1} & set(range(d)))
    rows = [
        [
            str(i),
            f"{spectrum.singular_values[i]:,.3f}",
            f"{spectrum.cumulative_energy[i]:.1%}",
            f"{spectrum.relative_error[i]:.0e}",
        ]
        for i in marks
    ]
    return columns([["direction", "sigma", "energy up to it", "rel. error"], *rows], ">>>>")


def shift_table(result: "Spectroscopy") -> str:
    """Shifts in logits by band, or their mean over parts of the spectrum where there are many."""
    shown = {**result.absolute_shift, "chance up to": result.permuted[2]}
    names = list(shown)
    if len(result.edges) - 1 <= BANDS_IN_FULL:
        rows = [
            [
                f"{a} to {b - 1}" if b - a > 1 else f"{a}",
                *(f"{shown[name][i]:.4f}" for name in names),
            ]
            for i, (a, b) in enumerate(zip(result.edges, result.edges[1:], strict=False))
        ]
        return columns([["directions", *names], *rows], ">" * (len(names) + 1))
    middle = (result.edges[:-1] + result.edges[1:]) / 2 / result.edges[-1]
    rows = []
    for low, high in PARTS:
        inside = (middle >= low / 100) & (middle < high / 100)
        means = [f"{shown[name][inside].mean():.4f}" if inside.any() else "–" for name in names]
        rows.append([f"{low} to {high} %", *means])
    return columns([["mean over", *names], *rows], ">" * (len(names) + 1))


def script_table(found: "ScriptShares") -> str:
    """The scripts, a line each, the most frequent first."""
    rows = [
        [
            one.script,
            f"{100 * one.frequency:.2f} %",
            f"{100 * one.vocabulary:.2f} %",
            f"{one.n_tokens:,}",
        ]
        for one in found.shares
    ]
    return columns([["script", "of p̂", "of the vocabulary", "tokens"], *rows], "<>>>")


def geometry_table(report: "Geometry") -> str:
    """Each measure with its interval, a line a variant; of random subspaces the range."""
    from embfilter_viz.spectral.baselines import RANDOM_SUBSPACES

    head = ["", "mean cosine", "", "IsoScore", "", "effective rank", ""]
    rows = [
        [
            name,
            *(
                cell
                for one in (found.mean_cosine, found.isoscore, found.effective_rank)
                for cell in (f"{one.value:z.3g}", f"[{one.low:z.3g}, {one.high:z.3g}]")
            ),
        ]
        for name, found in report.variants.items()
    ]
    told = (
        "In brackets are 95 % intervals over texts. For the random subspaces, the number is "
        f"the mean of {RANDOM_SUBSPACES}, and in brackets are the least and the greatest."
    )
    return f"{columns([head, *rows], '<><><><')}\n\n{paragraph(told)}"


def sweep_tables(found: "Sweep") -> str:
    """The windows, or the best of them, and below the alternatives with the paper's figures."""
    shown: Sequence[WindowScore] = found.windows
    title = (
        f"{found.measure}, with 95 % intervals; those of differences to raw are corrected for "
        f"all {found.n_compared}"
    )
    if found.no_interval:
        title = f"{found.measure}; {found.no_interval}"
    if len(shown) > WINDOWS_IN_FULL:
        shown = sorted(shown, key=lambda one: -one.score.value)[:WINDOWS_IN_FULL]
        title = f"the {WINDOWS_IN_FULL} highest of {len(found.windows)} windows; {title}"
    rows = [["window", "tau", "score", "", "to raw", ""]]
    rows += [
        [
            str(one.window),
            tau_cell(one.window),
            fixed(one.score.value, 2),
            _ends(one.score),
            signed(one.corrected.value, 2),
            _ends(one.corrected, sign=True),
        ]
        for one in shown
    ]
    blocks = [title, columns(rows, "<>><><")]
    if found.baselines:
        from embfilter_viz.analyses.sweep import PAPER

        rows = [["alternative", "numbers", "score", "to raw", "", "paper*"]]
        for other in found.baselines:
            figure = found.paper.get(other.name)
            gain = other.corrected
            scored = [
                "–" if other.score is None else fixed(other.score.value, 2),
                "" if gain is None else signed(gain.value, 2),
                "" if gain is None else _ends(gain, sign=True),
            ]
            rows.append(
                [other.name, str(other.dims), *scored, "" if figure is None else f"{figure:.2f}"]
            )
        learnt = next((one.calibration for one in found.baselines if one.calibration), None)
        refused = [f"{one.name}: {one.refusal}" for one in found.baselines if one.refusal]
        blocks += ["", columns(rows, "<>>><>")]
        blocks += [paragraph(f"* is of another model: {PAPER}.")]
        blocks += (
            [paragraph(f"Alternatives that learn were calibrated on {learnt}.")] if learnt else []
        )
        blocks += [paragraph(one) for one in refused]
    return "\n".join(blocks)


def tau_cell(window: "Window") -> str:
    """The τ that was asked for, and behind it what it comes to where that differs."""
    asked, comes_to = window.tau_asked, window.tau
    if asked is None:
        return f"{comes_to:.2f}"
    return f"{asked:g}" if asked == comes_to else f"{asked:g} ({comes_to:.4f})"


def _ends(one: "Interval", *, sign: bool = False) -> str:
    """An interval in brackets; nothing where there is none."""
    word = signed if sign else fixed
    return f"[{word(one.low, 1)}, {word(one.high, 1)}]" if one.known else ""


def direction_table(found: "Direction") -> str:
    """The tokens at both ends of a direction, side by side."""
    return tokens_beside([("raised", found.positive), ("lowered", found.negative)])


def _cells_of(token: "Token | None") -> tuple[str, str, str]:
    from embfilter_viz.models.head.vocabulary import visible

    if token is None:
        return "", "", ""
    shown = visible(token.text)
    if cells(shown) > TOKEN_WIDTH:
        shown = shown[: TOKEN_WIDTH - 1] + "…"
    rank = "–" if token.frequency_rank is None else f"{token.frequency_rank:,}"
    return shown, f"{token.logit:.3f}", rank
