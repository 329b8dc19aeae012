"""The combinations of model, prompt and window that sentences are made for, extremes included."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["FEW", "Combination", "combinations", "write_models"]

BUNDLED = "smollm2-135m"

PROMPTS = ("prompteol", "echo", "mean", "last")
TASKS = ("sts", "retrieval", "classification", "clustering", "pairs")
GAUGES = ("paper", "centred", "invariant")
TEXTS = (
    "The judge dismissed the case.",
    "a",
    "the, and of the to a in",
    "1 $x$ **b** <i>2</i>",
    "word " * 700,
)
"""What the lens reads: plain, one letter, nothing but frequent words, markup, too long."""


@dataclass(frozen=True)
class Combination:
    """One view of the explorer."""

    model: str
    """``smollm2-135m``, or one of :func:`write_models`."""
    prompt: str
    """How texts are put to it."""
    window: str
    """τ or l:r."""
    task: str
    """What windows are scored on."""
    gauge: str
    """Of the average token."""
    text: str
    """What the lens reads."""

    d: int
    """The model's width."""

    @property
    def ends(self) -> tuple[int, int, int]:
        """l, r and d of the window."""
        from embfilter_viz.spectral.windows import Window

        window = Window.parse(self.window, self.d)
        return window.l, window.r, window.d

    @property
    def name(self) -> str:
        """The combination in a line."""
        text = self.text if len(self.text) < 40 else f"{self.text[:20]}… ({len(self.text)} letters)"
        return " · ".join((self.model, self.prompt, self.window, self.task, self.gauge, text))


# By model: prompts and windows, each with each. {d} is the model's width.
_PLAN: tuple[tuple[str, int, tuple[str, ...], tuple[str, ...]], ...] = (
    (BUNDLED, 576, PROMPTS, ("2", "8", "1:{d}", "58:432")),
    ("random", 32, PROMPTS, ("1", "2", "{half}:{d}", "{last}:{d}")),
    ("u-shaped", 32, ("prompteol", "mean"), ("1.25", "4", "0:{d}", "0:{half}", "3:{d}")),
    ("one-size", 32, ("mean", "last"), ("2", "0:1", "4:20")),
    ("capped", 32, ("echo", "mean"), ("2", "0:{less}")),
    ("odd", 36, ("prompteol", "last"), ("8", "5:11")),
    ("padded", 32, ("mean", "echo"), ("1", "1:{d}")),
)


def combinations() -> list[Combination]:
    """All sixty; tasks, gauges and texts take turns."""
    found = []
    for model, d, prompts, windows in _PLAN:
        for prompt in prompts:
            for window in windows:
                i = len(found)
                spec = window.format(d=d, half=d // 2, last=d - 1, less=d - 1)
                found.append(
                    Combination(
                        model, prompt, spec, TASKS[i % 5], GAUGES[i % 3], TEXTS[(i // 2) % 5], d
                    )
                )
    return found


FEW = tuple(
    [
        one
        for one in combinations()
        if one.model in ("random", "u-shaped", "odd") and one.task in ("sts", "retrieval", "pairs")
    ][::2]
)
"""Those that the tests make: three tiny models, and tasks that fit nothing to a window."""


def write_models(folder: Path) -> dict[str, str]:
    """Tiny checkpoints under ``folder``: what each is called above, and where it lies.

    ``random`` is that; ``u-shaped`` writes some tokens with both ends of its spectrum;
    ``one-size`` has equal singular values, ``capped`` a soft cap on its logits, ``odd`` a width
    that no τ divides, and ``padded`` rows in its head that belong to no token.
    """
    from tests.models.tiny_checkpoints import build_model, save

    made: dict[str, Any] = {
        "random": build_model("llama"),
        "u-shaped": _u_shaped(build_model("llama", seed=1)),
        "one-size": _one_size(build_model("llama", seed=2)),
        "capped": build_model("gemma2", seed=3),
        "odd": build_model("gpt2", seed=4, n_embd=36),
        "padded": build_model("qwen2", seed=5, vocab_size=640),
    }
    return {name: str(save(model, folder / name).folder) for name, model in made.items()}


def _u_shaped(model: Any) -> Any:
    """Have both ends of the spectrum write 100 tokens into every state."""
    import torch

    head, embedding = model.lm_head.weight, model.model.embed_tokens.weight
    with torch.no_grad():
        embedding[:, [0, -1]] += 4
        head[:, 0] = -0.5
        head[:, -1] = 0.02
        head[:100, 0] = 1.5
        head[:100, -1] = 0.3
    return model


def _one_size(model: Any) -> Any:
    """Give the head singular values that are all the same."""
    import torch

    head = model.lm_head.weight
    with torch.no_grad():
        U, _, Vh = torch.linalg.svd(head, full_matrices=False)
        head.copy_(5 * U @ Vh)
    return model
