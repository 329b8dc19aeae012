"""The store: what it keeps, what it refuses to trust, and who may hold it at once."""

import logging
import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from embfilter_viz.errors import Cancelled
from embfilter_viz.store import Records, Store, array_digest, key_digest, text_key
from embfilter_viz.store import arrays as store_arrays
from embfilter_viz.system.files import unfinished

KEY = {"checkpoint": "abc", "centre": False, "tau": 2.0}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


def entry_of(store, kind="demo", key=KEY):
    return store.path_of(kind, key, ".safetensors")


def refuse():
    raise AssertionError("computed although it was stored")


def values():
    rng = np.random.default_rng(0)
    return {
        "V": np.asfortranarray(rng.normal(size=(5, 5)).astype(np.float32)),
        "scalar": np.array(2.5),
        "empty": np.empty((0, 3)),
        "ids": np.arange(4),
        "mask": np.array([True, False]),
    }


def test_read_back_bit_for_bit_and_read_only(store):
    computed = store.arrays("demo", KEY, values)
    read = Store(store.folder).arrays("demo", KEY, refuse)
    assert computed.keys() == read.keys() == values().keys()
    for name, expected in values().items():
        for found in (computed[name], read[name]):
            assert found.dtype == expected.dtype
            assert found.shape == expected.shape
            np.testing.assert_array_equal(found, expected)
            assert not found.flags.writeable


def test_each_key_and_kind_has_its_own_entry(store):
    for number, (kind, key) in enumerate(
        [("a", {"x": 1}), ("a", {"x": 1.0}), ("a", {"y": 1}), ("b", {"x": 1}), ("a", {"x": "1"})]
    ):
        got = store.arrays(kind, key, lambda number=number: {"n": np.array(number)})
        assert got["n"] == number


def test_digests_tell_apart():
    a = np.arange(6, dtype=np.float32)
    different = [a, a.reshape(2, 3), a.astype(np.float64), a[::-1], a.view(np.int32)]
    assert len({array_digest(x) for x in different}) == len(different)
    assert array_digest(a.reshape(2, 3)) == array_digest(np.asfortranarray(a.reshape(2, 3)))
    assert key_digest("k", {"a": [1, 2]}) != key_digest("k", {"a": [2, 1]})
    assert text_key("é") != text_key("e\u0301")
    assert len(text_key("\ud800")) == 32


@pytest.mark.parametrize("kind", ["", "../up", "Upper", "a/b", ".hidden"])
def test_a_kind_that_could_leave_the_folder_is_refused(store, kind):
    with pytest.raises(ValueError, match="short lower-case name"):
        store.arrays(kind, KEY, values)


def test_keys_and_values_that_have_no_exact_form_are_refused(store):
    with pytest.raises(ValueError, match="JSON compliant"):
        store.arrays("demo", {"x": float("nan")}, values)
    with pytest.raises(TypeError, match="plain numeric"):
        store.arrays("demo", KEY, lambda: {"x": np.array(["text"])})


def damage_flip(path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 0x40
    path.write_bytes(data)


def damage_truncate(path):
    path.write_bytes(path.read_bytes()[:-7])


def damage_empty(path):
    path.write_bytes(b"")


def damage_noise(path):
    path.write_bytes(os.urandom(500))


def damage_header(path):
    path.write_bytes(path.read_bytes().replace(b'"V"', b'"W"', 1))


def damage_shape(path):
    data = path.read_bytes()
    assert b"[0,3]" in data
    path.write_bytes(data.replace(b"[0,3]", b"[3,0]", 1))


def damage_foreign(path):
    other = Store(path.parent.parent)
    other.arrays("demo", {"other": 1}, values)
    path.write_bytes(other.path_of("demo", {"other": 1}, ".safetensors").read_bytes())


def damage_no_metadata(path):
    from safetensors.numpy import save_file

    save_file({"V": np.zeros(2)}, path)


def damage_directory(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "damage",
    [
        damage_flip,
        damage_truncate,
        damage_empty,
        damage_noise,
        damage_header,
        damage_shape,
        damage_foreign,
        damage_no_metadata,
        damage_directory,
    ],
)
def test_a_damaged_entry_is_computed_anew(store, damage):
    store.arrays("demo", KEY, values)
    damage(entry_of(store))
    calls = []
    again = store.arrays("demo", KEY, lambda: calls.append(1) or values())
    assert calls == [1]
    np.testing.assert_array_equal(again["V"], values()["V"])
    if damage is not damage_directory:
        store.arrays("demo", KEY, refuse)


def test_every_single_flipped_bit_of_a_small_entry_is_noticed(store):
    store.arrays("demo", KEY, lambda: {"x": np.arange(3.0)})
    path = entry_of(store)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        data = bytearray(whole)
        data[place] ^= 1 << (place % 8)
        path.write_bytes(data)
        calls = []
        again = store.arrays("demo", KEY, lambda calls=calls: calls.append(1) or {"x": np.ones(1)})
        # A flip in the padding of the header is harmless, and then the true value is read.
        assert again["x"].tolist() == ([1.0] if calls else [0.0, 1.0, 2.0])


def test_a_large_entry_is_checked_in_every_piece_and_any_reader_of_its_format_reads_it(store):
    from safetensors.numpy import load_file

    V = np.arange(3_000_000, dtype=np.float32)  # three pieces
    store.arrays("demo", KEY, lambda: {"V": V})
    path = entry_of(store)
    np.testing.assert_array_equal(load_file(path)["V"], V)
    np.testing.assert_array_equal(store.arrays("demo", KEY, refuse)["V"], V)
    whole = path.read_bytes()
    for place in (len(whole) - V.nbytes, len(whole) - V.nbytes // 2, len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert store.arrays("demo", KEY, lambda: {"V": np.ones(1)})["V"].tolist() == [1]


def test_a_computation_that_is_cancelled_leaves_nothing_and_lets_go(store):
    def cancelled():
        raise Cancelled

    with pytest.raises(Cancelled):
        store.arrays("demo", KEY, cancelled)
    assert [p.name for p in store.folder.glob("*/*") if p.suffix != ".lock"] == []
    assert store.arrays("demo", KEY, values)["ids"].tolist() == [0, 1, 2, 3]


def test_the_least_recently_used_entry_goes_first(tmp_path):
    store = Store(tmp_path, limit_bytes=3 * 8400)
    old = time.time() - 1000

    def make(name):
        return store.arrays("demo", {"n": name}, lambda: {"x": np.full(1000, name)})

    for age, name in enumerate([1, 2, 3]):
        make(name)
        os.utime(entry_of(store, key={"n": name}), (old + age, old + age))
    make(1)  # read: now the youngest
    make(4)
    left = {name for name in (1, 2, 3, 4) if entry_of(store, key={"n": name}).exists()}
    assert left == {1, 3, 4}
    assert store.size() <= store.limit_bytes


def test_an_entry_larger_than_the_limit_is_returned_but_not_kept(tmp_path, caplog):
    store = Store(tmp_path, limit_bytes=1000)
    assert store.arrays("demo", KEY, lambda: {"x": np.arange(500)})["x"].size == 500
    assert not entry_of(store).exists()
    assert "larger than the limit" in caplog.text


def test_parts_left_by_a_killed_process_are_removed_by_the_next_entry(store):
    store.arrays("demo", KEY, values)
    left = entry_of(store).parent / ".a.999999999.0123abcd.part"  # of an earlier release
    left.write_bytes(b"x")
    with unfinished(entry_of(store)) as at_work:
        store.arrays("demo", {"another": 1}, values)
        assert not left.exists()
        assert at_work.parent.exists()


def test_a_folder_that_cannot_be_written_costs_one_warning(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    store = Store(tmp_path / "file" / "results")
    rows = store.rows("rows", KEY)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert store.arrays("demo", KEY, values)["ids"].size == 4
            rows.put({b"k": np.ones(2, np.float32)})
            assert rows.get([b"k"]) == {}
    assert len(caplog.records) == 1


def test_a_cache_folder_that_cannot_be_made_costs_one_warning(tmp_path, caplog, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("EMBFILTER_VIZ_CACHE", str(tmp_path / "file" / "cache"))
    store = Store()
    assert store.arrays("demo", KEY, values)["ids"].size == 4
    assert store.rows("rows", KEY).get([b"k"]) == {}
    assert store.size() == 0
    assert len(caplog.records) == 1


def test_a_full_disk_leaves_no_part_behind(store, caplog, monkeypatch):
    import safetensors.numpy

    def full(arrays, path, metadata):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.numpy, "save_file", full)
    assert store.arrays("demo", KEY, values)["ids"].size == 4
    assert [p for p in store.folder.glob("*/*") if p.suffix != ".lock"] == []
    assert "No space left" in caplog.text


def test_two_threads_compute_once(store):
    calls = []

    def slow():
        calls.append(1)
        time.sleep(0.3)
        return values()

    results = []
    threads = [
        threading.Thread(target=lambda: results.append(store.arrays("demo", KEY, slow)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert len(results) == 4


COMPUTE_SLOWLY = """
import sys, time
from pathlib import Path
import numpy as np
from embfilter_viz.store import Store

def slow():
    with open(sys.argv[2], "a") as file:
        file.write("computed\\n")
    time.sleep(0.5)
    return {"x": np.arange(4)}

print(Store(sys.argv[1]).arrays("demo", {"k": 1}, slow)["x"].tolist())
"""


def test_two_processes_compute_once(tmp_path):
    diary = tmp_path / "diary"
    command = [sys.executable, "-c", COMPUTE_SLOWLY, str(tmp_path / "results"), str(diary)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = [process.communicate(timeout=60)[0] for process in running]
    assert answers == ["[0, 1, 2, 3]\n"] * 3
    assert diary.read_text() == "computed\n"


def test_waiting_for_another_can_be_cancelled(store):
    started, done = threading.Event(), threading.Event()

    def slow():
        started.set()
        done.wait(20)
        return values()

    thread = threading.Thread(target=store.arrays, args=("demo", KEY, slow))
    thread.start()
    started.wait(20)

    def cancel(what, done, total, unit):
        assert "waiting" in what
        raise Cancelled

    begun = time.monotonic()
    try:
        with pytest.raises(Cancelled):
            store.arrays("demo", KEY, refuse, progress=cancel)
        assert time.monotonic() - begun < 2
    finally:
        done.set()
        thread.join()


def test_a_known_spectrum_is_reopened_at_once(store):
    rng = np.random.default_rng(0)
    V = rng.normal(size=(576, 576)).astype(np.float32)
    store.arrays("spectrum", KEY, lambda: {"V": V, "singular_values": np.ones(576)})
    times = []
    for _ in range(9):
        begun = time.perf_counter()
        Store(store.folder).arrays("spectrum", KEY, refuse)
        times.append(time.perf_counter() - begun)
    assert np.median(times) < 0.020


# -- rows --------------------------------------------------------------------------------------


def vectors(n, d=3):
    return {text_key(str(i)): np.full(d, i, np.float32) for i in range(n)}


def test_rows_come_back_and_the_missing_are_absent(store):
    rows = store.rows("rows", KEY)
    assert rows.get([b"nothing yet"]) == {}
    rows.put(vectors(1200))
    keys = [text_key("7"), text_key("unknown"), text_key("1199"), text_key("7")]
    found = store.rows("rows", KEY).get(keys)
    assert list(found) == [keys[0], keys[2]]
    assert found[keys[2]].tolist() == [1199.0] * 3
    assert found[keys[0]].dtype == np.float32
    assert not found[keys[0]].flags.writeable
    assert len(rows.get(list(vectors(1200)))) == 1200
    assert store.rows("rows", {"other": 1}).get(keys) == {}


def test_rows_are_replaced(store):
    rows = store.rows("rows", KEY)
    rows.put({b"k": np.zeros(2, np.float32)})
    rows.put({b"k": np.ones(4, np.float32)})
    assert rows.get([b"k"])[b"k"].tolist() == [1.0] * 4


@pytest.mark.parametrize("bad", [np.zeros(3), np.zeros((1, 3), np.float32), np.arange(3)])
def test_rows_that_would_not_come_back_the_same_are_refused(store, bad):
    with pytest.raises(TypeError, match="float32"):
        store.rows("rows", KEY).put({b"k": bad})


def test_a_damaged_row_is_absent_and_the_others_stay(store):
    rows = store.rows("rows", KEY)
    rows.put(vectors(3))
    with sqlite3.connect(store.path_of("rows", KEY, ".sqlite")) as table:
        table.execute("UPDATE vectors SET vector = ? WHERE key = ?", (b"\0" * 12, text_key("1")))
    table.close()
    assert [v[0] for v in rows.get(list(vectors(3))).values()] == [0.0, 2.0]


def test_rows_of_another_table_prove_nothing(store):
    store.rows("rows", KEY).put(vectors(3))
    other = store.path_of("rows", {"other": 1}, ".sqlite")
    other.write_bytes(store.path_of("rows", KEY, ".sqlite").read_bytes())
    assert store.rows("rows", {"other": 1}).get(list(vectors(3))) == {}


def foreign_schema(path):
    path.unlink()
    with sqlite3.connect(path) as table:
        table.execute("CREATE TABLE vectors (something TEXT)")
    table.close()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(os.urandom(5000)),
        lambda path: path.write_bytes(path.read_bytes()[:4096]),
        lambda path: path.write_bytes(path.read_bytes()[:100] + b"\xff" * 20000),
        foreign_schema,
    ],
    ids=["noise", "truncated", "overwritten", "foreign"],
)
def test_a_damaged_table_starts_afresh(store, damage):
    rows = store.rows("rows", KEY)
    rows.put(vectors(100))
    damage(store.path_of("rows", KEY, ".sqlite"))
    found = rows.get(list(vectors(100)))
    assert all(found[key][0] == vectors(100)[key][0] for key in found)
    rows.put(vectors(100))
    assert len(rows.get(list(vectors(100)))) == 100


def test_a_truncated_table_with_many_pages_is_no_trap(store):
    rows = store.rows("rows", KEY)
    rows.put(vectors(200, d=600))
    path = store.path_of("rows", KEY, ".sqlite")
    os.truncate(path, path.stat().st_size // 2)
    rows.get(list(vectors(200)))
    rows.put(vectors(200, d=600))
    assert len(rows.get(list(vectors(200)))) == 200


PUT_ROWS = """
import sys
import numpy as np
from embfilter_viz.store import Store, text_key

rows = Store(sys.argv[1]).rows("rows", {"k": 1})
for batch in range(10):
    names = [f"{sys.argv[2]}-{batch}-{i}" for i in range(20)]
    rows.put({text_key(name): np.full(8, batch, np.float32) for name in names})
    assert len(rows.get([text_key(name) for name in names])) == 20
"""


def test_processes_fill_one_table_together(tmp_path):
    running = [
        subprocess.Popen([sys.executable, "-c", PUT_ROWS, str(tmp_path), name]) for name in "abc"
    ]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]
    keys = [text_key(f"{n}-{b}-{i}") for n in "abc" for b in range(10) for i in range(20)]
    assert len(Store(tmp_path).rows("rows", {"k": 1}).get(keys)) == 600


def test_who_would_compute_the_same_rows_waits_and_who_computes_others_does_not(store):
    rows = store.rows("rows", KEY)
    held, told, done = threading.Event(), threading.Event(), threading.Event()

    def first():
        with rows.turn([b"a", b"b"]):
            held.set()
            assert told.wait(20)
        done.set()

    thread = threading.Thread(target=first)
    thread.start()
    assert held.wait(20)
    with rows.turn([b"b"]):
        assert not done.is_set()
    again = Store(store.folder).rows("rows", KEY)
    with again.turn([b"b", b"a"], lambda *said: told.set()):
        assert told.is_set()
    thread.join()
    assert done.is_set()


def test_tables_count_towards_the_bound_and_are_evicted_whole(tmp_path):
    store = Store(tmp_path, limit_bytes=80_000)
    store.rows("rows", {"n": 1}).put(vectors(10, d=500))
    first = store.path_of("rows", {"n": 1}, ".sqlite")
    os.utime(first, (1, 1))
    store.rows("rows", {"n": 2}).put(vectors(10, d=500))
    store.arrays("demo", KEY, lambda: {"x": np.zeros(1000)})
    assert not first.exists()
    assert store.size() <= store.limit_bytes
    assert store.rows("rows", {"n": 1}).get([text_key("1")]) == {}
    assert len(store.rows("rows", {"n": 2}).get([text_key("1")])) == 1


def test_a_table_never_outgrows_the_bound(tmp_path, caplog):
    store = Store(tmp_path, limit_bytes=50_000)
    rows = store.rows("rows", KEY)
    for part in range(10):
        rows.put({text_key(f"{part} {i}"): np.zeros(500, np.float32) for i in range(5)})
    assert 0 < store.size() <= 1.5 * store.limit_bytes
    assert len(caplog.records) == 1


def test_a_held_table_is_not_evicted(tmp_path):
    store = Store(tmp_path, limit_bytes=10)
    path = store.path_of("rows", KEY, ".sqlite")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 100)
    with store.locked(path):
        thread = threading.Thread(target=store.evict, args=(tmp_path / "none",))
        thread.start()
        thread.join()
        assert path.exists()
    store.evict(tmp_path / "none")
    assert not path.exists()


def test_frozen_values_do_not_freeze_the_callers_array():
    mine = np.zeros(3)
    assert not store_arrays._frozen({"x": mine})["x"].flags.writeable
    assert mine.flags.writeable


# -- finished results ---------------------------------------------------------------------------


def test_a_finished_result_is_read_back_by_another(tmp_path):
    Records(tmp_path).put("scores", KEY, {"score": 0.25})
    assert Records(tmp_path).get("scores", dict(reversed(KEY.items()))) == {"score": 0.25}
    assert Records(tmp_path).get("scores", {**KEY, "tau": 4.0}) is None
    assert Records(tmp_path).get("others", KEY) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"result": {"score": 1}}', '{"result": 1}'])
def test_a_damaged_result_is_not_there(tmp_path, content):
    records = Records(tmp_path)
    records.put("scores", KEY, {"score": 0.25})
    (path,) = (tmp_path / "scores").iterdir()
    path.write_text(content)
    assert records.get("scores", KEY) is None
    records.put("scores", KEY, {"score": 0.5})
    assert records.get("scores", KEY) == {"score": 0.5}


def test_a_disk_that_refuses_a_result_is_told_of_once(tmp_path, caplog):
    (tmp_path / "file").touch()
    records = Records(tmp_path / "file")
    with caplog.at_level(logging.WARNING, logger="embfilter_viz.store"):
        records.put("scores", KEY, {"score": 0.5})
        records.put("scores", KEY, {"score": 0.5})
    assert [line.message[:33] for line in caplog.records] == ["finished results cannot be kept: "]


def test_a_store_may_grow_into_the_free_disk(tmp_path):
    store = Store(tmp_path / "results", limit_bytes=10)
    store.use_free_disk()
    assert store.limit_bytes > 1e6
    store.arrays("demo", KEY, values)
    assert entry_of(store).is_file()
    large = Store(tmp_path / "results", limit_bytes=float("inf"))
    large.use_free_disk()
    assert large.limit_bytes == float("inf")
