"""The unembedding W_U of a checkpoint, alone: never the whole model, no torch.

First it is found, which reads headers (:func:`find_head`), then it is known by a hash of its own
bytes, and it is read only where something is computed from it that no earlier run has kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models import families
from embfilter_viz.models.fingerprints import examined
from embfilter_viz.models.products import times_head
from embfilter_viz.models.safetensors_header import TensorEntry, read_tables, weight_files
from embfilter_viz.models.safety import read_config
from embfilter_viz.models.tensors import (
    StoredRows,
    dtype_of,
    is_readable,
    row_blocks,
    same_values,
)
from embfilter_viz.progress import Progress, silent

__all__ = [
    "KEPT_BYTES",
    "Head",
    "Located",
    "Unembedding",
    "causal_config",
    "check_readable",
    "find_head",
    "head_candidates",
    "open_head",
    "read_unembedding",
    "stored_head",
]

KEPT_BYTES = 1 << 30
"""Of a head in float32 that is kept in memory; a larger one is read from disk block by block."""


class Located(Protocol):
    """A checkpoint on this machine: what is needed to open it and to name it in a message."""

    @property
    def name(self) -> str:
        """The model as the user typed it."""

    @property
    def folder(self) -> Path:
        """Where its config.json, safetensors and tokenizer lie."""


@dataclass(frozen=True)
class Head:
    """Where a head lies and what it does besides, by the checkpoint's headers: nothing is read."""

    model: str
    """The model as the user typed it."""
    entry: TensorEntry
    """The tensor W_U on disk."""
    tied: bool
    """Scalar: whether W_U is the input embedding."""
    bias: TensorEntry | None
    """The bias on disk, or None."""
    logit_scale: float
    """Scalar factor on the logits."""
    soft_cap: float | None
    """Scalar c of a soft cap, or None."""

    @property
    def n_bytes(self) -> int:
        """What it takes on disk."""
        return self.entry.n_bytes + (self.bias.n_bytes if self.bias else 0)

    def digest(self, *, progress: Progress = silent) -> str:
        """SHA-256 of W_U: what everything computed from W_U alone is keyed by.

        The bytes are read the first time only, and looked through for NaN on the way.

        Raises:
            InputError: values that are not finite.
        """
        found = examined(self.entry, progress=progress)
        if found.damaged:
            raise InputError(
                f"{self.model}: {self.entry.name} has {found.damaged:,} values that are NaN or "
                f"infinite, the first in row {found.first_row}; the checkpoint is damaged or its "
                f"training diverged: take another copy"
            )
        return found.sha256


@dataclass(frozen=True)
class Unembedding:
    """W_U and what the head does besides: logits = cap(scale · (h W_Uᵀ + bias)).

    >>> W_U = np.array([[1, 0], [0, 1], [1, 1]], dtype=np.float32)
    >>> head = Unembedding(W_U, bias=None, logit_scale=0.5, soft_cap=None)
    >>> head.logits(np.array([2.0, 4.0], dtype=np.float32))
    array([1., 2., 3.], dtype=float32)
    """

    W_U: np.ndarray
    """(d_vocab, d_model) float32, read-only; rows w_j, as ``lm_head.weight``.

    An array, or for a head above :data:`KEPT_BYTES` a :class:`~.tensors.StoredRows`, which is
    sliced, indexed and multiplied as one and reads from disk what it is asked for.
    """
    bias: np.ndarray | None = None
    """(d_vocab,) float32 added to the logits, or None."""
    logit_scale: float = 1.0
    """Scalar factor on the logits (Cohere, Granite)."""
    soft_cap: float | None = None
    """Scalar c: logits become c · tanh(logits / c) (Gemma 2), or None."""
    tied: bool = False
    """Scalar: whether W_U is the input embedding."""
    tensor_name: str = ""
    """The tensor of the checkpoint that W_U was read from."""
    stored_as: str = "float32"
    """The dtype on disk."""

    @property
    def d_vocab(self) -> int:
        """Rows of W_U, padding rows included."""
        return self.W_U.shape[0]

    @property
    def d_model(self) -> int:
        """Columns of W_U."""
        return self.W_U.shape[1]

    @property
    def adds(self) -> tuple[str, ...]:
        """What the head does to h W_Uᵀ, in words, in its order."""
        said = []
        if self.bias is not None:
            said.append("a bias")
        if self.logit_scale != 1.0:
            said.append(f"a logit scale of {self.logit_scale:g}")
        if self.soft_cap is not None:
            said.append(f"a soft cap at {self.soft_cap:g}")
        return tuple(said)

    def logits(self, h: np.ndarray) -> np.ndarray:
        """What the model's own head says of final hidden states.

        Args:
            h: (n, d_model) or (d_model,), states after the last norm.

        Returns:
            (n, d_vocab) or (d_vocab,) float32.
        """
        return self.of_products(times_head(np.asarray(h, dtype=np.float32), self.W_U))

    def of_products(self, w: np.ndarray) -> np.ndarray:
        """Logits from the products h W_Uᵀ (…, d_vocab): themselves where the head adds nothing.

        >>> head = Unembedding(np.eye(2, dtype=np.float32), logit_scale=0.5)
        >>> head.of_products(np.array([2.0, 4.0], dtype=np.float32))
        array([1., 2.], dtype=float32)
        """
        if self.bias is not None:
            w = w + self.bias
        if self.logit_scale != 1.0:
            w = w * np.float32(self.logit_scale)
        if self.soft_cap is not None:
            w = np.float32(self.soft_cap) * np.tanh(w / np.float32(self.soft_cap))
        return w


def causal_config(checkpoint: Located) -> dict[str, Any]:
    """The parsed ``config.json`` of a checkpoint that holds a causal language model.

    Raises:
        InputError: missing or damaged, or no causal model (see ``families.check_causal``).
    """
    config = read_config(checkpoint.folder, checkpoint.name)
    families.check_causal(config, checkpoint.name)
    return config


def stored_head(
    checkpoint: Located,
    config: Mapping[str, Any] | None = None,
    tables: Sequence[TensorEntry] | None = None,
) -> tuple[TensorEntry, bool]:
    """Where W_U lies on disk and whether it is the input embedding too; reads headers only.

    A checkpoint that says it is tied may hold both tensors. Then, as transformers does, it is
    taken at its word only where the two are the same.

    Args:
        checkpoint: a checkpoint on this machine.
        config: its configuration, where it was read already.
        tables: its tensors, where they are known already or lie elsewhere.

    Raises:
        InputError: no head, a quantised head, or damaged files.
    """
    name = checkpoint.name
    config = causal_config(checkpoint) if config is None else config
    stored = _stored(checkpoint, tables)
    said = families.is_tied(config)
    first, *others = head_candidates(stored, said, name)
    if others:
        tied = same_values(first, others[0])
        found = first if tied else others[0]
    else:
        found, tied = first, bool(said) or first.name in families.embedding_names(stored)
    check_readable(found, stored, name)
    return found, tied


def head_candidates(
    stored: Mapping[str, TensorEntry], tied: bool | None, name: str
) -> list[TensorEntry]:
    """The tensors that may be W_U: one, or embedding and head where their bytes must decide.

    Args:
        stored: the tensors of the checkpoint.
        tied: whether it says that its head is the input embedding; None: it does not say.
        name: the model as the user typed it, for the message.

    Raises:
        InputError: there is none.
    """
    head = stored.get(next(families.head_names(stored), ""))
    rows = stored.get(next(families.embedding_names(stored), ""))
    if rows is not None and tied is not False and (head is None or tied):
        return [rows] if head is None else [rows, head]
    if head is not None:
        return [head]
    raise InputError(f"{name}: {_no_head(stored)}")


def check_readable(found: TensorEntry, stored: Mapping[str, TensorEntry], name: str) -> None:
    """Refuse a head that cannot be read by itself.

    Raises:
        InputError: it is quantised, or no matrix.
    """
    codes = [t for t in stored if t.startswith(found.name) and t != found.name]
    if not is_readable(found) or codes:
        raise InputError(
            f"{name}: its head {found.name} is quantised ({dtype_of(found)}"
            f"{', with ' + codes[0] if codes else ''}), which cannot be read here; "
            f"take the float16 or bfloat16 release, or a .gguf"
        )
    if len(found.shape) != 2:
        raise InputError(f"{name}: {found.name} must be a matrix, got shape {found.shape}")


def _stored(checkpoint: Located, tables: Sequence[TensorEntry] | None) -> dict[str, TensorEntry]:
    if tables is None:
        files = weight_files(checkpoint.folder, checkpoint.name)
        if not files:
            raise InputError(
                f"{checkpoint.name}: no model.safetensors in {checkpoint.folder}; give a folder "
                f"that holds config.json, safetensors and a tokenizer"
            )
        tables = read_tables(files, checkpoint.name)
    return {entry.name: entry for entry in tables}


def _no_head(stored: Mapping[str, TensorEntry]) -> str:
    quantised = next((t for t in stored if "lm_head.q" in t), None)
    if quantised is not None:
        return (
            f"its head is quantised ({quantised}), which cannot be read here; "
            f"take the float16 or bfloat16 release, or a .gguf"
        )
    return (
        "no output head (lm_head.weight) in the checkpoint and it is not tied to the input "
        "embedding; take the full causal language model, not its backbone or a classifier"
    )


def find_head(
    checkpoint: Located,
    config: Mapping[str, Any] | None = None,
    tables: Sequence[TensorEntry] | None = None,
) -> Head:
    """The head of a checkpoint, found in its headers; arguments as of :func:`stored_head`.

    Raises:
        InputError: no head, a quantised head, or damaged files.
    """
    config = causal_config(checkpoint) if config is None else config
    entry, tied = stored_head(checkpoint, config, tables)
    stored = _stored(checkpoint, tables)
    bias = next(families.bias_names(stored), None)
    return Head(
        checkpoint.name,
        entry,
        tied,
        None if bias is None else stored[bias],
        families.logit_scale(config),
        families.soft_cap(config),
    )


def read_unembedding(checkpoint: Located, *, progress: Progress = silent) -> Unembedding:
    """Read W_U and the facts about its head, and nothing else of the checkpoint.

    Args:
        checkpoint: a checkpoint on this machine.
        progress: told megabytes of the head as they are read.

    Raises:
        InputError: no head, a quantised or damaged one, or values that are not finite.
    """
    return open_head(find_head(checkpoint), progress=progress)


def open_head(head: Head, *, progress: Progress = silent) -> Unembedding:
    """Read a head, which is checked for NaN where that was not done before.

    Time and memory follow the head: one float32 copy of W_U and a block of some 32 MB; a block
    alone where the copy would take more than :data:`KEPT_BYTES`.

    Args:
        head: where it lies.
        progress: told megabytes of the head as they are read.

    Raises:
        InputError: values that are not finite.
    """
    head.digest(progress=progress)
    entry = head.entry
    W_U = cast(np.ndarray, StoredRows(entry))
    if 4 * entry.n_elements <= KEPT_BYTES:
        W_U = np.empty(entry.shape, dtype=np.float32)
        megabytes, row = entry.n_bytes / 1e6, 0
        for block in row_blocks(entry):
            W_U[row : row + len(block)] = block
            row += len(block)
            progress("Reading the head", row / len(W_U) * megabytes, megabytes, "MB")
        W_U.flags.writeable = False
    return Unembedding(
        W_U,
        bias=None if head.bias is None else _read_bias(head.bias, head.model),
        logit_scale=head.logit_scale,
        soft_cap=head.soft_cap,
        tied=head.tied,
        tensor_name=entry.name,
        stored_as=dtype_of(entry),
    )


def _read_bias(entry: TensorEntry, model: str) -> np.ndarray:
    bias = np.concatenate(list(row_blocks(entry)))
    if not np.isfinite(bias).all():
        raise InputError(f"{model}: {entry.name} holds NaN or infinity; take another copy")
    bias.flags.writeable = False
    return bias
