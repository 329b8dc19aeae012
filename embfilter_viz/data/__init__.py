"""What the explorer brings along: demo texts written for it, and the paper's tables.

Read with ``importlib.resources`` and ``csv`` alone, so that the first page can show texts before
anything heavy is imported. Sources and licences: ``README.md`` in this folder.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import StringIO

from embfilter_viz.errors import InputError

__all__ = [
    "DEMO_LANGUAGES",
    "DEMO_NAMES",
    "EXAMPLE_PAIR",
    "EXAMPLE_SENTENCES",
    "PAPER_TABLES",
    "UNRELATED_PAIR",
    "UNRELATED_PROMPT",
    "Cell",
    "DemoTexts",
    "a_few_demo_texts",
    "demo_language",
    "demo_name",
    "demo_texts",
    "paper_table",
]

Cell = str | int | float | None
"""One value of a paper's table; None where the paper's cell is empty."""

PAPER_TABLES = ("main_results", "ablation", "geneol_sts")
"""The names that ``paper_table`` knows."""

DEMO_LANGUAGES = {
    "en": "English",
    "hi": "Hindi",
    "id": "Indonesian",
    "ru": "Russian",
    "zh": "Chinese",
}
"""The languages of our demo texts and graded pairs, by the codes of ISO 639-1."""

EXAMPLE_SENTENCES = (
    "A woman is playing the violin under a railway bridge.",
    "How long should I boil an egg if I want the yolk to stay soft?",
    "The court ruled that the airline must pay back every customer by June.",
    "I could not stop laughing, even though the film was not meant to be funny.",
    "Two moons rose over the desert, and the dogs began to howl.",
    "Install the update, restart the computer, and check that your backup still opens.",
)
"""(6,) single sentences to start from where a page has a text box."""


EXAMPLE_PAIR = (EXAMPLE_SENTENCES[0], "A violinist plays beneath the train tracks.")
"""(2,) sentences to start from where a page compares two: much the same in other words."""

UNRELATED_PAIR = (EXAMPLE_SENTENCES[0], "The judge dismissed the case.")
"""(2,) sentences that have nothing to do with one another, to ask why a model finds them alike."""

UNRELATED_PROMPT = "mean"
"""The prompt under which the bundled model shows most plainly what these two share: frequent
tokens. Under PromptEOL it decodes them to few."""


@dataclass(frozen=True)
class DemoTexts:
    """Labelled texts: ``labels[i]`` is the topic of ``texts[i]``.

    >>> DemoTexts(("Add salt.", "Sue them."), ("cooking", "law"), ("cooking", "law")).topics
    ('cooking', 'law')
    """

    texts: tuple[str, ...]
    """(n,) one or two sentences each."""
    labels: tuple[str, ...]
    """(n,) the topic of each text."""
    topics: tuple[str, ...]
    """(n_topics,) the distinct labels, in order of first appearance."""


def _rows(*path: str) -> Iterator[dict[str, str]]:
    text = files(__name__).joinpath(*path).read_text(encoding="utf-8")
    yield from csv.DictReader(StringIO(text, newline=""))


def demo_name(language: str) -> str:
    """Name our demo sets of a language where a file is asked for.

    >>> demo_name("en"), demo_name("hi")
    ('demo', 'demo-hi')
    """
    return "demo" if language == "en" else f"demo-{language}"


DEMO_NAMES = tuple(demo_name(language) for language in DEMO_LANGUAGES)
"""Names of our demo sets, one a language."""


def demo_language(source: object) -> str | None:
    """Return the language of the demo sets that are meant by a name; None for a file's name.

    Raises:
        InputError: a name such as ``demo-xx`` of which we have none.

    >>> demo_language("demo"), demo_language("demo-hi"), demo_language("demo.csv")
    ('en', 'hi', None)
    """
    known = {demo_name(language): language for language in DEMO_LANGUAGES}
    if not isinstance(source, str) or source in known:
        return known.get(source) if isinstance(source, str) else None
    if re.fullmatch("demo-[a-z]{2,3}", source):
        raise InputError(
            f"{source!r}: there is no such demo set; there are {', '.join(DEMO_NAMES)}"
        )
    return None


@cache
def demo_texts(language: str = "en") -> DemoTexts:
    """All demo texts of a language, grouped by topic.

    In English 320, 32 in each of ten topics; in the other languages 60, ten in each of six topics,
    which have their English names.

    Args:
        language: One of :data:`DEMO_LANGUAGES`.

    Raises:
        InputError: We have none in that language.

    >>> demo = demo_texts()
    >>> len(demo.texts), len(demo.labels), len(demo.topics)
    (320, 320, 10)
    >>> demo.labels[0], demo.labels[-1]
    ('astronomy', 'travel')
    >>> len(demo_texts("hi").texts), demo_texts("hi").topics[0]
    (60, 'cooking')
    """
    if language not in DEMO_LANGUAGES:
        raise InputError(
            f"language {language!r}: there are no demo texts in it; "
            f"take one of {', '.join(DEMO_LANGUAGES)}"
        )
    path = ("demo_texts.csv",) if language == "en" else ("languages", language, "texts.csv")
    rows = list(_rows(*path))
    labels = tuple(row["label"] for row in rows)
    return DemoTexts(
        texts=tuple(row["text"] for row in rows),
        labels=labels,
        topics=tuple(dict.fromkeys(labels)),
    )


@cache
def a_few_demo_texts(n_per_topic: int = 4) -> DemoTexts:
    """The first ``n_per_topic`` demo texts of every topic, the topics taking turns.

    Always the same texts, and a smaller subset is the beginning of a larger one: what was encoded
    for one is found in the store for the other.

    Args:
        n_per_topic: Texts of each topic, 1 to 32.

    Raises:
        InputError: ``n_per_topic`` is out of range.

    >>> few = a_few_demo_texts(2)
    >>> few.labels[:3], len(few.texts)
    (('astronomy', 'cooking', 'medicine'), 20)
    >>> a_few_demo_texts(3).texts[:20] == few.texts
    True
    """
    demo = demo_texts()
    n_most = min(demo.labels.count(topic) for topic in demo.topics)
    if not 1 <= n_per_topic <= n_most:
        raise InputError(
            f"n_per_topic={n_per_topic}: each topic has {n_most} demo texts; try 1 to {n_most}"
        )
    pairs = list(zip(demo.texts, demo.labels, strict=True))
    by_topic = [[pair for pair in pairs if pair[1] == topic][:n_per_topic] for topic in demo.topics]
    texts, labels = zip(
        *(pair for turn in zip(*by_topic, strict=True) for pair in turn), strict=True
    )
    return DemoTexts(texts=texts, labels=labels, topics=demo.topics)


def paper_table(name: str) -> list[dict[str, Cell]]:
    """One of the paper's tables, a dictionary a row, numbers as numbers.

    Wu, Chen, Liu, Cui, Li and Yan (2026), arXiv 2606.07502. Scores are in points of 100. In
    ``geneol_sts`` the ``tau`` of the third row is text, because the paper prints 2 twice.

    Args:
        name: One of ``PAPER_TABLES``: "main_results", "ablation" or "geneol_sts".

    Raises:
        InputError: There is no such table.

    >>> row = paper_table("main_results")[1]
    >>> row["backbone"], row["prompt"], row["variant"], row["tau"], row["average"]
    ('Qwen2.5-0.5B', 'PromptEOL', 'EmbedFilter', 2, 54.57)
    >>> paper_table("main_results")[0]["tau"] is None
    True
    """
    if name not in PAPER_TABLES:
        raise InputError(f"{name!r}: not a table of the paper; try {', '.join(PAPER_TABLES)}")
    return [
        {column: _cell(text) for column, text in row.items()}
        for row in _rows("paper", f"{name}.csv")
    ]


def _cell(text: str) -> Cell:
    if not text:
        return None
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
