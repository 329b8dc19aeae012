import json
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from embfilter_viz.errors import InputError
from embfilter_viz.models.formats.fingerprints import file_hash
from embfilter_viz.models.sources import hub
from embfilter_viz.models.sources.locate import BUNDLED, locate, outline
from tests.models import hand_made
from tests.models.hand_made import Listener

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(hub, "run_in_child", refuse)
    monkeypatch.setattr("embfilter_viz.models.sources.bundled.run_in_child", refuse)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return hand_made.write(tmp_path / "model")


def one_line(name: str | Path) -> str:
    with pytest.raises(InputError) as refusal:
        locate(str(name))
    said = str(refusal.value)
    assert "\n" not in said
    assert said.startswith(str(name))
    return said


def test_folder(folder: Path) -> None:
    checkpoint = locate(str(folder))
    assert (checkpoint.name, checkpoint.outline.kind, checkpoint.folder) == (
        str(folder),
        "folder",
        folder,
    )
    assert (checkpoint.outline.precision, checkpoint.outline.revision) == ("float32", None)
    assert len(checkpoint.content_hash) == 64


@pytest.mark.parametrize(("dtype", "said"), [(np.float16, "float16"), (np.float64, "float64")])
def test_precision_is_what_is_on_the_disk(tmp_path: Path, dtype: type, said: str) -> None:
    assert locate(str(hand_made.write(tmp_path / "m", dtype=dtype))).outline.precision == said


def test_content_hash_follows_the_content_and_not_the_place(tmp_path: Path) -> None:
    one, same = (locate(str(hand_made.write(tmp_path / n))) for n in ("one", "same"))
    assert one.content_hash == same.content_hash
    (same.folder / "README.md").write_text("no part of it")
    assert locate(str(same.folder)).content_hash == one.content_hash
    seen = {one.content_hash}
    for file in ("config.json", "tokenizer.json"):
        path = same.folder / file
        path.write_text(path.read_text().replace("{", '{"changed": 1, ', 1).replace(", }", "}"))
        seen.add(locate(str(same.folder)).content_hash)
    weights = hand_made.tensors()
    weights["model.norm.weight"][0] += 1
    save_file(weights, same.folder / "model.safetensors")
    seen.add(locate(str(same.folder)).content_hash)
    assert len(seen) == 4


def test_a_file_is_hashed_once(folder: Path) -> None:
    listener = Listener()
    first = locate(str(folder), progress=listener)
    assert "checking model.safetensors" in [what for what, *_ in listener.told]
    again = Listener()
    assert locate(str(folder), progress=again) == first
    assert again.told == []


def test_a_changed_file_of_equal_size_is_hashed_anew(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a" * 100)
    before = file_hash(path)
    time.sleep(0.01)
    path.write_bytes(b"b" * 100)
    assert file_hash(path) != before


def test_a_damaged_note_is_not_believed(tmp_path: Path, own_cache: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a")
    right = file_hash(path)
    for note in (own_cache / "models" / "hashes").iterdir():
        note.write_text(note.read_text()[:40])
    assert file_hash(path) == right


def test_reopening_is_fast(folder: Path) -> None:
    locate(str(folder))
    before = time.perf_counter()
    locate(str(folder))
    assert time.perf_counter() - before < 0.3


@pytest.mark.parametrize("name", ["", "   ", "smolm2", "no such\nmodel", "x" * 5000, "a\0b"])
def test_unknown_names_say_the_four_forms(name: str) -> None:
    with pytest.raises(InputError) as refusal:
        locate(name)
    said = str(refusal.value)
    assert "\n" not in said
    for form in (BUNDLED, "org/name", "config.json", ".gguf"):
        assert form in said


def test_close_matches_are_suggested() -> None:
    assert "did you mean smollm2-135m?" in one_line("smollm-135m")
    assert "did you mean" not in one_line("zzz")


def test_a_file_that_is_no_model(tmp_path: Path, folder: Path) -> None:
    pickle = tmp_path / "weights.pt"
    pickle.write_bytes(b"pickle")
    assert "a pickle can run any code" in one_line(pickle)
    other = tmp_path / "notes.txt"
    other.touch()
    assert "no model" in one_line(other)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_one_file_of_a_checkpoint_stands_for_its_folder(folder: Path, file: str) -> None:
    assert outline(str(folder / file)) == outline(str(folder))


def test_a_repository_in_the_hub_cache_stands_for_its_snapshot(tmp_path: Path) -> None:
    home, commit = tmp_path / "models--org--tiny", "0123456789" * 4
    snapshot = hand_made.write(home / "snapshots" / commit)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)
    assert outline(str(home)).folder == snapshot
    assert locate(str(home)).content_hash == locate(str(snapshot)).content_hash


def test_a_byte_order_mark_in_the_configuration_is_no_damage(folder: Path) -> None:
    config = folder / "config.json"
    config.write_text(config.read_text(), encoding="utf-8-sig")
    assert outline(str(folder)).config["model_type"] == "llama"


def test_a_stale_index_beside_the_weights_is_not_read(folder: Path) -> None:
    """As transformers does it: model.safetensors goes before an index."""
    before = outline(str(folder)).tables
    index = {"weight_map": {"model.embed_tokens.weight": "gone.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert outline(str(folder)).tables == before


def test_an_adapter_beside_a_whole_model_is_refused(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    assert "whether the adapter is to be applied" in one_line(folder)


def test_a_configuration_that_names_other_weights_is_refused(tmp_path: Path) -> None:
    folder = hand_made.write(tmp_path / "m", transformers_weights="other.safetensors")
    assert "other.safetensors" in one_line(folder)


def test_the_makers_own_form_is_refused_with_what_to_give(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "params.json").write_text("{}")
    assert "give the release that has config.json" in one_line(folder)


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.pt", "model.ckpt", "weights.pth"])
def test_pickled_weights_are_refused_unopened(folder: Path, file: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / file).write_bytes(b"cos\nsystem\n(S'touch /tmp/opened'\ntR.")
    said = one_line(folder)
    assert "a pickle can run any code" in said
    assert "save_pretrained" in said


def test_a_pickle_beside_safetensors_does_not_matter(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    assert locate(str(folder)).outline.kind == "folder"


def test_code_of_the_checkpoint_is_never_run(folder: Path) -> None:
    (folder / "config.json").write_text(
        json.dumps(
            {
                "model_type": "brand_new",
                "architectures": ["BrandNewForCausalLM"],
                "auto_map": {"AutoModelForCausalLM": "modeling.BrandNewForCausalLM"},
            }
        )
    )
    (folder / "modeling.py").write_text("raise SystemExit")
    assert "never run" in one_line(folder)


def test_an_architecture_transformers_does_not_know(folder: Path) -> None:
    config = {"model_type": "brand_new", "architectures": ["BrandNewForCausalLM"]}
    (folder / "config.json").write_text(json.dumps(config))
    assert "transformers does not know model_type brand_new" in one_line(folder)


def test_own_code_offered_for_a_known_architecture_is_ignored(tmp_path: Path) -> None:
    auto_map = {"AutoModelForCausalLM": "modeling_x.X"}
    assert locate(str(hand_made.write(tmp_path / "m", auto_map=auto_map))).outline.kind == "folder"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{", "not valid JSON"),
        ("[1]", "JSON object"),
        ("\ufffd\0", "not valid JSON"),
        ('{"architectures": []}', "no model_type"),
        ('{"model_type": "bert", "architectures": ["BertForMaskedLM"]}', "encoder-only"),
        ('{"model_type": "t5", "is_encoder_decoder": true}', "encoder-decoder"),
    ],
)
def test_bad_config(folder: Path, config: str, said: str) -> None:
    (folder / "config.json").write_text(config)
    assert said in one_line(folder)


def test_config_that_is_no_text(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"\xff\xfe\x00{")
    assert "not valid JSON" in one_line(folder)


def test_folders_that_are_something_else(tmp_path: Path, folder: Path) -> None:
    (folder / "config.json").unlink()
    assert "no config.json" in one_line(folder)
    (folder / "m-q4.gguf").touch()
    assert f"give the file itself: {folder / 'm-q4.gguf'}" in one_line(folder)
    outer = tmp_path / "outer"
    hand_made.write(outer / "0_Transformer")
    assert f"did you mean {outer / '0_Transformer'}" in one_line(outer)
    (outer / "modules.json").write_text("[]")
    said = one_line(outer)
    assert "sentence-transformers" in said
    assert str(outer / "0_Transformer") in said


def test_no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    assert "no tokenizer" in one_line(folder)


def test_no_weights_and_weights_under_another_name(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "consolidated.safetensors")
    assert "model.safetensors.index.json" in one_line(folder)
    (folder / "consolidated.safetensors").unlink()
    assert "no weights" in one_line(folder)


def test_missing_shard(tmp_path: Path) -> None:
    folder = hand_made.write(tmp_path / "m", shards=3)
    assert locate(str(folder)).outline.kind == "folder"
    (folder / "model-00002-of-00003.safetensors").unlink()
    assert "the shard model-00002-of-00003.safetensors" in one_line(folder)


@pytest.mark.parametrize("index", ["{", "[]", '{"weight_map": 3}', "{}"])
def test_damaged_index(tmp_path: Path, index: str) -> None:
    folder = hand_made.write(tmp_path / "m", shards=2)
    (folder / "model.safetensors.index.json").write_text(index)
    assert "model.safetensors.index.json" in one_line(folder)


def test_an_index_cannot_point_out_of_the_folder(tmp_path: Path) -> None:
    hand_made.write(tmp_path / "secret")
    folder = hand_made.write(tmp_path / "m", shards=2)
    weight_map = {"w": "../secret/model.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    assert "'../secret/model.safetensors'" in one_line(folder)


@pytest.mark.parametrize("keep", [0, 5, 8, 50, 400, -1])
def test_truncated_safetensors(folder: Path, keep: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    assert "truncated" in one_line(folder)


def test_damaged_table(folder: Path) -> None:
    path = folder / "model.safetensors"
    whole = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for position in rng.integers(0, 300, size=100):
        damaged = whole.copy()
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            locate(str(folder))
        except InputError as error:
            said = str(error)
        else:
            continue  # a letter of a name: still a table
        assert "\n" not in said
