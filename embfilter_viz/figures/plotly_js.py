"""Plotly's script in the browser: which file it is, how it is set, and a figure as it takes it.

Pages and reports draw with the script inside the installed plotly package and with the one
configuration below. Left as it comes, the script offers in every toolbar to upload the figure,
texts and all, and names two more places on the web.
"""

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from embfilter_viz.figures.sketch import Sketch

__all__ = [
    "CONFIG",
    "NO_UPLOAD",
    "PAGE_CONFIG",
    "REPORT_CONFIG",
    "Drawing",
    "as_json",
    "json_in_script",
    "plotly_script",
]

Drawing: TypeAlias = "Figure | Sketch"
"""What can be drawn: a whole figure, or one in the making."""

NO_UPLOAD = "sendChartToCloud"
"""The toolbar's button "Share chart", by Plotly's name for it."""

CONFIG: Mapping[str, Any] = {
    "showSendToCloud": False,
    "modeBarButtonsToRemove": [NO_UPLOAD],
    "plotlyServerURL": "",
    "topojsonURL": "data:,",
    "displaylogo": False,
    "typesetMath": False,
}
"""How every figure is configured: nothing is uploaded or fetched, and no button links elsewhere.

The two addresses are where the upload would go, and where the outlines of countries come from,
which no figure of ours has. The logo is a link. A formula between dollar signs could only be part
of a token or a text.
"""

PAGE_CONFIG: Mapping[str, Any] = {
    **CONFIG,
    "displayModeBar": "hover",
    "doubleClick": "reset+autosize",
    "responsive": False,
    "modeBarButtonsToRemove": [
        *CONFIG["modeBarButtonsToRemove"], "toImage", "autoScale2d", "zoomIn2d", "zoomOut2d",
    ],
}  # fmt: skip
"""The same for a page, which has buttons of its own for pictures and fits figures to its width."""

REPORT_CONFIG: Mapping[str, Any] = {
    **CONFIG,
    "responsive": True,
    "showTips": False,
    "modeBarButtonsToRemove": [*CONFIG["modeBarButtonsToRemove"], "select2d", "lasso2d"],
}
"""The same for a report."""


def plotly_script() -> Path:
    """The script that draws, inside the installed plotly package.

    >>> plotly_script().name
    'plotly.min.js'
    """
    return Path(str(files("plotly").joinpath("package_data", "plotly.min.js")))


def as_json(figure: Drawing) -> tuple[str, str]:
    """Traces and layout of a figure as JSON, arrays of numbers in base64.

    >>> from embfilter_viz.figures.sketch import Sketch
    >>> sketch = Sketch(height=200)
    >>> sketch.add("scatter", x=[0, 1], y=[2.0, 1.0])
    >>> as_json(sketch)[0]
    '[{"type":"scatter","x":[0,1],"y":[2.0,1.0]}]'
    """
    from plotly.io.json import to_json_plotly

    parts = figure.to_dict()
    return to_json_plotly(parts["data"]), to_json_plotly(parts["layout"])


def json_in_script(value: Any) -> str:
    r"""JSON that may stand inside a script of an HTML page: no tag can end it.

    >>> json_in_script("</script>")
    '"\\u003c/script>"'
    """
    return json.dumps(value).replace("<", "\\u003c")
