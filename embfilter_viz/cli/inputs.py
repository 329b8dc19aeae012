"""What arguments name, opened and read: a model, a window, texts, token frequencies."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from embfilter_viz.cli.reporting import watched
from embfilter_viz.errors import InputError

if TYPE_CHECKING:
    from embfilter_viz.model import Model
    from embfilter_viz.models.frequencies import TokenFrequencies
    from embfilter_viz.spectral.windows import Window

__all__ = ["frequencies_of", "lines_of", "opened_model", "texts_of", "window_of"]


def opened_model(name: str) -> "Model":
    """The model called ``name``, on the device and in the precision that the command was given."""
    from embfilter_viz.model import open_model

    notes = click.get_current_context().meta
    options = {key: notes.get(f"embfilter_viz.{key}") for key in ("device", "dtype")}
    with watched() as progress:
        model = open_model(name, progress=progress, **{k: it for k, it in options.items() if it})
    notes["embfilter_viz.model"] = model
    return model


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
            f"--frequencies {source!r}: no such file, and it is neither model nor wordfreq"
        )
    return read_texts(source).texts


def frequencies_of(
    model: "Model", source: str, texts: tuple[str, ...] | None, alpha: float
) -> "TokenFrequencies":
    """Token frequencies by ``--frequencies``, counted in ``texts`` where there are any."""
    with watched() as progress:
        if texts is None:
            return model.frequencies(source, alpha=alpha, progress=progress)
        return model.frequencies("corpus", texts, alpha=alpha, progress=progress)


def lines_of(file: str) -> list[str]:
    """The texts in a file, one a line."""
    from embfilter_viz.texts import read_lines

    return read_lines(file)
