"""A command's record, printed as JSON or in words."""

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from embfilter_viz.cli.outputs import STANDARD_OUTPUT
from embfilter_viz.wording import counted

if TYPE_CHECKING:
    from embfilter_viz.model import Model

__all__ = ["print_record"]


def print_record(record: dict[str, Any], as_json: bool, words: Callable[[], str]) -> None:
    """The record as JSON, or ``words()`` for a reader; with it what is out of the ordinary.

    That is a precision that is not float32, a served engine, a head that another model lends, a
    layer that is not the last, several templates, and a token at the end of each text that the
    prompt leaves out; the last is told on standard error.
    """
    models: dict[str, Model] = click.get_current_context().meta.get("embfilter_viz.models", {})
    said = [m for m in models.values() if m.encoded_sentence]
    lent = {name: m.head_from for name, m in models.items() if m.head_from is not None}
    read = _read(models)
    unread = _unread(models, read)
    reading = [one for one in (_reading(models[name], prompt) for name, prompt in read) if one]
    for one in unread:
        click.echo(f"embfilter-viz: {one['model']}: {one['sentence']}", err=True)
    # With `-o -`, standard output is the file's.
    aside = click.get_current_context().params.get("output") == STANDARD_OUTPUT
    tell = partial(click.echo, err=aside)
    if not as_json:
        tell(words())
        for name, lender in lent.items():
            tell(f"\nThe head of {lender} is used, because {name} has none of its own.")
        for one in reading:
            tell(f"\n{one['sentence']}")
        for model in said:
            tell(f"\n{model.encoded_sentence}")
        return
    if reading:
        record = {**record, "reading": reading}
    if said:
        record = {**record, "encoded": said[0].encoded}
    if lent:
        record = {**record, "head_from": next(iter(lent.values()))}
    if unread:
        record = {**record, "unread_tokens": unread}
    utf8 = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"
    tell(json.dumps(record, ensure_ascii=not utf8, allow_nan=False))


def _read(models: dict[str, "Model"]) -> list[tuple[str, str]]:
    """The prompts that texts were read under, each with the name of its model."""
    given = click.get_current_context().params
    runs = given.get("runs") or [
        (name, prompt)
        for name in models
        for prompt in (given.get("prompt"), *given.get("beside", ()))
    ]
    return sorted({(name, prompt) for name, prompt, *_ in runs if prompt and models[name].encoded})


def _reading(model: "Model", prompt: str) -> dict[str, Any]:
    """After which layer texts were read and what a text costs; empty for the last layer, once."""
    layer, of, forwards = model.layer_read(prompt), model.n_layers, model.forwards(prompt)
    if (layer, forwards) == (of, 1):
        return {}
    asked = model.prompt(prompt)
    return {
        "model": model.name, "prompt": str(asked), "layer": layer, "n_layers": of,
        "forwards_per_text": forwards,
        "sentence": f"{model.name}, prompt {asked.words}: read after layer {layer} of {of}, in "
        f"{counted(forwards, 'forward pass', 'forward passes')} a text"
        + (f", after {counted(asked.rewritings, 'rewriting')} of it were written."
           if asked.rewritings else "."),
    }  # fmt: skip


def _unread(models: dict[str, "Model"], read: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the tokens at the end of texts that the prompt left out, for each model."""
    return [
        {"model": name, "tokens": list(models[name].end_tokens), "sentence": sentence}
        for name, prompt in read
        if (sentence := models[name].end_tokens_sentence(prompt))
    ]
