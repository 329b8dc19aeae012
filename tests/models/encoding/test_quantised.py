"""Quantised bodies: read as the numbers their codes stand for, or refused before loading."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from embfilter_viz import open_model
from embfilter_viz.errors import InputError
from embfilter_viz.models.card import WORKING_ROOM
from embfilter_viz.models.encoding import loading
from embfilter_viz.models.head.unembedding import read_unembedding
from embfilter_viz.models.sources.locate import outline
from tests.models import hand_made
from tests.models.family_checks import BOUND, Truth, difference
from tests.models.tiny_checkpoints import one_thread  # noqa: F401
from tests.models.tiny_quantised import FORMS, write_quantised

# torch's own, on importing the compiler that BitNet's layers ask for.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")

TEXTS = ["the cat sat", "the cat sat on the mat and the dog sat on the cat", "stars"]


@pytest.mark.parametrize("form", FORMS)
def test_codes_are_read_as_the_numbers_they_stand_for(form, tmp_path):
    _, meant = write_quantised(tmp_path, form)
    truth = Truth(meant)
    model = open_model(str(tmp_path))
    found = model.encode(TEXTS, "mean")
    expected = [truth.embedding(p.ids, p.start) for p in model.encoder.prepare(TEXTS, "mean")]
    # Eight-bit activations round the other way here and there.
    assert difference(found, np.stack(expected)) < (BOUND if "bitnet" not in form else 0.01)
    lens = model.unembedding.logits(truth.states.numpy())
    assert difference(lens, truth.logits.numpy()) < BOUND


@pytest.mark.parametrize("form", FORMS)
def test_memory_counts_the_numbers_that_codes_become(form, tmp_path):
    _, meant = write_quantised(tmp_path, form)
    card = open_model(str(tmp_path)).card
    numbers = [p.numel() for p in meant.parameters()]
    assert card.parameters == sum(numbers)
    needed = card.memory_needed - WORKING_ROOM
    if form == "bitnet, packed":
        codes = sum(p.numel() for n, p in meant.named_parameters() if n.endswith("_proj.weight"))
        assert needed == 4 * (sum(numbers) - codes) + codes // 4 + 4 * max(numbers)
    else:
        largest = max(p.numel() for n, p in meant.named_parameters() if ".layers." in n)
        assert needed == 4 * (sum(numbers) + largest)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"quant_method": "gptq", "bits": 4}, "pip install optimum"),
        ({"quant_method": "awq", "bits": 4}, "pip install gptqmodel"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "pip install -U bitsandbytes"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "rounds a text's tokens together"),
        ({"quant_method": "compressed-tensors"}, "pip install compressed-tensors"),
        ({"quant_method": "modelopt"}, "Unknown quantization type"),
        ({"bits": 4}, "in a way that config.json does not name"),
    ],
)
def test_what_cannot_be_run_here_is_refused_before_anything_is_loaded(
    settings, words, tmp_path, monkeypatch
):
    monkeypatch.setattr(loading, "_from_transformers", lambda *_: pytest.fail("loaded"))
    found = outline(str(hand_made.write(tmp_path, quantization_config=settings)))
    assert read_unembedding(found).d_vocab == hand_made.D_VOCAB  # its spectrum can be seen
    with pytest.raises(InputError) as refused:
        loading.load(found)
    said = str(refused.value)
    assert words in said
    assert "take the float16 or bfloat16 release, or a .gguf" in said
    assert "\n" not in said


def test_a_quantised_head_is_refused(tmp_path):
    checkpoint, _ = write_quantised(tmp_path, "fp8")
    held = load_file(tmp_path / "model.safetensors")
    held["lm_head.weight"] = held["lm_head.weight"].to(torch.float8_e4m3fn)
    held["lm_head.weight_scale_inv"] = torch.ones(24, 2)
    save_file(held, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"its head lm_head.weight is quantised"):
        open_model(str(checkpoint.folder))


def test_bitnet_is_not_compiled(tmp_path):
    """Which would take minutes, and a compiler for C++, at the first text."""
    from torch._dynamo.utils import counters

    write_quantised(tmp_path, "bitnet")
    counters.clear()
    assert open_model(str(tmp_path)).encode(TEXTS[:1]).shape == (1, 32)
    assert not counters["frames"]
