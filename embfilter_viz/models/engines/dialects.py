"""What each server wants to be asked, and how its answer is read: one class a dialect.

None of them is sent a chat: the prompt is ours, as token ids where the server takes them.
"""

import base64
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.models.engines.line import Question
from embfilter_viz.wording import counted

__all__ = ["DIALECTS", "Dialect", "Gives", "Inputs"]

Gives = Literal["last", "mean", "tokens"]
"""What a server answers for a text: its last token's state, the mean of all, or every one."""

Inputs = Sequence[Sequence[int]] | Sequence[str]
"""Token ids, or texts."""


@dataclass(frozen=True)
class Dialect(ABC):
    """One way to ask a server of one kind."""

    model: str
    """What the server calls the model."""
    takes_ids: bool = True
    """Whether it is sent token ids; text otherwise."""

    engine: ClassVar[str] = ""
    """What the server is, in words."""
    path: ClassVar[str] = "/v1/embeddings"
    """Where it is asked."""
    may_give_tokens: ClassVar[bool] = False
    """Whether an answer may hold a state for every token; one for every text otherwise."""
    ways_out: ClassVar[Mapping[str, str]] = {}
    """How it is started so that it gives what is wanted: by :data:`Gives`, ``length``,
    ``precision``, ``states`` (vectors that are not normalised)."""

    @abstractmethod
    def body(self, inputs: Inputs) -> dict[str, Any]:
        """Return what is posted for inputs."""

    def question(self, inputs: Inputs) -> Question:
        """Path and body that ask for inputs."""
        kept = [list(one) if self.takes_ids else one for one in inputs]
        return self.path, self.body(kept)  # type: ignore[arg-type]

    def answers(self, said: Any) -> list[tuple[int, Any]]:
        """The place and the numbers of every input, as the server names them."""
        return [(one["index"], one["embedding"]) for one in said["data"]]

    def rows(self, said: Any, n: int, d_model: int) -> list[np.ndarray]:
        """The states of ``n`` inputs in their order, each (1 or n_tokens, d_model) float32.

        Args:
            said: the server's answer.
            n: inputs that were asked for.
            d_model: numbers of a state.

        Returns:
            one array an input.

        Raises:
            InputError: another number of inputs or of columns, an order that is none, something
                that is no number, or numbers that are not finite.
        """
        try:
            found = [(int(place), numbers) for place, numbers in self.answers(said)]
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
            raise InputError(
                f"{self.engine}: the answer of {self.path} holds no embeddings; is an embedding "
                "model served there?"
            ) from None
        if sorted(place for place, _ in found) != list(range(n)):
            raise InputError(
                f"{self.engine}: {counted(n, 'text')} asked for and {len(found)} answered, or "
                "numbered in another way; one vector a text is needed"
            )
        return [
            _states(numbers, d_model, self.engine)
            for _, numbers in sorted(found, key=lambda one: one[0])
        ]


def _states(numbers: Any, d_model: int, engine: str) -> np.ndarray:
    try:
        if isinstance(numbers, str):
            array = np.frombuffer(base64.b64decode(numbers, validate=True), dtype="<f4")
            array = array.reshape(-1, d_model if len(array) % d_model == 0 else max(len(array), 1))
        else:
            array = np.atleast_2d(np.asarray(numbers, dtype=np.float32))
    except (ValueError, TypeError, OverflowError):
        raise InputError(
            f"{engine}: an embedding is no list of numbers; is an embedding model served there?"
        ) from None
    if array.ndim != 2 or array.shape[1] != d_model:
        raise InputError(
            f"{engine}: vectors of {array.shape[-1] if array.size else 0} numbers came, and the "
            f"head has {d_model} columns; the engine serves another model, or cuts its vectors"
        )
    if not np.isfinite(array).all():
        raise InputError(
            f"{engine}: vectors with numbers that are NaN or infinite came; start the engine in "
            "float32 or bfloat16, or look after its weights"
        )
    return array.astype(np.float32, copy=False)


_VLLM_WAYS = {
    "last": "start vLLM with --runner pooling and no --pooler-config",
    "mean": 'start vLLM with --runner pooling --pooler-config \'{"seq_pooling_type":"MEAN"}\'',
    "tokens": "start vLLM with --runner pooling --pooler-config "
    '\'{"task":"token_embed","use_activation":false}\'',
    "length": "start vLLM with --max-model-len 512 or more",
    "precision": "start vLLM with --dtype float32",
    "states": "take vLLM 0.30 or later",
}


class VllmEmbeddings(Dialect):
    """vLLM's ``/v1/embeddings``: one state a text, not normalised.

    >>> VllmEmbeddings("m").question([(1, 2)])[1]["input"]
    [[1, 2]]
    """

    engine = "vLLM"
    ways_out = _VLLM_WAYS

    def body(self, inputs: Inputs) -> dict[str, Any]:
        """Return what is posted for inputs; ``use_activation`` is what vLLM calls normalising."""
        return {
            "model": self.model, "input": inputs, "use_activation": False,
            "encoding_format": "base64", "endianness": "little",
        }  # fmt: skip


class VllmTokens(Dialect):
    """vLLM's ``/pooling``: every token's state, of a server started for it."""

    engine = "vLLM"
    path = "/pooling"
    may_give_tokens = True
    ways_out = _VLLM_WAYS

    def body(self, inputs: Inputs) -> dict[str, Any]:
        """Return what is posted for inputs."""
        return {
            "model": self.model, "input": inputs, "task": "token_embed", "use_activation": False,
            "encoding_format": "base64", "endianness": "little",
        }  # fmt: skip

    def answers(self, said: Any) -> list[tuple[int, Any]]:
        """The place and the numbers of every input."""
        return [(one["index"], one["data"]) for one in said["data"]]


class LlamaCpp(Dialect):
    """llama.cpp's server, whose own ``/embedding`` says what its pooling leaves."""

    engine = "llama.cpp"
    path = "/embedding"
    may_give_tokens = True
    ways_out: ClassVar[Mapping[str, str]] = {
        "last": "start llama-server with --embedding --pooling last",
        "mean": "start llama-server with --embedding --pooling mean",
        "tokens": "start llama-server with --embedding --pooling none",
        "length": "start llama-server with -c, -b and -ub of 512 or more for each slot",
        "precision": "serve a GGUF file in F32 (BF16 or F16 with --dtype bfloat16)",
        "states": "take a newer llama-server, which knows embd_normalize",
    }

    def body(self, inputs: Inputs) -> dict[str, Any]:
        """Return what is posted for inputs; -1 asks for vectors that are not normalised."""
        return {"model": self.model, "content": inputs, "embd_normalize": -1}

    def answers(self, said: Any) -> list[tuple[int, Any]]:
        """The place and the numbers of every input."""
        return [(one["index"], one["embedding"]) for one in said]


class Ollama(Dialect):
    """Ollama's ``/api/embed``: texts alone, and vectors of length 1."""

    engine = "Ollama"
    path = "/api/embed"
    ways_out: ClassVar[Mapping[str, str]] = {
        "last": "Ollama takes the pooling from the GGUF file: serve that with llama-server and "
        "--pooling last",
        "mean": "Ollama takes the pooling from the GGUF file: serve that with llama-server and "
        "--pooling mean",
        "tokens": "serve the GGUF file with llama-server and --pooling none",
        "length": "give the model a num_ctx of 512 or more",
        "precision": "take a tag in F32 (fp16 with --dtype float16)",
        "states": "serve the GGUF file with llama-server",
    }

    def body(self, inputs: Inputs) -> dict[str, Any]:
        """Return what is posted for inputs; a text that is too long is refused instead of cut."""
        return {"model": self.model, "input": inputs, "truncate": False}

    def answers(self, said: Any) -> list[tuple[int, Any]]:
        """The numbers of every input, in their order."""
        return list(enumerate(said["embeddings"]))


class OpenAI(Dialect):
    """Any other server of OpenAI's ``/v1/embeddings``."""

    engine = "the engine"

    def body(self, inputs: Inputs) -> dict[str, Any]:
        """Return what is posted for inputs."""
        return {"model": self.model, "input": inputs, "encoding_format": "float"}


DIALECTS: dict[str, tuple[type[Dialect], bool]] = {
    "vllm-embeddings": (VllmEmbeddings, True),
    "vllm-pooling": (VllmTokens, True),
    "llama.cpp": (LlamaCpp, True),
    "ollama": (Ollama, False),
    "openai-ids": (OpenAI, True),
    "openai-text": (OpenAI, False),
}
"""Ways to ask by name, and whether token ids are sent."""
