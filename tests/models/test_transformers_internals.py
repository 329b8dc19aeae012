"""What a release of transformers breaks when it renames what it never promised to keep."""

from importlib import import_module
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement

PARTS = {
    "transformers.models.auto.configuration_auto:CONFIG_MAPPING_NAMES": "rare families are refused",
    "transformers.models.auto.configuration_auto:AutoConfig": "rare configurations are not read",
    "transformers.models.auto.modeling_auto:MODEL_FOR_CAUSAL_LM_MAPPING_NAMES": "nothing is loaded",
    "transformers.models.auto.modeling_auto:MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES": (
        "vision-language models are not loaded"
    ),
    "transformers.quantizers.auto:AutoHfQuantizer.from_config": "quantised models are not loaded",
    "transformers.quantizers.auto:AutoQuantizationConfig.from_dict": (
        "quantised models are not loaded"
    ),
    "transformers.modeling_utils:ALL_ATTENTION_FUNCTIONS.get_interface": "texts are not packed",
    "transformers.masking_utils:ALL_MASK_ATTENTION_FUNCTIONS": "texts are not packed",
    "transformers:AttentionInterface.register": "texts are not packed",
    "transformers:AttentionMaskInterface.register": "texts are not packed",
    "transformers.modeling_utils:PreTrainedModel.get_decoder": "no text is encoded",
}


@pytest.mark.parametrize("part", PARTS)
def test_transformers_still_has(part: str) -> None:
    module, _, path = part.partition(":")
    found = import_module(module)
    for name in path.split("."):
        assert hasattr(found, name), f"{part} is gone: {PARTS[part]}"
        found = getattr(found, name)


def test_a_configuration_still_says_its_attention_in_a_private_field() -> None:
    from transformers import LlamaConfig

    config = LlamaConfig(attn_implementation="eager")
    assert config._attn_implementation == "eager", "_attn_implementation: texts are not packed"


def test_a_loading_report_still_has_its_keys(tmp_path) -> None:
    from transformers import AutoModelForCausalLM

    from tests.models.tiny_checkpoints import write_checkpoint

    write_checkpoint(tmp_path)
    _, report = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    keys = {"missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"}
    assert keys <= set(report), "loading report: missing weights are not noticed"


def test_the_installed_release_is_within_the_bound() -> None:
    import tomllib
    from pathlib import Path

    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {r.name: r.specifier for r in map(Requirement, project["dependencies"])}
    assert version("transformers") in asked["transformers"]
