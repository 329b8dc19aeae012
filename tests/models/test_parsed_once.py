"""Opening and encoding parse each header, configuration and tokenizer once."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from embfilter_viz.model import open_model
from embfilter_viz.models.formats import gguf_header, safetensors_header, schemas
from embfilter_viz.models.head import vocabulary
from embfilter_viz.models.sources import gguf_conversion, gguf_outline


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, str]]:
    """How often we parsed what; transformers, which loads the weights, reads on its own account."""
    counts: Counter[tuple[str, str]] = Counter()

    def counted(module: Any, name: str, kind: str) -> None:
        real = getattr(module, name)

        def called(first: Any, *more: Any, **named: Any) -> Any:
            counts[kind, str(getattr(first, "folder", first))] += 1
            return real(first, *more, **named)

        monkeypatch.setattr(module, name, called)

    counted(safetensors_header, "_read_table", "header")
    counted(vocabulary, "_open_tokenizer", "tokenizer")
    for module in (gguf_header, gguf_outline, gguf_conversion):
        if hasattr(module, "read_header"):
            counted(module, "read_header", "GGUF header")
    real = schemas.read_json

    def read_json(path: Path, *how: Any, **named: Any) -> Any:
        if path.name == "config.json":
            counts["configuration", str(path)] += 1
        return real(path, *how, **named)

    monkeypatch.setattr(schemas, "read_json", read_json)
    return counts


def use(name: str) -> None:
    """What a page does: the card, the tokens, the spectrum, an embedding, a layer's state."""
    model = open_model(name)
    assert model.card.fits
    assert model.vocabulary.text(0)
    assert len(model.spectrum.singular_values) == model.d_model
    model.encode(["a text nobody has embedded before"], "mean")
    assert len(model.layers("a text", "mean")) == model.card.n_layers + 1


def test_of_a_folder(tiny: Path, parsed: Counter[tuple[str, str]]) -> None:
    use(str(tiny))
    assert parsed == {
        ("header", str(tiny / "model.safetensors")): 1,
        ("configuration", str(tiny / "config.json")): 1,
        ("tokenizer", str(tiny)): 1,
    }


@pytest.mark.real_model
def test_of_the_bundled_model(parsed: Counter[tuple[str, str]], bundled: Any) -> None:
    parsed.clear()  # of the fixture, which opened it too
    use("smollm2-135m")
    assert sorted(kind for kind, _ in parsed) == ["configuration", "header", "tokenizer"]
    assert set(parsed.values()) == {1}
