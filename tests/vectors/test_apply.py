"""Stored vectors filtered in blocks: against a product in NumPy, in every kind of file."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embfilter_viz.analyses.calibration import Calibration
from embfilter_viz.cli import main
from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.export.filter_file import load_filter, save_filter
from embfilter_viz.export.refinement import refinement
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.files import unfinished
from embfilter_viz.vectors import apply_filter, open_vectors, stored
from embfilter_viz.vectors.arrow import NOTE

N, D = 1000, 32
E = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)


@pytest.fixture
def window(tiny_model: Model, tmp_path: Path) -> Path:
    """A filter of the tiny model that keeps 8:24."""
    save_filter(tmp_path / "window.safetensors", tiny_model, Window(8, 24, D))
    return tmp_path / "window.safetensors"


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 70 rows: many of them, the last one short."""
    monkeypatch.setattr(stored, "BLOCK_BYTES", 70 * 4 * D)


def by_hand(window: Path, rows: np.ndarray) -> np.ndarray:
    """The definition, in float64."""
    return rows.astype(np.float64) @ load_filter(window).V_window.astype(np.float64)


@pytest.mark.parametrize(
    ("dtype", "kept", "within"),
    [("float32", "float32", 2e-6), ("float16", "float16", 4e-3), ("float64", "float64", 1e-12),
     ("int8", "float32", 1e-4), (">f4", "float32", 2e-6)],
)  # fmt: skip
def test_an_array_is_filtered_as_by_hand_in_its_precision(
    dtype: str, kept: str, within: float, window: Path, tmp_path: Path
) -> None:
    rows = (20 * E if dtype == "int8" else E).astype(dtype)
    np.save(tmp_path / "raw.npy", rows)
    found = apply_filter(
        load_filter(window), open_vectors(tmp_path / "raw.npy"), tmp_path / "out.npy"
    )
    out = np.load(tmp_path / "out.npy")
    assert out.dtype == kept
    assert (found.rows, found.dimensions, found.dtype) == (N, 16, kept)
    np.testing.assert_allclose(out, by_hand(window, rows), atol=within * np.abs(rows).max())
    assert not found.normalised


@pytest.mark.parametrize("ending", [".parquet", ".arrow"])
@pytest.mark.parametrize("kind", ["list", "large_list", "fixed"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_a_table_keeps_its_other_columns_and_its_empty_rows(
    ending: str, kind: str, dtype: str, window: Path, tmp_path: Path
) -> None:
    rows = (20 * E).astype(dtype)
    numbers = pa.from_numpy_dtype(dtype)
    column = {"list": pa.list_(numbers), "large_list": pa.large_list(numbers),
              "fixed": pa.list_(numbers, D)}[kind]  # fmt: skip
    lists: list[Any] = list(rows)
    for missing in (0, 69, 70, 71, N - 1):
        lists[missing] = None
    table = pa.table(
        {"id": pa.array(range(N)), "v": pa.array(lists, type=column),
         "text": [f"t{i}" if i % 3 else None for i in range(N)]},
        metadata={"theirs": "kept"},
    )  # fmt: skip
    raw, out = tmp_path / f"raw{ending}", tmp_path / f"out{ending}"
    written(table, raw)
    found = apply_filter(load_filter(window), open_vectors(raw), out)
    made = read(out)
    assert found.rows == N - 5
    assert made.select(["id", "text"]) == table.select(["id", "text"])
    assert made.schema.names == ["id", "v", "text"]
    assert made.schema.metadata[b"theirs"] == b"kept"
    vectors = made.column("v").to_pylist()
    assert [i for i, one in enumerate(vectors) if one is None] == [0, 69, 70, 71, N - 1]
    held = [i for i, one in enumerate(vectors) if one is not None]
    found_rows = np.array([vectors[i] for i in held], dtype=np.float64)
    atol = 0.2 if dtype == "float16" else 1e-3
    np.testing.assert_allclose(found_rows, by_hand(window, rows)[held], atol=atol)
    # It says itself that it was filtered, and by what.
    assert json.loads(made.schema.metadata[NOTE])["filtered"] == "true"
    with pytest.raises(InputError, match="these vectors were filtered before"):
        apply_filter(as_wide(load_filter(window)), open_vectors(out), tmp_path / f"twice{ending}")


def as_wide(filter: Any) -> Any:
    """The same filter for vectors of 16 numbers."""
    filter.V_window = filter.V_window[:16]
    return filter


def written(table: pa.Table, path: Path) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=300)
        return
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=300)


def read(path: Path) -> pa.Table:
    return pq.read_table(path) if path.suffix == ".parquet" else pa.ipc.open_file(path).read_all()


@pytest.mark.parametrize("kind", ["Flat", "IDMap,Flat", "IVF4,Flat", "HNSW8", "SQfp16"])
@pytest.mark.parametrize("metric", ["METRIC_INNER_PRODUCT", "METRIC_L2"])
def test_an_index_keeps_its_ids_and_its_metric(
    kind: str, metric: str, window: Path, tmp_path: Path
) -> None:
    faiss = pytest.importorskip("faiss")
    index = faiss.index_factory(D, kind, getattr(faiss, metric))
    index.train(E)
    ids = np.arange(N, dtype=np.int64)
    if kind.startswith("IDMap"):
        ids = 7 * ids + 3
        index.add_with_ids(E, ids)
    else:
        index.add(E)
    faiss.write_index(index, str(tmp_path / "raw.faiss"))
    apply_filter(load_filter(window), open_vectors(tmp_path / "raw.faiss"), tmp_path / "o.faiss")
    made = faiss.read_index(str(tmp_path / "o.faiss"))
    assert (made.ntotal, made.d, made.metric_type) == (N, 16, getattr(faiss, metric))
    filtered = by_hand(window, E).astype(np.float32)
    scores, found = made.search(filtered[:20], 10)
    naive = filtered[:20] @ filtered.T
    if metric == "METRIC_L2":
        naive = ((filtered[:20, None] - filtered[None]) ** 2).sum(-1)
    order = np.sort(naive, axis=1)[:, :10] if metric == "METRIC_L2" else -np.sort(-naive)[:, :10]
    np.testing.assert_allclose(scores, order, atol=0.05 if "16" in kind else 1e-3)
    assert set(found.ravel().tolist()) <= set(ids.tolist())


def test_lengths_of_1_are_noticed_and_cosines_stay(window: Path, tmp_path: Path) -> None:
    unit = E / np.linalg.norm(E, axis=1, keepdims=True)
    for dtype in ("float32", "float16"):
        np.save(tmp_path / "raw.npy", unit.astype(dtype))
        found = apply_filter(
            load_filter(window), open_vectors(tmp_path / "raw.npy"), tmp_path / "out.npy"
        )
        assert found.normalised
        assert "so cosines of filtered vectors are the same" in found.sentence
        out, plain = np.load(tmp_path / "out.npy").astype(float), by_hand(window, E)
        np.testing.assert_allclose(cosines(out), cosines(plain), atol=5e-3)


def cosines(X: np.ndarray) -> np.ndarray:
    U = X / np.linalg.norm(X, axis=1, keepdims=True)
    return U[:100] @ U[100:200].T


def test_a_method_with_an_offset_refuses_vectors_whose_scale_is_lost(
    tiny_model: Model, tmp_path: Path
) -> None:
    texts = tuple(f"the cat {i} sat on {i * i} mats" for i in range(60))
    taken = refinement(tiny_model, "window+mean-subtraction", Window(8, 24, D), prompt="mean",
                       calibration=Calibration(texts, "ours"))  # fmt: skip
    save_filter(tmp_path / "m.safetensors", tiny_model, taken, prompt="mean")
    method = load_filter(tmp_path / "m.safetensors")
    np.save(tmp_path / "raw.npy", E)
    apply_filter(method, open_vectors(tmp_path / "raw.npy"), tmp_path / "out.npy")
    naive = E.astype(float) @ taken.map.matrix + taken.map.offset
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), naive, atol=1e-4)
    np.save(tmp_path / "unit.npy", E / np.linalg.norm(E, axis=1, keepdims=True))
    with pytest.raises(InputError, match="have length 1, and window\\+mean-subtraction adds an"):
        apply_filter(method, open_vectors(tmp_path / "unit.npy"), tmp_path / "x.npy")
    np.save(tmp_path / "int8.npy", (20 * E).astype(np.int8))
    with pytest.raises(InputError, match="are int8, whose scale is not known"):
        apply_filter(method, open_vectors(tmp_path / "int8.npy"), tmp_path / "x.npy")


def test_bad_input_ends_in_one_line_and_leaves_nothing(window: Path, tmp_path: Path) -> None:
    loaded = load_filter(window)
    before = E.copy()
    before[777, 3] = np.nan
    np.save(tmp_path / "nan.npy", before)
    np.save(tmp_path / "wide.npy", np.ones((5, 40), np.float32))
    np.save(tmp_path / "flat.npy", np.ones(5, np.float32))
    np.save(tmp_path / "fortran.npy", np.asfortranarray(E))
    np.save(tmp_path / "words.npy", np.array([["a"]]))
    np.save(tmp_path / "raw.npy", E)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "raw.npy").read_bytes()[:-100])
    (tmp_path / "not.npy").write_bytes(b"hello")
    (tmp_path / "not.parquet").write_bytes(b"hello")
    (tmp_path / "not.faiss").write_bytes(b"hello")
    two = pa.table({"a": [[1.0] * D], "b": [[1.0] * D], "c": ["x"]})
    pq.write_table(two, tmp_path / "two.parquet")
    pq.write_table(pa.table({"c": ["x"]}), tmp_path / "none.parquet")
    uneven = pa.table({"a": [[1.0] * D, [1.0] * 5]})
    pq.write_table(uneven, tmp_path / "uneven.parquet")
    for name, rule in {
        "nan.npy": "row 777 holds NaN or infinite numbers",
        "wide.npy": "vectors of 40 numbers, and the filter takes 32",
        "flat.npy": "an array of shape \\(5,\\)",
        "fortran.npy": "stored column by column",
        "words.npy": "numbers of type <U1",
        "cut.npy": "the file is cut short",
        "not.npy": "no array of NumPy's",
        "not.parquet": "no Parquet file, or damaged",
        "not.faiss": "no index that FAISS reads",
        "two.parquet": "columns 'a' and 'b' do; name it with --column NAME",
        "none.parquet": "and none does",
        "uneven.parquet": "row 1 has a vector of 5 numbers and others have 32",
        "absent.npy": "no such file",
        "x.csv": "stored vectors are .npy, .parquet",
    }.items():
        out = tmp_path / f"out{Path(name).suffix}"
        with pytest.raises(InputError, match=rule):
            apply_filter(loaded, open_vectors(tmp_path / name), out)
        assert not out.exists(), name
    for name, column in (("two.parquet", "z"), ("two.parquet", "c"), ("raw.npy", "a")):
        with pytest.raises(InputError, match=f"--column {column}: "):
            open_vectors(tmp_path / name, column)
    with pytest.raises(InputError, match="is read by this very work"):
        apply_filter(loaded, open_vectors(tmp_path / "raw.npy"), tmp_path / "raw.npy")
    with pytest.raises(InputError, match=r"filtered into a file of its own kind; name it out\.npy"):
        apply_filter(loaded, open_vectors(tmp_path / "raw.npy"), tmp_path / "out.parquet")
    assert not list(tmp_path.glob(".*.part"))
    np.testing.assert_array_equal(np.load(tmp_path / "raw.npy"), E)


def test_vectors_of_another_model_are_refused_where_the_file_says_so(
    window: Path, tmp_path: Path
) -> None:
    loaded = load_filter(window)
    for head, fits in ((loaded.metadata["head_hash"], True), ("0" * 64, False)):
        note = json.dumps({"head_hash": head, "checkpoint": "other/model"})
        table = pa.table({"v": list(E[:5])}, metadata={NOTE: note})
        pq.write_table(table, tmp_path / "raw.parquet")
        vectors = open_vectors(tmp_path / "raw.parquet")
        if fits:
            found = apply_filter(loaded, vectors, tmp_path / "out.parquet")
            assert "A note beside them says that" in found.checked
            continue
        with pytest.raises(InputError, match="made by other/model"):
            apply_filter(loaded, vectors, tmp_path / "out.parquet")


def test_a_cancel_leaves_nothing(window: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "raw.npy", E)

    def stop(what: str, done: float, total: float, unit: str) -> None:
        if done > 300:
            raise Cancelled

    with pytest.raises(Cancelled):
        apply_filter(load_filter(window), open_vectors(tmp_path / "raw.npy"),
                     tmp_path / "out.npy", progress=stop)  # fmt: skip
    assert sorted(path.name for path in tmp_path.glob("*out*")) == []


SLOW = """
import sys, time
from embfilter_viz.export.filter_file import load_filter
from embfilter_viz.system.files import unfinished
from embfilter_viz.vectors import apply_filter, open_vectors, stored
stored.BLOCK_BYTES = 4096
def slow(what, done, total, unit):
    print(done, flush=True)
    time.sleep(0.05)
apply_filter(load_filter(sys.argv[1]), open_vectors(sys.argv[2]), sys.argv[3], progress=slow)
"""


@pytest.mark.parametrize("ending", [".npy", ".parquet"])
def test_after_a_kill_the_next_run_finishes_and_tidies_up(
    ending: str, window: Path, tmp_path: Path
) -> None:
    raw, out = tmp_path / f"raw{ending}", tmp_path / f"out{ending}"
    np.save(raw, E) if ending == ".npy" else pq.write_table(pa.table({"v": list(E)}), raw)
    killed = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(window), str(raw), str(out)], stdout=subprocess.PIPE
    )
    assert killed.stdout is not None
    killed.stdout.readline()
    time.sleep(0.1)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not out.exists()
    (left,) = tmp_path.glob(".out*.part")
    assert left.name.startswith(f".{out.name}.{killed.pid}.")
    with unfinished(out) as mine:
        apply_filter(load_filter(window), open_vectors(raw), out)
        assert not left.exists()
        assert mine.parent.exists()
    found = np.load(out) if ending == ".npy" else np.stack(
        pq.read_table(out).column("v").to_pylist()
    )  # fmt: skip
    np.testing.assert_allclose(found, by_hand(window, E), atol=1e-5)


def test_the_command_checks_texts_and_says_what_it_wrote(
    tiny: Path, tiny_model: Model, window: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    texts = [f"the cat {i} sat" for i in range(40)]
    rows = tiny_model.encode(texts, "mean")
    raw, out = tmp_path / "raw.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.table({"text": texts, "v": list(rows)}), raw)
    said = [str(window), str(raw), "-o", str(out), "--model", str(tiny)]
    with pytest.raises(SystemExit) as left:
        main(["apply", *said, "--text-column", "text", "--prompt", "mean", "--json"])
    assert left.value.code == 0
    record = json.loads(capsys.readouterr().out)
    assert record["rows"] == 40
    assert record["texts_checked"].startswith("8 texts embedded anew have cosines of 1.0000")
    (tmp_path / "lines.txt").write_text("\n".join(texts[::-1]))
    for more, rule in (
        (["--text-column", "text", "--prompt", "prompteol"], "another model, prompt or pooling"),
        (["--texts", str(tmp_path / "lines.txt"), "--prompt", "mean"], "or in another order"),
        (["--text-column", "v"], "not texts"),
        ([], "to check texts give --model, and --text-column or --texts"),
    ):
        with pytest.raises(SystemExit) as left:
            main(["apply", *said[:3], str(tmp_path / "new.parquet"), *said[4:], *more])
        assert left.value.code == 2
        error = capsys.readouterr().err
        assert rule in error
        assert error.count("\n") == 1 + error.count("embfilter-viz: ") - 1
    assert not (tmp_path / "new.parquet").exists()
