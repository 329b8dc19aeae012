"""A page of figures, sentences and tables in one HTML file that needs no network.

Plotly's script is written into the file once; a policy in its head forbids the browser to fetch
anything at all. All text is escaped: tokens and texts are untrusted.
"""

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
import plotly.graph_objects as go

from embfilter_viz.figures.described import described
from embfilter_viz.figures.plotly_js import REPORT_CONFIG, json_in_script, plotly_script
from embfilter_viz.models.head.vocabulary import visible
from embfilter_viz.wording import legible

__all__ = ["Section", "Table", "report"]

ROWS = 1000
"""Rows of a table that are shown; the file says how many there are."""


@dataclass(frozen=True)
class Table:
    """A table behind a fold."""

    caption: str
    """What it holds."""
    frame: pd.DataFrame
    """Its rows; text in it may be anything."""


@dataclass(frozen=True)
class Section:
    """One question of a report with its answer."""

    title: str
    """The question."""
    sentences: tuple[str, ...] = ()
    """The computed answers, one paragraph each."""
    figures: tuple[go.Figure, ...] = ()
    """Drawn one below the other."""
    tables: tuple[Table, ...] = ()
    """The numbers behind the figures."""
    facts: Mapping[str, str] | None = None
    """A two-column table shown openly, such as a model card."""
    code: str = ""
    """Lines of Python or shell."""


def report(title: str, sections: Sequence[Section], *, made: datetime | None = None) -> str:
    """The report as one HTML document.

    Args:
        title: its heading.
        sections: what it says, in order; those without anything in them are left out.
        made: the date in its foot; none if not given.

    >>> page = report("<b>", [Section("One", ("a < b",))])
    >>> "<h1>&lt;b&gt;</h1>" in page, "A &lt; b" in page, "://" in page
    (True, True, False)
    """
    drawn = [figure for section in sections for figure in section.figures]
    numbers = iter(range(len(drawn)))  # handed out as the sections are written
    body = "\n".join(_section(section, numbers) for section in sections)
    foot = f"Made by embfilter-viz{f', {made:%Y-%m-%d %H:%M}' if made else ''}."
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="generator" content="embfilter-viz">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{_escaped(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{_escaped(title)}</h1>
{body}
<footer>{_escaped(foot)}</footer>
</main>
{_scripts(drawn)}</body>
</html>
"""


_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)


def _section(section: Section, numbers: Iterator[int]) -> str:
    parts = [f"<section>\n<h2>{_escaped(section.title)}</h2>"]
    parts += [f"<p>{_escaped(_begun(sentence))}</p>" for sentence in section.sentences]
    if section.facts:
        rows = "".join(
            f"<tr><th>{_escaped(what)}</th><td>{_escaped(value)}</td></tr>"
            for what, value in section.facts.items()
        )
        parts.append(f'<table class="facts"><tbody>{rows}</tbody></table>')
    for figure in section.figures:
        height = figure.layout.height or 400
        number, said = next(numbers), described(figure)
        parts.append(
            f'<div role="figure" aria-label="{_escaped(said.name)}" '
            f'aria-describedby="words{number}"><div class="figure" id="figure{number}" '
            f'style="height:{height}px"></div><p class="unseen" id="words{number}">'
            f"{_escaped(said.words)}</p></div>"
        )
    parts += [_table(table) for table in section.tables]
    if section.code:
        parts.append(f"<pre><code>{html.escape(section.code)}</code></pre>")
    return "\n".join([*parts, "</section>"])


def _table(table: Table) -> str:
    frame = table.frame
    shown = f", the first {ROWS} of {len(frame):,} rows" if len(frame) > ROWS else ""
    head = "".join(f"<th>{_escaped(str(name))}</th>" for name in frame.columns)
    rows = "\n".join(
        f"<tr>{''.join(_cell(value) for value in row)}</tr>"
        for row in frame.head(ROWS).itertuples(index=False, name=None)
    )
    return (
        f"<details><summary>{_escaped(table.caption)}{shown}</summary>\n"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table>'
        "</div></details>"
    )


def _cell(value: object) -> str:
    if value is None or value is pd.NA or value != value:
        return "<td></td>"
    if isinstance(value, float):
        return f'<td class="number">{value:.4g}</td>'
    if isinstance(value, int):
        return f'<td class="number">{value}</td>'
    return f"<td>{_escaped(visible(str(value)) if _unseen(str(value)) else str(value))}</td>"


def _unseen(text: str) -> bool:
    """Tell whether a text has ends or characters that a table would not show, as tokens have."""
    return text != text.strip() or not text.isprintable()


def _begun(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _escaped(text: str) -> str:
    return html.escape(legible(text))


def _scripts(figures: Sequence[go.Figure]) -> str:
    if not figures:
        return ""
    described = json_in_script([_described(figure) for figure in figures])
    return (
        f"<script>{plotly_script().read_text(encoding='utf-8')}</script>\n"
        f'<script type="application/json" id="figures">{described}</script>\n'
        f"<script>Plotly.setPlotConfig({json_in_script(REPORT_CONFIG)});{_DRAW}</script>\n"
    )


def _described(figure: go.Figure) -> dict[str, object]:
    said = json.loads(figure.to_json())
    for trace in said["data"]:
        # A few hundred points: drawn as SVG they need no graphics card and print sharply.
        trace["type"] = trace.get("type", "scatter").removesuffix("gl")
    return {"data": said["data"], "layout": said["layout"]}


_DRAW = """
const figures = JSON.parse(document.getElementById("figures").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
function draw(paper = false) {
  const style = getComputedStyle(document.documentElement);
  const ink = paper ? "#1f2328" : style.getPropertyValue("--ink").trim();
  const line = paper ? "#dfe2e6" : style.getPropertyValue("--line").trim();
  figures.forEach(({data, layout}, i) => {
    const themed = structuredClone(layout);
    themed.paper_bgcolor = themed.plot_bgcolor = "rgba(0,0,0,0)";
    themed.font = {...themed.font, color: ink};
    themed.autosize = true;
    delete themed.width;
    for (const name of Object.keys(themed).filter((n) => /^[xy]axis/.test(n))) {
      themed[name].gridcolor = themed[name].zerolinecolor = line;
    }
    themed.hoverlabel = {...themed.hoverlabel, bgcolor: style.getPropertyValue("--raised").trim(),
      font: {...themed.hoverlabel?.font, color: ink}};
    Plotly.react("figure" + i, structuredClone(data), themed);
  });
}
draw();
dark.addEventListener("change", () => draw());
addEventListener("beforeprint", () => draw(true));
addEventListener("afterprint", () => draw());
"""

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --paper: #ffffff; --raised: #f5f6f8;
  --line: #dfe2e6; --accent: #0077B6; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e7e9ec; --paper: #14171c; --raised: #1c2027; --line: #343a43;
    --accent: #3a9ad0; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, sans-serif; }
main { max-width: 980px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 8px; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 40px 0 8px; }
p { max-width: 76ch; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { text-align: left; padding: 4px 16px 4px 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
.facts td { overflow-wrap: anywhere; }
.facts th { font-weight: 600; white-space: nowrap; }
.number { font-variant-numeric: tabular-nums; text-align: right; }
.wide { overflow-x: auto; }
details { margin: 8px 0; }
summary { cursor: pointer; color: var(--accent); }
pre { background: var(--raised); padding: 12px 16px; border-radius: 8px; overflow-x: auto;
  font: 13px/1.5 'DejaVu Sans Mono', ui-monospace, Menlo, Consolas, monospace; }
footer { margin-top: 48px; font-size: 0.85rem; opacity: 0.8; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
@media (max-width: 640px) {
  main { padding: 20px 16px 48px; }
  .facts, .facts tbody, .facts tr, .facts th, .facts td { display: block; }
  .facts tr { border-bottom: 1px solid var(--line); padding: 4px 0; }
  .facts th, .facts td { border: 0; padding: 0; white-space: normal; }
}
@page { margin: 15mm; }
@media print {
  :root { color-scheme: light; --ink: #1f2328; --paper: #ffffff; --raised: #f5f6f8;
    --line: #dfe2e6; --accent: #0077B6; }
  main, p { max-width: none; }
  main { padding: 0; }
  .figure, pre, tr { break-inside: avoid; }
  h2, summary { break-after: avoid; }
  /* A fold that nobody opened would be a line that leads nowhere. */
  details:not([open]) { display: none; }
}
"""
