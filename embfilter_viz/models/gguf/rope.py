"""Rotary positions: what a GGUF says of them, as transformers' ``rope_parameters``.

llama.cpp keeps them in three places: hyperparameters (``rope.*``), a tensor with a factor for each
frequency (``rope_freqs``, Llama 3.1 and later) and two such tensors for short and long texts
(``rope_factors_short`` and ``_long``, Phi-3).
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from embfilter_viz.models.gguf.account import Account, NotRead

__all__ = ["llama3_factors", "llama3_parameters", "rope_parameters"]

THETA = 10_000.0
"""The base where a file gives none, in llama.cpp as in transformers."""
_FREQUENCIES = "rope_freqs.weight"
_SHORT, _LONG = "rope_factors_short.weight", "rope_factors_long.weight"
_ROUNDING = 1e-5
"""Relative; the factors are float32 and were computed from float32 frequencies."""


def rope_parameters(
    account: Account,
    head_dim: int,
    *,
    partial: bool = False,
    usually_whole: bool = False,
    long_by_formula: bool = False,
) -> dict[str, Any]:
    """The rotary positions of a file, as transformers says them.

    Args:
        account: the file.
        head_dim: dimensions of one attention head.
        partial: whether the family may turn a part of them only, so that the file must say it.
        usually_whole: whether a file that does not say it turns all of them nevertheless.
        long_by_formula: whether its converter computes LongRoPE's attention factor from the
            context lengths, as transformers does where none is given.

    Returns:
        the settings by transformers' names.

    Raises:
        NotRead: positions of a kind that is not known here.
    """
    if partial and not usually_whole and not account.says("rope.dimension_count"):
        raise NotRead("the file does not say how many dimensions of each head are turned")
    turned = account.value("rope.dimension_count", head_dim)
    found: dict[str, Any] = {
        "rope_type": "default",
        "rope_theta": float(account.value("rope.freq_base", THETA)),
    }
    if partial:
        found["partial_rotary_factor"] = _share(turned, head_dim)
    elif turned != head_dim:
        raise NotRead(
            f"{turned} of the {head_dim} dimensions of a head are turned, not all of them"
        )
    attention = account.value("rope.scaling.attn_factor", None)
    scaling = _scaling(account, attention)
    for more in (
        _of_frequencies(account, found["rope_theta"], turned),
        _of_lengths(account, turned, attention, long_by_formula),
    ):
        if more and scaling:
            raise NotRead(f"its positions are scaled twice: {scaling['rope_type']} and by a tensor")
        scaling = scaling or more
    if attention not in (None, 1.0) and scaling.get("rope_type") not in ("yarn", "longrope"):
        raise NotRead(f"an attention factor of {attention:g} without YaRN or LongRoPE")
    return found | scaling


def _share(turned: int, head_dim: int) -> float:
    """The factor f with int(head_dim · f) = turned, which is how transformers uses it."""
    factor = turned / head_dim
    return factor if int(head_dim * factor) == turned else (turned + 0.5) / head_dim


def _scaling(account: Account, attention: float | None) -> dict[str, Any]:
    """Return what the hyperparameters alone say: nothing, linear scaling or YaRN."""
    kind = account.value("rope.scaling.type", "linear")
    factor = account.value("rope.scaling.factor", account.value("rope.scale_linear", 0.0))
    trained = account.value("rope.scaling.original_context_length", None)
    if kind == "none" or (kind == "linear" and factor in (0.0, 1.0)):
        return {}
    if kind == "linear":
        return {"rope_type": "linear", "factor": float(factor)}
    if kind == "yarn" and factor > 1.0:
        account.expect("rope.scaling.yarn_ext_factor", 1.0)
        found = {
            "rope_type": "yarn",
            "factor": float(factor),
            "original_max_position_embeddings": trained or account.value("context_length"),
            "beta_fast": float(account.value("rope.scaling.yarn_beta_fast", 32.0)),
            "beta_slow": float(account.value("rope.scaling.yarn_beta_slow", 1.0)),
        }
        # The converter writes the attention_factor of a checkpoint's own configuration.
        given = account.value("rope.scaling.yarn_attn_factor", None)
        if given is not None or attention is not None:
            usual = 0.1 * math.log(factor) + 1.0
            found["attention_factor"] = (usual if given is None else given) * (attention or 1.0)
        return found
    if kind == "longrope" and account.has(_SHORT, _LONG):
        return {}  # which the tensors say
    raise NotRead(f"positions scaled as {kind} with factor {factor:g} are not known here")


def _of_lengths(
    account: Account, turned: int, attention: float | None, by_formula: bool
) -> dict[str, Any]:
    """LongRoPE: one factor a frequency for texts up to the trained length, one for longer ones.

    Args:
        account: the file's settings.
        turned: how many numbers of a head are turned.
        attention: the factor of attention that the file gives.
        by_formula: whether transformers computes that factor.

    Returns:
        the settings by transformers' names.
    """
    if not account.has(_SHORT) and not account.has(_LONG):
        return {}
    short, long = account.numbers(_SHORT), account.numbers(_LONG)
    if short.shape != (turned // 2,) or long.shape != (turned // 2,):
        raise NotRead(f"{_SHORT} should have {turned // 2} numbers and has {short.size}")
    if attention is None and not by_formula:
        raise NotRead("the attention factor of its LongRoPE is missing")
    context = account.value("context_length")
    found: dict[str, Any] = {
        "rope_type": "longrope",
        "short_factor": _plain(short),
        "long_factor": _plain(long),
        "original_max_position_embeddings": account.value(
            "rope.scaling.original_context_length", context
        ),
    }
    if attention is not None:
        found["attention_factor"] = float(attention)
    return found


def _of_frequencies(account: Account, theta: float, turned: int) -> dict[str, Any]:
    """Llama 3.1's scaling, from the factors it gives each frequency."""
    if not account.has(_FREQUENCIES):
        return {}
    factors = account.numbers(_FREQUENCIES)
    if factors.shape != (turned // 2,):
        raise NotRead(f"{_FREQUENCIES} should have {turned // 2} numbers and has {factors.size}")
    if np.all(factors == 1.0):
        return {}
    found = llama3_parameters(factors, theta)
    if found is None:
        raise NotRead(f"no settings of Llama 3's positions give the factors in {_FREQUENCIES}")
    return found


def llama3_factors(
    theta: float, dims: int, *, factor: float, low: float, high: float, trained: float
) -> np.ndarray:
    """(dims / 2,) float64: what Llama 3.1 divides each frequency θ^(-2i/dims) by.

    1 for wavelengths below trained / high, ``factor`` above trained / low, and between them
    1 / ((1 − s) / factor + s) with s = (trained / wavelength − low) / (high − low). (Meta, Llama
    3.1, ``apply_scaling``; transformers' ``rope_type`` ``llama3``.)

    Args:
        theta: base of the frequencies.
        dims: dimensions that are turned.
        factor: of the longest wavelengths.
        low: ``low_freq_factor``.
        high: ``high_freq_factor``.
        trained: ``original_max_position_embeddings``.

    Returns:
        (dims / 2,) float64.

    >>> llama3_factors(1e4, 4, factor=8, low=1, high=4, trained=64).tolist()
    [1.0, 8.0]
    """
    wavelengths = 2 * np.pi * theta ** (np.arange(0, dims, 2) / dims)
    share = np.clip((trained / wavelengths - low) / (high - low), 0.0, 1.0)
    return 1.0 / ((1.0 - share) / factor + share)


def llama3_parameters(factors: np.ndarray, theta: float) -> dict[str, Any] | None:
    """The settings of ``rope_type`` ``llama3`` that give these factors to rounding, or None.

    The settings of the released models are tried first. Else they are solved for: of the factors
    between both ends, s is linear in 1 / wavelength, and ``low_freq_factor`` may be about 1.

    Args:
        factors: (dims / 2,) one for each frequency.
        theta: base of the frequencies.

    >>> found = llama3_parameters(
    ...     llama3_factors(5e5, 64, factor=32, low=1, high=4, trained=8192), 5e5
    ... )
    >>> found["factor"], found["original_max_position_embeddings"]
    (32.0, 8192)
    >>> llama3_parameters(np.array([1.0, 2.0, 1.0, 8.0]), 1e4) is None
    True
    """
    largest = float(factors.max())
    candidates = [(largest, 1.0, 4.0, trained) for trained in (8192, 4096, 2048, 16_384, 32_768)]
    candidates += _solved(np.asarray(factors, dtype=np.float64), theta)
    for factor, low, high, trained in candidates:
        made = llama3_factors(
            theta, 2 * len(factors), factor=factor, low=low, high=high, trained=trained
        )
        if np.allclose(made, factors, rtol=_ROUNDING, atol=0.0):
            return {
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": low,
                "high_freq_factor": high,
                "original_max_position_embeddings": trained,
            }
    return None


def _solved(factors: np.ndarray, theta: float) -> Iterator[tuple[float, float, float, int]]:
    factor = factors.max()
    wavelengths = 2 * np.pi * theta ** (np.arange(len(factors)) / len(factors))
    between = (factors > 1.0 + _ROUNDING) & (factors < factor * (1.0 - _ROUNDING))
    if between.sum() < 2:
        return
    share = (1.0 / factors[between] - 1.0 / factor) / (1.0 - 1.0 / factor)
    slope, at_zero = np.polyfit(1.0 / wavelengths[between], share, 1)
    if slope > 0 > at_zero:  # at_zero = -low / (high - low), slope = trained / (high - low)
        trained = round(-slope / at_zero)
        low = -trained * at_zero / slope
        yield float(factor), 1.0, float(round(1.0 - 1.0 / at_zero)), trained
        yield float(factor), float(low), float(low * (1.0 - 1.0 / at_zero)), trained


def _plain(factors: np.ndarray) -> list[float]:
    return [float(str(one)) for one in factors]
