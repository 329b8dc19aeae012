"""What is kept on disk and then damaged is noticed; a cache that keeps nothing stops nothing."""

import errno
import logging
from pathlib import Path

import numpy as np
import pytest

from embfilter_viz.errors import InputError
from embfilter_viz.model import open_model
from embfilter_viz.models.formats import fingerprints
from embfilter_viz.models.sources import gguf_outline
from embfilter_viz.models.sources.gguf_conversion import (
    all_converted,
    find_verified,
    is_as_written,
)
from embfilter_viz.models.sources.known import known_models
from embfilter_viz.models.sources.locate import locate, outline
from embfilter_viz.store import Store, text_key
from embfilter_viz.store.reading import read_once
from embfilter_viz.system import paths
from tests.models.tiny_checkpoints import write_checkpoint
from tests.models.tiny_gguf import write_gguf

pytestmark = pytest.mark.usefixtures("own_cache", "in_process")


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    write_gguf(path)
    return path


def flip(path: Path, at: int) -> None:
    """Turn one bit round, in place."""
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 0x40]))


def test_flipped_bits_in_a_conversion_are_noticed_and_mended(
    gguf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = locate(str(gguf))
    whole = {file.name: file.read_bytes() for file in before.folder.iterdir()}
    (made,) = all_converted()
    assert is_as_written(made)
    places = np.random.default_rng(0).integers(8, 5000, size=3)
    for name, at in (*(("model.safetensors", int(at)) for at in places), ("tokenizer.json", 9)):
        flip(before.folder / name, at)
        assert not is_as_written(made)
        with caplog.at_level(logging.WARNING):
            again = locate(str(gguf))
        assert "is damaged and made anew" in caplog.text
        assert again.content_hash == before.content_hash
        assert (again.folder / name).read_bytes() == whole[name]
        caplog.clear()


def test_an_undamaged_conversion_is_hashed_once(
    gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locate(str(gguf))
    monkeypatch.setattr(fingerprints, "_CHUNK", None)  # what is read is read in chunks
    (made,) = all_converted()
    assert find_verified(made.folder.name.partition("-")[0]) == made


def test_flipped_bits_in_a_tokenizer_out_of_a_gguf_are_noticed(gguf: Path) -> None:
    found = outline(str(gguf))
    tokenizer = found.folder / "tokenizer.json"
    before = tokenizer.read_bytes()
    flip(tokenizer, len(before) // 2)
    assert found.gguf is not None
    assert gguf_outline.find_outline(found.gguf) is None
    outline(str(gguf))
    assert tokenizer.read_bytes() == before


def test_rows_of_zeros_are_refused_and_never_kept(tmp_path: Path) -> None:
    rows = Store(tmp_path).rows("rows", {})

    def read(texts: list[str], listener: object):
        yield range(len(texts)), np.zeros((len(texts), 3), np.float32)

    with pytest.raises(InputError, match="nothing but zeros"):
        read_once(["a"], rows, read, damaged=lambda: "m: nothing but zeros; fetch it again")
    assert rows.get([text_key("a")]) == {}


def test_rows_of_zeros_that_were_kept_are_read_again(tmp_path: Path) -> None:
    rows = Store(tmp_path).rows("rows", {})
    rows.put({text_key("a"): np.zeros(3, np.float32)})

    def read(texts: list[str], listener: object):
        yield range(len(texts)), np.ones((len(texts), 3), np.float32)

    found = read_once(["a"], rows, read, damaged=lambda: "damaged")
    assert found.tolist() == [[1.0] * 3]
    assert rows.get([text_key("a")])[text_key("a")].any()


@pytest.fixture(params=["read-only", "no home", "full"])
def keeps_nothing(
    own_cache: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache into which nothing can be written."""
    if request.param == "read-only":  # to root as well
        monkeypatch.setenv("EMBFILTER_VIZ_CACHE", "/proc")
    elif request.param == "no home":
        monkeypatch.setenv("EMBFILTER_VIZ_CACHE", "/proc/no-home/.cache")
    else:

        def full(*args: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(fingerprints, "write_atomically", full)
        monkeypatch.setattr(paths, "is_writable", lambda folder: False)
    paths._instead.cache_clear()


@pytest.mark.usefixtures("keeps_nothing")
def test_a_cache_that_keeps_nothing_stops_nothing(
    gguf: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_checkpoint(tmp_path / "llama").folder
    with caplog.at_level(logging.WARNING):
        assert not any(model.present for model in known_models())
        for name, text in ((str(folder), "a text"), (str(gguf), "AB")):
            model = open_model(name)
            assert model.spectrum.singular_values.shape == (32,)
            assert np.isfinite(model.encode([text], "mean")).all()
    assert caplog.text.count("nothing is kept for the next time") == 1
