"""What libraries written in Rust raise where they find a fault of their own."""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["panics_raised"]


@contextmanager
def panics_raised() -> Iterator[None]:
    """Make a panic of a Rust library a ``RuntimeError``: PyO3's own is no ``Exception``.

    So ``except Exception`` catches it, and ``except BaseException`` is needed nowhere, which would
    catch Ctrl-C too.

    Raises:
        RuntimeError: the block panicked; with the panic's words.

    >>> with panics_raised():
    ...     1 + 1
    2
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise RuntimeError(str(error)) from error
