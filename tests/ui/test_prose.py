"""Our own words: what is marked is in the glossary, and nothing in them is read as markup."""

import ast
import re
from pathlib import Path

import pytest

from embfilter_viz.analyses.lesson_steps import MISREADINGS, STEPS
from embfilter_viz.data.glossary import GLOSSARY, meaning_of
from embfilter_viz.data.marks import marked_words
from embfilter_viz.errors import InputError
from embfilter_viz.ui.openings import OPENINGS
from embfilter_viz.ui.prose import prose_html

ROOT = Path(__file__).parents[2]


def all_words() -> set[str]:
    """Every word that any text of ours marks."""
    texts = [text for step in STEPS for text in (step.text, step.move, step.ask)]
    texts += [*MISREADINGS.values(), *(one.question + one.look_for for one in OPENINGS.values())]
    for page in (ROOT / "pages").glob("*.py"):
        tree = ast.parse(page.read_text(encoding="utf-8"))
        texts += [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
    return {word for text in texts for word in marked_words(text)}


def test_every_marked_word_is_in_the_glossary() -> None:
    words = all_words()
    assert {"embedding", "cosine", "head", "direction", "random subspace"} <= words
    for word in words:
        assert meaning_of(word)
    with pytest.raises(InputError, match="not in the glossary"):
        meaning_of("flux capacitor")


def test_each_meaning_is_one_plain_sentence_and_names_a_page_that_is_there() -> None:
    asked = {
        *("head", "direction", "singular value", "τ", "window", "gauge", "p̂", "Δπ", "anisotropy"),
        *("lens", "PromptEOL", "anatomy", "frequent token", "random subspace", "interval", "bulk"),
        "edge",
    }
    assert asked <= set(GLOSSARY)
    for term in GLOSSARY.values():
        assert re.fullmatch(r"[A-Z][^.!?]*(?:\.\d[^.!?]*)*\.", term.meaning), term.word
        assert len(term.meaning) < 220, term.word
        assert term.page in ("", *OPENINGS), term.word


def test_a_term_is_a_disclosure_with_its_meaning() -> None:
    said = prose_html("Two [[cosine]]s.")
    assert said.startswith('Two <details class="term" name="term"><summary>cosines</summary>')
    assert meaning_of("cosine") in said


def test_nothing_is_read_as_markup() -> None:
    said = prose_html("<img src=x onerror=alert(1)> & **b** {red|1,2}", "a_chart")
    assert "<img" not in said
    assert "&lt;img" in said
    assert "<b>b</b>" in said
    assert 'data-figure="a_chart" data-see="1,2">red</span>' in said
