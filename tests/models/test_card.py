import json
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from safetensors.numpy import save_file

from embfilter_viz.errors import InputError
from embfilter_viz.models import card as module
from embfilter_viz.models.card import WORKING_ROOM, card, check_fits
from embfilter_viz.models.outline import Outline
from embfilter_viz.models.sources.locate import locate, outline
from embfilter_viz.system.memory import memory_free
from tests.models import hand_made
from tests.models.hand_made import D_MODEL, D_VOCAB, N_LAYERS

pytestmark = pytest.mark.usefixtures("own_cache")

PARAMETERS = D_VOCAB * D_MODEL + D_MODEL + N_LAYERS * 6 * D_MODEL


@pytest.fixture
def checkpoint(tmp_path: Path) -> Outline:
    return outline(str(hand_made.write(tmp_path / "m")))


def test_card_of_a_tied_llama(checkpoint: Outline) -> None:
    found = card(checkpoint)
    assert (found.family, found.architecture) == ("Llama", "LlamaForCausalLM")
    assert (found.d_vocab, found.d_model, found.n_layers) == (D_VOCAB, D_MODEL, N_LAYERS)
    assert (found.parameters, found.tied, found.head_adds) == (PARAMETERS, True, ())
    assert found.memory_needed == 4 * PARAMETERS + WORKING_ROOM
    assert found.content_hash is None  # nobody has read the layers yet
    content_hash = locate(checkpoint.name).content_hash
    assert card(checkpoint).content_hash == content_hash
    assert found.fits
    said = json.loads(json.dumps(found.to_json()))
    assert said["fits"] is True
    assert said["memory_needed"] == found.memory_needed


def test_an_untied_head_counts_and_is_found(tmp_path: Path) -> None:
    folder = hand_made.write(tmp_path / "m", tie_word_embeddings=False)
    held = hand_made.tensors() | {"lm_head.weight": np.ones((D_VOCAB + 2, D_MODEL), np.float32)}
    save_file(held, folder / "model.safetensors")
    found = card(outline(str(folder)))
    assert (found.d_vocab, found.tied) == (D_VOCAB + 2, False)
    assert found.parameters == PARAMETERS + (D_VOCAB + 2) * D_MODEL


def test_no_head(tmp_path: Path) -> None:
    folder = hand_made.write(tmp_path / "m", tie_word_embeddings=False)
    with pytest.raises(InputError, match="no output head"):
        card(outline(str(folder)))


def test_what_the_head_adds(tmp_path: Path) -> None:
    folder = hand_made.write(tmp_path / "gemma", model_type="gemma2")
    assert card(outline(str(folder))).head_adds == ("a soft cap at 30",)
    folder = hand_made.write(tmp_path / "phi", model_type="phi", tie_word_embeddings=False)
    head = {
        "lm_head.weight": np.ones((D_VOCAB, D_MODEL), np.float32),
        "lm_head.bias": np.ones(D_VOCAB, np.float32),
    }
    save_file(hand_made.tensors() | head, folder / "model.safetensors")
    assert card(outline(str(folder))).head_adds == ("a bias",)


def test_memory_of_another_dtype_counts_its_largest_tensor_twice(tmp_path: Path) -> None:
    folder = hand_made.write(tmp_path / "m", dtype=np.float16)
    needed = card(outline(str(folder))).memory_needed
    assert needed == 4 * (PARAMETERS + D_VOCAB * D_MODEL) + WORKING_ROOM


def test_half_the_precision_is_counted_at_half_the_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = outline(str(hand_made.write(tmp_path / "m", dtype=np.float16)))
    assert card(half, "float16").memory_needed == 2 * PARAMETERS + WORKING_ROOM
    converted = 2 * (PARAMETERS + D_VOCAB * D_MODEL) + WORKING_ROOM
    assert card(half, "bfloat16").memory_needed == converted
    assert card(half, "bfloat16").dtype == "bfloat16"
    monkeypatch.setattr(module, "memory_free", lambda: converted)
    check_fits(half, "bfloat16")
    with pytest.raises(InputError, match=r"parameters in float32 needs .* choose bfloat16"):
        check_fits(half, "float32")


def test_a_graphics_card_s_own_memory_counts(
    checkpoint: Outline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        module, "memory_of_device", lambda device: 512_000_000 if device == "cuda" else None
    )
    check_fits(checkpoint, "float32", "cpu")
    with pytest.raises(InputError, match="512 MB on the cuda device and 512 MB are free there"):
        check_fits(checkpoint, "float32", "cuda")


def test_shards_are_counted_together(tmp_path: Path) -> None:
    folder = hand_made.write(tmp_path / "m", shards=3)
    found = card(outline(str(folder)))
    assert (found.parameters, found.n_layers) == (PARAMETERS, N_LAYERS)


def test_what_would_not_fit_is_refused_with_both_numbers(
    checkpoint: Outline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "memory_free", lambda: 512_000_000)
    with pytest.raises(InputError, match="needs 512 MB of memory and 512 MB are free") as refusal:
        check_fits(checkpoint)
    assert "\n" not in str(refusal.value)
    assert not card(checkpoint).fits
    monkeypatch.setattr(module, "memory_free", lambda: 513_000_000)
    check_fits(checkpoint)


def test_an_8_billion_model_is_judged_in_milliseconds(tmp_path: Path) -> None:
    folder = hand_made.write(tmp_path / "m", tie_word_embeddings=False)
    d, v, table, at = 4096, 128_256, {}, 0
    shapes = {"model.embed_tokens.weight": (v, d), "lm_head.weight": (v, d)}
    for layer in range(32):
        for part, shape in {"q": (d, d), "o": (d, d), "k": (1024, d), "v": (1024, d)}.items():
            shapes[f"model.layers.{layer}.self_attn.{part}_proj.weight"] = shape
        for part in ("gate", "up", "down"):
            shapes[f"model.layers.{layer}.mlp.{part}_proj.weight"] = (14_336, d)
    for name, shape in shapes.items():
        size = 2 * int(np.prod(shape))
        table[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    header = json.dumps(table).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + at)  # a sparse file: 16 GB that take no room
    before = time.perf_counter()
    found = card(outline(str(folder)))
    needed = found.memory_needed
    assert time.perf_counter() - before < 1
    parameters = at // 2
    assert needed == 4 * parameters + 4 * v * d + WORKING_ROOM
    assert parameters > 8.0e9
    assert found.n_bytes == at
    assert found.head_bytes == 2 * v * d


def write_tree(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_memory_without_groups_is_the_machine_s(tmp_path: Path) -> None:
    available = psutil.virtual_memory().available
    assert abs(memory_free(tmp_path) - available) < 0.2 * available


def test_memory_limit_of_a_group_and_of_its_parent(tmp_path: Path) -> None:
    base = "sys/fs/cgroup"
    write_tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/job/step\n",
            f"{base}/job/step/memory.max": "max\n",
            f"{base}/job/step/memory.current": "100\n",
            f"{base}/job/step/memory.stat": "inactive_file 0\n",
            f"{base}/job/memory.max": "3000000\n",
            f"{base}/job/memory.current": "2500000\n",
            f"{base}/job/memory.stat": "anon 5\ninactive_file 400000\n",
        },
    )
    assert memory_free(tmp_path) == 900_000


def test_memory_limit_seen_from_inside_a_container(tmp_path: Path) -> None:
    base = "sys/fs/cgroup"
    write_tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/../../outside\n",
            f"{base}/memory.max": "1000000\n",
            f"{base}/memory.current": "400000\n",
            f"{base}/memory.stat": "inactive_file 0\n",
        },
    )
    assert memory_free(tmp_path) == 600_000


def test_memory_limit_of_version_one(tmp_path: Path) -> None:
    base = "sys/fs/cgroup/memory"
    write_tree(
        tmp_path,
        {
            "proc/self/cgroup": "4:cpu:/x\n3:memory:/docker/abc\n",
            f"{base}/memory.limit_in_bytes": "9223372036854771712\n",
            f"{base}/memory.usage_in_bytes": "5\n",
            f"{base}/memory.stat": "total_inactive_file 0\n",
            f"{base}/docker/abc/memory.limit_in_bytes": "2000\n",
            f"{base}/docker/abc/memory.usage_in_bytes": "1500\n",
            f"{base}/docker/abc/memory.stat": "total_inactive_file 300\n",
        },
    )
    assert memory_free(tmp_path) == 800
    (tmp_path / base / "docker/abc/memory.usage_in_bytes").write_text("9000\n")
    assert memory_free(tmp_path) == 0
