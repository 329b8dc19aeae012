"""What libraries written in Rust raise, and print, where they find a fault of their own."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock

__all__ = ["PanickedError", "panics_raised", "quiet_on_panic"]

_STANDARD_ERROR = 2
_turn = Lock()


class PanickedError(RuntimeError):
    """A panic of a Rust library, with its words."""


@contextmanager
def panics_raised() -> Iterator[None]:
    """Make a panic of a Rust library a :class:`PanickedError`: PyO3's own is no ``Exception``.

    So ``except Exception`` catches it, and ``except BaseException`` is needed nowhere, which would
    catch Ctrl-C too.

    Raises:
        PanickedError: the block panicked.

    >>> with panics_raised():
    ...     1 + 1
    2
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise PanickedError(str(error)) from error


@contextmanager
def quiet_on_panic() -> Iterator[None]:
    """The same, without the stack that Rust prints to standard error as it panics.

    What else is written there meanwhile, by any thread, comes when the block ends. It is for a
    block of milliseconds that tries what a library makes of a file.

    Raises:
        PanickedError: the block panicked.
    """
    try:
        saved = os.dup(_STANDARD_ERROR)
    except OSError:  # there is none
        with panics_raised():
            yield
        return
    with _turn, tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), _STANDARD_ERROR)
        panicked = False
        try:
            with panics_raised():
                yield
        except PanickedError:
            panicked = True
            raise
        finally:
            os.dup2(saved, _STANDARD_ERROR)
            os.close(saved)
            if not panicked:
                said.seek(0)
                with suppress(OSError):
                    os.write(_STANDARD_ERROR, said.read())
