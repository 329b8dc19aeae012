"""The way in and out: arguments to a command, whatever goes wrong to one line and a 2.

A signal that ends the command ends it as other programs do, with 128 and its number: 130 for
Ctrl-C, 143 for SIGTERM, 129 for a terminal that was closed, 141 for a reader who has left. What
was not finished is tidied away first.
"""

import io
import os
import signal
import sys
import threading
import traceback
import warnings
from contextlib import suppress
from typing import Any, NoReturn

import click

from embfilter_viz.cli.commands import cli
from embfilter_viz.cli.reporting import NAME, NOTES
from embfilter_viz.errors import InputError, line_of_disk, one_line
from embfilter_viz.system.memory import memory_bound
from embfilter_viz.system.paths import check_cache
from embfilter_viz.system.regular import is_there

__all__ = ["main"]

_SIGPIPE = 13
_WORDS = {
    "is not a valid integer range": "is not a whole number",
    "is not a valid float range": "is not a number",
}
"""Words of click's that speak of its own types."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with 0, or with 2 and one line on standard error.

    ``verify`` leaves with 1 where it compared and found a difference, as ``diff`` does. A signal
    that ends it gives 128 and its number.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries' remarks to programmers, not to the user
    NOTES.begin()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A console that lacks a character gets its code point, not a traceback.
        sys.stdout.reconfigure(errors="backslashreplace")
    _end_tidily()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # Not cli.main(), which answers Ctrl-C and a closed pipe in its own way.
        memory_bound()  # a variable that cannot be used is told before any work
        check_cache()
        with cli.make_context(NAME, given or ["--help"]) as context:
            cli.invoke(context)
        NOTES.tell()
        sys.stdout.flush()
    except click.exceptions.Exit as wanted:
        NOTES.tell()
        sys.exit(wanted.exit_code)  # 1 where `verify` finds a difference
    except click.UsageError as error:
        _fail(_usage(error, given))
    except click.ClickException as error:
        _fail(error.format_message())
    except InputError as error:
        _fail(str(error))
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        _forget_output()
        sys.exit(128 + _SIGPIPE)
    except OSError as error:
        line = _line_of(error)
        _forget_output()
        _fail(line)
    except MemoryError:
        _fail("this machine has too little free memory; close other programs and try again")
    except (KeyboardInterrupt, click.Abort):
        _fail("stopped; what was finished is kept", 128 + signal.SIGINT)
    except _EndedError as error:
        _fail("ended; what was finished is kept", 128 + error.number)
    sys.exit(0)


def _usage(error: click.UsageError, given: list[str]) -> str:
    """Click's complaint about the arguments, with the command it is about and the way out."""
    if isinstance(error, click.NoSuchOption):
        for one in given:  # a file whose name begins with a dash is taken for options
            if one.startswith("-") and is_there(one):
                return f"{one}: is taken for an option; write the file or folder as ./{one}"
    context = error.ctx
    path = context.command_path if context else NAME
    if path == NAME and given and given[0] in cli.commands:
        path = f"{NAME} {given[0]}"  # of some complaints click does not say the command
    command = path.removeprefix(NAME).strip()
    said = error.format_message().rstrip(".")
    for theirs, ours in _WORDS.items():
        said = said.replace(theirs, ours)
    return f"{command}{': ' if command else ''}{said}; see {path} --help"


def _fail(message: str, status: int = 2) -> NoReturn:
    with suppress(OSError):  # a terminal that was closed takes no more words
        click.echo(f"{NAME}: {one_line(' '.join(message.split()))}", err=True)
    sys.exit(status)


class _EndedError(BaseException):
    """A signal asks for the end; no ``except Exception`` on the way may keep it."""

    def __init__(self, number: int) -> None:
        self.number = number


def _end_tidily() -> None:
    """Let SIGTERM and SIGHUP unwind the work, so that no unfinished file stays."""
    if threading.current_thread() is not threading.main_thread():
        return
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # One that is ignored stays so: `nohup` asks for that.
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _ended)


def _ended(number: int, _: Any) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # a second one must not disturb the tidying
    raise _EndedError(number)


def _line_of(error: OSError) -> str:
    """Say which file it was: standard output, where no other is named and it was printed to."""
    innermost = traceback.extract_tb(error.__traceback__)[-1].name
    if error.filename is None and innermost in {"echo", "main"}:
        error.filename = "standard output"
    if error.filename == "standard output":
        return f"{error.filename}: {error.strerror or error}"
    return line_of_disk(error) or f"{error.filename or 'a file'}: {error.strerror or error}"


def _forget_output() -> None:
    """Let what is left in the buffer go nowhere, or Python complains of it on leaving."""
    with suppress(OSError, ValueError):  # raised where it is no real file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
