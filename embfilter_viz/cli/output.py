"""A command's record, printed as JSON or in words."""

import json
import sys
from collections.abc import Callable
from typing import Any

import click

__all__ = ["print_record"]


def print_record(record: dict[str, Any], as_json: bool, words: Callable[[], str]) -> None:
    """The record as JSON, or ``words()`` for a reader; with it a precision that is not float32."""
    model = click.get_current_context().meta.get("embfilter_viz.model")
    encoded = None if model is None or model.dtype == "float32" else model.encoded
    if not as_json:
        click.echo(words())
        if encoded is not None:
            said = f"Texts were read in {encoded['dtype']} on {encoded['device']}, not in float32."
            click.echo(f"\n{said}")
        return
    if encoded is not None:
        record = {**record, "encoded": encoded}
    utf8 = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"
    click.echo(json.dumps(record, ensure_ascii=not utf8, allow_nan=False))
