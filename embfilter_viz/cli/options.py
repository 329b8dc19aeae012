"""Arguments and options that several commands take, and what can be chosen in them."""

from collections.abc import Callable
from typing import Any

import click

__all__ = [
    "COUNT",
    "DEVICES",
    "EXPORTS",
    "GAUGES",
    "PRECISIONS",
    "PROMPTS",
    "REMOVALS",
    "SEED",
    "TASKS",
    "alpha_option",
    "encodes",
    "frequencies_option",
    "json_option",
    "model_argument",
    "prompt_option",
    "tau_option",
    "window_option",
]

# Spelled out, so that --help imports nothing; a test holds them to the library's own names.
PROMPTS = ("prompteol", "echo", "mean", "last")
GAUGES = ("paper", "centred", "invariant")
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("float32", "bfloat16", "float16")
REMOVALS = ("embedfilter", "dominant", "secondary", "bulk", "optimal", "truncation", "random")
EXPORTS = ("filter", "sentence-transformers", "faiss", "numpy", "report")
TASKS = ("sts", "retrieval", "classification", "clustering", "pairs")

COUNT = click.IntRange(min=1)
SEED = click.IntRange(min=0)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
model_argument = click.argument("model")
prompt_option = click.option(
    "--prompt", type=click.Choice(PROMPTS), default="prompteol", show_default=True,
    help="How a text is put to the model, and what is pooled.",
)  # fmt: skip
tau_option = click.option(
    "--tau", metavar="T", help="Keep the middle d/T directions, as the paper does.  [default: 2]"
)
window_option = click.option(
    "--window",
    metavar="L:R",
    help="Keep directions L to R - 1 instead; either end may be left out.",
)
frequencies_option = click.option(
    "--frequencies", "source", metavar="model|wordfreq|FILE", default="model", show_default=True,
    help="Where token frequencies come from: the model's own predictions, English word "
    "frequencies, or the counts in a file of texts.",
)  # fmt: skip
alpha_option = click.option(
    "--alpha", type=float, default=1.0, show_default=True,
    help="Added to every count of wordfreq or FILE, for log 0 is undefined.",
)  # fmt: skip


def _noted(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    """Keep an option that every command hands to ``opened_model`` alike."""
    ctx.meta[f"embfilter_viz.{parameter.name}"] = value
    return value


_device = click.option(
    "--device", type=click.Choice(DEVICES), default="auto", show_default=True,
    expose_value=False, callback=_noted,
    help="Where the model runs: the fastest that is here, the processor, a graphics card, Apple's.",
)  # fmt: skip
_dtype = click.option(
    "--dtype", type=click.Choice(PRECISIONS), default="float32", show_default=True,
    expose_value=False, callback=_noted,
    help='Precision the model runs in; a lower one is said, in JSON as "encoded".',
)  # fmt: skip


def encodes(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a command that runs the model over texts."""
    return _device(_dtype(command))
