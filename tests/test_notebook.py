"""The lines a notebook needs: those the README shows, run as they stand there."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.models.tiny_checkpoints import one_thread

__all__ = ["one_thread"]

README = Path(__file__).parents[1] / "README.md"
MODEL = "smollm2-135m"
LINES = f"""
from embfilter_viz import open_model, EmbedFilter
model = open_model("{MODEL}")
texts = ["A man plays the guitar.", "Stocks fell on Monday."]
embeddings = model.encode(texts, prompt="prompteol")
refined = EmbedFilter(model.spectrum, tau=2).transform(embeddings)
"""


def readme_lines() -> str | None:
    """The README's first block of Python, if there is a README and one in it."""
    if not README.exists():
        return None
    found = re.search(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.S | re.M)
    return found and found[1]


def run(lines: str, model: str) -> dict[str, Any]:
    assert MODEL in lines, "the block opens the bundled model by its name"
    names: dict[str, Any] = {}
    exec(lines.replace(MODEL, model), names)
    return names


def check(names: dict[str, Any]) -> None:
    """Every array that the lines left behind is finite, and one is the filter of another."""
    from embfilter_viz import EmbedFilter
    from embfilter_viz.model import Model

    (model,) = (value for value in names.values() if isinstance(value, Model))
    arrays = [value for value in names.values() if isinstance(value, np.ndarray)]
    assert all(np.isfinite(array).all() for array in arrays)
    raw = [a for a in arrays if a.ndim == 2 and a.shape[1] == model.d_model]
    assert raw, "the block embeds some texts"
    filtered = EmbedFilter(model.spectrum, tau=2).transform(raw[0])
    assert any(np.array_equal(filtered, a) for a in arrays if a is not raw[0])


@pytest.mark.parametrize("source", ["design.md's lines", "README"])
def test_on_the_tiny_model(tiny: Path, source: str) -> None:
    lines = LINES if source != "README" else readme_lines()
    if lines is None:
        pytest.skip("README.md has no block of Python yet")
    names = run(lines, tiny.as_posix())
    check(names)


@pytest.mark.real_model
def test_on_the_real_model() -> None:
    names = run(readme_lines() or LINES, MODEL)
    check(names)


def test_in_a_pipeline_of_scikit_learn(tiny: Path) -> None:
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    from embfilter_viz import EmbedFilter, open_model

    model = open_model(str(tiny))
    pets = ["the cat sat", "the dog sat on the cat", "a cat and a dog", "the dog"]
    stocks = ["the stock market", "a market index", "stocks of the market", "an index of stocks"]
    embeddings, labels = model.encode(pets + stocks, prompt="mean"), [0] * 4 + [1] * 4
    pipeline = make_pipeline(
        EmbedFilter(model.spectrum, tau=2), Normalizer(), LogisticRegression(C=1e4)
    )
    assert clone(pipeline).fit(embeddings, labels).score(embeddings, labels) == 1
    pipeline.set_params(embedfilter__tau=4).fit(embeddings, labels)
    assert pipeline[:1].transform(embeddings).shape == (8, model.d_model // 4)
