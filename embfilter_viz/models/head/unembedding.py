"""The unembedding W_U of a checkpoint, alone: never the whole model, no torch.

First it is found, which reads headers (:func:`find_head`), then it is known by a hash of its own
bytes, and it is read only where something is computed from it that no earlier run has kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models import families
from embfilter_viz.models.formats.fingerprints import examined
from embfilter_viz.models.formats.safetensors_header import TensorEntry
from embfilter_viz.models.formats.tensors import (
    StoredRows,
    dtype_of,
    is_readable,
    row_blocks,
    same_values,
)
from embfilter_viz.models.head.products import times_head
from embfilter_viz.models.outline import Outline
from embfilter_viz.system.progress import Progress, silent

__all__ = [
    "KEPT_BYTES",
    "Head",
    "NoHeadError",
    "Unembedding",
    "check_readable",
    "find_head",
    "head_candidates",
    "open_head",
    "read_unembedding",
    "stored_head",
]

KEPT_BYTES = 1 << 30
"""Of a head in float32 that is kept in memory; a larger one is read from disk block by block."""


class NoHeadError(InputError):
    """A model without a head of its own, which another may lend it."""


@dataclass(frozen=True)
class Head:
    """The place of a head and what it adds, by the checkpoint's headers: nothing is read."""

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
        """Return what it takes on disk."""
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
                f"infinite, the first in row {found.first_row} of {self.entry.shape[0]:,}; take "
                f"another copy, or, where these rows are padding that no token has, set them to "
                f"zero in the file"
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
        """Return what the head does to h W_Uᵀ, in words, in its order."""
        said = []
        if self.bias is not None:
            said.append("a bias")
        if self.logit_scale != 1.0:
            said.append(f"a logit scale of {self.logit_scale:g}")
        if self.soft_cap is not None:
            said.append(f"a soft cap at {self.soft_cap:g}")
        return tuple(said)

    def logits(self, h: np.ndarray) -> np.ndarray:
        """Return what the model's own head says of final hidden states.

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


def stored_head(outline: Outline) -> tuple[TensorEntry, bool]:
    """Return where W_U lies on disk and whether it is the input embedding too.

    A checkpoint that says it is tied may hold both tensors. Then, as transformers does, it is
    taken at its word only where the two are the same. What an adapter was trained to replace
    goes before the base's own, and a model without a head has the one it was lent.

    Raises:
        InputError: no head, a quantised head, or one that an adapter changes by low rank.
    """
    if outline.head_from is not None:
        return stored_head(outline.head_from)
    said = families.is_tied(outline.config)
    first, *others = head_candidates(outline.stored, said, outline.name)
    if others:
        tied = same_values(first, others[0])
        found = first if tied else others[0]
    else:
        found, tied = first, bool(said) or first.name in families.embedding_names(outline.stored)
    if outline.adapter is not None:
        found, tied = _trained_head(outline, found, tied)
    check_readable(found, outline.stored, outline.name)
    return found, tied


def _trained_head(outline: Outline, own: TensorEntry, tied: bool) -> tuple[TensorEntry, bool]:
    """The head that an adapter brings, else the base's ``own``.

    Raises:
        InputError: the adapter changes the head in another way than by replacing it, or brings
            one of another width.
    """
    assert outline.adapter is not None
    brought = outline.adapter.brought
    part = next((key for key in brought if _changes_head(key, tied)), None)
    if part is not None:
        raise InputError(
            f"{outline.name}: its adapter changes the head {own.name} by low rank ({part}), which "
            f"is not read here; merge it into its base (PEFT: merge_and_unload, then "
            f"save_pretrained)"
        )
    head = brought.get(next(families.head_names(brought), ""))
    if head is None:
        return own, tied
    if head.shape[-1] != own.shape[-1]:
        raise InputError(
            f"{outline.name}: its adapter brings a head of width {head.shape[-1]:,} and "
            f"{outline.adapter.base} has width {own.shape[-1]:,}; give the base it was trained on"
        )
    return head, False


def _changes_head(key: str, tied: bool) -> bool:
    """Tell whether a tensor of an adapter is a change of the head, and not a whole new head.

    ``lm_head.lora_A.weight`` does, and with a tied head whatever belongs to the input embedding.
    """
    *module, last = key.split(".")
    for path, whole in ((module, last in ("weight", "bias")), (module[:-1], False)):
        weight = [".".join((*path, "weight"))]
        if next(families.head_names(weight), None) is not None and not whole:
            return True
        if tied and next(families.embedding_names(weight), None) is not None:
            return True
    return False


def head_candidates(
    stored: Mapping[str, TensorEntry], tied: bool | None, name: str
) -> list[TensorEntry]:
    """The tensors that may be W_U: one, or embedding and head where their bytes must decide.

    Args:
        stored: the tensors of the checkpoint.
        tied: whether it says that its head is the input embedding; None: it does not say.
        name: the model as the user typed it, for the message.

    Raises:
        NoHeadError: there is none.
        InputError: there is a quantised one alone.
    """
    head = stored.get(next(families.head_names(stored), ""))
    rows = stored.get(next(families.embedding_names(stored), ""))
    if rows is not None and tied is not False and (head is None or tied):
        return [rows] if head is None else [rows, head]
    if head is not None:
        return [head]
    if any(".base_layer." in t for t in stored):
        raise InputError(
            f"{name}: it is an adapter saved with its base, its head among what the adapter "
            f"changes; merge it (PEFT: merge_and_unload) and save it again"
        )
    quantised = next((t for t in stored if "lm_head.q" in t), None)
    if quantised is not None:
        raise InputError(
            f"{name}: its head is quantised ({quantised}), which cannot be read here; "
            f"take the float16 or bfloat16 release, or a .gguf"
        )
    raise NoHeadError(
        f"{name}: no output head (lm_head.weight) in the checkpoint and it is not tied to the "
        f"input embedding; take the full causal language model, or name a model of the same width "
        f"and tokens that lends its head (--head-from)"
    )


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


def find_head(outline: Outline) -> Head:
    """The head of a checkpoint, found in its headers.

    Raises:
        InputError: no head, a quantised head, or damaged files.
    """
    entry, tied = stored_head(outline)
    owner = outline.head_from or outline
    stored = {**owner.stored, **({} if owner.adapter is None else owner.adapter.brought)}
    bias = next(families.bias_names(stored), None)
    return Head(
        owner.name,
        entry,
        tied,
        None if bias is None else stored[bias],
        families.logit_scale(owner.config),
        families.soft_cap(owner.config),
    )


def read_unembedding(outline: Outline, *, progress: Progress = silent) -> Unembedding:
    """Read W_U and the facts about its head, and nothing else of the checkpoint.

    Args:
        outline: of a checkpoint whose head is on this machine.
        progress: told megabytes of the head as they are read.

    Raises:
        InputError: no head, a quantised or damaged one, or values that are not finite.
    """
    return open_head(find_head(outline), progress=progress)


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
