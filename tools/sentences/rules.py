"""What every sentence must hold to, as far as a program can tell.

Each rule takes what was said and gives the faults it finds, each as the words at fault and why.
They know few words on purpose: a rule says what it looks for, and a sentence that avoids those
words is not judged by it. What they cannot tell is for whoever reads the file.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tools.sentences.said import Said

__all__ = ["OPPOSITES", "SAME", "faults_between", "faults_of"]

Fault = tuple[str, str]
"""The words at fault, and what is wrong with them."""

NUMBER = r"[-+−]?\d(?:[\d,]*\d)?(?:\.\d+)?"
_INTERVAL = re.compile(rf"(?P<low>{NUMBER}) ?%? to (?P<high>{NUMBER})(?![\d:])")


def faults_of(said: Said) -> Iterator[Fault]:
    """All that is wrong with one thing said, looked at by itself."""
    for rule in (minus_zero, not_a_number, one_and_many, loose_ends):
        yield from rule(said.text)
    if said.kind != "words":  # a table has columns of its own
        for rule in (too_many_digits, intervals_hold, directions_hold, noise_holds):
            yield from rule(said.text)
    if said.kind == "sentence" and said.record:
        yield from numbers_are_in(said.text, said.record)


# -- how it is written ------------------------------------------------------------------------


def minus_zero(text: str) -> Iterator[Fault]:
    """A zero has no minus: "-0.00" is a rounded number whose sign says nothing."""
    for found in re.finditer(r"(?<![\w.])[-−]0(?:\.0+)?(?![\d.:]*\d)", text):
        yield found[0], "a zero with a minus"


def not_a_number(text: str) -> Iterator[Fault]:
    """No number is missing where one should stand."""
    for found in re.finditer(r"(?<![\w“\"])(?:nan|NaN|[-+]?inf|None|null)(?![\w”\"])", text):
        yield found[0], "no number"


_SINGULAR = {
    *("is", "has", "was", "this", "its", "as", "less", "always", "across", "plus", "times"),
    *("does", "alas", "perhaps", "raises", "lowers", "scores", "gives", "holds", "takes"),
}
"""Words that end in s and may follow a 1 all the same."""


def one_and_many(text: str) -> Iterator[Fault]:
    """One is, two are; "1 texts", "1 of 8 windows are" and "first 1" are none of it."""
    one = r"(?<![\d.,:/+−-])(?<!= )1"
    for found in re.finditer(rf"{one} ([a-z]+s)\b", text):
        if found[1] not in _SINGULAR:
            yield found[0], "one, in the plural"
    for found in re.finditer(
        rf"{one}(?: of (?:the )?[\d,]+)?(?: [a-z]+)? (?:are|have|stay)\b", text
    ):
        yield found[0], "one, with a verb for many"
    of_a_kind = r"\b(?:first|last|strongest|weakest|top|the)"
    for found in re.finditer(rf"{of_a_kind} {one}(?![\d.,:]| times)", text):
        yield found[0], "one of a kind needs no number"
    many = r"(?<![\d.,:/−-])(?<!= )(?!1\b)\d[\d,]*"
    whole = r"(?:\b(?:none|one|1|each|any|middle|half) of (?:the )?)?"  # which "is", and rightly
    for found in re.finditer(
        rf"{whole}{many} (?:of (?:the )?[\d,]+ )?[a-z]+s (?:is|has|stays)\b", text
    ):
        if not re.match(r"(?:none|one|1|each|any|middle|half) of", found[0]):
            yield found[0], "many, with a verb for one"


def loose_ends(text: str) -> Iterator[Fault]:
    """Spaces and marks stand where they belong."""
    if "\n" in text.strip():
        return  # a table, of tokens perhaps
    for found in re.finditer(r"\S  +\S| [,.;:](?=\s|$)|\.\.(?!\.)|,,|;;|: *:|\(\s|\s\)", text):
        yield found[0], "spaces or marks out of place"
    if text.count("(") != text.count(")"):
        yield text, "a bracket without its partner"


def too_many_digits(text: str) -> Iterator[Fault]:
    """Five decimals at most, the fewest that part an interval from zero, and no powers of ten."""
    for found in re.finditer(r"(?<!\w)\d+\.\d{6,}|(?<!\w)\d(?:\.\d+)?e[+-]?\d+", text):
        if "e-" not in found[0]:  # 2e-08 for what is as good as nothing can be read
            yield found[0], "more digits than can be read"


# -- what it claims ---------------------------------------------------------------------------


def value_of(words: str) -> float:
    """The number that stands there."""
    return float(words.replace(",", "").replace("−", "-"))


def step_of(words: str) -> float:
    """By how much the number may be off through rounding: half a unit of its last digit."""
    _, point, digits = words.partition(".")
    return 0.5 * 10.0 ** -len(digits) if point else 0.5


def intervals_hold(text: str) -> Iterator[Fault]:
    """An interval goes from low to high and holds the number it stands beside."""
    times = r"(?: times(?: as (?:much|many|fast)(?: as [^()\d]*)?)?)?"
    number = rf"(?<!= )(?<![\d.])(?P<value>{NUMBER}) ?(?:%|×)?{times}"
    beside = re.compile(rf"{number} ?[(\[](?:95 % interval )?{_INTERVAL.pattern}")
    between = re.compile(rf"\((?P<value>{NUMBER}), 95 % interval {_INTERVAL.pattern}\)")
    for found in [*beside.finditer(text), *between.finditer(text)]:
        value, low, high = (found[name] for name in ("value", "low", "high"))
        slack = max(step_of(value), step_of(low), step_of(high)) * 1.001
        if not value_of(low) - slack <= value_of(value) <= value_of(high) + slack:
            yield found[0], f"{value} does not lie from {low} to {high}"
    for found in re.finditer(rf"[(\[](?:[^()\[\]]* )?{_INTERVAL.pattern}", text):
        if value_of(found["low"]) > value_of(found["high"]):
            yield found[0], "an interval from high to low"


_DOWN = r"\b(?:lowers|lower|falls|fell|drops to|shrinks|takes [\w ]+ out|fewer|less)\b"
_UP = r"\b(?:raises|rises|rose|grows|brings more|more of them|higher)\b"
_SAME = r"\b(?:does not change|stays|no difference|makes no|nothing changes)\b"


def directions_hold(text: str) -> Iterator[Fault]:
    """Neither "goes from 3 to 5: lowers" nor "4 before and 2 after: brings more in".

    The clause that follows two numbers says which way they go; one that says that nothing changed
    must not stand beside counts that differ.
    """
    pairs = re.compile(
        rf"from (?P<a>{NUMBER})%? to (?P<b>{NUMBER})%?(?: [\w ]+)?: (?P<clause>[^.;(]*)"
        rf"|(?P<c>{NUMBER})%? (?:[\w “”]+ )?before (?:the filter )?and (?P<d>{NUMBER})%? "
        r"after(?: it)?: (?P<counts>[^.;(]*)"
    )
    for found in pairs.finditer(text):
        counted = found["counts"] is not None
        before, after = (value_of(found[name]) for name in ("cd" if counted else "ab"))
        clause = found["counts"] if counted else found["clause"]
        if re.search(r"\b(?:not|no|neither|nor)\b", clause) and not re.search(_SAME, clause):
            continue
        if re.search(_SAME, clause):
            if counted and before != after:
                yield found[0], "says that nothing changed"
        elif re.search(_DOWN, clause) and (after > before or (counted and after == before)):
            yield found[0], "says down, the numbers say otherwise"
        elif re.search(_UP, clause) and (after < before or (counted and after == before)):
            yield found[0], "says up, the numbers say otherwise"
    for found in re.finditer(rf"falls from (?P<a>{NUMBER}) to (?P<b>{NUMBER})", text):
        if value_of(found["b"]) > value_of(found["a"]):
            yield found[0], "says down, the numbers say otherwise"


_SURE = r"\b(?:beyond (?:the )?(?:noise|uncertainty|chance)|surely|significantly)\b"
_UNSURE = r"\bwithin (?:the )?(?:noise|uncertainty)\b"
_NOT = r"\b(?:no|not|none|neither|nor|never|without|hardly|cannot)\b"


def noise_holds(text: str) -> Iterator[Fault]:
    """By "beyond noise" stands an interval without zero, by "within noise" one with it.

    Differences are told by their signs, "+0.3 (-0.1 to +0.7)"; of "n times" (0.9 to 1.1) it is 1
    that decides.
    """
    for clause in re.split(r"(?<=[.;])\s|[;]", text):
        signed = [
            found
            for found in _INTERVAL.finditer(clause)
            if found["low"][0] in "+-−" and found["high"][0] in "+-−"
        ]
        if len(signed) != 1:
            continue
        low, high = value_of(signed[0]["low"]), value_of(signed[0]["high"])
        sure = re.search(_SURE, clause)
        denied = sure and re.search(_NOT, clause[: sure.end()])
        if re.search(_UNSURE, clause) or denied:
            if low > 0 or high < 0:
                yield clause.strip(), "within noise, by an interval without zero"
        elif sure and low <= 0 <= high and not (low == 0 or high == 0):
            yield clause.strip(), "beyond noise, by an interval with zero in it"


_NAMES = re.compile(
    r"\S*[/\\]\S+|\b\w+-\w+[\w.-]*|(?:τ|tau|α|k|l|r) = ?[\d.]+|95 %|@\d+|× 100\b|float\d+"
    r"|\b\d+:\d+\b|“[^”]*”"
)
"""What holds digits without being a figure: paths, names, the window, and fixed words."""

CONSTANTS = frozenset({100.0, 5.0, 3.0, 1.0, 0.0})
"""The k most frequent tokens, the edge in percent, the proposal's limit; and none and one."""

LONG = 64
"""Lists longer than that say nothing of a number found in them: they hold nearly every one."""


def numbers_are_in(text: str, record: Mapping[str, Any]) -> Iterator[Fault]:
    """Every number of a sentence is one of its record's, rounded, or the length of a list there."""
    known = [*_figures(record), *CONSTANTS]
    for found in re.finditer(rf"(?<![\w.:]){NUMBER}(?!\w|\.\d)", _NAMES.sub(" ", text)):
        value, slack = abs(value_of(found[0])), step_of(found[0]) * 1.001
        if not any(
            abs(abs(one) - value) <= slack or _rounds_to(one, found[0])
            for figure in known
            for one in (figure, 100 * figure)
        ):
            yield found[0], "no such number among the record's"


def _rounds_to(figure: float, words: str) -> bool:
    """Whether a figure shown with that many significant digits reads so: 0.876 and "0.88"."""
    digits = len(re.sub(r"\D", "", words).lstrip("0"))
    shown = value_of(words)
    return math.isclose(float(f"{abs(figure):.{max(digits, 1)}g}"), abs(shown), rel_tol=1e-9)


def _figures(value: Any) -> Iterator[float]:
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        if math.isfinite(value):
            yield float(value)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _figures(part)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield float(len(value))
        if len(value) <= LONG:
            for part in value:
                yield from _figures(part)


# -- what it says beside others ---------------------------------------------------------------

OPPOSITES: tuple[tuple[str, str], ...] = (
    (r"(?<!of )\b[Tt]he U is there", r"\b(?:[Tt]he U is absent|[Nn]o U|[Hh]alf of the U)"),
    (r"\b[Hh]alf of the U is there", r"\b(?:[Tt]he U is absent|[Nn]o U)"),
    (r"lowers anisotropy", r"raises anisotropy|makes no difference beyond"),
    (r"raises anisotropy", r"makes no difference beyond"),
    (r"takes frequent tokens out", r"brings more of them in"),
    (r"\bagree to rounding", r"do NOT agree"),
)
"""Claims that must not both stand on one page, nor be made of the same question elsewhere."""

SAME: tuple[tuple[str, str], ...] = (
    ("page Average token", "command spectroscopy"),
    ("page Filter and lens", "command lens"),
    ("page Two texts", "command pair"),
    ("page Geometry", "command geometry"),
    ("page Window laboratory", "command sweep"),
    ("page Compare", "command compare"),
)
"""Places that answer one question of one combination: a page says what the command begins with."""


SAME_FIGURES: tuple[tuple[str, str, str, str], ...] = (
    ("command sweep", "raw", "command compare", "first.score.value"),
    ("command sweep", "raw_interval", "command compare", "first.score.low-high"),
)
"""Figures of two commands that are one quantity: command and path, command and path."""

WHOLE = r"drops nothing|nothing is dropped|keeps (?:all|everything)|nothing to drop|all directions"
"""How a sentence says that the window keeps every direction."""


def faults_between(
    said: Iterable[Said], window: tuple[int, int, int]
) -> Iterator[tuple[str, str, str]]:
    """Where, which words and why: things said of one combination that contradict each other.

    Args:
        said: all that was said.
        window: l, r and d.
    """
    by_place: dict[str, list[Said]] = {}
    for one in said:
        by_place.setdefault(one.where, []).append(one)
    for place, here in by_place.items():
        if place.startswith("page"):
            for words, why in opposites(here):
                yield place, words, why
            for words, why in one_value_a_name(here):
                yield place, words, why
            for words, why in none_and_some(here):
                yield place, words, why
    for page, command in SAME:
        shown, printed = (
            next((one.text for one in by_place.get(place, ()) if one.kind == "sentence"), None)
            for place in (page, command)
        )
        if None not in (shown, printed) and not _plain(printed).startswith(_plain(shown)):
            yield page, shown, f"{command} says: {printed}"
    yield from figures_differ(by_place)
    yield from window_is_owned_up_to(by_place, window)


def figures_differ(by_place: Mapping[str, Sequence[Said]]) -> Iterator[tuple[str, str, str]]:
    """One quantity has one value in the records of two commands."""
    for first, path, second, other in SAME_FIGURES:
        values = [
            _at(next((s.record for s in by_place.get(place, ()) if s.record), {}), way)
            for place, way in ((first, path), (second, other))
        ]
        if None not in values and not _close(*values):
            yield first, f"{path} {values[0]}", f"{second} has {other} {values[1]}"


def _at(record: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(record, Mapping):
            return None
        record = [record.get(one) for one in name.split("-")] if "-" in name else record.get(name)
    return record


def _close(one: Any, other: Any) -> bool:
    pairs = zip(*(x if isinstance(x, list) else [x] for x in (one, other)), strict=True)
    return all(math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6) for a, b in pairs)


def window_is_owned_up_to(
    by_place: Mapping[str, Sequence[Said]], window: tuple[int, int, int]
) -> Iterator[tuple[str, str, str]]:
    """A window that drops nothing says so; one that is not the paper's refutes no claim of it."""
    left, right, d = window
    symmetric = d - right - left in (0, 1)
    pages, names = ("Filter and lens", "Two texts", "Geometry"), ("lens", "pair", "geometry")
    for place in (*(f"page {page}" for page in pages), *(f"command {name}" for name in names)):
        sentence = next((s for s in by_place.get(place, ()) if s.kind == "sentence"), None)
        if sentence is None:
            continue
        if right - left == d and not re.search(WHOLE, sentence.text):
            yield place, sentence.text, "the window drops nothing, and the sentence does not say so"
        if not symmetric and "opposite of what the paper" in sentence.text:
            yield place, sentence.text, "the paper does not propose this window"


def _plain(text: str) -> str:
    return " ".join(text.split()).strip(".").casefold()


def opposites(here: Sequence[Said]) -> Iterator[Fault]:
    """Two claims of :data:`OPPOSITES` on one page."""
    for one, other in OPPOSITES:
        says = [[s.text for s in here if re.search(pattern, s.text)] for pattern in (one, other)]
        if all(says):
            yield says[0][0], f"the same page says: {says[1][0]}"


def one_value_a_name(here: Sequence[Said]) -> Iterator[Fault]:
    """Two figures of one name on one page have one value."""
    values: dict[str, str] = {}
    for one in here:
        if one.kind == "figure":
            name, _, value = one.text.partition(": ")
            if values.setdefault(name, value) != value:
                yield one.text, f"the same page says: {name}: {values[name]}"


def none_and_some(here: Sequence[Said]) -> Iterator[Fault]:
    """Where no window is better or worse beyond noise, none is shown with an interval without zero.

    Unless the words beside that interval say that it is not corrected for the others.
    """
    nothing = [s.text for s in here if re.search(r"none of \d+ windows (?:is|are) better", s.text)]
    for one in here:
        found = re.match(rf"{_INTERVAL.pattern}", one.text) if one.kind == "caption" else None
        if nothing and found and "corrected" not in one.text:
            low, high = value_of(found["low"]), value_of(found["high"])
            if low > 0 or (high < 0 and re.search(r"none (?:is )?worse", nothing[0])):
                yield one.text, f"the same page says: {nothing[0]}"
