"""Strings that would run, draw, link or hide something wherever they were not made harmless.

One set for all places: tokens, labels, texts, names of files, columns and models. Each has a mark
of its own, ``zq`` and its number, so that it is found wherever it stands.
"""

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from embfilter_viz.errors import InputError
from embfilter_viz.models.head.vocabulary import visible
from embfilter_viz.ui.commands import command_line
from embfilter_viz.wording import legible
from tests.models.tiny_checkpoints import build_model, byte_level_tokenizer, save

__all__ = [
    "FILE", "MODEL", "NAMES", "NO_MODEL", "STRINGS", "covered", "forms", "write_hostile_checkpoint",
]  # fmt: skip

RUN = "window.__ran=1;alert(1)"
"""The script of every string; a page where any has run says so."""
OTHER = "//zq.example"
"""The host that every address of a string leads to."""

_PARTS = (
    # Markup, and what closes the element that a text may stand in.
    f"<script>{RUN}</script>",
    f"<img src={OTHER}/i onerror={RUN}>",
    f"<a href='javascript:{RUN}'>go</a>",
    f"</script></style></textarea></title></span><iframe src=javascript:parent.{RUN}>",
    f"<svg/onload={RUN}><![CDATA[ <!-- ]]>",
    f"\" onmouseover='{RUN}' x=",
    "{{7*7}} ${7*7} #{7*7} {0.__class__} %s %(x)s {text}",
    # Markdown, and what Streamlit adds to it.
    "**b** __i__ ~~d~~ `c` # h > q",
    f"[go](javascript:{RUN})",
    f"![x]({OTHER}/m.png) [^1] [x][y]",
    "https://zq.example/u www.zq.example a@zq.example mailto:a@zq.example",
    "$\\frac{1}{2}$ $$x$$ \\(y\\)",
    ":smile: :red[r] :blue-badge[x] :material/home: :material_home: :streamlit:",
    ":color[x]{foreground='red'} :help[x] :small[x]",
    "-> <- <-> -- >= <= ~=",
    "&lt;b&gt; &#36; &copy; &amp;amp;",
    "[[head]] {the hill|0}",
    # Plotly's tags, its values of a point, its number formats.
    f"<b>b</b><br><i>i</i><sub>s</sub><a href='{OTHER}'>a</a><extra>e</extra>",
    "%{text} %{x:.2f} %{customdata[0]} %{y|%Y} {x}",
    # What a spreadsheet runs.
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*HYPERLINK(1)",
    "+1+1",
    "-1+1",
    # Paths and addresses.
    "../../etc/passwd",
    "..%2e%2e%2f%00",
    f"{OTHER}/x",
    f"javascript:{RUN}",
    f"data:text/html,<script>{RUN}</script>",
    # What is not seen, turns a line round, ends it, or is longer than any.
    "\u202ecod.exe\u202c \u2066x",
    "a\u200bb\ufeffc\u00add",
    "\x07\x1b[31m",
    "a\n\n    b\n===\n- c",
    "w" * 400,
)
_SHORT = ("<b>", "<br>", "$x$", "%{x}", "&lt;", "**x**", "-1", "=1", "<a>")
"""What is short enough to stand whole in a cell of a figure, before its mark."""
_NAME = (
    "<img src=x onerror=alert(1)> **b** __i__ `c` $x$ :smile: :red[r] :material_home: [go](zq) "
    "![x](zq.png) www.zq.example a@zq.example &lt; -> %{x} <b>b \u202ecba {text}; rm 'q' #"
)
"""What the name of a file or a folder can hold of it: no slash, no null, 255 bytes."""

MODEL, FILE, NO_MODEL = 60, 61, 62
"""The marks of names: of a folder with a model, of a file with texts, of what is not there."""

MARK = re.compile(r"zq(\d\d)", re.IGNORECASE)


def _marked(number: int, part: str) -> str:
    mark = f"zq{number:02}"
    return f"{part} {mark}" if part.startswith(_FORMULA) else f"{mark} {part} {mark}"


_FORMULA = ("=", "+", "-", "@")
"""What only the first sign of a cell makes one."""

STRINGS = {number: _marked(number, part) for number, part in enumerate(_PARTS)} | {
    number: f"{part}zq{number:02}" for number, part in enumerate(_SHORT, len(_PARTS))
}
"""The one set, by the numbers of their marks."""
NAMES = {number: _marked(number, _NAME) for number in (MODEL, FILE, NO_MODEL)}
"""The same for names."""
COPIES = 8
"""Every string so often a token that it is sure to be among the top ones somewhere."""


def write_hostile_checkpoint(folder: Path, strings: Iterable[str] = ()) -> Path:
    """A tiny Llama in which all tokens beyond the bytes are such strings, all of them if none."""
    from tokenizers import Tokenizer, pre_tokenizers

    bytes_of = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    state = json.loads(byte_level_tokenizer().to_str())
    vocabulary = {word: i for word, i in state["model"]["vocab"].items() if i < 258}
    for copy in range(COPIES):
        for token in strings or STRINGS.values():
            ((shown, _),) = bytes_of.pre_tokenize_str(token + "!" * copy)
            vocabulary[shown] = len(vocabulary)
    state["model"]["vocab"], state["model"]["merges"] = vocabulary, []
    tokenizer = Tokenizer.from_str(json.dumps(state))
    return save(build_model("llama", vocab_size=len(vocabulary)), folder, tokenizer).folder


@cache
def forms(text: str) -> tuple[str, ...]:
    """All ways in which a string may stand on a page, in a file or in an error line.

    As it is; with what cannot be seen written out; on one line; and inside quotation marks of
    Python, of JSON and of a shell.
    """
    quoted = repr(text)[1:-1]
    in_shell = command_line("x", text).removeprefix("embfilter-viz x ")
    ways = (
        text,
        legible(text),
        visible(text),
        "".join(c if c == " " else visible(c) for c in " ".join(text.split())),
        str(InputError(text)),
        quoted,
        quoted.replace("\\'", "'"),
        repr(f"'{text}")[2:-1],
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        in_shell.removeprefix("$").removeprefix("'").removesuffix("'"),
    )
    lines = [" ".join(way.split()) for way in ways]
    begun = [line[:1].upper() + line[1:] for line in lines]
    return tuple(dict.fromkeys(lines + begun))


def covered(shown: str) -> Iterator[tuple[int, bool]]:
    """For each mark in a text: its number, and whether that string stands there whole.

    A string may end or begin with "…", or with Streamlit's "...", where there was no room for more.
    """
    shown = " ".join(shown.split()).replace("...", "…")
    for found in MARK.finditer(shown):
        text = {**STRINGS, **NAMES}.get(int(found[1]))
        if text is not None:
            before, after = shown[: found.start()], shown[found.start() :]
            whole = any(_stands(before, after, form, found[1]) for form in forms(text))
            yield int(found[1]), whole


def _stands(before: str, after: str, form: str, number: str) -> bool:
    """Tell whether a form of a string stands where ``before`` meets ``after``."""
    for found in MARK.finditer(form):
        if found[1] != number:
            continue
        first, last = form[: found.start()], form[found.start() :]
        cut_before, cut_after = before.rpartition("…"), after.partition("…")
        begins = before.endswith(first) or (
            bool(cut_before[1]) and first.endswith(cut_before[2].lstrip())
        )
        ends = after.startswith(last) or (
            bool(cut_after[1]) and last.startswith(cut_after[0].rstrip())
        )
        if begins and ends:
            return True
    return False
