"""The head of a hub checkpoint: which bytes travel, and what happens when they do not."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from embfilter_viz import open_model
from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.models.card import card
from embfilter_viz.models.head.unembedding import NoHeadError, find_head, open_head
from embfilter_viz.models.sources import hub, ranges
from embfilter_viz.models.sources.known import known_models
from embfilter_viz.models.sources.locate import locate, outline
from tests.models import hand_made
from tests.models.hand_made import Listener
from tests.models.hub_stand_in import HubStandIn, Repository, hub_stand_in

pytestmark = pytest.mark.usefixtures("own_cache")

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Three shards, the head in one of them: 44 of some 24,000 numbers."""
    folder = hand_made.write(tmp_path / "content", shards=3)
    index = folder / "model.safetensors.index.json"
    said = json.loads(index.read_text())
    for number, path in enumerate(sorted(folder.glob("*.safetensors")), start=1):
        name = f"model.layers.{number}.mlp.up_proj.weight"
        save_file(load_file(path) | {name: np.ones((200, 40), np.float32)}, path)
        said["weight_map"][name] = path.name
    index.write_text(json.dumps(said))
    return folder


@pytest.fixture
def served(model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    with hub_stand_in({"org/tiny": Repository(model, revisions=("main", "v1"))}) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.address)
        yield running


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetch without a child process, whose start takes longer than all the rest."""

    def here(work: Any, arguments: dict[str, Any], *, progress: Any, **_: Any) -> Any:
        return work(**arguments, progress=progress)

    monkeypatch.setattr(hub, "run_in_child", here)


def weights_sent(served: HubStandIn) -> int:
    return sum(n for file, n in served.bytes_sent.items() if file.endswith(".safetensors"))


def tables_and_head(folder: Path) -> int:
    """What has to travel: of each shard its table, and the bytes of the one tensor."""
    tables = [
        8 + int.from_bytes(path.read_bytes()[:8], "little") for path in folder.glob("*.safetensors")
    ]
    return sum(tables) + hand_made.tensors()[EMBEDDING].nbytes


def head_of(name: str) -> np.ndarray:
    found = outline(name)
    return np.asarray(open_head(find_head(found)).W_U)


def test_of_the_weights_only_the_head_travels(served: HubStandIn, model: Path) -> None:
    listener = Listener()
    found = outline("org/tiny", progress=listener)
    assert weights_sent(served) == tables_and_head(model)
    assert found.revision == served.repositories["org/tiny"].commit
    assert not found.here
    assert ("fetching the head from the hub", "MB") in [(w, u) for w, _, _, u in listener.told]
    np.testing.assert_array_equal(head_of("org/tiny"), hand_made.tensors()[EMBEDDING])
    known = outline(str(model))  # the same card as of the whole folder
    assert [(e.name, e.shape) for e in found.tables] == [(e.name, e.shape) for e in known.tables]
    assert card(found).parameters == card(known).parameters
    assert (card(found).head_bytes, card(found).n_bytes) == (11 * 4 * 4, known.n_bytes)
    assert card(found).content_hash is None


@pytest.mark.usefixtures("in_process")
def test_a_second_opening_asks_nothing(served: HubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    first = outline("org/tiny@v1")
    asked = len(served.requests)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert outline("org/tiny@v1") == first
    assert outline(f"org/tiny@{first.revision}").tables == first.tables
    assert len(served.requests) == asked
    monkeypatch.delenv("HF_HUB_OFFLINE")
    outline("org/tiny")
    (known,) = [m for m in known_models() if m.name == "org/tiny"]
    assert (known.source, known.n_bytes) == ("hub, its head alone fetched", 11 * 4 * 4)


@pytest.mark.usefixtures("in_process")
def test_the_rest_follows_when_it_is_wanted_and_nothing_small_travels_twice(
    served: HubStandIn, model: Path
) -> None:
    outline("org/tiny")
    before = dict(served.bytes_sent)
    whole = locate("org/tiny")
    assert whole.content_hash == locate(str(model)).content_hash
    small = {f: n for f, n in served.bytes_sent.items() if not f.endswith(".safetensors")}
    assert small == {f: n for f, n in before.items() if not f.endswith(".safetensors")}
    assert outline("org/tiny").here


@pytest.mark.usefixtures("in_process")
def test_redirects_to_another_host_which_sees_no_token(
    served: HubStandIn, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.redirects = True
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    outline("org/tiny")
    assert any(r.startswith("GET /cdn/") for r in served.requests)
    assert "Bearer hf_secret" in served.tokens
    assert served.tokens_elsewhere == []
    assert weights_sent(served) == tables_and_head(model)


@pytest.mark.usefixtures("in_process")
def test_a_server_without_ranges_sends_the_one_file_and_it_is_said(
    served: HubStandIn, model: Path
) -> None:
    served.ignores_ranges = True
    listener = Listener()
    found = outline("org/tiny", progress=listener)
    assert any("the hub sends whole files only" in what for what, *_ in listener.told)
    fetched = {p.name for p in hub.hub_cache().rglob("*.safetensors")}
    assert fetched == {"model-00001-of-00003.safetensors"}
    assert find_head(found).tied
    np.testing.assert_array_equal(head_of("org/tiny"), hand_made.tensors()[EMBEDDING])
    assert card(found).n_layers == card(outline(str(model))).n_layers


@pytest.fixture
def large(served: HubStandIn, model: Path) -> HubStandIn:
    """A head of 12 MB in one file."""
    for path in model.glob("*.safetensors*"):
        path.unlink()
    rows = np.arange(3_000_000, dtype=np.float32).reshape(-1, 4)
    save_file({EMBEDDING: rows}, model / "model.safetensors")
    return served


@pytest.mark.usefixtures("in_process")
def test_a_broken_line_is_taken_up_where_it_broke(large: HubStandIn, model: Path) -> None:
    large.breaks_after = 5_000_000
    rows = head_of("org/tiny")
    assert np.array_equal(rows.ravel(), np.arange(3_000_000, dtype=np.float32))
    assert large.bytes_sent["model.safetensors"] < 12_000_000 + (1 << 21)


def test_a_cancelled_fetch_goes_on_from_what_is_there(large: HubStandIn) -> None:
    large.bytes_per_second = 8e6

    def cancel(what: str, done: float, total: float, unit: str) -> None:
        if what == "fetching the head from the hub" and done > 4:
            assert (round(total), unit) == (12, "MB")
            raise Cancelled

    with pytest.raises(Cancelled):
        outline("org/tiny", progress=cancel)
    assert ranges.find_hub_head("org/tiny") is None
    large.bytes_per_second = float("inf")
    large.bytes_sent.clear()
    rows = head_of("org/tiny")
    assert np.array_equal(rows.ravel(), np.arange(3_000_000, dtype=np.float32))
    assert large.bytes_sent["model.safetensors"] < 9_000_000


@pytest.mark.usefixtures("in_process")
def test_a_damaged_or_emptied_cache_is_filled_anew(served: HubStandIn, own_cache: Path) -> None:
    first = outline("org/tiny")
    (head,) = own_cache.rglob("head.bin")
    head.write_bytes(head.read_bytes()[:-1])
    assert ranges.find_hub_head("org/tiny") is None
    assert outline("org/tiny") == first
    (first.folder / "tokenizer.json").unlink()
    assert outline("org/tiny") == first


@pytest.mark.usefixtures("in_process")
def test_no_head_and_a_quantised_one_are_refused_before_they_travel(
    served: HubStandIn, model: Path
) -> None:
    for path in model.glob("*.safetensors*"):
        path.unlink()
    save_file({EMBEDDING: np.ones((11, 4), np.int8)}, model / "model.safetensors")
    with pytest.raises(InputError, match="quantised"):
        outline("org/tiny")
    save_file({"model.norm.weight": np.ones(4, np.float32)}, model / "model.safetensors")
    served.repositories["org/none"] = Repository(model)  # another may lend it one
    with pytest.raises(NoHeadError, match="no output head"):
        find_head(outline("org/none"))
    assert weights_sent(served) < 500


@pytest.mark.usefixtures("in_process")
def test_where_both_are_stored_their_bytes_decide(served: HubStandIn, model: Path) -> None:
    for path in model.glob("*.safetensors*"):
        path.unlink()
    rows = hand_made.tensors()[EMBEDDING]
    save_file({EMBEDDING: rows, HEAD: rows[::-1].copy()}, model / "model.safetensors")
    np.testing.assert_array_equal(head_of("org/tiny"), rows[::-1])


@pytest.mark.usefixtures("in_process")
def test_a_model_too_large_to_run_opens_and_its_layers_stay_away(
    served: HubStandIn, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.repositories["org/real"] = Repository(tiny)
    monkeypatch.setattr("embfilter_viz.models.card.memory_free", lambda: 1000)
    opened = open_model("org/real")
    assert not opened.can_encode
    assert opened.spectrum.d_model == opened.d_model
    assert opened.frequencies("corpus", ["the cat"]).p.shape == (opened.d_vocab,)
    with pytest.raises(InputError, match=r"needs .* of memory and 0 MB are free"):
        opened.encode(["a text"])
    assert not opened.is_whole
    assert served.bytes_sent["model.safetensors"] < opened.card.n_bytes


@pytest.fixture
def seeing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    """A tiny vision-language model on the hub."""
    from tests.models.tiny_checkpoints import save
    from tests.models.tiny_families import tiny_model

    folder = save(tiny_model("qwen2_vl"), tmp_path / "seeing").folder
    with hub_stand_in({"org/seeing": Repository(folder)}) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.address)
        yield running


def test_of_a_vision_language_model_only_the_language_model_travels(
    seeing: HubStandIn, tmp_path: Path
) -> None:
    texts = ["the cat sat on the mat", "stars"]
    model = open_model("org/seeing")
    found = model.encode(texts)
    files = (tmp_path / "seeing").glob("*.safetensors")
    held = {name: array for file in files for name, array in load_file(file).items()}
    eyes = sum(array.nbytes for name, array in held.items() if "visual" in name)
    whole = sum(array.nbytes for array in held.values())
    head = model.card.head_bytes
    assert eyes > 0.2 * whole
    tables = 2 * 8 * 1024 * 4  # of each shard, twice
    assert weights_sent(seeing) < whole - eyes + head + tables
    np.testing.assert_allclose(
        found, open_model(str(tmp_path / "seeing")).encode(texts), rtol=1e-4, atol=1e-5
    )
    before = dict(seeing.bytes_sent)
    again = open_model("org/seeing")
    assert again.is_whole
    np.testing.assert_array_equal(again.encode(texts), found)
    assert seeing.bytes_sent == before
