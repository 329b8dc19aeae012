"""Bytes with scales: what comes back, and what is filtered, against the rule by hand."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embfilter_viz.cli import main
from embfilter_viz.errors import InputError
from embfilter_viz.export.filter_file import load_filter, save_filter
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from embfilter_viz.vectors import apply_filter, open_vectors, stored
from embfilter_viz.vectors.scales import Scaled, quantised, ranges_of, scale_column, scales_of

N, D = 300, 32
RANDOM = np.random.default_rng(0)
E = (RANDOM.standard_normal((N, D)) * RANDOM.uniform(0.1, 5, D) + RANDOM.uniform(-2, 2, D)).astype(
    np.float32
)
E[:, 5] = 0.25  # a dimension without a range


@pytest.fixture
def window(tiny_model: Model, tmp_path: Path) -> Path:
    save_filter(tmp_path / "window.safetensors", tiny_model, Window(8, 24, D))
    return tmp_path / "window.safetensors"


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "BLOCK_BYTES", 70 * 4 * D)


def in_steps(rows: np.ndarray, ranges: np.ndarray, dtype: str) -> np.ndarray:
    """The rule of sentence-transformers for int8 and uint8, written from its documentation."""
    steps = (ranges[1] - ranges[0]) / 255
    steps[steps == 0] = 1
    found = np.clip(np.floor((rows - ranges[0]) / steps), 0, 255)
    return (found - 128 if dtype == "int8" else found).astype(dtype)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main(["apply", *map(str, arguments)])
    assert isinstance(left.value.code, int)
    return left.value.code


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (a, b))
    return np.asarray((a * b).sum(axis=1))


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_ranges_take_bytes_back_to_within_half_a_step(
    dtype: str, window: Path, tmp_path: Path
) -> None:
    ranges = np.stack([E.min(axis=0), E.max(axis=0)])
    np.save(tmp_path / "raw.npy", in_steps(E, ranges, dtype))
    np.save(tmp_path / "ranges.npy", ranges)
    scales = ranges_of(tmp_path / "ranges.npy", D, np.dtype(dtype))
    back = np.concatenate([
        rows for rows, _ in Scaled(open_vectors(tmp_path / "raw.npy"), scales).blocks()
    ])  # fmt: skip
    steps = (ranges[1] - ranges[0]) / 255
    assert (np.abs(back - E) <= steps * 0.501 + 1e-6).all()
    out = tmp_path / "out.npy"
    asked = (window, tmp_path / "raw.npy", "--ranges", tmp_path / "ranges.npy", "-o", out)
    assert run(*asked) == 0
    by_hand = E.astype(np.float64) @ load_filter(window).V_window
    assert cosines(np.load(out), by_hand).min() > 0.9999
    assert np.load(out).dtype == np.float32
    # Without the ranges the directions are others.
    if dtype == "int8":
        apply_filter(load_filter(window), open_vectors(tmp_path / "raw.npy"), out)
        assert cosines(np.load(out), by_hand).min() < 0.9


@pytest.mark.parametrize("shape", [(D,), (1, D), (2, D), (N, 1), (N, 2)])
def test_scales_of_every_shape_are_applied_as_by_hand(
    shape: tuple[int, ...], window: Path, tmp_path: Path
) -> None:
    raw = RANDOM.integers(-128, 128, (N, D)).astype(np.int8)
    given = RANDOM.uniform(0.5, 2, shape)
    np.save(tmp_path / "raw.npy", raw)
    np.save(tmp_path / "scales.npy", given)
    of_rows = shape[0] == N
    scale, offset = {
        1: (given, 0), 2: (given[:1], given[1:]) if not of_rows else (given[:, :1], given[:, 1:])
    }[2 if 2 in shape else 1]  # fmt: skip
    numbers = raw * scale + offset
    out = tmp_path / "out.npy"
    asked = (window, tmp_path / "raw.npy", "--scales", tmp_path / "scales.npy", "-o", out)
    assert run(*asked, "--numbers", "float16") == 0
    made = np.load(out)
    assert made.dtype == np.float16
    np.testing.assert_allclose(made, numbers @ load_filter(window).V_window, rtol=2e-3, atol=0.3)


@pytest.mark.parametrize("ending", [".parquet", ".arrow"])
def test_a_table_has_its_scales_in_a_column_on_both_sides(
    ending: str, window: Path, tmp_path: Path
) -> None:
    bytes_, scales = quantised(E)
    lists: list[Any] = [None if i in (0, 70) else one for i, one in enumerate(bytes_)]
    table = pa.table({
        "v": pa.array(lists, type=pa.list_(pa.int8(), D)), "id": range(N),
        "v_scale": pa.array([None if i == 0 else one for i, one in enumerate(scales)]),
    })  # fmt: skip
    raw, out = tmp_path / f"raw{ending}", tmp_path / f"out{ending}"
    if ending == ".parquet":
        pq.write_table(table, raw)
    else:
        with pa.ipc.new_file(raw, table.schema) as writer:
            writer.write_table(table)
    asked = (window, raw, "--scale-column", "v_scale", "--numbers", "int8", "-o", out)
    assert run(*asked) == 0
    made = pq.read_table(out) if ending == ".parquet" else pa.ipc.open_file(out).read_all()
    assert made.schema.names == ["v", "id", "v_scale"]
    assert made.schema.field("v").type == pa.list_(pa.int8(), 16)
    held = [i for i in range(N) if i not in (0, 70)]
    found = np.array([made.column("v")[i].as_py() for i in held], dtype=np.float64)
    found *= np.array(made.column("v_scale").to_pylist(), dtype=object)[held].astype(float)[:, None]
    expected = E[held].astype(np.float64) @ load_filter(window).V_window
    assert np.abs(found - expected).max() < 0.03 * np.abs(expected).max()
    assert cosines(found, expected).min() > 0.999
    assert made.column("v_scale")[70].as_py() is None
    plain = tmp_path / f"plain{ending}"
    assert run(window, out, "--column", "v", "-o", plain) == 2  # filtered already


def test_an_array_of_bytes_gets_its_scales_in_a_file_beside_it(
    window: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "raw.npy", E)
    found = apply_filter(load_filter(window), open_vectors(tmp_path / "raw.npy"),
                         tmp_path / "out.npy", numbers="int8")  # fmt: skip
    assert (found.dtype, found.scales) == ("int8", str(tmp_path / "out.scales.npy"))
    made, scales = np.load(tmp_path / "out.npy"), np.load(tmp_path / "out.scales.npy")
    assert (made.dtype, made.shape, scales.shape) == (np.int8, (N, 16), (N, 1))
    expected = E.astype(np.float64) @ load_filter(window).V_window
    assert (np.abs(made * scales - expected) <= scales * 0.501).all()
    assert scales_of(tmp_path / "out.scales.npy", N, 16).of(made, np.arange(N)).shape == (N, 16)
    assert run(window, tmp_path / "raw.npy", "--numbers", "int8", "-o", "-") == 2
    assert "the scales of int8 need a file beside it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["raw.npy", "--scales", "three.npy"], r"of shape \(3, 32\); give \(32,\) or \(2, 32\), "),
        (["raw.npy", "--scales", "texts.txt"], r"texts\.txt: no array of NumPy's"),
        (["raw.npy", "--scales", "nan.npy"], r"nan\.npy: holds NaN or infinite numbers; write"),
        (["raw.npy", "--ranges", "three.npy"], r"of shape \(3, 32\); give \(2, 32\), the lowest"),
        (["raw.npy", "--ranges", "down.npy"], r"down\.npy: dimension 0 ends below its beginning"),
        (["raw.npy", "--ranges", "a.npy", "--scales", "b.npy"], r"and --scale-column: give one of"),
        (["raw.npy", "--scale-column", "s"], r"--scale-column s: .* has no columns; use --scales"),
        (["float.npy", "--scales", "one.npy"], r"numbers of type float32 need no scale; drop"),
        (["unsigned.npy"], r"bytes of uint8 do not say which of them is zero; give their --ranges"),
    ],
)
def test_what_does_not_fit_is_one_line(
    arguments: list[str], rule: str, window: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    files = {
        "raw": np.ones((N, D), np.int8), "float": E, "unsigned": np.ones((N, D), np.uint8),
        "three": np.ones((3, D)), "one": np.ones(D), "nan": np.full(D, np.nan),
        "down": np.stack([np.ones(D), np.zeros(D)]),
    }  # fmt: skip
    for name, array in files.items():
        np.save(tmp_path / f"{name}.npy", array)
    (tmp_path / "texts.txt").write_text("a cat")
    given = [tmp_path / one if "." in one else one for one in arguments]
    assert run(window, *given, "-o", tmp_path / "out.npy") == 2
    said = capsys.readouterr().err
    assert re.search(rule, said), said
    assert said.count("\n") == 1
    assert not (tmp_path / "out.npy").exists()


def test_a_row_without_its_scale_is_named(window: Path, tmp_path: Path) -> None:
    table = pa.table({"v": pa.array(list(np.ones((4, D), np.int8)), type=pa.list_(pa.int8(), D)),
                      "s": [1.0, 2.0, None, 1.0], "t": ["a"] * 4})  # fmt: skip
    pq.write_table(table, tmp_path / "raw.parquet")
    raw = open_vectors(tmp_path / "raw.parquet")
    with pytest.raises(InputError, match="row 2 holds NaN or infinite"):
        apply_filter(
            load_filter(window), Scaled(raw, scale_column(raw, "s")), tmp_path / "o.parquet"
        )
    for column, rule in {"t": "column 't' holds string, not numbers", "x": "no column 'x'"}.items():
        with pytest.raises(InputError, match=rule):
            scale_column(raw, column)
