"""ONNX folders are opened by onnxruntime, and their vectors held against ours."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from embfilter_viz import load_filter, open_model
from embfilter_viz.analyses.calibration import Calibration
from embfilter_viz.cli import main
from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.export import onnx_folder, onnx_vectors
from embfilter_viz.export.onnx_folder import save_onnx_folder
from embfilter_viz.export.onnx_reader import Embedder
from embfilter_viz.export.onnx_reading import Reading, published_reading, reading_of
from embfilter_viz.export.onnx_vectors import is_onnx_folder, vectors_of_onnx
from embfilter_viz.export.refinement import Refinement, refinement
from embfilter_viz.export.tokenizing import Tokenizing
from embfilter_viz.export.trying import LEAST_COSINE, FolderExport
from embfilter_viz.model import Model
from embfilter_viz.models.encoding import onnx_graph
from embfilter_viz.models.encoding.onnx_graph import graph_of
from tests.export.test_model_folder import TEXTS, WINDOW, cosines, with_bos
from tests.models.tiny_checkpoints import (
    build_model,
    byte_level_tokenizer,
    one_thread,
    save,
    sentencepiece_tokenizer,
)
from tests.models.tiny_embedders import QUERY, embedder, lender

__all__ = ["one_thread"]

ALONE = """
import sys

class Barred:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("torch", "transformers", "embfilter_viz"):
            raise AssertionError(f"{name} is imported")

sys.meta_path.insert(0, Barred())
import json
import numpy as np
from embed import Embedder

texts = json.loads(sys.argv[1])
np.save(sys.argv[2], Embedder(".").encode(texts, batch_size=3))
"""


def tiny_of(folder: Path, family: str, tokenizer: Callable[[], Tokenizer], **more: Any) -> Model:
    """A model of two layers: exporting takes its time for each."""
    made = build_model(family, num_hidden_layers=2, **more)
    return open_model(str(save(made, folder / family, tokenizer()).folder))


@dataclass(frozen=True)
class Made:
    """An export, and our own vectors."""

    model: Model
    taken: Refinement
    folder: Path
    export: FolderExport

    def ours(self, texts: Sequence[str]) -> np.ndarray:
        return self.taken.map(self.model.encode(texts, "mean"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A sliding window, a mean without BOS and a method with an offset, exported as users do."""
    place = tmp_path_factory.mktemp("onnx")
    layers = ["sliding_attention", "full_attention"]
    model = tiny_of(place, "gemma3_text", sentencepiece_tokenizer, layer_types=layers)
    learnt_from = Calibration(tuple(f"the cat {i} sat on {i * i} mats" for i in range(40)), "forty")
    taken = refinement(model, "mean-subtraction", WINDOW, prompt="mean", calibration=learnt_from)
    export = save_onnx_folder(place / "out", model, taken, prompt="mean")
    return Made(model, taken, export.path, export)


def test_onnxruntime_and_tokenizers_alone_give_our_vectors(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "vectors.npy"
    asked = [sys.executable, "-B", "-c", ALONE, json.dumps(TEXTS), str(out)]
    subprocess.run(asked, check=True, cwd=made.folder, timeout=60)
    theirs, ours = np.load(out), made.ours(TEXTS)
    assert theirs.dtype == np.float32
    assert cosines(ours, theirs).min() >= LEAST_COSINE
    np.testing.assert_allclose(theirs, ours, atol=1e-4 * np.abs(ours).max())
    lengths = [len(p.ids) for p in made.model.encoder.prepare(TEXTS, "mean")]
    assert min(lengths) < 8 < max(lengths)  # the window of tests.models.tiny_checkpoints
    assert made.model.encoder.truncated(TEXTS, "mean").sum() == 2
    assert not made.taken.map.is_linear


def test_the_folder_says_what_it_is_and_how_to_call_it(made: Made) -> None:
    assert is_onnx_folder(made.folder)
    assert sorted(file.name for file in made.folder.iterdir()) == [
        "README.md", "config.json", "embed.py", "embedding.json", "embfilter.json",
        "filter.safetensors", "model.onnx", "tokenizer.json",
    ]  # fmt: skip
    said = json.loads((made.folder / "embedding.json").read_text())
    assert (said["output"], said["dimensions"]) == ("sentence_embedding", 32)
    assert json.loads((made.folder / "embfilter.json").read_text())["method"] == made.taken.method
    readme = (made.folder / "README.md").read_text()
    assert made.export.check.sentence in readme
    assert "the first 1 left out of it" in readme
    E = made.model.encode(TEXTS[:2], "mean")
    filtered = load_filter(made.folder / "filter.safetensors", model=made.model).transform(E)
    np.testing.assert_allclose(filtered, made.taken.map(E), atol=1e-4)


def test_verify_asks_it_and_knows_its_method(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS[:3]))
    asked = ["verify", str(made.folder), "--with", str(tmp_path / "texts.txt"), "--json"]
    for more, same in (([], True), (["--prompt", "last"], False)):
        with pytest.raises(SystemExit, match="0" if same else "1"):
            main([*asked, "--model", made.model.name, *more])
        said = json.loads(capsys.readouterr().out)
        assert said["same"] == same
    assert said["faults"][0].startswith("the pooling is the mean over the text's tokens")


def test_the_lines_of_the_readme_run_as_they_stand(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made.folder)
    lines = (made.folder / "README.md").read_text().split("```python\n")[2].partition("```")[0]
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # the folder is read by other tests
    seen: dict[str, Any] = {"texts": TEXTS[:3]}
    exec(lines, seen)
    ours = made.ours(TEXTS[:3])
    np.testing.assert_allclose(seen["embeddings"], ours, atol=1e-4 * np.abs(ours).max())


def padded(rng: np.random.Generator, lengths: Sequence[int]) -> tuple[np.ndarray, ...]:
    """Tokens and mask, padded on the right and then on the left."""
    longest = max(lengths)
    right = rng.integers(2, 300, (len(lengths), longest))
    mask = np.ones_like(right)
    for row, length in enumerate(lengths):
        right[row, length:] = mask[row, length:] = 0
    left = np.stack([np.roll(r, longest - n) for r, n in zip(right, lengths, strict=True)])
    return right, mask, left, np.ascontiguousarray(mask[:, ::-1])


def test_padding_on_the_left_changes_nothing(made: Made) -> None:
    session = Embedder(made.folder)._session
    right, mask, left, flipped = padded(np.random.default_rng(0), (12, 5, 2))
    a, b = (
        session.run(None, {"input_ids": x, "attention_mask": m})[0]
        for x, m in ((right, mask), (left, flipped))
    )
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    assert np.isfinite(a).all()


def test_the_last_token_of_length_one_by_the_plain_forward_pass() -> None:
    model = build_model("llama", num_hidden_layers=2)
    rng = np.random.default_rng(0)
    A = rng.standard_normal((32, 5), dtype=np.float32)
    graph = graph_of(model.base_model, None, A, np.zeros(5, np.float32),
                     pooling="last", start=0, normalised=True)  # fmt: skip
    lengths = (9, 4, 1)
    right, mask, left, flipped = map(torch.from_numpy, padded(rng, lengths))
    with torch.no_grad():
        states = [model.base_model(right[[i], :n]).last_hidden_state[0, -1]
                  for i, n in enumerate(lengths)]  # fmt: skip
        plain = torch.stack([h / h.norm() for h in states]) @ torch.from_numpy(A)
        for ids, read in ((right, mask), (left, flipped)):
            torch.testing.assert_close(graph(ids, read), plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("family", "tokenizer"), [("llama", with_bos), ("gemma3_text", sentencepiece_tokenizer)]
)
def test_prompteol_is_in_the_tokens_and_its_end_stays_behind_a_long_text(
    family: str, tokenizer: Callable[[], Tokenizer], tmp_path: Path
) -> None:
    model = tiny_of(tmp_path, family, tokenizer)
    embedder = tokens_of(reading_of(model, model.prompt("prompteol")))
    prepared = model.encoder.prepare(TEXTS)
    assert [embedder.tokens(text) for text in TEXTS] == [list(one.ids) for one in prepared]
    assert sum(one.truncated for one in prepared) == 2


def test_words_around_a_text_are_said_where_no_tokenizer_writes_them() -> None:
    template = '{{ "<s>Say \\"" ~ messages[-1][\'content\'] ~ "\\":" }}'
    made = Tokenizing({}, template, "", "</s>")
    assert made.around == ('<s>Say "', '":')
    assert not made.is_plain


def tokens_of(read: Reading) -> Embedder:
    """What tokenises a text, without the graph."""
    found = object.__new__(Embedder)
    found.settings = read.settings(1)
    found._tokenizer = Tokenizer.from_str(json.dumps(read.tokenizer))
    return found


@pytest.mark.parametrize("pooling", ["mean", "lasttoken"])
def test_an_embedder_keeps_its_own_way_of_reading(pooling: str, tmp_path: Path) -> None:
    from sentence_transformers.sentence_transformer.modules import Normalize

    asked = {"prompts": {"query": QUERY}, "default_prompt_name": "query", "pooling": pooling}
    source = embedder(tmp_path, include_prompt=False, more=(Normalize(),), **asked)
    model = open_model(str(source), head_from=lender(tmp_path))
    read = published_reading(model.fetch().outline)
    prepared = model.encoder.prepare(TEXTS, "published")
    found = tokens_of(read)
    assert [found.tokens(text) for text in TEXTS] == [list(one.ids) for one in prepared]
    assert read.normalised
    assert read.start == (prepared[0].start if pooling == "mean" else 0)


def test_a_cancel_leaves_nothing(tiny_model: Model, tmp_path: Path) -> None:
    def cancel(what: str, *_: Any) -> None:
        if what == "Starting torch":
            raise Cancelled

    with pytest.raises(Cancelled):
        save_onnx_folder(tmp_path / "out", tiny_model, WINDOW, progress=cancel)
    assert list(tmp_path.glob("*out*")) == []


def test_a_folder_whose_vectors_differ_is_not_handed_out(
    tiny_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_folder, "run_in_child_of", lambda *_, **__: 0)
    monkeypatch.setattr(
        onnx_folder, "vectors_of_onnx", lambda _, texts, **__: np.ones((len(texts), WINDOW.k))
    )
    with pytest.raises(InputError, match="onnxruntime gives other vectors than ours"):
        save_onnx_folder(tmp_path / "out", tiny_model, WINDOW)
    assert list(tmp_path.glob("*out*")) == []


def test_an_architecture_that_torch_cannot_export_is_refused_in_one_line(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Any) -> Any:
        raise RuntimeError("step 3 of 3") from TypeError("a dynamic\nbranch")

    monkeypatch.setattr(onnx_graph, "exported", fails)
    np.save(tmp_path / "matrix.npy", np.eye(32, 4, dtype=np.float32))
    np.save(tmp_path / "offset.npy", np.zeros(4, np.float32))
    with pytest.raises(InputError) as error:
        onnx_graph.write_graph(str(tmp_path), str(tiny), "tiny", "last", 0, False)
    assert "cannot write this architecture as ONNX (TypeError: a dynamic branch)" in str(
        error.value
    )
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("echo", "prompt echo: its mean is over the second time .* an ONNX folder cannot do"),
        ("mean@1", "layer 1: an ONNX folder runs all layers"),
    ],
)
def test_what_the_graph_cannot_do_is_refused_first(
    prompt: str, said: str, tiny_model: Model, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=said):
        save_onnx_folder(tmp_path / "out", tiny_model, WINDOW, prompt=prompt)
    assert list(tmp_path.glob("*out*")) == []


def test_a_missing_library_is_named_with_the_extra(
    tiny_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(name: str) -> Any:
        return None if name == "onnxscript" else find_spec(name)

    monkeypatch.setattr(onnx_vectors, "find_spec", found)
    with pytest.raises(InputError, match=r"onnxscript not installed; pip install .*\[onnx\]"):
        save_onnx_folder(tmp_path / "out", tiny_model, WINDOW)


def test_what_is_no_such_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "embedding.json").write_text("{}")
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    byte_level_tokenizer().save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(InputError, match="onnxruntime cannot read it"):
        vectors_of_onnx(tmp_path, TEXTS[:1])
