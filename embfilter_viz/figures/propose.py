"""The evidence behind a proposed window, with what the window drops shaded."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from embfilter_viz.evaluation.proposing.proposal import Proposal
from embfilter_viz.figures.palette import BULK, FILTERED, FREQUENT, RAW
from embfilter_viz.figures.style import blank, plain, shade_dropped

__all__ = ["proposal_figure", "proposal_table"]


def proposal_figure(proposal: Proposal, *, height: int = 320) -> go.Figure:
    """Curves along the spectrum, the level they are compared with, and the proposed window.

    From texts: how well cosines agree with soft whitening when one end of the window moves and
    the other stays; the dotted line is the agreement of raw embeddings. From the checkpoint: the
    logit shift; the dotted line is the most that counts as bulk.
    """
    of_texts = proposal.source == "texts"
    figure = blank(
        height=height,
        x="place in the spectrum, largest σ first",
        y=proposal.measure,
        legend=of_texts,
        name=f"proposal-{proposal.source}",
    )
    styles = ((BULK, "solid"), (FILTERED, "dash")) if of_texts else ((FREQUENT, "solid"),)
    for curve, (colour, dash) in zip(proposal.curves, styles, strict=True):
        figure.add_scatter(
            x=curve.at,
            y=curve.values.astype(np.float32),
            mode="lines",
            line={"color": colour, "dash": dash, "width": 2.2},
            name=plain(curve.name),
            hovertemplate="%{x}: %{y:.4g}<extra></extra>",
        )
    shade_dropped(figure, proposal.window.l, proposal.window.r, proposal.window.d)
    figure.add_hline(
        y=proposal.level,
        line={"color": RAW, "dash": "dot", "width": 1.6},
        annotation={
            "text": "raw" if of_texts else "the most that counts as bulk",
            "font": {"color": RAW},
        },
        annotation_position="bottom right" if of_texts else "top",
    )
    if not of_texts:
        figure.update_yaxes(rangemode="tozero")
    return figure


def proposal_table(proposal: Proposal) -> pd.DataFrame:
    """The numbers behind the curves, one row a point."""
    return pd.concat(
        pd.DataFrame({"curve": curve.name, "place": curve.at, proposal.measure: curve.values})
        for curve in proposal.curves
    ).reset_index(drop=True)
