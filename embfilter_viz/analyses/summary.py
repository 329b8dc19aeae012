"""One block of the README's table: what the filter does to a set of graded pairs."""

from dataclasses import dataclass

import numpy as np

from embfilter_viz.analyses.beside_raw import BesideRaw, range_of
from embfilter_viz.analyses.calibration import embedded_reference
from embfilter_viz.analyses.geometry import RANDOM, variants_of
from embfilter_viz.analyses.specificity import FREQUENT, OwnWords
from embfilter_viz.embeddings.isotropy import Interval, isotropy, mean_cosine
from embfilter_viz.embeddings.logit_lens import frequent_share, top_tokens
from embfilter_viz.embeddings.specificity import SPECIFIC_TOP
from embfilter_viz.embeddings.text_intervals import mean_share
from embfilter_viz.evaluation.task import Task
from embfilter_viz.model import Model
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent

__all__ = ["Summary", "summarise", "top_of_texts"]

ROWS_AT_ONCE = 128
"""Texts whose logits are held at once: 128 × 262,144 float32 are 134 MB."""


@dataclass(frozen=True)
class Summary:
    """Graded pairs under one prompt, for one variant of their embeddings.

    Of the random subspaces each number is the mean over them, its ends the least and the greatest.
    """

    prompt: str
    """How the texts were put to the model."""
    variant: str
    """Which embeddings: by the names of ``geometry.VARIANTS``."""
    mean_cosine: Interval
    """Anisotropy over the distinct texts."""
    frequent_share: Interval
    """Mean share of the 100 most frequent tokens among a text's top 10."""
    specificity: Interval
    """Mean share of other texts whose words the top 10 are less near to; one half is chance."""
    score: Interval
    """Of the task, in points of 100."""
    to_raw: Interval
    """Its difference to raw, paired."""
    reference: str
    """Which texts' mean the control removes."""


def summarise(
    model: Model,
    task: Task,
    prompt: str,
    window: Window,
    frequencies: TokenFrequencies,
    *,
    progress: Progress = silent,
) -> list[Summary]:
    """Score a task raw, filtered and under both controls, texts embedded once.

    All is measured as the pages measure it. The variants are taken in their full form, which the
    lens reads and which has the same cosines as the reduced one.

    Args:
        model: the opened model.
        task: what is scored, and whose texts are read.
        prompt: how texts are put to the model.
        window: what the filter keeps.
        frequencies: which tokens are frequent.
        progress: told of the embedding and of the variants.

    Returns:
        a row each for raw, filtered and both controls.
    """
    embeddings = model.encode(task.texts, prompt, progress=progress)
    reference = embedded_reference(model, task.texts, prompt, progress=progress)
    words = OwnWords(model, task.texts, frequencies)
    beside = BesideRaw(task, task.outcomes(embeddings))
    found = []
    for name, rows in variants_of(model, embeddings, window, reference, full=True).items():
        tops = []
        for number, one in enumerate(rows):
            progress(f"Reading {name}", number, len(rows), "variants")
            tops.append(top_of_texts(model, one))
        shares = [frequent_share(ids, frequencies.ranks, FREQUENT) for ids in tops]
        places = [words.of_texts(ids) for ids in tops]
        outcomes = np.stack([task.outcomes(one) for one in rows])
        if name == RANDOM:
            scored = beside.drawn(outcomes)
            parts = (
                range_of([mean_cosine(one) for one in rows]),
                range_of([one.mean() for one in shares]),
                range_of([mean_share(one).value for one in places]),
            )
        else:
            scored = beside.one(outcomes[0])
            parts = isotropy(rows[0]).mean_cosine, mean_share(shares[0]), mean_share(places[0])
        found.append(Summary(prompt, name, *parts, scored.score, scored.to_raw, reference.name))
    return found


def top_of_texts(model: Model, embeddings: np.ndarray, top: int = SPECIFIC_TOP) -> np.ndarray:
    """The lens's top tokens of many texts, (n, top) ids.

    Args:
        model: the opened model.
        embeddings: (n, d_model) in full form.
        top: how many tokens of each text.
    """
    found = []
    for start in range(0, len(embeddings), ROWS_AT_ONCE):
        logits = model.unembedding.logits(embeddings[start : start + ROWS_AT_ONCE])
        found.append(top_tokens(logits, top).ids)
    return np.concatenate(found)
