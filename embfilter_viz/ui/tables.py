"""Tables of what others wrote, as a page shows them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from embfilter_viz.wording import legible

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["legible_table"]


def legible_table(table: "pd.DataFrame | Sequence[Mapping[str, Any]]") -> "pd.DataFrame":
    r"""The table, or the rows as one, with nothing unseen in its texts and names.

    >>> legible_table([{"a\u202e": "b\tc"}, {"a\u202e": 1.5}])
      a⟨U+202E⟩
    0       b c
    1       1.5
    """
    import pandas as pd

    shown = pd.DataFrame(table).map(_legible)
    shown.columns = shown.columns.map(_legible)
    return shown


def _legible(value: Any) -> Any:
    return legible(value) if isinstance(value, str) else value
