"""An account of a GGUF: every hyperparameter and every tensor is crossed off as it is read.

A list of settings that some reader is known to drop is never complete. So nothing is looked up in
a file but through an :class:`Account`, and what is left at the end is a refusal that names it.
"""

import math
from typing import Any

import numpy as np

from embfilter_viz.models.formats.gguf_header import GgufHeader, GgufTensor
from embfilter_viz.models.formats.safetensors_header import TensorEntry
from embfilter_viz.models.formats.tensors import is_readable, row_blocks

__all__ = ["Account", "NotRead", "entry_of", "tied_as_said"]

_POOLING = "pooling_type"
_DESCRIBES = ("general", "tokenizer", "split", "quantize", "imatrix")
"""What keys begin with that tell of the file, the tokens and how both were made."""
_NEVER_MATTERS = (
    "vocab_size",  # the rows of token_embd are counted instead
    "rope.scaling.finetuned",  # how the model was trained, not how it computes
    _POOLING,  # how an embedder pools; here the prompt says it
    "classifier.pooling_type",
)
_REQUIRED = object()


class NotRead(Exception):  # noqa: N818 - no error: the head of such a file opens
    """The reason why the layers of a GGUF cannot be read, in words after a name and a colon."""


class Account:
    """The settings and tensors of a file, and which of them were read.

    Args:
        header: of the file, or of all parts of the model.
    """

    def __init__(self, header: GgufHeader) -> None:
        self.header = header
        self._prefix = f"{header.architecture}."
        self._tensors = {tensor.name: tensor for tensor in header.tensors}
        self._left = dict.fromkeys(header.metadata)
        self._tensors_left = dict.fromkeys(self._tensors)

    def value(self, key: str, default: Any = _REQUIRED) -> Any:
        """The hyperparameter under ``key``, without the architecture's name before it.

        A list that says the same of each layer counts as its one value, and a float comes as the
        shortest decimal that gives the float32 in the file: 1e-05, not 9.999999747378752e-06.

        Raises:
            NotRead: it is missing and has no default, or differs from layer to layer.
        """
        found = self.values(key, default)
        if isinstance(found, list):
            if len(set(found)) != 1:
                raise NotRead(f"{self._prefix}{key} differs from layer to layer")
            return found[0]
        return found

    def values(self, key: str, default: Any = _REQUIRED) -> Any:
        """The same, where it may be a list."""
        name = self._prefix + key
        self._left.pop(name, None)
        found = self.header.metadata.get(name, default)
        if found is _REQUIRED:
            raise NotRead(f"the file has no {name}")
        if isinstance(found, list):
            return [_shortest(one) for one in found]
        return _shortest(found)

    def says(self, key: str) -> bool:
        """Tell whether the file has this hyperparameter."""
        return self._prefix + key in self.header.metadata

    def expect(self, key: str, *allowed: Any) -> None:
        """Cross off a hyperparameter for which one meaning alone is known.

        Raises:
            NotRead: the file says another.
        """
        if self.says(key) and (found := self.value(key)) not in allowed:
            raise NotRead(f"{self._prefix}{key} is {found}, and only {allowed[0]} is known here")

    def ignore(self, *keys: str) -> None:
        """Cross off hyperparameters that change nothing; the caller says why."""
        for key in keys:
            self._left.pop(self._prefix + key, None)

    def ignore_tensors(self, prefix: str) -> None:
        """Cross off tensors that take no part in a forward pass; the caller says why."""
        for name in [name for name in self._tensors_left if name.startswith(prefix)]:
            del self._tensors_left[name]

    def has(self, *tensors: str) -> bool:
        """Tell whether the file has all of these tensors."""
        return all(tensor in self._tensors for tensor in tensors)

    def tensor(self, name: str) -> GgufTensor:
        """A tensor of the file, crossed off.

        Raises:
            NotRead: there is none, or it is quantised in a way that cannot be read.
        """
        self._tensors_left.pop(name, None)
        if name not in self._tensors:
            raise NotRead(f"the file has no tensor {name}")
        found = self._tensors[name]
        if not is_readable(entry_of(found)):
            raise NotRead(f"the tensor {name} is stored as {found.type_name}, not known here")
        return found

    def numbers(self, name: str) -> np.ndarray:
        """The values of a small tensor, float32, crossed off.

        Raises:
            NotRead: as for :meth:`tensor`.
        """
        return np.concatenate(list(row_blocks(entry_of(self.tensor(name)))))

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, rows first.

        Raises:
            NotRead: there is none.
        """
        if name not in self._tensors:
            raise NotRead(f"the file has no tensor {name}")
        return self._tensors[name].shape

    def close(self) -> None:
        """Hold the account: nothing may be left.

        Raises:
            NotRead: a hyperparameter or a tensor that nobody read.
        """
        self.ignore(*_NEVER_MATTERS)
        self.expect("attention.causal", True)
        keys = [key for key in self._left if not self._describes(key)]
        for left, what in ((keys, "setting"), (list(self._tensors_left), "tensor")):
            if len(left) > 1:
                more = len(left) - 1
                raise NotRead(
                    f"the {what}s {left[0]} and {more} more of the file are not known here"
                )
            if left:
                raise NotRead(f"the {what} {left[0]} of the file is not known here")

    def _describes(self, key: str) -> bool:
        """Tell whether a key is no hyperparameter: a known kind, or a text by another name."""
        room = key.partition(".")[0]
        if key.startswith(self._prefix):
            return False
        return room in _DESCRIBES or isinstance(self.header.metadata[key], str)


def tied_as_said(header: GgufHeader) -> dict[str, bool]:
    """Return what a file says of ``tie_word_embeddings``: nothing where an embedder has no head.

    A file without ``output.weight`` is of a tied model, but for embedders (``pooling_type``): those
    are often saved without the head that they were trained with. Then the family decides.
    """
    if any(tensor.name == "output.weight" for tensor in header.tensors):
        return {"tie_word_embeddings": False}
    if header.metadata.get(f"{header.architecture}.{_POOLING}"):
        return {}
    return {"tie_word_embeddings": True}


def entry_of(tensor: GgufTensor) -> TensorEntry:
    """A tensor of a GGUF as all tensors are read."""
    return TensorEntry(
        tensor.name, tensor.type_name, tensor.shape, tensor.file, tensor.offset, tensor.n_bytes
    )


def _shortest(value: Any) -> Any:
    if isinstance(value, float) and math.isfinite(value):
        return float(str(np.float32(value)))
    return value
