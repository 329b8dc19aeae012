"""Which window, when nobody has judged anything: from the checkpoint, or from texts of yours."""

from collections.abc import Sequence
from dataclasses import replace

from embfilter_viz.analyses.removals import FREQUENT_TOKENS
from embfilter_viz.evaluation.grids import shifted_windows
from embfilter_viz.evaluation.proposing.from_head import propose_from_head
from embfilter_viz.evaluation.proposing.from_texts import FEWEST_TEXTS, propose_from_texts
from embfilter_viz.evaluation.proposing.proposal import Proposal
from embfilter_viz.model import Model
from embfilter_viz.models.head.languages import ENGLISH, Languages
from embfilter_viz.spectral.spectroscopy import logit_shifts, token_rows
from embfilter_viz.system.progress import Progress, silent

__all__ = ["GAUGE", "propose_window"]

GAUGE = "centred"
"""The gauge of the logit shifts: in the paper's, a constant that means nothing moves the head's
first direction."""


def propose_window(
    model: Model,
    texts: Sequence[str] = (),
    prompt: str = "prompteol",
    *,
    language: str = ENGLISH,
    progress: Progress = silent,
) -> Proposal:
    """Propose a window from unlabelled texts, or from the checkpoint where there are none.

    Without texts its head, its tokenizer and word frequencies are used; no text is encoded. With
    texts what is proposed lies between their window and that one, see
    :func:`~embfilter_viz.evaluation.proposing.from_texts.propose_from_texts`. The checkpoint
    decides alone where the texts do not: where they are too few, or show nothing beyond chance.
    The proposal says so.

    Args:
        model: the opened model.
        texts: any texts like those the window is for; repeated ones count once.
        prompt: how the texts are put to the model.
        language: of the word frequencies, such as ``de`` or ``en,id``; the texts may be in any.
        progress: told of the work.

    Returns:
        the window with its reasons and the curves behind it.

    Raises:
        InputError: an empty text, an unknown prompt, an unknown language, or texts whose
            embeddings are all the same.
    """
    languages = Languages.of(language)
    proposal = _proposed(model, list(dict.fromkeys(texts)), prompt, languages, progress)
    papers = shifted_windows(model.card.family, model.d_model)
    if not papers:
        return proposal
    said = f"the paper's own window for {model.card.family} at τ = 2 is {papers[0]}"
    return replace(proposal, why=f"{proposal.why}; {said}")


def _proposed(
    model: Model, distinct: list[str], prompt: str, languages: Languages, progress: Progress
) -> Proposal:
    """Return the proposal by texts and checkpoint, or by the checkpoint where texts do not decide.

    Args:
        model: the opened model.
        distinct: the texts.
        prompt: how they are put to the model.
        languages: of the word frequencies.
        progress: told of the work.

    Returns:
        the proposal.
    """
    before, undecided = "", None
    alone = _from_head(model, languages, progress)
    if len(distinct) >= FEWEST_TEXTS:
        embeddings = model.encode(distinct, prompt, progress=progress)
        spectrum = model.spectrum_of_head(progress=progress)
        progress("Comparing windows", 0, 0, "")
        prior = alone.window if alone.worth else None
        of_texts = propose_from_texts(embeddings, spectrum, prior=prior)
        if not of_texts.undecided:
            return replace(of_texts, language=None if prior is None else languages.name)
        before, undecided = f"{of_texts.why}; ", of_texts
    elif distinct:
        before = (
            f"distinct texts given: {len(distinct)}, fewer than the {FEWEST_TEXTS} "
            "that a choice by texts needs, so they were not used; "
        )
    return replace(alone, why=f"{before}{alone.why}", undecided_texts=undecided)


def _from_head(model: Model, languages: Languages, progress: Progress) -> Proposal:
    """Return the proposal by the checkpoint and word frequencies alone."""
    frequencies = model.frequencies("wordfreq", language=languages.name, progress=progress)
    average = model.average_token(frequencies, GAUGE, progress=progress)
    rows = token_rows(model.unembedding.W_U, frequencies.most(FREQUENT_TOKENS), GAUGE)
    shifts = logit_shifts(model.spectrum.V, rows, average.h)
    found = propose_from_head(shifts, f"{languages.frequencies} (wordfreq)")
    return replace(found, language=languages.name)
