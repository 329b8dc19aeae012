"""The words of the field that the explorer uses: one plain sentence each, and where to see it."""

from dataclasses import dataclass

from embfilter_viz.errors import InputError

__all__ = ["GLOSSARY", "Term", "meaning_of"]


@dataclass(frozen=True)
class Term:
    """One word and what it means here."""

    word: str
    """As texts mark it."""
    meaning: str
    """One sentence."""
    page: str = ""
    """The page that shows it, by its name in the navigation."""


_TERMS = (
    Term(
        "token", "A word, a part of a word or a sign: the unit in which the model reads and writes."
    ),
    Term("embedding", "The list of numbers that a model makes from a text.", "Geometry"),
    Term("raw", "An embedding as the model gives it, with nothing dropped."),
    Term(
        "filtered",
        "An embedding after the filter: only its parts along the directions inside the window are "
        "kept.",
    ),
    Term(
        "cosine",
        "A number from -1 to 1 that says how alike two embeddings are: 1 means the same direction, "
        "0 nothing in common.",
        "Two texts",
    ),
    Term(
        "percentile",
        "How many of the other pairs have a smaller cosine, in per cent; it tells whether a "
        "cosine is high or low.",
        "Two texts",
    ),
    Term(
        "prompt",
        "The words that are put around a text before the model reads it, and which of the "
        "model's states become the embedding.",
    ),
    Term(
        "PromptEOL",
        "A prompt that asks the model to say a sentence in one word, and takes the state from "
        "which the model would say that word.",
    ),
    Term(
        "MetaEOL",
        "A prompt that asks the model to say a sentence in one word under eight tasks, and takes "
        "the mean of the eight states.",
    ),
    Term(
        "GenEOL",
        "A prompt that lets the model write eight rewritings of a text, and takes the mean of the "
        "PromptEOL states of the text and of these.",
    ),
    Term("ECHO", "A prompt that says the text twice and averages the states of the second copy."),
    Term("mean", "A prompt that adds no words and averages the states of all tokens of the text."),
    Term(
        "head",
        "The last table of numbers in a language model, which turns an embedding into a score for "
        "every token; it is also called the unembedding matrix, or W_U.",
        "Spectrum",
    ),
    Term(
        "logit",
        "The score that the head gives to a token; the model prefers the tokens with the highest "
        "scores.",
    ),
    Term(
        "direction",
        "One of the parts that add up to the head: moving an embedding along a direction "
        "raises the logits of some tokens and lowers those of others.",
        "Spectrum",
    ),
    Term(
        "singular value",
        "How strongly a direction of the head changes the tokens; written σ.",
        "Spectrum",
    ),
    Term(
        "spectrum",
        "All directions of the head, sorted by their singular values from the largest to the "
        "smallest.",
        "Spectrum",
    ),
    Term(
        "edge",
        "The directions at an end of the spectrum: the strong end has the largest singular "
        "values, and the weak end the smallest.",
    ),
    Term("bulk", "The directions in the middle of the spectrum."),
    Term(
        "window",
        "The part of the spectrum that is kept, from direction l to direction r - 1; all others "
        "are dropped.",
        "Filter and lens",
    ),
    Term(
        "τ",
        "A number that chooses a window: τ = 2 keeps the middle half of the directions, τ = 4 the "
        "middle quarter.",
        "Filter and lens",
    ),
    Term(
        "EmbedFilter",
        "The filter this explorer is about: it drops both ends of the spectrum and keeps the "
        "window between them.",
        "Filter and lens",
    ),
    Term(
        "lens",
        "Reading an embedding through the head, to see which tokens it would say (the Logit Lens).",
        "Filter and lens",
    ),
    Term(
        "specificity",
        "How often the tokens that a text decodes to lie nearer to its own words than to "
        "those of another text; one half is chance.",
        "Filter and lens",
    ),
    Term(
        "frequent token",
        "One of the 100 tokens that the model says most often, such as “the”, a comma or a new "
        "line.",
        "Average token",
    ),
    Term(
        "p̂",
        "The token frequencies: how often the model says each token, as shares that add up to 1.",
        "Average token",
    ),
    Term(
        "average token",
        "The embedding that says each token about as often as the model does.",
        "Average token",
    ),
    Term(
        "Δπ",
        "How far the logits of some tokens move when one direction is removed from the "
        "average token, divided by the size of these logits.",
        "Average token",
    ),
    Term(
        "gauge",
        "The choice of a constant that can be added to all logits without changing any "
        "probability; it changes what the strong end seems to do.",
        "Average token",
    ),
    Term(
        "permutation",
        "The token frequencies given to other tokens at random, to see what chance alone "
        "would show.",
        "Average token",
    ),
    Term(
        "anisotropy",
        "The tendency of all embeddings to point in nearly the same direction, so that even "
        "unrelated texts look alike; it is measured by the mean cosine of all pairs.",
        "Geometry",
    ),
    Term(
        "IsoScore",
        "A number from 0 to 1 that says how evenly embeddings use their directions.",
        "Geometry",
    ),
    Term(
        "effective rank",
        "How many directions the embeddings use in effect; directions that are used little "
        "count less.",
        "Geometry",
    ),
    Term(
        "anatomy",
        "How much each direction, or each part of the spectrum, adds to a cosine.",
        "Two texts",
    ),
    Term(
        "AUC",
        "How often a pair of texts on one topic gets a larger number than a pair on two "
        "topics; one half is chance, and 1 means always.",
        "Two texts",
    ),
    Term(
        "random subspace",
        "A subspace with as many dimensions as the filter keeps, chosen at random without "
        "looking at the model: what it does is due to size alone.",
        "Geometry",
    ),
    Term(
        "mean removed",
        "The mean embedding of other texts, or its direction, is removed: a simpler way to "
        "drop what all texts share.",
        "Geometry",
    ),
    Term(
        "whitening",
        "A transformation, learnt from a set of texts, after which embeddings vary equally in "
        "all directions.",
        "Window laboratory",
    ),
    Term("control", "A simpler method to compare with; it must do worse if the effect is real."),
    Term(
        "score",
        "How good embeddings are at a task; for pairs of sentences, how well their cosines put the "
        "pairs into the order that a person gave them (Spearman's correlation, times 100).",
        "Window laboratory",
    ),
    Term(
        "interval",
        "The range in which a number would lie 95 times out of 100 if other texts were taken; "
        "if the range contains zero, a difference may be chance.",
        "Window laboratory",
    ),
    Term(
        "held-out",
        "Data that had no part in a choice, so that they show what the choice is worth.",
        "Window laboratory",
    ),
    Term(
        "overfitting",
        "A choice that fits the few examples it was made on and does worse on others.",
        "Window laboratory",
    ),
    Term(
        "UMAP",
        "A map of embeddings on which near neighbours stay near; distances between groups on "
        "the map mean nothing.",
        "Geometry",
    ),
    Term(
        "reduced form",
        "A filtered embedding with as many numbers as directions are kept; the full form has all "
        "numbers, and both have the same cosines and distances.",
        "Filter and lens",
    ),
)

GLOSSARY = {term.word: term for term in _TERMS}
"""Every term by its word, in the order in which one meets them."""


def meaning_of(word: str) -> str:
    """Return what a word means, in one sentence.

    Raises:
        InputError: it is not in the glossary.

    >>> meaning_of("bulk")
    'The directions in the middle of the spectrum.'
    """
    known = {name.lower(): term for name, term in GLOSSARY.items()}
    if word.lower() not in known:
        raise InputError(f"{word!r}: not in the glossary; add it to data/glossary.py")
    return known[word.lower()].meaning
