"""Texts that are about to be embedded, checked before anything is opened for them."""

from collections.abc import Sequence

from embfilter_viz.errors import InputError

__all__ = ["checked_texts"]


def checked_texts(texts: Sequence[str]) -> list[str]:
    """The texts as a list, once it is known that each of them can be embedded.

    Raises:
        InputError: there are none, or one is empty; its row is named.

    >>> checked_texts(["a cat", " "])
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: text 2 of 2 is empty; type or remove it
    """
    found = list(texts)
    if not found:
        raise InputError("texts: there is nothing to embed; give at least one text")
    for number, text in enumerate(found, start=1):
        if not text.strip():
            raise InputError(f"text {number} of {len(found):,} is empty; type or remove it")
    return found
