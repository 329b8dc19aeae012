"""What a picture or a table of a page says of itself: model, prompt, window, texts, and whence."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import embfilter_viz
from embfilter_viz.models.encoding.prompts import find_prompt
from embfilter_viz.models.sources.names import without_place
from embfilter_viz.spectral.windows import Window
from embfilter_viz.wording import legible

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FigureSource", "safe_cell"]

RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r")
"""What a cell of a spreadsheet begins with that is run as a formula (OWASP, "CSV injection")."""

LONGEST_TEXTS = 160
"""Characters that the texts of a figure take in its source line."""


@dataclass(frozen=True)
class FigureSource:
    """The source of the numbers of a figure.

    >>> source = FigureSource("org/tiny", "mean", Window(2, 6, 8), "3 texts")
    >>> source.file_name("lens")
    'lens-org-tiny-mean-2-6'
    """

    model: str
    """The model as the user typed it."""
    prompt: str
    """How texts were put to it."""
    window: Window | None
    """What the filter keeps; None for a figure that no window changes."""
    texts: str = ""
    """Which texts, in words; empty where no text was read."""

    @property
    def named(self) -> str:
        """The model's name without where it lies on the disk."""
        return without_place(self.model)

    @property
    def about(self) -> str:
        """Return which texts, cut to a line."""
        said = " ".join(self.texts.split())
        return said if len(said) <= LONGEST_TEXTS else said[: LONGEST_TEXTS - 1] + "…"

    @property
    def line(self) -> str:
        """All of it in one line, for the foot of a picture."""
        parts = [f"Model {self.named}", f"prompt {find_prompt(self.prompt).words}"]
        if self.window is not None:
            parts.append(f"window {self.window} ({self.window.k} of {self.window.d} directions)")
        parts += [f"texts: {self.about}"] if self.about else []
        return legible(f"{' · '.join(parts)} · {_MADE_BY}")

    def file_name(self, figure: str) -> str:
        """A name for the file of a figure, without its ending."""
        kept = "" if self.window is None else f"-{self.window.l}-{self.window.r}"
        whole = f"{figure}-{self.named}-{find_prompt(self.prompt).slug}{kept}"
        return re.sub(r"[^A-Za-z0-9._]+", "-", whole).strip("-.")

    def csv(self, table: "pd.DataFrame") -> str:
        """The table as CSV: no cell is run, and each row says where it comes from.

        A cell that a spreadsheet would take for a formula has an apostrophe before it.
        """
        safe = table.map(safe_cell)
        safe.columns = [safe_cell(str(name)) for name in safe.columns]
        told = {
            "of_model": self.named,
            "of_prompt": self.prompt,
            "of_window": "" if self.window is None else str(self.window),
            "of_texts": self.about,
            "source": _MADE_BY,
        }
        return safe.assign(**{name: safe_cell(value) for name, value in told.items()}).to_csv(
            index=False, lineterminator="\r\n"
        )


_MADE_BY = f"EmbedFilter explorer {embfilter_viz.__version__}"


def safe_cell(value: Any) -> Any:
    """A cell that no spreadsheet runs: text that begins like a formula gets an apostrophe.

    Numbers stay as they are.

    >>> safe_cell("=1+1"), safe_cell(-1.5), safe_cell("a=b")
    ("'=1+1", -1.5, 'a=b')
    """
    if isinstance(value, str) and value.startswith(RUN_BY_SPREADSHEETS):
        return f"'{value}"
    return value
