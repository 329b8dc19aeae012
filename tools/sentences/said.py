"""What commands print and pages show for one combination, and the figures it was made from."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from embfilter_viz.errors import InputError
from tools.sentences.combinations import Combination

__all__ = ["Files", "Said", "commands", "pages"]


@dataclass(frozen=True)
class Said:
    """Something a reader is told."""

    where: str
    """``command lens`` or ``page Geometry``."""
    kind: str
    """``sentence`` if computed, ``caption``, ``figure`` (a metric), ``words``, ``refusal``."""
    text: str
    """As it stands there."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """The figures it was made from, where the place gives them: the JSON of a command."""


OTHER_TEXT = "A violinist plays beneath the train tracks."
"""What a text is compared with where two are."""


class Files:
    """Texts on disk, as commands take them."""

    def __init__(self, folder: Path) -> None:
        """Write the demo texts, which the page has built in."""
        from embfilter_viz.data import demo_texts

        self.texts = folder / "texts.txt"
        self.texts.write_text("\n".join(demo_texts().texts), encoding="utf-8")


def commands(one: Combination, model: str, files: Files) -> Iterator[Said]:
    """What the commands say that have a sentence, each run once."""
    window = ["--window", one.window] if ":" in one.window else ["--tau", one.window]
    asked = {
        "spectrum": [model],
        "spectroscopy": [model, "--gauge", one.gauge],
        "lens": [model, one.text, "--prompt", one.prompt, *window],
        "pair": [model, one.text, OTHER_TEXT, "--prompt", one.prompt, *window],
        "lesson": [model, one.text, OTHER_TEXT, "--prompt", one.prompt, *window],
        "geometry": [model, str(files.texts), "--prompt", one.prompt, *window],
        "propose": [model, str(files.texts), "--prompt", one.prompt],
        "sweep": [model, "demo", "--task", one.task, "--prompt", one.prompt],
        "leaderboard": [model, "demo", "--task", one.task, "--prompt", one.prompt, *window],
        "claims": [model, "demo", "--task", one.task, "--prompt", one.prompt],
        "compare": [
            "demo", "--task", one.task,
            "--run", model, one.prompt, "raw", "--run", model, one.prompt, one.window,
        ],
    }  # fmt: skip
    for name, arguments in asked.items():
        place = f"command {name}"
        try:
            record, words = printed(name, arguments)
        except InputError as error:  # a window of one direction has no IsoScore
            yield Said(place, "refusal", str(error))
            continue
        for key in ("sentence", "ends_sentence", "why"):
            if key in record:
                yield Said(place, "sentence", str(record[key]), record)
                words = _without(words, str(record[key]))
        for seen in record.get("seen", ()):
            yield Said(place, "sentence", str(seen), record)
            words = _without(words, str(seen))
        for claim in record.get("claims", ()):
            yield Said(place, "sentence", claim["sentence"], claim)
            words = _without(words, claim["sentence"])
        yield Said(place, "words", words, record)


def printed(name: str, arguments: list[str]) -> tuple[dict[str, Any], str]:
    """The record of a command and what it prints without ``--json``, of one run."""
    from embfilter_viz.cli.commands import cli

    heard: list[tuple[dict[str, Any], str]] = []

    def hear(record: dict[str, Any], as_json: bool, words: Callable[[], str]) -> None:
        heard.append((record, words()))

    with (
        _everywhere("print_record", hear),
        _models_kept(),
        cli.make_context("embfilter-viz", [name, *arguments]) as context,
    ):
        cli.invoke(context)
    ((record, words),) = heard
    return record, words


def _without(words: str, sentence: str) -> str:
    """What a command prints, less its sentence, which may be broken into lines."""
    return re.sub(r"\s+".join(map(re.escape, sentence.split())), "", words)


@contextmanager
def _everywhere(name: str, instead: Any) -> Iterator[None]:
    """Replace a function in all modules of the command line that have imported it."""
    with ExitStack() as patches:
        for module in _modules_of_commands():
            if hasattr(module, name):
                patches.enter_context(patch.object(module, name, instead))
        yield


@cache
def _modules_of_commands() -> list[ModuleType]:
    return [it for path, it in sys.modules.items() if path.startswith("embfilter_viz.cli.")]


_MODELS: dict[str, Any] = {}


@contextmanager
def _models_kept() -> Iterator[None]:
    """Open each model once for all commands."""
    from embfilter_viz import model

    opening = model.open_model

    def kept(name: str, **options: Any) -> Any:
        if name not in _MODELS:
            _MODELS[name] = opening(name, **options)
        return _MODELS[name]

    with patch.object(model, "open_model", kept):
        yield


@contextmanager
def _at_rest() -> Iterator[None]:
    """Be the browser's clock (``rest.js``): it gives back the ticket it was wound up with last."""
    from embfilter_viz.ui import results

    tickets: dict[str, str | None] = {}
    with (
        patch.object(results, "ask_at_rest", lambda ticket, *, key: tickets.update({key: ticket})),
        patch.object(results, "rested", lambda key: tickets.get(key) or ""),
    ):
        yield


PAGES = {
    "Start": "start",
    "Spectrum": "spectrum",
    "Average token": "average_token",
    "Filter and lens": "filter_and_lens",
    "Two texts": "two_texts",
    "Geometry": "geometry",
    "Window laboratory": "window_lab",
    "Compare": "compare",
}
"""Not Claims: it shows the sentences of its command, word for word, and would measure all again."""

PRESSED = ("Embed", "Score")
"""How the buttons begin without which a page has not all its sentences."""

ANSWER = "**On this model:** "


def pages(one: Combination, model: str) -> Iterator[Said]:
    """What stands on each page once it is complete."""
    from embfilter_viz.ui.task_inputs import NAMES
    from tests.pages.explorer import Explorer, as_read

    link = {
        "model": model, "prompt": one.prompt, "window": one.window, "task": NAMES[one.task],
        "gauge": one.gauge, "text": one.text, "windows": "τ curve",
        "first_text": one.text, "second_text": OTHER_TEXT,
    }  # fmt: skip
    too_long = len(one.text) > 1000
    if too_long:
        del link["text"], link["first_text"]
    for name, script in PAGES.items():
        reader = Explorer(script, **link)
        for key in {"text", "first_text"} & {box.key for box in reader.at.text_area}:
            if too_long:
                reader.change(key, one.text)
        for button in list(reader.at.button):
            if button.label.startswith(PRESSED):
                reader.press(button.label)
        with _at_rest():
            reader.run()  # winds the clock up
            reader.run()  # has it run down
        place = f"page {name}"
        for shown in reader.at.main.markdown:
            if shown.value.startswith(ANSWER):
                yield Said(place, "sentence", as_read(shown.value.removeprefix(ANSWER)))
        for shown in reader.at.main.caption:
            yield Said(place, "caption", as_read(shown.value))
        for shown in reader.at.main.metric:
            yield Said(place, "figure", f"{shown.label}: {shown.value} {shown.delta}".strip())
        for kind in ("info", "warning", "error"):
            for shown in getattr(reader.at.main, kind):
                yield Said(place, kind, as_read(shown.value))
