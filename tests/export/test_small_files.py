"""The filter file, the FAISS transform and the NumPy lines, each used by what it is for."""

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from embfilter_viz import EmbedFilter, load_filter, open_model
from embfilter_viz.analyses.calibration import Calibration
from embfilter_viz.analyses.methods import METHODS, Parts, fitted
from embfilter_viz.errors import InputError
from embfilter_viz.export.filter_file import save_filter
from embfilter_viz.export.index_transform import faiss_transform, save_faiss
from embfilter_viz.export.numpy_lines import save_numpy
from embfilter_viz.export.provenance import check_of, projection, provenance
from embfilter_viz.export.refinement import Refinement, refinement
from embfilter_viz.model import Model
from embfilter_viz.spectral.affine import AffineMap
from embfilter_viz.spectral.windows import Window
from tests.models.tiny_checkpoints import D_MODEL, one_thread, write_checkpoint

__all__ = ["one_thread"]

WINDOW = Window(3, 20, D_MODEL)


@pytest.fixture
def E() -> np.ndarray:
    return np.random.default_rng(7).standard_normal((40, D_MODEL)).astype(np.float32)


@pytest.fixture
def file(tiny_model: Model, tmp_path: Path) -> Path:
    path = tmp_path / "window.safetensors"
    save_filter(path, tiny_model, WINDOW, prompt="mean", gauge="centred")
    return path


def test_a_filter_comes_back_to_the_bit(file: Path, tiny_model: Model, E: np.ndarray) -> None:
    found = load_filter(file, model=tiny_model)
    own = EmbedFilter(tiny_model.spectrum, window=WINDOW)
    assert found.projection_.tobytes() == np.ascontiguousarray(own.projection_).tobytes()
    np.testing.assert_array_equal(found.transform(E), own.transform(E))
    own.full = True
    np.testing.assert_array_equal(load_filter(file, full=True).transform(E), own.transform(E))
    assert (found.window_, found.removes) == (WINDOW, own.removes)
    assert list(found.get_feature_names_out()) == [f"v{i}" for i in range(3, 20)]


def test_a_filter_file_says_what_it_is(file: Path, tiny_model: Model) -> None:
    said = load_filter(file).metadata
    assert said.items() >= {
        "l": "3", "r": "20", "d_model": "32", "prompt": "mean", "gauge": "centred",
        "head_hash": tiny_model.head.digest(), "checkpoint": "llama",
        "removes": WINDOW.removes,
    }.items()  # fmt: skip
    assert float(said["tau"]) == WINDOW.tau
    assert said["library"].startswith("embfilter-viz ")
    assert str(tiny_model.outline.folder.parent) not in json.dumps(said)


def test_a_filter_is_exported_from_the_head_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Model, "fetch", lambda *_, **__: pytest.fail("the layers are not needed"))
    # A checkpoint of its own: one that this process has hashed is known whole.
    model = open_model(str(write_checkpoint(tmp_path / "fresh", seed=2).folder))
    for save, name in ((save_filter, "a.safetensors"), (save_faiss, "a.vt"), (save_numpy, "a.py")):
        save(tmp_path / name, model, WINDOW)
    assert load_filter(tmp_path / "a.safetensors").metadata["content_hash"] == ""


def test_a_filter_is_of_one_width_and_one_checkpoint(file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="33 columns but the filter was made for 32"):
        load_filter(file).transform(np.ones((2, 33)))
    other = open_model(str(write_checkpoint(tmp_path / "other", seed=1).folder))
    with pytest.raises(InputError, match=r"made for llama \(head \w+…\), not for .*other"):
        load_filter(file, model=other)


def flip(content: bytes) -> bytes:
    return content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (flip, "does not match its checksum"),
        (lambda content: content.replace(b'"l":"3"', b'"l":"4"'), "does not match its checksum"),
        (lambda content: content[:-40], "damaged, or no safetensors file"),
        (lambda content: b"\x80\x04 no such thing", "damaged, or no safetensors file"),
        (lambda content: b"", "damaged, or no safetensors file"),
        (
            lambda content: content.replace(b'"format_version":"1"', b'"format_version":"3"'),
            "upgrade embfilter-viz",
        ),
    ],
)
def test_a_damaged_filter_is_one_line(file: Path, damage: Any, says: str) -> None:
    content = file.read_bytes()
    assert damage(content) != content
    file.write_bytes(damage(content))
    with pytest.raises(InputError, match=says) as refusal:
        load_filter(file)
    assert "\n" not in str(refusal.value)


def test_foreign_files_are_refused_and_left_alone(tiny_model: Model, tmp_path: Path) -> None:
    foreign = tmp_path / "weights.safetensors"
    save_file({"V_window": np.eye(2, dtype=np.float32)}, foreign)
    with pytest.raises(InputError, match="no filter of ours"):
        load_filter(foreign)
    with pytest.raises(InputError, match="not as embfilter-viz wrote it"):
        save_filter(foreign, tiny_model, WINDOW)
    assert load_file(foreign)["V_window"].shape == (2, 2)
    save_filter(foreign, tiny_model, WINDOW, force=True)
    save_filter(foreign, tiny_model, Window(0, 4, D_MODEL))  # our own may be replaced
    assert load_filter(foreign).window_.k == 4


def test_faiss_searches_as_the_filtered_vectors_would(
    tiny_model: Model, tmp_path: Path, E: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    import faiss

    path = tmp_path / "window.vt"
    check = save_faiss(path, tiny_model, WINDOW)
    assert check.cosine is not None
    assert check.cosine > 0.999999
    index = faiss.IndexPreTransform(
        faiss.read_VectorTransform(str(path)), faiss.IndexFlatIP(WINDOW.k)
    )
    index.add(E)
    scores, found = index.search(E[:5], 3)
    full = EmbedFilter(tiny_model.spectrum, window=WINDOW, full=True).transform(E)
    expected = full[:5] @ full.T
    np.testing.assert_array_equal(found, np.argsort(-expected, axis=1)[:, :3])
    np.testing.assert_allclose(scores, -np.sort(-expected, axis=1)[:, :3], rtol=1e-4)
    back = index.chain.at(0).reverse_transform(full[:1] @ projection(tiny_model, WINDOW))
    np.testing.assert_allclose(back, full[:1], atol=1e-5)
    note = (tmp_path / "window.vt.md").read_text()
    monkeypatch.chdir(tmp_path)
    lines = "\n".join(note.split("```python\n")[i].partition("```")[0] for i in (1, 2))
    namespace: dict[str, Any] = {"embeddings": E}
    exec(lines, namespace)  # the note's own lines, cosines last
    namespace["index"].add(E)
    cosines, _ = namespace["index"].search(E[:5], 1)
    np.testing.assert_allclose(cosines, 1, rtol=1e-5)
    assert tiny_model.head.digest() in note
    assert WINDOW.removes in note
    save_faiss(path, tiny_model, WINDOW)  # known for ours by its note


def test_faiss_transform_refuses_the_wrong_width(tiny_model: Model) -> None:
    transform = faiss_transform(projection(tiny_model, WINDOW))
    with pytest.raises(AssertionError):
        transform.apply(np.ones((1, 31), dtype=np.float32))


def test_the_numpy_lines_run_as_they_are(
    tiny_model: Model, tmp_path: Path, E: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_numpy(tmp_path / "window.py", tiny_model, WINDOW)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    exec((tmp_path / "window.py").read_text(encoding="utf-8"), namespace)
    own = EmbedFilter(tiny_model.spectrum, window=WINDOW)
    np.testing.assert_array_equal(namespace["embed_filter"](E), own.transform(E))
    own.full = True
    np.testing.assert_array_equal(namespace["embed_filter"](E, full=True), own.transform(E))


def test_the_numpy_lines_find_their_numbers_from_anywhere(
    tiny_model: Model, tmp_path: Path, E: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_numpy(tmp_path / "lines.py", tiny_model, WINDOW)
    monkeypatch.chdir("/")
    own = EmbedFilter(tiny_model.spectrum, window=WINDOW).transform(E)
    imported = runpy.run_path(str(tmp_path / "lines.py"))
    np.testing.assert_array_equal(imported["embed_filter"](E), own)


METHODS_TAKEN = ["mean-subtraction", "mean-projection", "soft-whitening", "first-direction",
                 "z-score", "rogue-dimensions", "pca", "centred-window", "reweighting",
                 "window+all-but-the-top"]  # fmt: skip


def taken(model: Model, name: str) -> tuple[Refinement, np.ndarray]:
    """A method learnt from forty texts, and what its transformer makes of 40 vectors."""
    texts = tuple(f"the {i} of {i * i}" for i in range(40))
    p = model.frequencies("corpus", texts)
    learnt_from = Calibration(texts, "forty texts") if METHODS[name].learns else None
    found = refinement(model, name, WINDOW, prompt="mean", calibration=learnt_from, frequencies=p)
    E = np.random.default_rng(7).standard_normal((40, D_MODEL)).astype(np.float32)
    own = fitted(name, Parts(model, WINDOW, frequencies=p), model.encode(texts, "mean"))
    return found, own.transform(E)


@pytest.mark.parametrize("name", METHODS_TAKEN)
def test_every_small_export_carries_a_method_with_its_offset(
    tiny_model: Model, tmp_path: Path, E: np.ndarray, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    import faiss

    found, own = taken(tiny_model, name)
    size = np.abs(own).max()
    for save, file in ((save_filter, "a.safetensors"), (save_faiss, "a.vt"), (save_numpy, "a.py")):
        check = save(tmp_path / file, tiny_model, found, prompt="mean")
        assert check.cosine == pytest.approx(1, abs=1e-6)
    saved = load_filter(tmp_path / "a.safetensors", model=tiny_model)
    np.testing.assert_allclose(saved.transform(E), own, atol=1e-5 * size)
    assert (saved.removes, saved.metadata["method"]) == (found.removes, name)
    assert saved.metadata["calibration"] == ("forty texts" if METHODS[name].learns else "")
    assert ("l" in saved.metadata) == METHODS[name].keeps_window
    assert len(saved.get_feature_names_out()) == own.shape[1]
    transform = faiss.read_VectorTransform(str(tmp_path / "a.vt"))
    np.testing.assert_allclose(transform.apply(E), own, atol=1e-4 * size)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    exec((tmp_path / "a.py").read_text(encoding="utf-8"), namespace)
    np.testing.assert_allclose(namespace["embed_filter"](E), own, atol=1e-5 * size)
    for note in ("a.py", "a.vt.md"):
        assert found.does in (tmp_path / note).read_text(encoding="utf-8")


def test_a_method_has_no_full_form_and_is_of_one_model(tiny_model: Model, tmp_path: Path) -> None:
    found, _ = taken(tiny_model, "mean-subtraction")
    path = tmp_path / "a.safetensors"
    save_filter(path, tiny_model, found)
    with pytest.raises(InputError, match="only a window has a full form, and this is mean-sub"):
        load_filter(path, full=True)
    path.write_bytes(flip(path.read_bytes()))
    with pytest.raises(InputError, match="does not match its checksum"):
        load_filter(path)
    with pytest.raises(InputError, match="it learns from texts; give some to calibrate on"):
        refinement(tiny_model, "z-score", WINDOW)
    with pytest.raises(InputError, match="it learns from no texts; leave the calibration out"):
        refinement(tiny_model, "truncation", WINDOW, calibration=Calibration(("a", "b"), "two"))
    small = Refinement("z-score", "", "", AffineMap(np.eye(8), np.zeros(8)), None, None)
    with pytest.raises(InputError, match=r"method z-score was made for 8 numbers; .* has 32"):
        save_filter(tmp_path / "b.safetensors", tiny_model, small)


def test_provenance_refuses_what_is_not_there(tiny_model: Model) -> None:
    with pytest.raises(InputError, match="of 8 directions"):
        provenance(tiny_model, Window(0, 4, 8))
    with pytest.raises(InputError, match="gauge 'none'"):
        provenance(tiny_model, WINDOW, gauge="none")


def test_a_check_tells_the_worst_cosine() -> None:
    found = check_of(np.eye(2), np.array([[1, 0], [1, 1]]), "two vectors")
    assert found.cosine == pytest.approx(0.5**0.5)
    assert "0.7071068" in found.sentence
