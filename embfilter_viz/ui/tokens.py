"""Tokens in a line of text, coloured by how frequent they are; never read as markup."""

import html
from collections.abc import Collection, Iterable

import streamlit as st

from embfilter_viz.analyses.tokens import Token
from embfilter_viz.figures.palette import FREQUENT, INFREQUENT
from embfilter_viz.figures.style import frequency_scale
from embfilter_viz.models.head.vocabulary import visible

__all__ = ["frequency_legend", "token_row"]


def token_row(
    tokens: Iterable[Token], d_vocab: int, *, shared: Collection[int] = (), label: str = ""
) -> None:
    """Show tokens side by side, each underlined in the colour of its frequency rank.

    Args:
        tokens: what is shown.
        d_vocab: where the scale of ranks ends.
        shared: ids of those that another text has as well, which are framed.
        label: what the row is of, for whoever does not see the page.
    """
    tokens = list(tokens)
    colours = frequency_scale([t.frequency_rank for t in tokens], (FREQUENT, INFREQUENT), d_vocab)
    chips = "".join(
        f'<span class="tok{" both" if token.id in shared else ""}" '
        f'style="border-bottom-color:{colour}" title="token {token.id}, '
        f'logit {token.logit:.3f}, frequency rank {token.frequency_rank}">'
        f"{html.escape(visible(token.text))}</span>"
        for token, colour in zip(tokens, colours, strict=True)
    )
    named = f' role="group" aria-label="{html.escape(label)}"' if label else ""
    st.html(f'<div class="toks"{named}>{chips}</div>')


def frequency_legend(detail: str = "", *, shared: bool = False) -> None:
    """Show what the colour of a token means, and where the frequencies come from.

    Args:
        detail: the source of the frequencies.
        shared: whether to say what a frame means.
    """
    second = (
        "<span class='toks'><span class='tok both'>frame</span></span>: both sentences"
        if shared
        else "<b>bold</b>: among the 100 most frequent"
    )
    st.html(
        '<div class="legend"><span class="swatch" style="background:linear-gradient(90deg,'
        f'{FREQUENT},{INFREQUENT})"></span> colour: frequency rank, frequent to rare · '
        f"{second} · <span class='tok'>·</span> space, <span class='tok'>⏎</span> newline"
        f"{f' · frequencies: {html.escape(detail)}' if detail else ''}</div>"
    )
