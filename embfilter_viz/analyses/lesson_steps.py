"""The seven steps of the lesson in words: what is asked, what can be moved."""

from dataclasses import dataclass

__all__ = ["MISREADINGS", "STEPS", "Choice", "Number", "Step"]


@dataclass(frozen=True)
class Number:
    """A guess that is a number."""

    least: float
    """The smallest that can be meant."""
    greatest: float
    """The largest."""
    step: float
    """By how much arrow keys change it."""
    digits: int
    """Decimals it is written with."""
    unit: str = ""
    """What stands behind it."""

    def said(self, value: float) -> str:
        """A value as it is written.

        >>> Number(0, 100, 5, 0, " %").said(30.0)
        '30 %'
        """
        return f"{value:z,.{self.digits}f}{self.unit}"


@dataclass(frozen=True)
class Choice:
    """A guess that is one of a few answers."""

    answers: dict[str, str]
    """What a record calls each answer, and the words for it."""

    def said(self, value: str) -> str:
        """An answer in words."""
        return self.answers[value]


@dataclass(frozen=True)
class Step:
    """One question of the lesson."""

    title: str
    """The question."""
    text: str
    """What one needs to know for it, in Markdown; words in [[ ]] are of the glossary."""
    ask: str
    """What is to be guessed."""
    guess: Number | Choice
    """What can be answered."""
    move: str
    """The one thing to move, once the figure is there."""


STEPS = (
    Step(
        "How alike are two sentences about different things?",
        "A language model turns each sentence into a list of numbers, its [[embedding]]. How alike "
        "two of them are is measured by their [[cosine]]: 1 means the same direction, 0 means that "
        "they have nothing in common. The two sentences above are about different things.",
        "Which cosine do the two sentences have?",
        Number(0, 1, 0.05, 2),
        "Change the second sentence: first into one that says the same as the first, then into one "
        "about something else again.",
    ),
    Step(
        "What do the two share?",
        "The last table of a language model, its [[head]], turns an embedding into words or "
        "parts of words, its [[token]]s. Read through the head, each sentence gives ten "
        "tokens with the highest [[logit]]s. That reading is called the [[lens]].",
        "How many of their ten tokens do the two sentences share?",
        Number(0, 10, 1, 0),
        "Move both ends of the strip inwards, step by step, until the [[frequent token]]s are "
        "gone. What lies outside of the two ends is dropped.",
    ),
    Step(
        "What is the head made of?",
        "The head can be written as a sum of [[direction]]s, one for each number of an embedding. "
        "They are sorted: the first has the largest [[singular value]], so it changes the tokens "
        "most. The strip above is a picture of all of them, and its ends choose a [[window]].",
        "How many times larger is the first singular value than the last?",
        Number(1, 100_000, 1, 0),
        "Choose another direction by its number and read which tokens it writes. Compare number 0 "
        "with one from the middle.",
    ),
    Step(
        "Which directions carry the token “the”?",
        "The [[average token]] is the embedding that says each token as often as the model "
        "does. Take one direction out of it and see how far the logits of the 100 most "
        "frequent tokens move; “the” is one of them. The less they move, the less that "
        "direction has to do with them.",
        "Which directions move frequent tokens more than chance does?",
        Choice(
            {
                "strong": "those at the strong end (left)",
                "weak": "those at the weak end (right)",
                "both": "those at both ends",
                "absent": "none: the middle does as much",
            }
        ),
        "Move the ends of the strip until only the directions above chance are shaded.",
    ),
    Step(
        "Where does any cosine come from?",
        "A cosine is a sum, and each direction adds its part. The [[anatomy]] of a cosine "
        "says how much each part adds. Take the strongest twentieth and the weakest twentieth "
        "of all directions. Together they are a tenth of all directions.",
        "How many per cent of the cosine of two texts do these two ends add, on average?",
        Number(0, 100, 5, 0, " %"),
        "Move the left end of the strip over the strongest directions and back, then the right end "
        "over the weakest. Which of the two takes more of the cosine away?",
    ),
    Step(
        "Can a window be chosen by looking at two sentences?",
        "Move the ends of the strip until your two sentences are as far apart as you can make "
        "them: the number below is their cosine under your window. Then guess how good your window "
        "is for other sentences, before you see it. The [[score]] says how well the cosines of "
        "160 pairs put them into the order that a person gave them.",
        "What does your window score on the 160 pairs?",
        Number(0, 100, 1, 1),
        "Move the strip further and follow your point. Is there a window that is far to the "
        "left and high up?",
    ),
    Step(
        "Is it the filter, or does something simpler do as well?",
        "A number alone proves nothing, so the window is compared with its [[control]]s. One "
        "control is [[random subspace]]s, which keep as many numbers but are chosen without "
        "looking at the model. The other is [[mean removed]]: the direction of the mean "
        "embedding of other texts is removed. The filter has an effect only if it beats its "
        "controls.",
        "Which of the four has the highest score on the 160 pairs?",
        Choice(
            {
                "raw": "the raw embeddings",
                "filtered": "the filter, with the window on the strip",
                "random subspaces": "the random subspaces",
                "mean removed": "the embeddings with the mean removed",
            }
        ),
        "Move the strip: find a window that is better than all random subspaces, and one that is "
        "worse than raw.",
    ),
)
"""The steps in their order; the first is number 1."""

MISREADINGS = {
    "Remove the top k": "Dropping only the strongest directions is another method: it keeps the "
    "weak end.",
    "Smaller is enough": "Fewer numbers alone are not the reason: a random subspace has as few "
    "numbers, so compare its score.",
    "Distances to the raw embedding are kept": "The two forms of the filter agree with one "
    "another, and neither agrees with the raw embedding.",
}
"""What is often said of the filter and is not true, each with what is."""
