"""The option ``-o`` of every command that writes a file, and where it goes."""

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click

from embfilter_viz.errors import InputError

__all__ = ["STANDARD_OUTPUT", "inputs", "output_option", "placed", "placed_too"]

STANDARD_OUTPUT = "-"


def output_option(metavar: str, text: str, *, required: bool = False) -> Callable[..., Any]:
    """The options ``-o`` and ``--force``, which every command that writes a file takes alike.

    Args:
        metavar: the kind of file.
        text: the sentence that stands in --help.
        required: whether the command does nothing else.

    Returns:
        the decorator of a command; it adds ``output`` and ``force``.
    """

    def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
        force = click.option(
            "--force", is_flag=True,
            help="Replace a file that embfilter-viz did not write.",
        )  # fmt: skip
        output = click.option("-o", "--output", metavar=metavar, required=required, help=text)
        return output(force(command))

    return with_options


@contextmanager
def placed(output: str, ending: str, *, force: bool) -> Iterator[Path]:
    """The file to write, for the time of the work: as named, or for ``-`` one to be printed.

    What goes to standard output is kept in a file of its own until all of it is there, so that a
    reader gets all or nothing.

    Args:
        output: the value of ``-o``.
        ending: of the file, for ``-``.
        force: whether a file that is not ours may be replaced.

    Returns:
        its place.

    Raises:
        InputError: it may not be written there.
    """
    from embfilter_viz.system.files import temporary_folder
    from embfilter_viz.system.outputs import checked_output

    if output != STANDARD_OUTPUT:
        checked_output(Path(output), inputs=inputs(), force=force)  # before the work, not after it
        yield Path(output)
        return
    if ending not in {".html", ".json", ".csv"} and sys.stdout.isatty():
        raise InputError("-o -: a terminal cannot show this; pipe it on, or name a file")
    with temporary_folder() as folder:
        path = folder / f"output{ending}"
        yield path
        try:
            sys.stdout.flush()
            with path.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
            sys.stdout.buffer.flush()
        except OSError as error:
            error.filename = "standard output"
            raise


def placed_too(
    output: str | None, ending: str, *, force: bool
) -> AbstractContextManager[Path | None]:
    """As :func:`placed`, for a command that may also write no file."""
    return nullcontext() if output is None else placed(output, ending, force=force)


def inputs() -> list[Path]:
    """The files and folders that the present command reads: all that its arguments name."""
    context = click.get_current_context(silent=True)
    named = [] if context is None else _strings(
        value for name, value in context.params.items() if name != "output"
    )  # fmt: skip
    return [path for path in map(Path, named) if _is_there(path)]


def _strings(values: Iterable[Any]) -> list[str]:
    found = []
    for value in values:
        if isinstance(value, str) and value:
            found.append(value)
        elif isinstance(value, tuple | list):
            found += _strings(value)
    return found


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a text may be longer than a name, or hold a NUL
        return False
