"""All that a link, a file or a folder brings is shown as it is, and is one word of a command."""

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from embfilter_viz.ui.prompt_choice import OWN
from tests.models.tiny_checkpoints import one_thread
from tests.pages.explorer import Explorer
from tests.test_odd_places import NAMES, at_once
from tests.test_untrusted_code import Trap, arm

__all__ = ["one_thread"]

IMAGE = "![zqimage](//zq.example/y.png)"
SIGNS = f"{IMAGE} <img src=zq> $zq_x$ :material/home: :zq_smile: **zqbold** `zqcode`; zq #"
"""Whatever Markdown, mathematics, emoji codes, HTML and a shell read; no name may hold a slash."""
SIGNS_IN = f"{SIGNS} {{text}}"
NAME = "![zqimage](zq.png) <img src=zq> $zq_x$ :zq_smile: **zqbold** `zqcode` $(zq); zq & # 'zq' x"

ACTS = re.compile(
    r"""(?<!\\)!\[zq | (?<!\\)\[zq | (?<!\\)<img | (?<!\\)\$zq | (?<!\\):zq | (?<!\\)\*\*zq
        | (?<!\\)`zq | (?<!\\)//zq\.""",
    re.VERBOSE,
)
PLAIN = {"text", "code", "json", "arrow_data_frame", "bidi_component", "download_button"}
"""Elements whose content is no Markdown; a download's label is, and is looked at by itself."""
NOT_READ = {
    *("id", "key", "form_id", "page_script_hash", "default", "value", "options", "placeholder"),
    *(
        "raw_value",
        "raw_values",
        "set_value",
        "query_param_key",
        "url",
        "icon",
        "element_id",
        "styles",
        "name",
    ),
}
"""Fields that a browser does not read as Markdown: ids, values and options of boxes."""


def strings(message: Message, path: str = "") -> Iterator[tuple[str, str]]:
    """Every string of an element that a browser may read as Markdown, with its place."""
    for field, value in message.ListFields():
        if field.name in NOT_READ and "button_group" not in path:
            continue
        if field.type not in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_MESSAGE):
            continue
        many = isinstance(value, str | Message)
        for one in [value] if many else list(value):
            if isinstance(one, str):
                yield f"{path}.{field.name}", one
            elif isinstance(one, Message):
                yield from strings(one, f"{path}.{field.name}")


def blocks(node: Any) -> Iterator[Any]:
    """An AppTest's elements, and the blocks (expanders, tabs) that they stand in."""
    yield node
    for child in getattr(node, "children", {}).values():
        yield from blocks(child)


def check(explorer: Explorer) -> None:
    """Nothing acts: not in Markdown, not in HTML, not in a cell of a table, not in a command."""
    for node in blocks(explorer.at._tree):
        proto = getattr(node, "proto", None)
        if proto is None:
            continue
        if node.type == "html":
            assert "<img" not in proto.body, proto.body[:300]
        elif node.type in {"table", "arrow_table"}:
            for cell in map(str, node.value.to_numpy().ravel()):
                assert not ACTS.search(cell), cell
        elif node.type not in PLAIN:
            for place, said in strings(proto, node.type):
                found = ACTS.search(said)
                assert not found, f"{place}: {said[:300]}"


def check_command(explorer: Explorer) -> None:
    for line in explorer.command.split("\nembfilter-viz"):
        outside = re.sub(r"""'[^']*'|"'\"""", "", line)
        assert not re.search(r"[;&|`$<>()#*!\\\n]", outside), line
        shlex.split(line)
    compile(explorer.python, "lines", "exec")


@pytest.fixture(scope="module")
def hostile(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model in a folder of such a name."""
    folder = tmp_path_factory.mktemp("models") / NAME
    shutil.copytree(tiny, folder)
    return folder


@pytest.mark.parametrize(
    "page",
    ["start", "spectrum", "average_token", "filter_and_lens", "two_texts", "geometry",
     "window_lab", "claims", "compare", "lesson", "words"],
)  # fmt: skip
def test_names_and_texts_act_nowhere(hostile: Path, page: str) -> None:
    link = {
        "model": str(hostile), "window": f"2 {IMAGE}; #", "prompt": OWN, "text": SIGNS,
        "first_text": SIGNS, "second_text": f"{SIGNS} 2", "second_model": SIGNS,
        "template": SIGNS_IN, "language": SIGNS, "beside": f"{SIGNS} · last",
        "first": f"{SIGNS} · last · 2", "second": f"{hostile} · last · 2; {SIGNS}",
    }  # fmt: skip
    explorer = Explorer(page, **link)
    check(explorer)
    explorer.at.session_state["fold_card"] = True
    explorer.settle()
    check(explorer)
    assert any("zq" in line for line in explorer.errors), "the window and the language are no such"
    if page == "compare":
        explorer = Explorer(page, model=str(hostile), prompt=link["prompt"], template=SIGNS_IN)
    for button in ("Embed", "Score both"):
        if any(one.label.startswith(button) for one in explorer.at.button):
            explorer.press(button)
            check(explorer)
    if page != "words":
        check_command(explorer)


def test_a_file_and_its_columns_act_nowhere(hostile: Path) -> None:
    explorer = Explorer("window_lab", model=str(hostile), data="your file", prompt="mean")
    rows = "".join(f"A cat {i},A dog {i},{i % 5}\n" for i in range(40))
    name = f"{NAME}.csv"
    data = f'"{NAME} 1","{NAME} 2",{IMAGE}\n{rows}'.encode()
    explorer.control("task_file").upload(name, data, "text/csv")
    explorer.settle()
    check(explorer)
    explorer.press("Use these columns")
    check(explorer)
    assert name in explorer.words
    check_command(explorer)
    assert name in shlex.split(explorer.command.splitlines()[0])


@pytest.mark.parametrize("name", NAMES[::4])
def test_an_odd_name_in_a_link_is_one_line(name: str) -> None:
    with at_once():
        explorer = Explorer("spectrum", wait=False, model=name)
    assert len(explorer.errors) == 1
    assert all(line.isprintable() for line in explorer.errors)


def test_an_odd_name_that_is_typed_is_one_line(tiny: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    explorer = Explorer("spectrum", model=str(tiny))
    typed = [name for name in NAMES[1::4] if name.isprintable()]  # a line of text has one line
    for name in (*typed, str(tmp_path / "pipe"), f"{tiny}/../.."):
        with at_once():
            explorer.control("model").set_value(name)
            explorer.run()
        assert len(explorer.errors) == 1, name
        assert explorer.errors[0].isprintable()


def test_a_page_opens_a_checkpoint_full_of_traps_and_springs_none(
    tiny: Path, tmp_path: Path
) -> None:
    trap = Trap(tmp_path / "traces")
    trap.traces.mkdir()
    folder = arm(shutil.copytree(tiny, tmp_path / "armed"), trap)
    explorer = Explorer("filter_and_lens", model=str(folder))
    assert explorer.errors == []
    assert "ranks_chart" in explorer.figures
    assert trap.sprung == []
