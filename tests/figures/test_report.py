"""The report is one file that asks for nothing and believes no text."""

import re
from html.parser import HTMLParser

import pandas as pd
import plotly.graph_objects as go

from embfilter_viz.figures.report import ROWS, Section, Table, report

HOSTILE = "</script><img src=x onerror=alert(1)> & \u202e"


class Elements(HTMLParser):
    """The elements of a page with their attributes, scripts and styles left unread."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_one_file_that_fetches_nothing_and_escapes_everything() -> None:
    figure = go.Figure(go.Scattergl(x=[1, 2], y=[3, 4], name=HOSTILE), {"template": "none"})
    frame = pd.DataFrame({HOSTILE: [HOSTILE, " the"], "n": [1, float("nan")]})
    section = Section(
        HOSTILE, (HOSTILE,), (figure, figure), (Table(HOSTILE, frame),), {HOSTILE: HOSTILE}, HOSTILE
    )
    page = report(HOSTILE, [section])
    elements = Elements(page).found
    tags = [tag for tag, _ in elements]
    assert not {"img", "link", "iframe", "object", "embed"} & set(tags)
    assert not [a for _, attributes in elements for a in attributes if a in {"src", "href"}]
    assert not re.search(r"url\(|@import", page[page.index("<style>") : page.index("</style>")])
    assert "default-src 'none'" in page
    assert tags.count("script") == 3  # Plotly once, for two figures
    assert [a.get("class") for _, a in elements].count("figure") == 2
    described = re.search(r'id="figures">(.*?)</script>', page, re.DOTALL)
    assert described is not None
    assert '"scattergl"' not in described[1]
    assert "·the" in page
    assert "<td></td>" in page


def test_a_long_table_is_cut_and_says_so() -> None:
    frame = pd.DataFrame({"i": range(ROWS + 5)})
    page = report("t", [Section("s", tables=(Table("Numbers", frame),))])
    assert f"Numbers, the first {ROWS} of {ROWS + 5:,} rows" in page
    assert page.count("<tr>") == 1 + ROWS
    assert "<script" not in page
