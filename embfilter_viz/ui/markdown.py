"""Text of unknown origin in Markdown."""

__all__ = ["escaped"]

SIGNS = "\\`*_{}[]()<>#+-.!|$~:"


def escaped(text: str) -> str:
    r"""Text with every sign that Markdown or LaTeX could read made harmless.

    Names, labels and messages may hold what a stranger typed.

    >>> print(escaped("**$x$**"))
    \*\*\$x\$\*\*
    """
    return "".join(f"\\{sign}" if sign in SIGNS else sign for sign in text)
