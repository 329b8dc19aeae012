"""The settings of Llama 3's positions, found again from the factors of each frequency."""

import numpy as np
import pytest

from embfilter_viz.models.gguf.rope import llama3_factors, llama3_parameters


@pytest.mark.parametrize(
    ("theta", "dims", "settings"),
    [
        (500_000.0, 128, (8.0, 1.0, 4.0, 8192)),  # Llama 3.1
        (500_000.0, 64, (32.0, 1.0, 4.0, 8192)),  # Llama 3.2
        (1_000_000.0, 128, (16.0, 1.0, 4.0, 8192)),  # EXAONE 4
        (10_000.0, 64, (4.0, 1.0, 8.0, 2048)),
        (500_000.0, 128, (6.0, 1.5, 5.0, 5000)),
    ],
)
def test_settings_that_give_the_factors_again(
    theta: float, dims: int, settings: tuple[float, float, float, int]
) -> None:
    factor, low, high, trained = settings
    factors = by_transformers(theta, dims, factor, low, high, trained).astype(np.float32)
    found = llama3_parameters(factors, theta)
    assert found is not None
    again = by_transformers(
        theta,
        dims,
        found["factor"],
        found["low_freq_factor"],
        found["high_freq_factor"],
        found["original_max_position_embeddings"],
    )
    np.testing.assert_allclose(again, factors, rtol=2e-5)


def by_transformers(
    theta: float, dims: int, factor: float, low: float, high: float, trained: int
) -> np.ndarray:
    """Default frequencies over those that transformers computes."""
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    def frequencies(**rope: object) -> np.ndarray:
        config = LlamaConfig(
            hidden_size=dims,
            num_attention_heads=1,
            num_key_value_heads=1,
            rope_parameters={"rope_theta": theta, **rope},
        )
        return LlamaRotaryEmbedding(config).inv_freq.double().numpy()

    scaled = frequencies(
        rope_type="llama3",
        factor=factor,
        low_freq_factor=low,
        high_freq_factor=high,
        original_max_position_embeddings=trained,
    )
    return frequencies(rope_type="default") / scaled


def test_factors_of_another_kind_have_no_settings() -> None:
    factors = llama3_factors(5e5, 64, factor=8, low=1, high=4, trained=8192)
    factors[20] *= 1.01
    assert llama3_parameters(factors, 5e5) is None
    assert llama3_parameters(np.linspace(1, 8, 32), 1e4) is None
