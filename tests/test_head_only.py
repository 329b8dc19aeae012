"""What opening a model reads of it, and that a head left on disk answers as one in memory does."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embfilter_viz import open_model
from embfilter_viz.analyses.spectroscopy import spectroscopy
from embfilter_viz.analyses.spectrum import describe_direction
from embfilter_viz.model import Model
from embfilter_viz.models.formats import fingerprints, tensors
from embfilter_viz.models.formats.tensors import StoredRows
from embfilter_viz.models.head import unembedding
from tests.models.tiny_checkpoints import D_MODEL, D_VOCAB

HEAD_BYTES = D_VOCAB * D_MODEL * 4


class Reads:
    """Counts the bytes of tensors that are read, and hashed as part of a file."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.tensors = 0
        self.hashed: list[str] = []
        fromfile, file_hash = np.fromfile, fingerprints.file_hash

        def read(file: Any, **how: Any) -> np.ndarray:
            found = fromfile(file, **how)
            if Path(file.name).name == "model.safetensors":  # and no entry of the store
                self.tensors += found.nbytes
            return found

        def hashed(path: Path, **how: Any) -> str:
            self.hashed.append(path.name)
            return file_hash(path, **how)

        patch.setattr(tensors.np, "fromfile", read)
        patch.setattr(fingerprints, "file_hash", hashed)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(monkeypatch)


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    """A copy nobody has opened."""
    return shutil.copytree(tiny, tmp_path / "copy")


def test_the_head_is_all_that_is_read_and_once_known_nothing(folder: Path, reads: Reads) -> None:
    model = open_model(str(folder))
    assert reads.tensors == HEAD_BYTES  # for its hash, and to look for NaN
    known = model.spectrum.singular_values
    assert reads.tensors == 2 * HEAD_BYTES
    frequencies = model.frequencies("corpus", ["the cat sat on the mat"])
    spectroscopy(model, frequencies, top=20)
    describe_direction(model, 0, top=3)
    assert reads.tensors == 2 * HEAD_BYTES
    assert not [name for name in reads.hashed if name.endswith(".safetensors")]
    again = open_model(str(folder))
    np.testing.assert_array_equal(again.spectrum.singular_values, known)
    assert again.d_vocab == D_VOCAB
    assert reads.tensors == 2 * HEAD_BYTES


def test_the_whole_is_hashed_with_the_first_text_and_not_before(folder: Path, reads: Reads) -> None:
    model = open_model(str(folder))
    assert not model.is_whole
    assert not model.is_encoded(["the cat"])
    assert "the head alone" in model.loaded
    model.encode(["the cat"])
    assert "model.safetensors" in reads.hashed
    assert model.is_encoded(["the cat"])
    assert "the head alone" not in model.loaded


def test_layers_that_differ_share_a_spectrum_and_no_embedding(folder: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    other = shutil.copytree(folder, tmp_path / "tuned")
    held = load_file(other / "model.safetensors")
    held["model.layers.0.mlp.up_proj.weight"] *= 2
    save_file(held, other / "model.safetensors", {"format": "pt"})
    one, two = open_model(str(folder)), open_model(str(other))
    assert one.head.digest() == two.head.digest()
    assert one.identity != two.identity
    assert not np.allclose(one.encode(["the cat"]), two.encode(["the cat"]))


def answers(model: Model) -> list[np.ndarray]:
    frequencies = model.frequencies("corpus", ["the cat sat on the mat"])
    found = spectroscopy(model, frequencies, gauge="invariant", top=20)
    direction = describe_direction(model, 1, top=5)
    h = np.random.default_rng(0).normal(size=(3, D_MODEL)).astype(np.float32)
    return [
        model.spectrum.singular_values,
        found.shift["frequent"],
        np.array([token.logit for token in direction.positive]),
        model.unembedding.logits(h),
        model.unembedding.logits(h[0]),
        model.unembedding.W_U[frequencies.most(7)],
        model.unembedding.W_U[5:9],
        np.ones(D_VOCAB) @ model.unembedding.W_U,
    ]


def test_a_head_too_large_to_keep_answers_the_same_from_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = answers(open_model(str(folder)))
    monkeypatch.setattr(unembedding, "KEPT_BYTES", 1000)
    monkeypatch.setattr(StoredRows, "block_bytes", 4096)
    monkeypatch.setenv("EMBFILTER_VIZ_CACHE", str(tmp_path / "another"))
    model = open_model(str(folder))
    assert isinstance(model.unembedding.W_U, StoredRows)
    for mine, theirs in zip(answers(model), kept, strict=True):
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=2e-5)
