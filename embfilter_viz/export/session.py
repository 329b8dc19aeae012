"""The explorer's answers on one model and window, as a report that opens without a network."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from embfilter_viz.analyses.claim_record import Claims
from embfilter_viz.analyses.geometry import geometry
from embfilter_viz.analyses.lens import lens
from embfilter_viz.analyses.spectroscopy import spectroscopy
from embfilter_viz.analyses.spectrum import describe_spectrum
from embfilter_viz.analyses.sweep import Sweep, WindowScore
from embfilter_viz.data import a_few_demo_texts
from embfilter_viz.export.provenance import provenance
from embfilter_viz.figures import average_token as average_token_figures
from embfilter_viz.figures import claims as claim_figures
from embfilter_viz.figures import geometry as geometry_figures
from embfilter_viz.figures import lens as lens_figures
from embfilter_viz.figures import spectrum as spectrum_figures
from embfilter_viz.figures import sweep as sweep_figures
from embfilter_viz.figures.report import Section, Table, report
from embfilter_viz.model import Model
from embfilter_viz.models.encoding.prompts import PUBLISHED, find_prompt
from embfilter_viz.models.sources.names import without_place
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.outputs import written_output
from embfilter_viz.system.progress import Progress, silent

__all__ = [
    "about_section",
    "claims_section",
    "code_section",
    "save_report",
    "session_report",
    "sweep_section",
]

_LIBRARIES = ("numpy", "scipy", "torch", "transformers", "tokenizers", "plotly")


def session_report(
    model: Model,
    window: Window,
    *,
    prompt: str = "prompteol",
    gauge: str = "centred",
    texts: Sequence[str] | None = None,
    more: Sequence[Section] = (),
    progress: Progress = silent,
) -> str:
    """Return what the pages say of this model and window, as one HTML file.

    Args:
        model: the model.
        window: the directions kept.
        prompt: how texts are put to the model.
        gauge: of the average token.
        texts: what is embedded; the first is also read through the lens. 40 demo texts if not
            given.
        more: sections of a page's own, put after the explorer's.
        progress: told of the work; may raise ``Cancelled``.

    Returns:
        the HTML.

    Raises:
        InputError: for an unknown prompt or gauge, fewer than two texts or an empty one.
    """
    model.fetch(progress=progress)
    about = about_section(model, window, prompt=prompt, gauge=gauge)  # refuses bad input early
    texts = list(texts) if texts is not None else list(a_few_demo_texts().texts)
    head = describe_spectrum(model, progress=progress)
    measured = geometry(model, texts, prompt, window, progress=progress)
    frequencies = model.frequencies(model.default_frequencies, progress=progress)
    shifts = spectroscopy(model, frequencies, gauge=gauge, progress=progress)
    read = lens(model, texts[0], prompt, window, frequencies=frequencies)
    sections = [
        about,
        Section(
            "What does the head look like?",
            (head.sentence,),
            (spectrum_figures.spectrum_figure([(about_name(model), head.spectrum)], window),),
            (Table("Singular values", spectrum_figures.spectrum_table(head.spectrum, window)),),
        ),
        Section(
            "Which directions carry the frequent tokens?",
            (shifts.sentence, f"Gauge {gauge}; frequencies: {frequencies.detail}."),
            (average_token_figures.shift_figure(shifts, window),),
            (Table("Logit shifts", average_token_figures.shift_table(shifts)),),
        ),
        Section(
            "What does a text decode to?",
            (f"“{texts[0][:300]}”", read.sentence),
            (lens_figures.ranks_figure(read, model.d_vocab),),
            (Table("Tokens", lens_figures.lens_table(read)),),
        ),
        Section(
            "How alike do all texts look?",
            (f"Over {len(texts)} texts, prompt {find_prompt(prompt).words}.", measured.sentence),
            (geometry_figures.isotropy_figure(measured),),
            (Table("Isotropy", geometry_figures.isotropy_table(measured)),),
        ),
        *more,
        code_section(model, window, prompt),
    ]
    return report(f"EmbedFilter on {about_name(model)}", sections, made=datetime.now())


def save_report(path: Path, html: str, *, force: bool = False) -> None:
    """Write a report, whole or not at all.

    Raises:
        InputError: the place cannot be written to, or holds a file that is no export of ours.
    """
    with written_output(path, force=force) as file:
        file.write(html.encode("utf-8"))


def about_section(model: Model, window: Window, *, prompt: str, gauge: str = "centred") -> Section:
    """The model card, the window and the versions: what any report begins with.

    Args:
        model: the opened model.
        window: what the filter keeps.
        prompt: the prompt's name.
        gauge: one of ``GAUGES``.

    Returns:
        the section.
    """
    about = provenance(model, window, prompt=prompt, gauge=gauge)
    card = model.card
    facts = dict(about.rows())
    facts |= {
        "Prompt": _prompt_words(model, prompt),
        "Vocabulary V × width d": f"{card.d_vocab:,} × {card.d_model:,}",
        "Layers": str(card.n_layers),
        "Parameters": f"{card.parameters / 1e6:,.0f} million",
        **({} if about.head_from else {"Head": card.head_words}),
        "Stored as": card.precision,
        "Texts read in": model.dtype,
        "Libraries": ", ".join(_versions()),
    }
    return Section("Model and window", (f"The window {window.description}.",), facts=facts)


def sweep_section(found: Sweep, own: WindowScore | None = None) -> Section:
    """A sweep over windows with its baselines, for ``more`` of :func:`session_report`.

    ``own`` is the score of the window that the report speaks of, which the figures mark.
    """
    symmetric = sum(sweep_figures.is_symmetric(one.window) for one in found.windows)
    # A curve may have some windows beside it; a plane holds few that are symmetric.
    by_tau = 2 * symmetric > len(found.windows)
    if by_tau:
        drawn = sweep_figures.tau_figure(found, own)
    else:
        drawn = sweep_figures.plane_figure(found, None if own is None else own.window)
    beside = [sweep_figures.ablation_figure(found, own)] if found.baselines else []
    return Section(
        "Which window is best for these data?",
        (f"{found.measure} over {found.n_units:,} {found.unit} of {found.source}.", found.sentence),
        (drawn, *beside),
        (
            Table("Windows", sweep_figures.windows_table(found)),
            Table("Beside it", sweep_figures.ablation_table(found, own)),
        ),
    )


def claims_section(found: Claims) -> Section:
    """The verdicts on the paper's claims, for ``more`` of :func:`session_report`."""
    found = replace(found, model=without_place(found.model))  # a report may be passed on
    figure = claim_figures.points_figure(found)
    return Section(
        f"Which of the paper's claims hold? {found.model}, {find_prompt(found.prompt).words}",
        (
            found.sentence,
            found.about,
            *(f"{one.number}. {one.rule.claim} {one.verdict.capitalize()}. {one.sentence} "
              f"Rule: {one.rule.text}" for one in found.claims),
            *dict.fromkeys(f"{one.rule.note}." for one in found.claims if one.rule.note),
        ),
        () if figure is None else (figure,),
        (Table("The claims", claim_figures.claims_table([found])),),
    )  # fmt: skip


def code_section(model: Model, window: Window, prompt: str) -> Section:
    """The lines that make the same embeddings."""
    about = provenance(model, Window(0, model.d_model, model.d_model))
    name = _path_to(model.outline.name, about.model)
    lent = ""
    if model.head_from is not None and about.head_from is not None:
        lent = f", head_from={_path_to(model.head_from, about.head_from)!r}"
    dtype = "" if model.dtype == "float32" else f", dtype={model.dtype!r}"
    code = (
        "from embfilter_viz import EmbedFilter, open_model\n\n"
        f"model = open_model({name!r}{lent}{dtype})\n"
        f"embeddings = model.encode(texts, prompt={prompt!r})\n"
        f'refined = EmbedFilter(model.spectrum, window="{window}").transform(embeddings)\n'
    )
    return Section("The same in Python", code=code)


def _prompt_words(model: Model, prompt: str) -> str:
    """The prompt by name, and what a text becomes under it."""
    found = model.prompt(prompt)
    words = found.description if found.base == PUBLISHED.name else found.template
    layer = "" if found.layer is None else f" (after layer {found.layer})"
    return f"{found.base}{layer}: {words}"


def _path_to(name: str, shown: str) -> str:
    """A model's name for others to fill in where it is a path."""
    return shown if shown == name else f"path/to/{shown}"


def about_name(model: Model) -> str:
    """The model's name without where it lies on the disk."""
    return provenance(model, Window(0, model.d_model, model.d_model)).model


def _versions() -> list[str]:
    found = []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found
