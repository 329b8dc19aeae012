"""A corpus in Parquet into shards: against one call of encode, and after a kill."""

import json
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embfilter_viz import EmbedFilter, open_model
from embfilter_viz.cli import main
from embfilter_viz.corpus import Corpus, embed_corpus, plan_for
from embfilter_viz.corpus.on_ray import _Worker, embed_on_ray
from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.export.filter_file import load_filter, save_filter
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from embfilter_viz.vectors import apply_filter, open_vectors
from tests.models.engines.stand_in import StandIn, serving
from tests.models.tiny_checkpoints import one_thread

__all__ = ["one_thread"]

N = 60
TEXTS: list[str | None] = [f"the cat {i} sat on {i * i} mats and the dog" for i in range(N)]
TEXTS[7], TEXTS[31] = None, "  "
HELD = [i for i in range(N) if i not in (7, 31)]
WINDOW = Window(8, 24, 32)


def write_corpus(path: Path, texts: list[str | None] = TEXTS, **options: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    table = pa.table(
        {"n": range(len(texts)), "text": texts, "id": [f"d{i}" for i in range(len(texts))]}
    )
    pq.write_table(table, path, **options)
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Sixty rows in row groups of 17."""
    return write_corpus(tmp_path / "corpus.parquet", row_group_size=17)


def by_hand(model: Model, prompt: str = "prompteol") -> np.ndarray:
    """The definition: each text by itself, then the filter."""
    rows = np.concatenate([model.encode([str(TEXTS[i])], prompt) for i in HELD])
    return EmbedFilter(model.spectrum, window=WINDOW).transform(rows)


def are_all_there(shards: Path, expected: np.ndarray, within: float = 1e-5) -> None:
    """No row twice, none missing, and each the vector of its text."""
    table = pq.read_table(shards).sort_by("id")
    ids = [f"d{i}" for i in range(N)]
    assert table.column("id").to_pylist() == sorted(ids)
    found = dict(
        zip(table.column("id").to_pylist(), table.column("embedding").to_pylist(), strict=True)
    )
    assert [i for i in range(N) if found[f"d{i}"] is not None] == HELD
    np.testing.assert_allclose([found[f"d{i}"] for i in HELD], expected, atol=within)


@pytest.mark.parametrize("group", [1, 7, 25, 100])
@pytest.mark.parametrize("rows", [1, 8, 20, 60, 100])
def test_ranges_are_the_rows_of_the_file_whatever_its_row_groups(
    group: int, rows: int, tmp_path: Path
) -> None:
    path = write_corpus(tmp_path / "corpus.parquet", row_group_size=group)
    corpus = Corpus.of(path, "text", rows_in_shard=rows)
    assert [part.rows for part in corpus.parts[:-1]] == [rows] * (len(corpus.parts) - 1)
    read = [corpus.read(part) for part in corpus.parts]
    blank = [None if i in (7, 31) else text for i, text in enumerate(TEXTS)]
    assert [text for texts, _ in read for text in texts] == blank
    assert [row for _, ids in read for row in ids.column("row").to_pylist()] == list(range(N))


def test_shards_hold_what_one_call_of_encode_and_filter_gives(
    tiny_model: Model, corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "shards"
    plan = plan_for(tiny_model, Corpus.of(corpus, "text", "id", 25), out, window=WINDOW)
    found = embed_corpus(tiny_model, plan)
    assert (found.rows, found.shards, found.without_text, found.columns) == (N, 3, 2, 16)
    kept = sorted(tiny_model.store.folder.glob("embeddings/*")) if tiny_model.store.folder else []
    assert kept == []  # the user's cache does not grow with a corpus
    are_all_there(out, by_hand(tiny_model))
    (first, *_) = sorted((out / "corpus").iterdir())
    assert first.name == "000000000000.parquet"
    assert pq.read_schema(first).field("embedding").type == pa.list_(pa.float32(), 16)


@pytest.mark.parametrize("full", [False, True])
def test_other_forms_are_written_as_asked(
    full: bool, tiny_model: Model, corpus: Path, tmp_path: Path
) -> None:
    asked = Corpus.of(corpus, "text")
    plan = plan_for(tiny_model, asked, tmp_path / "s", prompt="mean", window=WINDOW, full=full,
                    half=True)  # fmt: skip
    found = embed_corpus(tiny_model, plan)
    table = pq.read_table(tmp_path / "s")
    assert (found.dtype, found.columns) == ("float16", 32 if full else 16)
    assert table.schema.field("embedding").type == pa.list_(pa.float16(), found.columns)
    assert table.column("file").to_pylist() == ["corpus.parquet"] * N
    rows = np.array([table.column("embedding")[i].as_py() for i in HELD], np.float32)
    expected = by_hand(tiny_model, "mean")
    if full:
        expected = expected @ tiny_model.spectrum.V[:, 8:24].T
    np.testing.assert_allclose(rows, expected, atol=4e-3)


def test_a_raw_shard_says_which_model_made_it_and_a_filter_takes_it(
    tiny_model: Model, corpus: Path, tmp_path: Path
) -> None:
    embed_corpus(
        tiny_model, plan_for(tiny_model, Corpus.of(corpus, "text", "id"), tmp_path / "raw")
    )
    save_filter(tmp_path / "f.safetensors", tiny_model, WINDOW)
    loaded = load_filter(tmp_path / "f.safetensors")
    raw = open_vectors(tmp_path / "raw" / "corpus" / "000000000000.parquet")
    applied = apply_filter(loaded, raw, tmp_path / "out.parquet")
    assert applied.checked.startswith("A note beside them says that")
    are_all_there(tmp_path / "out.parquet", by_hand(tiny_model))
    plan = plan_for(tiny_model, Corpus.of(corpus, "text"), tmp_path / "made", window=WINDOW)
    embed_corpus(tiny_model, plan)
    with pytest.raises(InputError, match="were filtered before"):
        apply_filter(loaded, open_vectors(plan.place(plan.corpus.parts[0])), tmp_path / "o.parquet")


def test_a_folder_grows_and_only_what_is_new_is_embedded(tiny_model: Model, tmp_path: Path) -> None:
    folder, out = tmp_path / "c", tmp_path / "shards"
    write_corpus(folder / "b.parquet", TEXTS[:20])
    write_corpus(folder / "_left.parquet", TEXTS[:3])

    def run() -> Any:
        corpus = Corpus.of(folder, "text", "id", 8)
        return embed_corpus(tiny_model, plan_for(tiny_model, corpus, out, window=WINDOW))

    assert (run().rows, run().before) == (20, 20)
    when = {place: place.stat().st_mtime_ns for place in out.rglob("*.parquet")}
    (folder / "sub").mkdir()
    write_corpus(folder / "sub" / "b.parquet", TEXTS[20:30])
    found = run()
    assert (found.rows, found.before, found.shards) == (30, 20, 5)
    assert all(place.stat().st_mtime_ns == then for place, then in when.items())
    min(when).write_bytes(b"PAR1 and no more")  # damaged, and its eight rows are written again
    assert (run().before, run().before) == (22, 30)
    kept = min(when).read_bytes()
    min(when).write_bytes(b"something else")
    with pytest.raises(InputError, match="is no shard; name another folder"):
        run()
    min(when).write_bytes(kept)
    write_corpus(folder / "b.parquet", TEXTS[1:21])
    with pytest.raises(InputError, match=r"says mark .*; name another folder with -o"):
        run()


def test_a_cancelled_run_keeps_whole_shards_and_the_next_goes_on(
    tiny_model: Model, corpus: Path, tmp_path: Path
) -> None:
    plan = plan_for(tiny_model, Corpus.of(corpus, "text", "id", 10), tmp_path / "s", window=WINDOW)

    def stopping(what: str, done: float, total: float, unit: str) -> None:
        if unit == "texts" and done > 25:
            raise Cancelled

    with pytest.raises(Cancelled):
        embed_corpus(tiny_model, plan, progress=stopping)
    assert len(list((tmp_path / "s").rglob("*"))) == 1 + 2
    heard: list[tuple[float, float]] = []
    found = embed_corpus(tiny_model, plan, progress=lambda _, done, total, unit: (
        heard.append((done, total)) if unit == "texts" else None))  # fmt: skip
    assert (found.before, found.rows) == (20, N)
    assert heard == sorted(heard)
    assert heard[-1] == (N, N)
    are_all_there(tmp_path / "s", by_hand(tiny_model))


def test_what_a_run_left_that_was_killed_behind_its_last_shard_goes(
    tiny_model: Model, corpus: Path, tmp_path: Path
) -> None:
    plan = plan_for(tiny_model, Corpus.of(corpus, "text", "id", 10), tmp_path / "s", window=WINDOW)
    embed_corpus(tiny_model, plan)
    last = plan.place(plan.corpus.parts[-1])
    left = last.parent / f".{last.name}.999999999-0.part"  # no process has that number
    left.write_bytes(b"PAR1")
    before = sorted(last.parent.iterdir())
    assert embed_corpus(tiny_model, plan).before == plan.corpus.rows
    assert sorted(last.parent.iterdir()) == [one for one in before if one != left]


def test_a_served_engine_reads_a_corpus_too(
    tiny: Path, tiny_model: Model, corpus: Path, tmp_path: Path
) -> None:
    with serving(StandIn(tiny, "vllm", pooling="last")) as address:
        model = open_model(f"engine:{address}#tiny={tiny}")
        asked = Corpus.of(corpus, "text", "id", 25)
        embed_corpus(model, plan_for(model, asked, tmp_path / "s", window=WINDOW))
    are_all_there(tmp_path / "s", by_hand(tiny_model), within=2e-5)


SLOW = """
import sys, time
from functools import partial
from pathlib import Path
from embfilter_viz import Window, open_model
from embfilter_viz.corpus import Corpus, Plan, embed_corpus, plan_for
from embfilter_viz.corpus.on_ray import embed_on_ray
model, corpus, out, way = sys.argv[1:]
class Slow(Plan):
    def write(self, *given):
        time.sleep(0.3)
        return super().write(*given)
opens = partial(open_model, model)
plan = plan_for(opens(), Corpus.of(corpus, "text", "id", 5), out, window=Window(8, 24, 32))
plan = Slow(**vars(plan))
def told(what, done, total, unit):
    print(done, flush=True)
if way == "ray":
    embed_on_ray(opens, plan, workers=1, progress=told)
else:
    embed_corpus(opens(), plan, progress=told)
"""


def killed_midway(tiny: Path, corpus: Path, out: Path, way: str) -> list[psutil.Process]:
    """Kill a slow run when two shards are there; return the processes that it had begun."""
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(tiny), str(corpus), str(out), way],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while len(list(out.glob("*/0*.parquet"))) < 2 and time.monotonic() < deadline:
        assert child.poll() is None
        time.sleep(0.02)
    begun = psutil.Process(child.pid).children(recursive=True)
    child.send_signal(signal.SIGKILL)
    child.wait()
    return begun


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in ("embed", *arguments)])
    said = capsys.readouterr()
    return json.loads(said.out) if left.value.code == 0 else said.err


@pytest.mark.parametrize("way", ["one process", "ray"])
def test_after_a_kill_the_next_run_finishes(
    way: str, tiny: Path, tiny_model: Model, corpus: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if way == "ray":
        pytest.importorskip("ray", reason="Ray is not installed")
    out = tmp_path / "shards"
    begun = killed_midway(tiny, corpus, out, way)
    said = run(capsys, tiny, corpus, "--column", "text", "--id", "id", "--rows", 5, "--window",
               "8:24", "-o", out, "--json")  # fmt: skip
    assert said["rows"] == N
    assert 10 <= said["before"] < N
    assert (said["shards"], said["without_text"], said["window"]) == (12, 2, [8, 24])
    assert [one.name for one in out.rglob(".*")] == []  # what the killed one left half written
    are_all_there(out, by_hand(tiny_model))
    deadline = time.monotonic() + 30
    while not {name_of(one) for one in begun} <= LATE and time.monotonic() < deadline:
        time.sleep(0.1)
    assert {name_of(one) for one in begun} <= LATE
    for one in begun:
        with suppress(psutil.Error):
            one.kill()


LATE = {"", "ray::DashboardAgent", "ray::RuntimeEnvAgent"}
"""Processes that Ray leaves for a minute or two where the one that began them is killed."""


def name_of(process: psutil.Process) -> str:
    """How a process is called, nothing once it is gone."""
    try:
        return "" if process.status() == psutil.STATUS_ZOMBIE else process.cmdline()[0]
    except (psutil.Error, IndexError):
        return ""


def test_a_worker_of_ray_opens_the_model_once_and_tells_of_faults_in_one_line(
    tiny_model: Model, corpus: Path, tmp_path: Path
) -> None:
    asked = Corpus.of(corpus, "text", "id", 20)
    plan = plan_for(tiny_model, asked, tmp_path / "s", window=WINDOW)
    opened: list[Model] = []

    def opens() -> Model:
        opened.append(tiny_model)
        return tiny_model

    worker = _Worker(plan, opens, threads=1)
    said = [worker({"part": np.array([i])}) for i in range(3)]
    assert [one["counts"][0].tolist() for one in said] == [[20, 1, 0], [20, 1, 0], [20, 0, 0]]
    assert [one["error"] for one in said] == [[""]] * 3
    assert len(opened) == 1
    are_all_there(tmp_path / "s", by_hand(tiny_model))
    assert embed_on_ray(opens, plan, workers=2).before == N  # nothing to do: Ray is not started
    corpus.unlink()
    assert "no Parquet file" in worker({"part": np.array([0])})["error"][0]


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["TEXTS", "-o", "OUT", "--id", "n"], r"--id: only a corpus in Parquet takes it, and"),
        (["TEXTS", "-o", "OUT", "--workers", "2"], r"--workers: only a corpus in Parquet"),
        (["FOLDER", "-o", "out.npy"], r"-o out\.npy: a corpus goes into a folder of shards"),
        (["CORPUS", "-o", "o.npy", "--id", "n"], r"--id: only a corpus in Parquet takes it, and"),
        (
            ["CORPUS", "-o", "FILE", "--column", "text"],
            r"shards go to a folder of their own; name another",
        ),
        (["CORPUS", "-o", "OUT", "--force"], r"--force: shards are not replaced"),
        (["CORPUS", "-o", "TEXTS/x", "--column", "text"], r"cannot be written \(Not a directory\)"),
        (["CORPUS", "-o", "OUT", "--ray", "auto"], r"--ray auto: say with how many workers"),
        (["OTHER", "-o", "OUT"], r"one column must hold texts, and 'a' and 'b' do; name it"),
        (["CORPUS", "-o", "OUT", "--column", "n"], r"--column n: .* no such column of texts; it"),
        (["CORPUS", "-o", "OUT", "--column", "text", "--id", "x"], r"--id x: .* no such column; "),
        (["EMPTY", "-o", "OUT"], r"empty\.parquet: there are no rows in it; give a corpus"),
        (["NONE", "-o", "OUT"], r"none: a folder without \.parquet files; give one with a corpus"),
        (["NOT", "-o", "OUT"], r"not\.parquet: no Parquet file, or damaged \("),
        (["absent.parquet", "-o", "OUT"], r"absent\.parquet: no such file or folder; give"),
        (["CORPUS", "-o", "OUT", "--column", "text", "--workers", "2"], r"Ray is not installed; "),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str], rule: str, tiny: Path, corpus: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "ray", None)
    places = {"TEXTS": "texts.txt", "FILE": "texts.txt", "CORPUS": "corpus.parquet",
              "OUT": "shards", "EMPTY": "empty.parquet", "NONE": "none", "FOLDER": ".",
              "OTHER": "other.parquet", "NOT": "not.parquet"}  # fmt: skip
    (tmp_path / "texts.txt").write_text("a cat\n")
    (tmp_path / "none").mkdir()
    (tmp_path / "not.parquet").write_bytes(b"no Parquet at all")
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "empty.parquet")
    pq.write_table(pa.table({"a": ["x"], "b": ["y"]}), tmp_path / "other.parquet")
    given = [re.sub("^[A-Z]+", lambda one: str(tmp_path / places[one[0]]), word)
             for word in arguments]  # fmt: skip
    said = run(capsys, tiny, *given)
    assert re.search(rule, said), said
    assert said.count("\n") == 1


def test_shards_of_another_run_are_not_mixed(
    tiny: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = (tiny, corpus, "--column", "text", "-o", tmp_path / "shards")
    assert run(capsys, *same, "--json")["rows"] == N
    for other, rule in {
        ("--prompt", "mean"): "says prompt 'prompteol', and this run has 'mean'",
        ("--tau", "4"): "says l '8', and this run has '12'",
        ("--rows", "10"): "says rows '60', and this run has '10'",
        ("--half",): "says dtype 'float32', and this run has 'float16'",
        ("--id", "n"): "says id '', and this run has 'n'",
    }.items():
        said = run(capsys, *same, *other)
        assert rule in said
        assert said.count("\n") == 1
    assert [one.name for one in (tmp_path / "shards").rglob("*.parquet")] == [
        "000000000000.parquet"
    ]
