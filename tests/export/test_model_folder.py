"""Folders are opened with the real sentence-transformers, and their vectors held against ours."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from embfilter_viz import open_model
from embfilter_viz.analyses.calibration import Calibration
from embfilter_viz.analyses.methods import Parts
from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.export.model_folder import MODULES, save_model_folder
from embfilter_viz.export.refinement import refinement
from embfilter_viz.export.trying import LEAST_COSINE
from embfilter_viz.model import Model
from embfilter_viz.spectral.filters import EmbedFilter
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.outputs import written_folder
from tests.models.tiny_adapters import adapter_on
from tests.models.tiny_checkpoints import (
    build_model,
    byte_level_tokenizer,
    one_thread,
    save,
    sentencepiece_tokenizer,
)
from tests.models.tiny_embedders import QUERY, embedder, lender

__all__ = ["one_thread"]

WINDOW = Window(3, 20, 32)
OURS = '{"format": "embfilter-viz folder"}'
TEXTS = [
    "the cat sat on the mat.",
    'a "quoted" text!"',
    "Größe 東京 שלום 😀",
    " x ",
    "</s> and <s> as text",
    "the stock market. " * 300,
    "猫" * 400,
    "a",
]


def with_bos() -> Tokenizer:
    return byte_level_tokenizer(adds_bos=True)


def tiny_of(folder: Path, family: str, tokenizer: Callable[[], Tokenizer]) -> Model:
    model, more = build_model(family), {}
    if family == "gemma3_text":
        more["max_shard_size"] = "40KB"
    if family == "qwen2":
        model = model.to(torch.bfloat16)
    return open_model(str(save(model, folder / family, tokenizer(), **more).folder))


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return (a.astype(float) * b).sum(axis=1) / norms


@pytest.mark.parametrize(
    ("family", "tokenizer", "prompt"),
    [
        ("llama", with_bos, "prompteol"),
        ("llama", with_bos, "mean"),
        ("qwen2", byte_level_tokenizer, "prompteol"),
        ("gemma3_text", sentencepiece_tokenizer, "prompteol"),
        ("mistral", sentencepiece_tokenizer, "last"),
        ("gpt2", byte_level_tokenizer, "mean"),
    ],
)
def test_sentence_transformers_gives_our_vectors(
    family: str, tokenizer: Callable[[], Tokenizer], prompt: str, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    model = tiny_of(tmp_path, family, tokenizer)
    made = save_model_folder(tmp_path / "out", model, WINDOW, prompt=prompt)
    assert made.check.cosine is not None
    assert made.check.cosine >= LEAST_COSINE
    opened = SentenceTransformer(str(made.path), device="cpu", trust_remote_code=False)
    theirs = opened.encode(TEXTS, batch_size=3, show_progress_bar=False)
    ours = EmbedFilter(model.spectrum, window=WINDOW).transform(model.encoder.encode(TEXTS, prompt))
    assert theirs.shape == (len(TEXTS), WINDOW.k)
    assert cosines(ours, theirs).min() >= LEAST_COSINE
    np.testing.assert_allclose(theirs, ours, atol=1e-4 * np.abs(ours).max())
    shards = len(list(made.path.glob("model-*.safetensors")))
    assert (shards > 1) == (family == "gemma3_text")
    assert json.loads((made.path / "embfilter.json").read_text())["removes"] == WINDOW.removes
    modules = json.loads((made.path / "modules.json").read_text())
    assert all(module["type"].startswith("sentence_transformers.") for module in modules)
    assert len(modules) == len(MODULES)


@pytest.mark.parametrize("name", ["mean-subtraction", "window+mean-projection", "reweighting"])
def test_a_method_travels_as_one_affine_map(name: str, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    model = tiny_of(tmp_path, "llama", with_bos)
    texts = [f"the cat {i} sat on {i * i} mats" for i in range(40)]
    learnt_from = None if name == "reweighting" else Calibration(tuple(texts), "forty texts")
    taken = refinement(
        model, name, WINDOW, prompt="mean", calibration=learnt_from,
        frequencies=model.frequencies("corpus", texts),
    )  # fmt: skip
    made = save_model_folder(tmp_path / "out", model, taken, prompt="mean")
    assert made.check.cosine is not None
    assert made.check.cosine >= LEAST_COSINE
    opened = SentenceTransformer(str(made.path), device="cpu", trust_remote_code=False)
    theirs = opened.encode(TEXTS, batch_size=3, show_progress_bar=False)
    E, C = model.encode(TEXTS, "mean").astype(float), model.encode(texts, "mean").astype(float)
    mean, V = C.mean(axis=0), model.spectrum.V[:, WINDOW.kept].astype(float)
    if name == "mean-subtraction":
        expected = E - mean
    elif name == "window+mean-projection":
        unit = mean @ V / np.linalg.norm(mean @ V)
        expected = E @ V - np.outer(E @ V @ unit, unit)
    else:
        parts = Parts(model, WINDOW, frequencies=model.frequencies("corpus", texts))
        expected = E @ model.centred_spectrum.V * parts.reweighting().weights_
    np.testing.assert_allclose(theirs, expected, atol=1e-4 * np.abs(expected).max())
    bias = json.loads((made.path / "2_Dense" / "config.json").read_text())["bias"]
    assert bias == (name == "mean-subtraction")
    card = json.loads((made.path / "embfilter.json").read_text())
    assert card["method"] == name
    assert card["calibration"] == ("" if name == "reweighting" else "forty texts")
    readme = (made.path / "README.md").read_text()
    assert f"| Method | {name}: " in readme
    assert "the last module holds the method as one affine map" in readme


def test_a_model_open_in_a_lower_precision_is_refused_first(tmp_path: Path) -> None:
    folder = save(build_model("llama"), tmp_path / "llama", byte_level_tokenizer()).folder
    with pytest.raises(InputError, match=r"open in bfloat16, .*: open the model in float32"):
        save_model_folder(tmp_path / "out", open_model(str(folder), dtype="bfloat16"), WINDOW)
    assert list(tmp_path.glob("*out*")) == []


@pytest.mark.parametrize("pooling", ["lasttoken", "mean"])
def test_an_embedder_keeps_its_own_way_of_reading(pooling: str, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize

    asked = {"prompts": {"query": QUERY}, "default_prompt_name": "query", "pooling": pooling}
    source = embedder(tmp_path, include_prompt=pooling != "mean", more=(Normalize(),), **asked)
    model = open_model(str(source), head_from=lender(tmp_path))
    made = save_model_folder(tmp_path / "out", model, WINDOW, prompt="published")
    assert made.check.cosine is not None
    assert made.check.cosine >= LEAST_COSINE
    theirs = SentenceTransformer(str(made.path), device="cpu").encode(TEXTS)
    own = SentenceTransformer(str(source), device="cpu").encode(TEXTS)
    V = model.spectrum.V[:, WINDOW.kept]
    np.testing.assert_allclose(theirs, own @ V, atol=1e-5)
    card = json.loads((made.path / "embfilter.json").read_text())
    assert (card["prompt"], card["head_from"]) == ("published", "lender")
    readme = (made.path / "README.md").read_text()
    assert "as its makers have it: “Instruct: find the cat" in readme
    assert "| Head lent by | lender |" in readme


def test_an_adapter_is_not_exported_without_what_it_changes(tmp_path: Path) -> None:
    base = save(build_model("llama"), tmp_path / "base", byte_level_tokenizer()).folder
    model = open_model(str(adapter_on(base, tmp_path / "adapter")))
    with pytest.raises(InputError, match="would hold its base without it"):
        save_model_folder(tmp_path / "out", model, WINDOW)
    assert list(tmp_path.glob("*out*")) == []


def test_echo_cannot_be_said_in_standard_modules(tiny_model: Model, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mean is over the second time"):
        save_model_folder(tmp_path / "out", tiny_model, WINDOW, prompt="echo")
    assert list(tmp_path.glob("*out*")) == []


def test_a_tokenizer_that_would_read_the_prompt_otherwise_is_refused(tmp_path: Path) -> None:
    model = tiny_of(tmp_path, "llama", sentencepiece_tokenizer)
    with pytest.raises(InputError, match=r"prompt mean: the tokenizer of .* reads it differently"):
        save_model_folder(tmp_path / "out", model, WINDOW, prompt="mean")


def test_a_folder_whose_vectors_differ_is_not_handed_out(
    tiny_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from embfilter_viz.export import model_folder

    wrong = EmbedFilter(tiny_model.spectrum, window=Window(2, 19, 32)).affine()
    right = model_folder._write_modules
    monkeypatch.setattr(
        model_folder, "_write_modules", lambda a, b, c, map, d: right(a, b, c, wrong, d)
    )
    with pytest.raises(InputError, match="gives other vectors than ours"):
        save_model_folder(tmp_path / "out", tiny_model, WINDOW)
    assert list(tmp_path.glob("*out*")) == []


def test_a_cancel_leaves_nothing_and_the_old_export_in_place(
    tiny_model: Model, tmp_path: Path
) -> None:
    old = tmp_path / "out"
    old.mkdir()
    (old / "embfilter.json").write_text(OURS)

    def cancel(what: str, done: float, total: float, unit: str) -> None:
        if unit == "MB" and done:
            raise Cancelled

    with pytest.raises(Cancelled):
        save_model_folder(old, tiny_model, WINDOW, progress=cancel)
    assert [path.name for path in tmp_path.glob("*out*")] == ["out"]
    assert (old / "embfilter.json").read_text() == OURS


def test_a_foreign_folder_is_refused_and_with_force_moved_aside(tmp_path: Path) -> None:
    place = tmp_path / "thesis"
    place.mkdir()
    (place / "thesis.tex").write_text("years of work")
    (place / "README.md").write_text("On embfilter-viz. Made by embfilter-viz and me.")
    with pytest.raises(InputError, match="no export of ours"), written_folder(place):
        pytest.fail("the block must not run")
    with written_folder(place, force=True) as folder:
        (folder / "embfilter.json").write_text(OURS)
    assert (tmp_path / "thesis.before-1/thesis.tex").read_text() == "years of work"
    with written_folder(place) as folder:  # ours by now
        (folder / "new").touch()
    assert [path.name for path in place.iterdir()] == ["new"]


@pytest.mark.real_model
def test_the_bundled_model_in_a_folder(bundled: Model, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    window = Window.of_tau(2, bundled.d_model)
    made = save_model_folder(tmp_path / "out", bundled, window)
    texts = ["A man plays the guitar.", "雨の中で", 'They said "no".']
    theirs = SentenceTransformer(str(made.path), device="cpu").encode(texts)
    ours = EmbedFilter(bundled.spectrum, window=window).transform(bundled.encode(texts))
    assert cosines(ours, theirs).min() >= LEAST_COSINE
    readme = (made.path / "README.md").read_text()
    assert "license: apache-2.0" in readme
    assert bundled.checkpoint.content_hash in readme
    assert made.check.sentence in readme
