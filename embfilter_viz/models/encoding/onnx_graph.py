"""A checkpoint, its pooling and a projection as one ONNX graph, made by torch's own exporter.

Texts may be padded on either side: each is first moved to the beginning of its row, and what stands
after it changes no state of a causal model. So positions count from the text's first token, no mask
of padding is needed, and a row of nothing but padding divides by no zero attention.
"""

import contextlib
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models.encoding.loading import load
from embfilter_viz.models.sources.locate import outline_of_folder
from embfilter_viz.system.progress import Progress, silent

if TYPE_CHECKING:
    import torch

__all__ = ["INLINE", "OPSET", "graph_of", "write_graph"]

OPSET = 20
"""Version of the ONNX operators; onnxruntime knows it from 1.17 on."""
INLINE = 1_800_000_000
"""Bytes of weights from which they stand in a file beside the graph: a protobuf ends at 2 GB."""
_EXAMPLE = (2, 9)
"""Rows and columns that the exporter is shown; both stay free in the graph."""


def write_graph(
    folder: str,
    checkpoint: str,
    name: str,
    pooling: str,
    start: int,
    normalised: bool,
    *,
    progress: Progress = silent,
) -> int:
    """Write ``folder``/model.onnx; run in a process of its own, for nothing in it can be stopped.

    Args:
        folder: where to write; its ``matrix.npy`` and ``offset.npy`` are the projection.
        checkpoint: the folder with config.json and safetensors.
        name: the model as the user typed it, for messages.
        pooling: ``last`` or ``mean``.
        start: tokens at the beginning that are left out of a mean.
        normalised: whether the pooled state is scaled to length 1 before the projection.
        progress: told of the stages.

    Returns:
        the bytes of the weights.

    Raises:
        InputError: the model cannot be loaded, or torch cannot export its architecture.
    """
    import torch

    place = Path(folder)
    progress("Loading the model", 0, 0, "")
    parts = load(outline_of_folder(Path(checkpoint), name)).parts
    graph = graph_of(
        parts.decoder,
        parts.before_head,
        np.load(place / "matrix.npy"),
        np.load(place / "offset.npy"),
        pooling=pooling,
        start=start,
        normalised=normalised,
    )
    progress("Writing the ONNX graph", 0, 0, "")
    size = sum(p.numel() * p.element_size() for p in graph.parameters())
    with quiet(), torch.no_grad():
        try:
            program = exported(graph)
        except Exception as error:  # each stage of the exporter has errors of its own
            raise InputError(
                f"{name}: torch {torch.__version__} cannot write this architecture as ONNX "
                f"({_reason(error)}); export the folder of sentence-transformers, or the filter "
                "file"
            ) from error
        progress("Saving the ONNX graph", 0, 0, "")
        program.save(place / "model.onnx", external_data=size > INLINE)
    return size


def graph_of(
    decoder: Any,
    before_head: Any,
    matrix: np.ndarray,
    offset: np.ndarray,
    *,
    pooling: str,
    start: int,
    normalised: bool,
) -> "torch.nn.Module":
    """From (n, length) ids and mask to (n, k) embeddings.

    Args:
        decoder: ids to final hidden states.
        before_head: what states go through after it, or None.
        matrix: (d_model, k) of the projection.
        offset: (k,) of the projection.
        pooling: ``last`` or ``mean``.
        start: tokens at the beginning that are left out of a mean.
        normalised: whether the pooled state is scaled to length 1 before the projection.

    Returns:
        a module of torch.
    """
    import torch

    class Graph(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decoder, self.before_head = decoder, before_head
            self.matrix = torch.nn.Parameter(torch.from_numpy(matrix), requires_grad=False)
            shift = torch.from_numpy(offset) if offset.any() else None
            self.offset = None if shift is None else torch.nn.Parameter(shift, requires_grad=False)

        def forward(
            self, input_ids: "torch.Tensor", attention_mask: "torch.Tensor"
        ) -> "torch.Tensor":
            read = (attention_mask != 0).to(torch.int64)
            length = read.sum(dim=1, keepdim=True)
            at = torch.arange(input_ids.shape[1], device=input_ids.device)
            first = read.argmax(dim=1, keepdim=True)
            ids = torch.gather(input_ids, 1, torch.minimum(at + first, at[-1:]))
            states = self.decoder(input_ids=ids, use_cache=False, return_dict=True)
            states = states.last_hidden_state
            if self.before_head is not None:
                states = self.before_head(states)
            taken = at == length - 1 if pooling == "last" else (at >= start) & (at < length)
            weights = taken.to(torch.float32)
            pooled = (states.float() * weights.unsqueeze(-1)).sum(dim=1)
            pooled = pooled / weights.sum(dim=1, keepdim=True)
            if normalised:
                pooled = torch.nn.functional.normalize(pooled, dim=-1)
            found = pooled @ self.matrix
            return found if self.offset is None else found + self.offset

    return Graph().eval()


def exported(graph: "torch.nn.Module") -> Any:
    """The graph as an ONNX program of torch, batch and length free."""
    import torch

    ids = torch.arange(1, 1 + _EXAMPLE[0] * _EXAMPLE[1]).reshape(_EXAMPLE)
    mask = torch.ones_like(ids)
    mask[1, -2:] = 0
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
    program = torch.onnx.export(
        graph,
        (ids, mask),
        dynamo=True,
        opset_version=OPSET,
        input_names=["input_ids", "attention_mask"],
        output_names=["sentence_embedding"],
        dynamic_shapes=(free, free),
        verbose=False,
        optimize=True,
    )
    assert program is not None
    return program


@contextlib.contextmanager
def quiet() -> Any:
    """Keep the exporter's own remarks (of torchvision, of its own old calls) to itself."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _reason(error: BaseException) -> str:
    """The innermost reason of an error, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}"[:200]
