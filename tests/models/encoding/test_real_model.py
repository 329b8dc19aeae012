import os
import subprocess
import sys
from pathlib import Path

import pytest

from embfilter_viz.models.card import card
from embfilter_viz.models.sources.locate import locate, outline


@pytest.mark.real_model
def test_bundled_model_opens_in_a_moment() -> None:
    checkpoint = locate("smollm2-135m")
    found = card(outline("smollm2-135m"))
    assert (found.family, found.precision, found.tied) == ("Llama", "Q4_1", True)
    assert (found.d_vocab, found.d_model, found.n_layers) == (49_152, 576, 30)
    assert found.parameters == 134_515_008
    assert found.head_adds == ()
    assert sum(p.stat().st_size for p in checkpoint.folder.glob("*.safetensors")) > 538_000_000
    code = (
        "import sys, time; from embfilter_viz.models.sources.locate import locate; "
        "t = time.perf_counter(); locate('smollm2-135m'); "
        "print(time.perf_counter() - t, 'transformers' in sys.modules, 'torch' in sys.modules)"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    said = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    seconds, *heavy = said.stdout.split()
    assert float(seconds) < 0.3
    assert heavy == ["False", "False"]
