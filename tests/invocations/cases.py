"""Bad invocations: of every parameter that click knows, and by hand of every kind.

A parameter that is added later is tried without an entry here, by its type: a text by values that
no file, model or number has. Where such a value is a good one, :data:`FREE` says so, and where a
command needs a new argument to come as far as the bad one, :data:`VALUES`.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

import click

from embfilter_viz.cli.commands import cli
from embfilter_viz.errors import one_line
from tests.invocations.by_hand import BY_HAND

__all__ = ["Case", "all_cases", "cases_of", "share"]

DIGITS = "9" * 5000
_FEW = 3
"""Values that are tried again where another command has the same option."""
_METAVARS = {
    "address": ("items", "--address"),
    "text": ("text",),
    "texts": ("text",),
    "tau": ("tau",),
    "window": ("window",),
    "taus": ("tau",),
    "named": ("column",),
    "roles": ("column",),
    "language": ("language",),
    "alpha": ("α",),
    "only": ("language",),
}
"""What else a refusal may call a parameter."""
UNDECODED = "x\udcff"
"""What Python makes of an argument that is no UTF-8."""
LONG = "n" * 300


@dataclass(frozen=True)
class Case:
    """One invocation that must be refused."""

    kind: str
    """What is wrong, for the table."""
    arguments: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Environment variables beside; such a case has a process of its own."""
    named: tuple[str, ...] = ()
    """Of these words the refusal must have one: the input, by its name or its value."""

    def __str__(self) -> str:
        shown = [one if len(one) <= 60 else f"{one[:20]}…({len(one)})" for one in self.arguments]
        settings = [f"{name}={value[:60]}" for name, value in self.variables.items()]
        return " ".join(repr(one) if " " in one or not one else one for one in (*settings, *shown))


VALUES: dict[str, tuple[str, ...]] = {
    "model": ("model",),
    "file": ("texts.txt",),
    "text": ("a cat",),
    "texts": ("a cat", "a dog"),
    "lesson texts": ("a cat", "a dog"),
    "data": ("pairs.csv",),
    "kind": ("sts",),
    "index": ("0",),
    "output": ("made.npy",),
    "export output": ("made.safetensors",),
    "format": ("filter",),
    "export kind": ("filter",),
    "where": ("http://127.0.0.1:9",),
    "filter_file": ("filter.safetensors",),
    "vectors": ("vectors.npy",),
    "address": ("sqlite:books.db#items.raw",),
    "runs": ("model", "mean", "raw"),
}
"""What makes a required argument or option a good one, by its name or the command's and its."""

WITH: dict[str, tuple[str, ...]] = {
    "follow": ("--positions",),
    "pooling": ("--prompt-template", "{text}"),
    "app models": ("--public",),
    "apply text_column": ("--model", "model"),
    "apply file": ("--model", "model"),
    "apply name": ("--texts", "texts.txt"),
    "export texts": ("--format", "report"),
    "export learnt_from": ("--method", "mean-subtraction"),
    "ray": ("--workers", "2"),
    "sweep": ("--task", "sts"),
    "verify": ("--model", "model"),
    "compare": ("--run", "model", "mean", "raw", "--run", "model", "mean", "2"),
}
"""What an option or a command needs beside it, or it would be refused for its want."""

INSTEAD: dict[str, Mapping[str, tuple[str, ...]]] = {
    f"embed {name}": {"file": ("corpus.parquet",), "output": ("shards",)}
    for name in ("key", "rows", "workers", "ray", "column")
}
"""Which arguments are others beside an option."""

NUMBERS = ("", "x", "1.5x", "nan", "inf", "-inf", "--", DIGITS, UNDECODED, "1e400", "0x10", "½")
FILES = (*("", "no-such.txt", "no-such/file.txt", "folder", "pipe", "socket", "loop", "dangling"),
         *("empty", "binary", "/dev/null", "/dev/zero", "/proc/self/mem", LONG, UNDECODED,
           "~nosuchuser/x", "unreadable", "latin.txt"))  # fmt: skip
OUTPUTS = ("", "folder", "pipe", "socket", "loop", "/dev/null", "/dev/full", "/dev/stdout",
           "no-such/folder/out", "texts.txt/out", "/proc/out", LONG,
           "theirs.bin", ".", "..", "/")  # fmt: skip
MODELS = (*("", " ", "no-such-model", "/no/such/folder", "no/such.gguf", "org/name@", "a--b/c"),
          *("org/name@../x", "org/name@/dev/zero", "a/b/c", "../..", "texts.txt", "pickle.bin"),
          *("folder", "pipe", "socket", "loop", "dangling", "empty", "binary", "/dev/zero", LONG),
          *(DIGITS, UNDECODED, "a\nb", "~nosuchuser/x", "ｏrg/name", "engine:", "engine:#x"),
          *("engine:nope#model", "engine:http://#model", "engine:ftp://h#model", "engine:http://h"),
          *("engine:http://127.0.0.1:9#model", "engine:http://h:99999#model", "org/no-such"),
          *("http://localhost/model", "org/name.bin", "unreadable", "C:\\models", "."))  # fmt: skip
WORDS = ("", " ", "no-such-thing", DIGITS, UNDECODED, "a\nb", "\x1b[31mred", "=", ",", ":")

BY_MEANING: dict[str, tuple[str, ...]] = {
    "model": MODELS,
    "head_from": MODELS,
    "yardsticks": MODELS,
    "app models": (),
    "engines": ("", "nope", "ftp://host", "http://", "http://h:99999", DIGITS, UNDECODED, "a\nb"),
    "file": FILES,
    "data": (*FILES, "demo-xx", "texts.txt", "qrels.tsv", "mteb:", "mteb:NoSuchTask"),
    "source": (*FILES, "modle"),
    "prompt_file": (*FILES, "texts.txt"),
    "relative_to": (*FILES, "one.txt"),
    "translate": (*FILES, "one.txt"),
    "calibration": FILES,
    "learnt_from": FILES,
    "filter_file": (*FILES, "vectors.npy", "model/model.safetensors"),
    "vectors": (*FILES, "texts.txt", "narrow.npy", "objects.npy", "theirs.bin"),
    "ranges": (*FILES, "vectors.npy", "narrow.npy", "objects.npy"),
    "scales": (*FILES, "narrow.npy", "objects.npy"),
    "output": OUTPUTS,
    "where": ("", "no-such", "pipe", "texts.txt", "folder", "http://", "http://127.0.0.1:9",
              "http://h:99999", "ftp://host", DIGITS, UNDECODED, "loop", "/dev/zero"),
    "tau": (*NUMBERS, "0", "-1", "33", "3:9"),
    "taus": (*NUMBERS, "0", "-1", "33", "2,x", ","),
    "window": ("", "x", "2", ":::", "9:3", "3:3", "0:33", "-1:9", "a:b", "nan:inf", "1.5:9",
               f"0:{DIGITS}", UNDECODED, "1:2:3", "2; rm -rf *"),
    "address": ("", "no-such", "sqlite:", "sqlite:books.db", "sqlite:books.db#",
                "sqlite:books.db#items", "sqlite:books.db#nope.raw", "sqlite:books.db#items.nope",
                "sqlite:no-such.db#items.raw", "sqlite:texts.txt#items.raw",
                "sqlite:folder#items.raw", "sqlite:pipe#items.raw", "oracle:x#y.z",
                "duckdb:no-such.duckdb#items.raw", "duckdb:texts.txt#items.raw",
                "lancedb:folder#items.raw", "lancedb:no-such#items.raw", "qdrant:no-such#items",
                "qdrant:http://127.0.0.1:9#items", "qdrant:nope://#x", DIGITS, UNDECODED,
                "postgresql://127.0.0.1:9/db#items.raw", "sqlite:books.db#items.title"),
    "app address": ("", "not an address", "999.999.999.999", "http://host", DIGITS, UNDECODED,
                    "host:80", "8.8.8.8"),
    "prefix": ("..", "a b", "a/../b", "?x", "#", "%2e", DIGITS + "!", UNDECODED, "a\nb", "<x>"),
    "language": ("", "tlh", "en,en", "en=0", "en=-1", "en=nan", "en=x", ",", "=", DIGITS,
                 UNDECODED, f"en={DIGITS}"),
    "only": (*WORDS, "de"),
    "ray": ("", "127.0.0.1:9", "nope", "ray://", UNDECODED),
    "runs": (),
    "name": MODELS,
    "export texts": FILES,
    "propose texts": FILES,
}  # fmt: skip
"""Bad values of a text, by the parameter's name or the command's and its."""

FREE: dict[str, tuple[str, ...]] = {
    "follow": WORDS[1:],
    "to": WORDS[1:],
    "spectrum model": ("engine:http://127.0.0.1:9#model",),
    "directions model": ("engine:http://127.0.0.1:9#model",),
    "text": ("no-such-thing", DIGITS, "a\nb", "\x1b[31mred", "=", ",", ":"),
    "texts": ("no-such-thing", DIGITS, "a\nb", "\x1b[31mred", "=", ",", ":"),
    "named": (",", " "),
}
"""Values that are good ones of a text after all."""


def all_cases() -> list[Case]:
    """Every case, the same ones in the same order each time."""
    made = [*cases_of(cli.commands), *(Case(*one) for one in BY_HAND)]
    return list({(case.arguments, str(case.variables)): case for case in made}.values())


def cases_of(commands: Mapping[str, click.Command]) -> Iterator[Case]:
    """What is wrong with each parameter of each command, as click knows them."""
    yield Case("no such command", ("bogus",), named=("bogus",))
    yield Case("no such option", ("--bogus",), named=("bogus",))
    tried: Counter[str] = Counter()
    for name, command in commands.items():
        good = tuple(part for part in _good(name, command) if part != "--")
        yield Case("no such option", (*good, "--bogus"), named=("bogus",))
        takes_more = any(isinstance(p, click.Argument) and p.nargs < 0 for p in command.params)
        if not takes_more:
            more = (*good, "more", "and-more", "and-more")
            yield Case("an argument too many", more, named=("more",))
        for one in command.params:
            same = f"{one.name} {one.opts} {one.type!r} {one.help if _is_option(one) else ''}"
            yield from _of_parameter(name, command, one, tried[same])
            tried[same] += 1


def _of_parameter(
    name: str, command: click.Command, one: click.Parameter, before: int
) -> Iterator[Case]:
    """What is wrong with one parameter, all others being good.

    Args:
        name: the command's.
        command: the command.
        one: its parameter.
        before: how many commands had the same one: those after the first try a few of its values.
    """
    said = (*one.opts, _metavar(one), *(_METAVARS.get(one.name or "", ())))
    if one.required:
        arguments = [_metavar(it) for it in command.params if isinstance(it, click.Argument)]
        named = said if isinstance(one, click.Option) else (*said, *arguments)
        yield Case("left out", _good(name, command, without=one), named=named)
    if isinstance(one, click.Option):
        good = tuple(part for part in _good(name, command) if part != "--")
        if one.is_flag:
            yield Case("a value for a switch", (*good, f"{one.opts[0]}=x"), named=said)
            return
        yield Case("an option without its value", (*good, one.opts[0]), named=said)
    values = list(_bad_values(name, one))
    if before:
        values = (values * 2)[_FEW * before % max(1, len(values)) :][: min(_FEW, len(values))]
    if os.geteuid() == 0:  # who may read everything
        values = [one for one in values if one[1] != "unreadable"]
    for kind, value in values:
        yield Case(kind, _good(name, command, one, value), named=(*said, *_shown(value)))


def _is_option(one: click.Parameter) -> TypeGuard[click.Option]:
    return isinstance(one, click.Option)


def _bad_values(command: str, one: click.Parameter) -> Iterator[tuple[str, str]]:
    free = _of(FREE, command, one) or ()
    kind = one.type
    if isinstance(kind, click.Choice):
        first = next(iter(kind.choices))
        values = ("", "no-such-thing", f"{first}x", f" {first}", DIGITS, UNDECODED, "a\nb")
        yield from (("a name that is none", value) for value in values)
    elif isinstance(kind, click.types.IntParamType | click.types.FloatParamType):
        for value in NUMBERS:
            if value not in free:
                yield "a number that is none", value
        for value in _out_of_range(kind):
            yield "a number out of its range", value
    else:
        meant = _of(BY_MEANING, command, one)
        meant = WORDS if meant is None else meant
        for value in meant:
            if value not in free:
                yield _kind_of(meant), value


def _out_of_range(kind: click.ParamType) -> tuple[str, ...]:
    least, most = getattr(kind, "min", None), getattr(kind, "max", None)
    below = () if least is None else (str(least - 1), str(least - 10**30))
    above = (str(10**30),) if most is None else (str(most + 1), str(10**30))
    # A number without an upper bound is only too large if something of that size would be made.
    return (*below, *(above if most is not None else ()))


def _of(
    table: Mapping[str, tuple[str, ...]], command: str, one: click.Parameter
) -> tuple[str, ...] | None:
    """What a table has for a parameter: by the command's and its name, or by its own."""
    return table.get(f"{command} {one.name}", table.get(one.name or ""))


def _kind_of(meant: tuple[str, ...]) -> str:
    kinds = ((FILES, "a file"), (MODELS, "a model"), (OUTPUTS, "an output"))
    for values, words in kinds:
        if meant[: len(values)] == values:
            return f"{words} that is none"
    return "a number that is none" if meant[:3] == NUMBERS[:3] else "a word that means nothing"


def _good(
    name: str,
    command: click.Command,
    changed: click.Parameter | None = None,
    value: str = "",
    without: click.Parameter | None = None,
) -> tuple[str, ...]:
    """A good invocation of a command, with one value changed, or one left out."""
    options = [*WITH.get(name, ())]
    arguments: list[str] = []
    others = INSTEAD.get(f"{name} {changed.name}", {}) if changed else {}
    for one in command.params:
        if one is without or not (one.required or one is changed):
            continue
        values = others.get(one.name or "") or _of(VALUES, name, one) or ("x",)
        if one.nargs == 1:
            values = values[:1]
        if one is changed:
            values = (*values[:-1], value)
        if isinstance(one, click.Argument):
            arguments += values
        elif one is changed:
            # With "=", or a value that begins with "-" would be an option.
            options += _of(WITH, name, one) or ()
            long = one.opts[0].startswith("--")
            options += [f"{one.opts[0]}={value}"] if long else [one.opts[0], value]
        else:
            options += [one.opts[0], *values]
    if without is not None and isinstance(without, click.Argument):
        arguments = arguments[:0]
    return (name, *options, "--", *arguments) if arguments else (name, *options)


def _metavar(one: click.Parameter) -> str:
    return (one.metavar or one.name or "").strip("[]").upper()


def _shown(value: str) -> tuple[str, ...]:
    """What a refusal may show of a value."""
    printed = one_line(value.removeprefix("engine:"))
    return tuple(
        part
        for part in (
            printed[:12],
            repr(value)[1:13],
            repr(value) if value.isspace() or not value else "",
        )
        if part.strip()
    )


def share(cases: list[Case], every: int, at: int = 0) -> list[Case]:
    """Every ``every``-th case, and one of each kind at least."""
    chosen = {id(case): case for case in cases[at::every]}
    kinds = {case.kind for case in chosen.values()}
    for case in cases:
        if case.kind not in kinds:
            kinds.add(case.kind)
            chosen[id(case)] = case
    return list(chosen.values())


assert sys.getfilesystemencoding() == "utf-8", "arguments that are no UTF-8 are among the cases"
