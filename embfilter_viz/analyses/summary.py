"""One line of the README's table: what the filter does to a set of graded pairs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embfilter_viz.analyses.lens import FREQUENT
from embfilter_viz.embeddings.isotropy import Interval, isotropy
from embfilter_viz.embeddings.logit_lens import frequent_share, top_tokens
from embfilter_viz.evaluation.sts import sts_spearman
from embfilter_viz.model import Model
from embfilter_viz.models.frequencies import TokenFrequencies
from embfilter_viz.progress import Progress, silent
from embfilter_viz.spectral.baselines import MeanRemoval, RandomSubspace
from embfilter_viz.spectral.filters import EmbedFilter
from embfilter_viz.spectral.windows import Window

__all__ = ["Summary", "mean_frequent_share", "summarise"]

ROWS_AT_ONCE = 128
"""Texts whose logits are held at once: 128 × 262,144 float32 are 134 MB."""


@dataclass(frozen=True)
class Summary:
    """Graded pairs under one prompt, for one variant of their embeddings."""

    prompt: str
    """How the texts were put to the model."""
    variant: str
    """Which embeddings: by the names of ``geometry.VARIANTS``."""
    mean_cosine: Interval
    """Anisotropy over the distinct texts."""
    frequent_share: float
    """Mean share of the 100 most frequent tokens among a text's top 10."""
    spearman: Interval
    """Spearman × 100 of cosine and human score over the pairs."""


def summarise(
    model: Model,
    pairs: Sequence[tuple[str, str, float]],
    prompt: str,
    window: Window,
    frequencies: TokenFrequencies,
    *,
    progress: Progress = silent,
) -> list[Summary]:
    """Score graded pairs raw, filtered and under both controls, texts embedded once.

    All variants are taken in their full form, which has the same cosines as the reduced one. The
    mean that is removed is that of these texts themselves.

    Args:
        model: the opened model.
        pairs: (first text, second text, score).
        prompt: how texts are put to the model.
        window: what the filter keeps.
        frequencies: which tokens are frequent.
        progress: told of the embedding.
    """
    first, second, scores = (list(column) for column in zip(*pairs, strict=True))
    texts = list(dict.fromkeys([*first, *second]))
    row = {text: i for i, text in enumerate(texts)}
    embeddings = model.encode(texts, prompt, progress=progress)
    ends = [[row[text] for text in side] for side in (first, second)]
    variants = {
        "raw": embeddings,
        "filtered": EmbedFilter(model.spectrum, window=window, full=True).transform(embeddings),
        "random subspace": RandomSubspace(k=window.k, full=True).fit_transform(embeddings),
        "mean removed": MeanRemoval().fit_transform(embeddings),
    }
    return [
        Summary(
            prompt,
            name,
            isotropy(rows).mean_cosine,
            mean_frequent_share(model, rows, frequencies),
            sts_spearman(rows[ends[0]], rows[ends[1]], np.asarray(scores)),
        )
        for name, rows in variants.items()
    ]


def mean_frequent_share(
    model: Model, embeddings: np.ndarray, frequencies: TokenFrequencies, top: int = 10
) -> float:
    """Mean over texts of the share of frequent tokens among the lens's top ``top``.

    Args:
        model: the opened model.
        embeddings: (n, d_model) in full form.
        frequencies: which tokens are frequent.
        top: how many tokens of each text are looked at.
    """
    shares = []
    for start in range(0, len(embeddings), ROWS_AT_ONCE):
        logits = model.unembedding.logits(embeddings[start : start + ROWS_AT_ONCE])
        ids = top_tokens(logits, top).ids
        shares.append(frequent_share(ids, frequencies.ranks, FREQUENT))
    return float(np.concatenate(shares).mean())
