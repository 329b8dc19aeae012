"""Arguments and options that several commands take, and what can be chosen in them."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import click

from embfilter_viz.cli.prompting import (
    POOLINGS,
    PROMPTS,
    other_prompts_option,
    prompt_option,
    prompt_option_with,
)
from embfilter_viz.errors import InputError

__all__ = [
    "COUNT",
    "DEMOS",
    "DEVICES",
    "EXPORTS",
    "FINITE",
    "GAUGES",
    "METHODS",
    "POOLINGS",
    "PRECISIONS",
    "PROMPTS",
    "REMOVALS",
    "SEED",
    "TASKS",
    "WEIGHT",
    "alpha_option",
    "column_option",
    "columns_of",
    "encodes",
    "frequencies_option",
    "head_from_option",
    "json_option",
    "language_option",
    "model_argument",
    "other_prompts_option",
    "prompt_option",
    "prompt_option_with",
    "reference_option",
    "refuse_empty",
    "tau_option",
    "window_option",
]

# Spelled out, so that --help imports nothing; a test holds them to the library's own names.
GAUGES = ("paper", "centred", "invariant")
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("float32", "bfloat16", "float16")
REMOVALS = ("embedfilter", "dominant", "secondary", "bulk", "optimal", "truncation", "random")
EXPORTS = ("filter", "sentence-transformers", "onnx", "faiss", "numpy", "report")
METHODS = (
    *("embedfilter", "centred-window", "reweighting", "reweighting-window", "mean-subtraction"),
    *("mean-projection", "first-direction", "all-but-the-top", "soft-whitening", "z-score"),
    *("whitening", "whitening-full", "pca", "rogue-dimensions", "truncation"),
    *("random-coordinates", "random-subspace", "window+mean-subtraction"),
    *("window+mean-projection", "window+first-direction", "window+all-but-the-top"),
    *("window+soft-whitening", "window+z-score", "centred-window+mean-subtraction"),
    "reweighting+mean-subtraction",
)
TASKS = ("sts", "retrieval", "classification", "clustering", "pairs")

DEMOS = ("demo", "demo-hi", "demo-id", "demo-ru", "demo-zh")


class _Finite(click.FloatRange):
    """A number that is one: Python reads "nan" and "inf" too."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number, once it is known to be finite and in its range."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


class _Given(click.types.StringParamType):
    """Words that are there: a shell writes nothing where a variable was never set."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The words, once there are some."""
        if value == "":
            self.fail("it is empty; give a value, or leave it out", param, ctx)
        return super().convert(value, param, ctx)


def refuse_empty(command: click.Command) -> None:
    """Have a command refuse an empty value of an option, or of a file or place.

    Each would take it in its own way: as if it were not given, or as the folder one is in. A model
    or a text that is empty is told of in its own words.
    """
    for one in command.params:
        told = isinstance(one, click.Argument) and one.name in ("model", "text", "texts")
        if one.type is click.STRING and one.default != "" and not told:
            one.type = _Given()
        if isinstance(one, click.Option) and isinstance(one.type, click.Tuple):
            one.type = click.Tuple([_Given() for _ in one.type.types])


COUNT = click.IntRange(min=1)
SEED = click.IntRange(min=0)
FINITE = _Finite()
WEIGHT = _Finite(min=0)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
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
    help="The source of the token frequencies: the model's own predictions, word frequencies "
        "(English unless --language says else), or the counts in a file of texts.",
)  # fmt: skip
alpha_option = click.option(
    "--alpha", type=FINITE, default=1.0, show_default=True,
    help="Number added to every count of wordfreq or FILE, because log 0 is undefined.",
)  # fmt: skip


def reference_option(default: str | None) -> Callable[..., Any]:
    """The option that names other texts to compare with."""
    return click.option(
        "--relative-to", metavar="demo|demo-id|…|FILE", default=default,
        show_default=default is not None,
        help="Other texts whose mean embedding is removed: our demo texts, in English "
        f"or another language ({', '.join(DEMOS[1:])}), or those in a file.",
    )  # fmt: skip


def _noted(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Keep an option that every command hands to ``opened_model`` alike."""
    ctx.meta[f"embfilter_viz.{parameter.name}"] = value
    return value


def _noted_number(ctx: click.Context, parameter: click.Parameter, value: int | None) -> int | None:
    """Keep a number likewise."""
    ctx.meta[f"embfilter_viz.{parameter.name}"] = value
    return value


def _language(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Note the languages under their one name, and refuse an unknown one before a model opens."""
    if value is None:
        return None
    from embfilter_viz.models.head.languages import Languages

    return _noted(ctx, parameter, Languages.of(value).name)


language_option = click.option(
    "--language", metavar="CODE|CODE,CODE|CODE=W,…", expose_value=False, callback=_language,
    help="Language of the word frequencies (wordfreq), such as de; of several, such as en,id or "
        "en=3,id=1, the weights divided by their sum are their shares of a text, equal if not "
        "stated.  [default: en]",
)  # fmt: skip
head_from_option = click.option(
    "--head-from", metavar="MODEL", expose_value=False, callback=_noted,
    help="For a model saved without a head: another model of the same width and tokens. Only its "
        'head is read. In JSON it is "head_from".',
)  # fmt: skip


def model_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument of a command that opens a model, and the model that may lend it a head."""
    return click.argument("model")(head_from_option(command))


yardstick_option = click.option(
    "--yardstick", "yardsticks", multiple=True, metavar="MODEL",
    help="A model that was trained for embeddings, to stand beside: the folder or hub id of a "
    "sentence-transformers model. May be repeated.",
)  # fmt: skip

_device = click.option(
    "--device", type=click.Choice(DEVICES), default="auto", show_default=True,
    expose_value=False, callback=_noted,
    help="Where the model runs: auto is the fastest device of this machine, cpu the processor, "
        "cuda a graphics card, mps an Apple GPU.",
)  # fmt: skip
_dtype = click.option(
    "--dtype", type=click.Choice(PRECISIONS), default="float32", show_default=True,
    expose_value=False, callback=_noted,
    help="Precision that the model runs in, or a served engine at least. The output "
        'names it if it is not float32, in JSON as "encoded".',
)  # fmt: skip


_engine_requests = click.option(
    "--engine-requests", type=click.IntRange(min=1), metavar="N", expose_value=False,
    callback=_noted_number,
    help="Requests to a served engine (engine:URL#NAME) that run at once.  [default: 8]",
)  # fmt: skip


def encodes(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a command that runs the model over texts."""
    return _device(_dtype(_engine_requests(command)))


column_option = click.option(
    "--column", metavar="text=NAME",
    help="Of a .csv, .tsv, .json, .jsonl or .parquet: the column of texts, where several hold "
         "texts.",
)  # fmt: skip


def columns_of(named: Iterable[str]) -> dict[str, str]:
    """Return which column is what, from every ``--column ROLE=NAME``.

    Raises:
        InputError: one that is not written so.

    >>> columns_of(["score=gold"])
    {'score': 'gold'}
    """
    for one in named:
        if "=" not in one:
            raise InputError(f"--column {one!r}: write it as ROLE=NAME, such as score=gold")
    return dict(one.split("=", 1) for one in named)
