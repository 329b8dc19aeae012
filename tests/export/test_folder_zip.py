"""A folder packed into one file comes out as it went in."""

import zipfile
from pathlib import Path

import pytest

from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.export.folder_zip import zip_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "exported"
    (made / "1_Pooling").mkdir(parents=True)
    (made / "1_Pooling" / "config.json").write_text("{}")
    (made / "model.safetensors").write_bytes(bytes(range(256)) * 40_000)
    return made


def test_it_unpacks_into_the_same_folder(folder: Path, tmp_path: Path) -> None:
    told: list[float] = []
    packed = zip_folder(folder, progress=lambda what, done, total, unit: told.append(done / total))
    assert packed == tmp_path / "exported.zip"
    assert told[-1] == pytest.approx(1)
    assert len(told) > 2
    with zipfile.ZipFile(packed) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "elsewhere")
    for path in folder.rglob("*"):
        again = tmp_path / "elsewhere" / "exported" / path.relative_to(folder)
        assert again.is_dir() if path.is_dir() else again.read_bytes() == path.read_bytes()


def test_what_is_stopped_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    def stop(*_: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        zip_folder(folder, progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["exported"]
    with pytest.raises(InputError, match="the folder is gone"):
        zip_folder(tmp_path / "nowhere")
