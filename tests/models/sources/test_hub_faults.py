"""A Xet store that is not there, mirrors without lengths, and a cache that is damaged or shut."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from embfilter_viz.errors import InputError
from embfilter_viz.models.sources import hub, hub_answers
from embfilter_viz.models.sources.locate import locate, outline
from tests.models import hand_made
from tests.models.hand_made import Listener
from tests.models.hub_stand_in import Fault, HubStandIn, Repository, hub_stand_in
from tests.models.sources.test_hub_answers import one_line

pytestmark = pytest.mark.usefixtures("own_cache")

WEIGHTS = "model.safetensors"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return hand_made.write(tmp_path / "content")


@pytest.fixture
def served(model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    with hub_stand_in({"org/tiny": Repository(model)}) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.address)
        yield running


# -- the Xet store ----------------------------------------------------------------------------


def test_a_xet_store_that_refuses_is_passed_by(served: HubStandIn, model: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        served.xet = f"http://127.0.0.1:{taken.getsockname()[1]}"
        listener, before = Listener(), time.monotonic()
        found = locate("org/tiny", progress=listener)
    assert time.monotonic() - before < 20
    assert (found.folder / WEIGHTS).read_bytes() == (model / WEIGHTS).read_bytes()
    assert any("/xet-read-token/" in line for line in served.requests)  # it was asked
    told = {what for what, *_ in listener.told}
    assert "the Xet store does not answer: fetching from the hub itself" in told


def test_a_silent_xet_store_is_given_up(
    served: HubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_XET_CLIENT_READ_TIMEOUT", "500ms")
    assert "HF_XET_CLIENT_READ_TIMEOUT" not in hub_answers.xet_settings()  # the reader's stays
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # connects and never answers
        served.xet = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert locate("org/tiny").outline.kind == "hub"


# -- mirrors ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("in_process")
def test_a_list_without_lengths_is_asked_for_them(served: HubStandIn, model: Path) -> None:
    known = outline(str(model))
    served.hides_sizes = True
    found = outline("org/tiny")
    assert [(e.name, e.shape, e.n_bytes) for e in found.tables] == [
        (e.name, e.shape, e.n_bytes) for e in known.tables
    ]
    assert served.bytes_sent[WEIGHTS] < (model / WEIGHTS).stat().st_size
    assert locate("org/tiny").content_hash == locate(str(model)).content_hash


@pytest.mark.usefixtures("in_process")
def test_neither_lengths_nor_ranges(served: HubStandIn, model: Path) -> None:
    served.hides_sizes = served.ignores_ranges = True
    assert locate("org/tiny").content_hash == locate(str(model)).content_hash


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("xet", ["", "http://127.0.0.1:9"])
def test_files_without_a_length_are_fetched(
    served: HubStandIn, model: Path, monkeypatch: pytest.MonkeyPatch, xet: str
) -> None:
    import huggingface_hub.constants as settings

    monkeypatch.setattr(settings, "HF_HUB_DISABLE_XET", False)  # and put back
    served.hides_lengths, served.xet = True, xet
    assert locate("org/tiny").content_hash == locate(str(model)).content_hash


# -- what lies in the cache -------------------------------------------------------------------


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def cut_in_its_table(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


def lengthened(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(16))


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 0x40
    path.write_bytes(bytes(content))


DAMAGES = (cut, cut_in_its_table, lengthened, flipped)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_of_the_cache_is_fetched_again(
    served: HubStandIn, model: Path, damage: object
) -> None:
    before = locate("org/tiny")
    blob = (before.folder / WEIGHTS).resolve()
    assert callable(damage)
    damage(blob)
    asked = len(served.requests)
    again = locate("org/tiny")
    assert again == before
    assert (again.folder / WEIGHTS).read_bytes() == (model / WEIGHTS).read_bytes()
    fetched = [line for line in served.requests[asked:] if line.startswith("GET /org/")]
    assert [line.rpartition("/")[2] for line in fetched] == [WEIGHTS]  # and nothing else


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("damage", DAMAGES)
def test_one_that_cannot_be_fetched_again_is_told_with_both_reasons(
    served: HubStandIn, monkeypatch: pytest.MonkeyPatch, damage: object
) -> None:
    blob = (locate("org/tiny").folder / WEIGHTS).resolve()
    assert callable(damage)
    damage(blob)
    held = blob.read_bytes()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    said = one_line()
    assert WEIGHTS in said
    assert "and it cannot be fetched again: the hub http://127.0.0.1:9 cannot be reached" in said
    assert blob.read_bytes() == held


@pytest.mark.usefixtures("in_process")
def test_what_the_hub_has_damaged_itself_is_not_fetched_for_ever(
    served: HubStandIn, model: Path
) -> None:
    cut(model / WEIGHTS)
    hub.snapshot("org/tiny")
    asked = len(served.requests)
    for _ in range(2):
        assert f"{WEIGHTS} is truncated: its table asks for" in one_line()
    assert not [line for line in served.requests[asked:] if line.endswith(WEIGHTS)]


@pytest.mark.usefixtures("in_process")
def test_all_is_opened_without_writing_to_the_hubs_cache(served: HubStandIn) -> None:
    first = locate("org/tiny")

    def there() -> dict[Path, tuple[int, int]]:
        found = {path: path.lstat() for path in hub.hub_cache().rglob("*")}
        return {path: (one.st_mtime_ns, one.st_size) for path, one in found.items()}

    before = there()
    served.faults = [Fault(".", 503)]  # nobody is asked either
    assert locate("org/tiny") == first
    assert there() == before


def test_a_read_only_cache_is_told_before_anything_travels(
    served: HubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", "/proc/hub")  # read-only to root as well
    assert "and the hub's cache /proc/hub cannot be written to; set HF_HOME or" in one_line()
    with pytest.raises(InputError, match="cannot be written to"):
        outline("org/tiny")
    assert served.requests == []


@pytest.mark.usefixtures("in_process")
def test_a_folder_of_somebody_else_in_the_cache_is_one_line(
    served: HubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    def shut(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "/hub/models--org--tiny/blobs")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", shut)
    assert "cannot be written to (/hub/models--org--tiny/blobs: Permission denied)" in one_line()
