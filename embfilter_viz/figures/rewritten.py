"""The rewritings of texts as a table."""

import pandas as pd

from embfilter_viz.analyses.rewritten import RewrittenTexts

__all__ = ["rewritings_table"]


def rewritings_table(found: RewrittenTexts) -> pd.DataFrame:
    """A row a rewriting: its text, its kind, what the model wrote, and what took its place."""
    return pd.DataFrame(
        {
            "text": one.text,
            "kind": made.kind,
            "the model wrote": made.said,
            "taken": "the text itself" if made.fallback else "what it wrote",
            "because it is": made.fallback or "",
            "tokens": made.tokens,
        }
        for one in found.texts
        for made in one.rewritings
    )
