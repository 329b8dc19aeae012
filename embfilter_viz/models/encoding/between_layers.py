"""The states between a model's layers, seen as the model sees the last of them.

Between its last layer and its head a model nearly always has one norm; some have none, some two
or merge several streams. No table of names says which: one forward pass is watched, and the output
of the last layer is followed from module to module until it is the final state.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["states_after_layers"]

Step = Callable[["torch.Tensor"], "torch.Tensor"]
Call = tuple[Any, tuple[Any, ...], dict[str, Any], Any]
"""A module, what it was given by place and by name, and what it gave."""


def states_after_layers(
    decoder: Any, layers: Sequence[Any], read: Callable[[], Any]
) -> list["torch.Tensor"] | None:
    """The state before the first layer and after each, through what follows the last.

    Args:
        decoder: the language model without its head.
        layers: its layers, in order.
        read: a forward pass of it, whose answer has ``last_hidden_state``.

    Returns:
        (batch, n, d_model) each, the last of them the final state. None where a layer is not run
        once and in its turn, or what follows the last is no chain of modules.

    >>> import torch
    >>> from types import SimpleNamespace
    >>> class Tiny(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layers = torch.nn.ModuleList([torch.nn.Identity()])
    ...         self.twice = torch.nn.Linear(1, 1, bias=False)
    ...         self.twice.weight.data.fill_(2.0)
    ...     def forward(self, h):
    ...         return SimpleNamespace(last_hidden_state=self.twice(self.layers[0](h)))
    >>> tiny = Tiny()
    >>> states = states_after_layers(tiny, tiny.layers, lambda: tiny(torch.ones(1, 1, 1)))
    >>> [state.item() for state in states]
    [2.0, 2.0]
    """
    calls: list[Call] = []
    handles = [
        module.register_forward_hook(
            lambda module, args, kwargs, out: calls.append((module, args, kwargs, out)),
            with_kwargs=True,
        )
        for module in (*layers, *_beside(decoder, layers))
    ]
    try:
        final = read().last_hidden_state
    finally:
        for handle in handles:
            handle.remove()
    of_layers = [call for call in calls if any(call[0] is layer for layer in layers)]
    if [id(call[0]) for call in of_layers] != [id(layer) for layer in layers]:
        return None
    steps = _steps(decoder, of_layers[-1], calls, final)
    if steps is None:
        return None
    states = [_given(call) for call in of_layers]
    for step in steps:
        states = [step(state) for state in states]
    return [*states, final]


def _given(call: Call) -> Any:
    _, args, kwargs, _ = call
    return args[0] if args else kwargs["hidden_states"]


def _steps(decoder: Any, last: Call, calls: list[Call], final: Any) -> list[Step] | None:
    """The modules that the output of the last layer goes through to become the final state.

    Args:
        decoder: the stack of layers.
        last: the call of the last layer.
        calls: all calls that were seen.
        final: the final state.

    Returns:
        the modules in their order, or None if they cannot be told.
    """
    if hasattr(decoder, "altup_unembed_projections"):
        return [lambda streams: _merged_streams(decoder, streams), decoder.norm]
    state = last[3][0] if isinstance(last[3], tuple | list) else last[3]
    steps: list[Step] = []
    for module, args, kwargs, out in calls:
        if args and _same(args[0], state):
            if len(args) > 1 or kwargs:
                return None  # it reads something else besides
            state = out
            steps.append(module)
    return steps if _same(state, final) else None


def _beside(module: Any, layers: Sequence[Any]) -> list[Any]:
    """The outermost modules within ``module`` that hold none of ``layers``."""
    inner = {id(layer) for layer in layers}
    found = []
    for child in module.children():
        if id(child) in inner:
            continue
        if any(id(m) in inner for m in child.modules()):
            found += _beside(child, layers)
        else:
            found.append(child)
    return found


def _same(one: Any, other: Any) -> bool:
    """Tell whether two tensors are the same numbers in memory, whatever their shape."""
    import torch

    return (
        torch.is_tensor(one)
        and torch.is_tensor(other)
        and (one.data_ptr(), one.numel()) == (other.data_ptr(), other.numel())
    )


def _merged_streams(decoder: Any, streams: "torch.Tensor") -> "torch.Tensor":
    """(batch, n, d) of Gemma 3n's (streams, batch, n, d): brought to one size, then the mean."""
    import torch

    first = streams[0]
    size = (first**2).mean(dim=-1, keepdim=True) ** 0.5
    merged = [first]
    for project, stream in zip(decoder.altup_unembed_projections, streams[1:], strict=True):
        h = project(stream)
        merged.append(h * size / (h**2).mean(dim=-1, keepdim=True).clamp(min=1e-5) ** 0.5)
    return torch.stack(merged).mean(dim=0)
