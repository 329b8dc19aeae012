"""What each page asks, in plain words, by its name in the navigation.

They stand apart from the pages because they come first: a server's first visitor reads them while
everything that computes is still being imported.
"""

from dataclasses import dataclass

import streamlit as st

__all__ = ["OPENINGS", "Opening", "first_words"]


@dataclass(frozen=True)
class Opening:
    """How a page begins."""

    title: str
    question: str
    look_for: str


OPENINGS = {
    "Start": Opening(
        "What a language model's head writes into its embeddings",
        "Embeddings taken from a language model are full of frequent, empty tokens. Why, and what "
        "happens if the directions that write them are removed?",
        "Type a sentence, move the ends of the strip above, and watch all four panels.",
    ),
    "Spectrum": Opening(
        "Spectrum",
        "What does the head of this model look like, direction by direction?",
        "Look for a few large values on the left, a long plateau, and a drop on the right. "
        "EmbedFilter drops both ends and keeps the middle.",
    ),
    "Average token": Opening(
        "Average token",
        "Which directions of the spectrum carry the frequent, empty tokens?",
        "Remove one direction from the average token and see how far frequent tokens' logits move. "
        "The paper says: far at both ends, little in between, and less for other tokens.",
    ),
    "Filter and lens": Opening(
        "Filter and lens",
        "What does the embedding of your text say when the head reads it, before and after the "
        "filter?",
        "Raw embeddings tend to decode to frequent, empty tokens. After the filter, tokens that "
        "have to do with the text should come up. Move the strip's ends and watch.",
    ),
    "Geometry": Opening(
        "Geometry",
        "Do texts look less alike after the filter, and do neighbours make more sense?",
        "Raw embeddings often sit in one narrow cone: every pair has a high cosine. Compare the "
        "filter with its two controls before you believe it.",
    ),
    "Window laboratory": Opening(
        "Window laboratory",
        "Which window is best for this model and your data, and is that more than chance?",
        "One half of the data chooses, the other half reports. Look whether the best window is "
        "better than raw beyond noise, and whether something simpler does as well.",
    ),
    "Compare": Opening(
        "Compare",
        "Is one model, prompt or window better than another on the same data?",
        "Look at the interval of the difference, not at whether the two scores' intervals overlap.",
    ),
}


def first_words(opening: Opening) -> None:
    """Title and question, for a page that has no model yet."""
    st.title(opening.title, anchor=False)
    st.markdown(opening.question)
