"""Our own words on a page, in which a term of the glossary opens its meaning where it stands.

A term is a disclosure (``<details>``): it opens with a click, a touch, Enter or the space bar, is
read as a button by screen readers, and needs no script. One that opens closes the one before.
"""

import html
import re

import streamlit as st

from embfilter_viz.data.glossary import meaning_of
from embfilter_viz.data.marks import replaced

__all__ = ["prose", "prose_html"]

_BOLD = re.compile(r"\*\*([^*]+)\*\*")
_LOOK = re.compile(r"\{([^{}|]+)\|([\d,]+)\}")


def prose(text: str, *, small: bool = False, figure: str = "") -> None:
    """Write a paragraph of ours.

    Args:
        text: in it ``[[head]]`` is a term of the glossary, ``**word**`` is bold, and
            ``{the grey hill|0,1}`` names traces of the figure.
        small: as a caption.
        figure: key of the figure that the words in braces point at.
    """
    st.html(f'<div class="prose{" small" if small else ""}">{prose_html(text, figure)}</div>')


def prose_html(text: str, figure: str = "") -> str:
    """The inside of such a paragraph.

    >>> prose_html("a < **b** & {c|0}", "chart")
    'a &lt; <b>b</b> &amp; <span class="see" tabindex="0" data-figure="chart" data-see="0">c</span>'
    >>> print(prose_html("the [[bulk]]"))  # doctest: +ELLIPSIS
    the <details class="term" name="term"><summary>bulk</summary><span class="meaning">The ...
    """
    safe = _BOLD.sub(r"<b>\1</b>", html.escape(text, quote=False))
    safe = _LOOK.sub(
        rf'<span class="see" tabindex="0" data-figure="{html.escape(figure)}" data-see="\2">'
        r"\1</span>",
        safe,
    )
    return replaced(safe, _term)


def _term(word: str, ending: str) -> str:
    meaning = html.escape(meaning_of(html.unescape(word)), quote=False)
    return (
        f'<details class="term" name="term"><summary>{word}{ending}</summary>'
        f'<span class="meaning">{meaning}</span></details>'
    )
