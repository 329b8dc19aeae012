"""A file of the reader's stays for the session, with its columns, and is there on all pages."""

from pathlib import Path

from tests.pages.explorer import Explorer

ROWS = "".join(f"{i},A cat has {i} toys.,{'pets' if i % 2 else 'toys'}\n" for i in range(14))
TABLE = ("mine.csv", f"id,said,kind\n{ROWS}".encode(), "text/csv")


def column(explorer: Explorer, beginning: str) -> str:
    (key,) = [box.key for box in explorer.at.selectbox if box.key.startswith(beginning)]
    return key


def test_a_file_and_its_columns_survive_a_change_of_the_page(tiny: Path) -> None:
    explorer = Explorer("geometry", model=str(tiny), texts="your file", prompt="last")
    explorer.change("upload", TABLE)
    assert explorer.control(column(explorer, "upload-text")).value == "said"
    explorer.change(column(explorer, "upload-label"), "kind")
    explorer.press("Embed 14 texts")
    labels = {trace.get("name") for trace in explorer.figure("map_chart")["data"]}
    assert labels >= {"pets", "toys"}

    explorer.go("spectrum").go("geometry").change("texts", "your file")
    assert explorer.control(column(explorer, "upload-label")).value == "kind"
    assert "map_chart" in explorer.figures

    # On other pages it is offered, with the same columns.
    explorer.go("two_texts").change("others", "your file")
    assert explorer.control(column(explorer, "others_file-text")).value == "said"
    assert "91 pairs of 14 texts of mine.csv" in explorer.answers[0]
    explorer.go("average_token").change("source", "corpus")
    assert explorer.control(column(explorer, "corpus-label")).value == "kind"
    assert "shift_chart" in explorer.figures
    assert explorer.errors == []


def test_the_last_file_is_used_another_can_be_chosen_and_all_forgotten(tiny: Path) -> None:
    explorer = Explorer("geometry", model=str(tiny), texts="your file", prompt="last")
    for name in ("one.txt", "two.txt"):
        lines = "\n".join(f"{name} has a line {i}" for i in range(len(name) + 5))
        explorer.change("upload", (name, lines.encode(), "text/plain"))
    box = explorer.control(column(explorer, "upload-file"))
    assert box.options == ["one.txt", "two.txt"]
    assert box.format_func(box.value) == "two.txt"
    first = explorer.at.session_state["_file_of"]["upload"]
    explorer.change(box.key, next(iter(explorer.at.session_state["_files"])))
    box = explorer.control(column(explorer, "upload-file"))
    assert box.format_func(box.value) == "one.txt"
    assert explorer.at.session_state["_file_of"]["upload"] != first
    # A lines file is no table: the laboratory does not offer it.
    explorer.go("window_lab").change("data", "your file")
    assert not [b for b in explorer.at.selectbox if b.key.startswith("task_file-file")]
    explorer.go("geometry").change("texts", "your file")
    explorer.press("Forget it").press("Forget it")
    assert not [b for b in explorer.at.selectbox if b.key.startswith("upload-file")]
    assert explorer.errors == []


def test_columns_of_a_task_are_remembered_and_nothing_long_starts_unasked(tiny: Path) -> None:
    explorer = Explorer("window_lab", model=str(tiny), data="your file")
    pairs = "".join(f"{i % 6},A cat {i},A dog {i}\n" for i in range(36))
    explorer.change("task_file", ("pairs.csv", f"gold,one,two\n{pairs}".encode(), "text/csv"))
    explorer.change(column(explorer, "column-sentence1"), "two")
    explorer.change(column(explorer, "column-sentence2"), "one")
    explorer.press("Use these columns")
    assert explorer.button("Embed 72 texts and propose a window")
    explorer.go("spectrum").go("window_lab").change("data", "your file")
    assert explorer.control(column(explorer, "column-sentence1")).value == "two"
    assert explorer.button("Score 2"), "agreed on already"
    assert explorer.figures == set()
    explorer.press("Embed 72 texts and propose a window")
    assert explorer.figures == {"proposal_chart"}
