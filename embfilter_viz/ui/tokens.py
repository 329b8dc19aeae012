"""Tokens in a line of text, coloured by how frequent they are; never read as markup."""

import html
from collections.abc import Iterable

import streamlit as st

from embfilter_viz.analyses.tokens import Token
from embfilter_viz.figures.palette import FREQUENT, INFREQUENT
from embfilter_viz.figures.style import frequency_scale
from embfilter_viz.models.vocabulary import visible

__all__ = ["frequency_legend", "token_row"]


def token_row(tokens: Iterable[Token], d_vocab: int) -> None:
    """Show tokens side by side, each underlined in the colour of its frequency rank."""
    tokens = list(tokens)
    colours = frequency_scale([t.frequency_rank for t in tokens], (FREQUENT, INFREQUENT), d_vocab)
    chips = "".join(
        f'<span class="tok" style="border-bottom-color:{colour}" title="token {token.id}, '
        f'logit {token.logit:.3f}, frequency rank {token.frequency_rank}">'
        f"{html.escape(visible(token.text))}</span>"
        for token, colour in zip(tokens, colours, strict=True)
    )
    st.html(f'<div class="toks">{chips}</div>')


def frequency_legend() -> None:
    """Say what the colour of a token means."""
    st.html(
        '<div class="legend"><span class="swatch" style="background:linear-gradient(90deg,'
        f'{FREQUENT},{INFREQUENT})"></span> colour: frequency rank, frequent to rare · '
        "<b>bold</b>: among the 100 most frequent · <span class='tok'>·</span> space, "
        "<span class='tok'>⏎</span> newline</div>"
    )
