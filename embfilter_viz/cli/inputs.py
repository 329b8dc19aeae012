"""What arguments name, opened and read: a model, a window, texts, token frequencies."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from embfilter_viz.cli.reporting import watched
from embfilter_viz.errors import InputError

if TYPE_CHECKING:
    from embfilter_viz.model import Model
    from embfilter_viz.models.head.frequencies import TokenFrequencies
    from embfilter_viz.spectral.windows import Window
    from embfilter_viz.yardstick import Yardstick

__all__ = [
    "frequencies_of",
    "language_asked",
    "lines_of",
    "opened_model",
    "opened_models",
    "opened_yardstick",
    "reopening",
    "texts_of",
    "window_of",
    "word_frequencies_of",
]


def opened_model(name: str) -> "Model":
    """The model called ``name``, with the device, precision and head that the command was given."""
    return _opened(name, click.get_current_context().meta.get(_HEAD_FROM))


def opened_models(names: Iterable[str]) -> dict[str, "Model"]:
    """Several models by their names; ``--head-from`` lends to those of them that have no head."""
    from embfilter_viz.models.head.unembedding import NoHeadError

    head_from = click.get_current_context().meta.get(_HEAD_FROM)
    opened = {}
    for name in dict.fromkeys(names):
        try:
            opened[name] = _opened(name, None)
        except NoHeadError:
            if not head_from:
                raise
            opened[name] = _opened(name, head_from)
    if head_from and all(model.head_from is None for model in opened.values()):
        raise InputError(
            f"--head-from {head_from}: each model has a head of its own; drop this option"
        )
    return opened


_HEAD_FROM = "embfilter_viz.head_from"
_LANGUAGE = "embfilter_viz.language"


def reopening(name: str) -> "partial[Model]":
    """Return a call that opens ``name`` in another process as :func:`opened_model` does here."""
    head_from = click.get_current_context().meta.get(_HEAD_FROM)
    return _opening(_anywhere(name), _anywhere(head_from) if head_from else None)


def _anywhere(name: str) -> str:
    """Name a model from any folder."""
    return str(Path(name).absolute()) if Path(name).exists() else name


def _opening(name: str, head_from: str | None) -> "partial[Model]":
    from embfilter_viz.model import open_model

    notes = click.get_current_context().meta
    options = {
        key: notes.get(f"embfilter_viz.{key}") for key in ("device", "dtype", "engine_requests")
    }
    options["head_from"] = head_from
    return partial(open_model, name, **{k: it for k, it in options.items() if it})


def _opened(name: str, head_from: str | None) -> "Model":
    notes = click.get_current_context().meta
    with watched() as progress:
        model = _opening(name, head_from)(progress=progress)
    notes.setdefault("embfilter_viz.models", {})[name] = model
    return model


def opened_yardstick(name: str) -> "Yardstick":
    """The model of that name that was trained for embeddings, on the command's device."""
    from embfilter_viz.yardstick import open_yardstick

    device = click.get_current_context().meta.get("embfilter_viz.device") or "auto"
    with watched() as progress:
        return open_yardstick(name, device=device, progress=progress)


def window_of(model: "Model", tau: str | None, window: str | None) -> "Window":
    """The window that ``--tau`` or ``--window`` chooses; τ = 2 where neither was given."""
    from embfilter_viz.spectral.windows import Window

    if tau is not None and window is not None:
        raise InputError("--tau and --window: both choose the window; give one of them")
    if window is None:
        return Window.of_tau("2" if tau is None else tau, model.d_model)
    if ":" not in window:
        raise InputError(f"--window {window!r}: write it as L:R, such as 72:504, or use --tau")
    return Window.parse(window, model.d_model)


def texts_of(source: str) -> tuple[str, ...] | None:
    """The texts to count tokens in, where the source of frequencies is a file."""
    from embfilter_viz.texts import read_texts

    if source in {"model", "wordfreq"}:
        return None
    if not Path(source).is_file():
        raise InputError(
            f"--frequencies {source!r}: there is no such file; give model, wordfreq or a file"
        )
    return read_texts(source).texts


def frequencies_of(
    model: "Model", source: str, texts: tuple[str, ...] | None, alpha: float
) -> "TokenFrequencies":
    """Token frequencies by ``--frequencies``, counted in ``texts`` where there are any.

    ``--language`` alone asks for word frequencies, and so does a served engine, which gives no
    predictions.

    Args:
        model: the opened model.
        source: model, wordfreq or the name of a file.
        texts: those of the file.
        alpha: what is added to every count.

    Returns:
        p̂ over the vocabulary.

    Raises:
        InputError: a language beside a source that has none.
    """
    context = click.get_current_context()
    if _LANGUAGE in context.meta and source != "wordfreq":
        if context.get_parameter_source("source") != ParameterSource.DEFAULT:
            raise InputError(
                f"--language and --frequencies {source}: only word frequencies have a language; "
                "drop one of them"
            )
        source = "wordfreq"
    if source == "model" and context.get_parameter_source("source") == ParameterSource.DEFAULT:
        source = model.default_frequencies
    if source == "wordfreq":
        return word_frequencies_of(model, alpha)
    with watched() as progress:
        if texts is None:
            return model.frequencies(source, alpha=alpha, progress=progress)
        return model.frequencies("corpus", texts, alpha=alpha, progress=progress)


def language_asked() -> str:
    """The languages of ``--language``, English where it was not given."""
    from embfilter_viz.models.head.languages import ENGLISH

    return str(click.get_current_context().meta.get(_LANGUAGE, ENGLISH))


def word_frequencies_of(model: "Model", alpha: float = 1.0) -> "TokenFrequencies":
    """Token frequencies by the word frequencies of ``--language``."""
    with watched() as progress:
        return model.frequencies(
            "wordfreq", alpha=alpha, language=language_asked(), progress=progress
        )


def lines_of(file: str, column: str | None = None) -> list[str]:
    """The texts in a file, one a line, or those of our demo sets by their name.

    Of a table they are one column: ``column`` is its name, also written ``text=NAME``.
    """
    from embfilter_viz.data import demo_language, demo_texts
    from embfilter_viz.texts import read_lines

    if (language := demo_language(file)) is not None:
        if column is not None:
            raise InputError(f"--column {column}: {file} has no columns; drop it")
        return list(demo_texts(language).texts)
    return read_lines(file, None if column is None else column.removeprefix("text="))
