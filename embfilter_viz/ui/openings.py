"""What each page asks, in plain words, by its name in the navigation.

They stand apart from the pages because they come first: a server's first visitor reads them while
everything that computes is still being imported.
"""

from dataclasses import dataclass

import streamlit as st

from embfilter_viz.ui.prose import prose

__all__ = ["OPENINGS", "Opening", "first_words"]


@dataclass(frozen=True)
class Opening:
    """The opening of a page; words in double square brackets are of the glossary."""

    title: str
    question: str
    look_for: str


OPENINGS = {
    "Start": Opening(
        "Why do two unrelated sentences look alike?",
        "A language model turns each sentence into a list of numbers, its [[embedding]], and "
        "sentences with similar numbers count as alike. Why are those of two sentences about "
        "different things so similar, and does it help to drop what all sentences share?",
        "Type two sentences of your own. Then move the two ends of the strip above. What lies "
        "outside of them is dropped, and all four panels follow.",
    ),
    "Spectrum": Opening(
        "Spectrum",
        "What does the [[head]] of this model look like, [[direction]] by direction?",
        "Look for a few large [[singular value]]s on the left, a long plateau, and a drop on the "
        "right. [[EmbedFilter]] drops both ends and keeps the middle.",
    ),
    "Average token": Opening(
        "Average token",
        "Which [[direction]]s of the [[spectrum]] carry the frequent, empty [[token]]s?",
        "Remove one direction from the [[average token]] and see how far the [[logit]]s of "
        "[[frequent token]]s move. The paper says that they move far at both ends and little "
        "in between, and that other tokens move less.",
    ),
    "Filter and lens": Opening(
        "Filter and lens",
        "What does the [[embedding]] of your text say when the [[head]] reads it (the [[lens]]), "
        "before and after the filter?",
        "[[Raw]] embeddings tend to decode to frequent, empty [[token]]s. After the filter, tokens "
        "that have to do with the text should come up. Move the strip's ends and watch.",
    ),
    "Two texts": Opening(
        "Two texts",
        "Why does the model find two texts alike, and how alike are they after the filter?",
        "A [[cosine]] alone says little: compare it with the pairs of other texts. Look at "
        "the [[direction]]s that it comes from (its [[anatomy]]), and at the words that the "
        "two texts share once the mean is removed.",
    ),
    "Geometry": Opening(
        "Geometry",
        "Do texts look less alike after the filter, and do neighbours make more sense?",
        "[[Raw]] embeddings often sit in one narrow cone ([[anisotropy]]): every pair has a high "
        "[[cosine]]. Compare the filter with its two [[control]]s before you believe it.",
    ),
    "Window laboratory": Opening(
        "Window laboratory",
        "Which [[window]] is best for this model and your data, and is that more than chance?",
        "One half of the data chooses, the other half reports. Check whether the best window "
        "is better than raw beyond noise, and whether a simpler method does as well.",
    ),
    "Lesson": Opening(
        "A lesson in seven steps",
        "What do all embeddings of a language model share? Where does it come from, and does "
        "it help to drop it? At each step make a guess first. Then the figure appears, with "
        "your guess drawn in it.",
        "All steps use the model, the prompt and the window that are chosen here. The link in "
        "the address bar holds your step and your guesses.",
    ),
    "Words": Opening(
        "Words",
        "What do the technical words on these pages mean?",
        "A word with a dotted line under it opens its meaning: click it, touch it, or go to "
        "it with the Tab key and press Enter.",
    ),
    "Claims": Opening(
        "Claims",
        "Which of the paper's twelve claims hold on this model, on these data?",
        "Each verdict follows from a rule that was fixed before anything was measured. The "
        "rule is shown beside the verdict. “Not decided” means that these data cannot tell.",
    ),
    "Compare": Opening(
        "Compare",
        "Is one model, [[prompt]] or [[window]] better than another on the same data?",
        "Look at the [[interval]] of the difference, not at whether the intervals of the two "
        "scores overlap.",
    ),
}


def first_words(opening: Opening) -> None:
    """Title and question, for a page that has no model yet."""
    st.title(opening.title, anchor=False)
    prose(opening.question)
