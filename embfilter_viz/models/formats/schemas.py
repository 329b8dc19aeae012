"""The schema of each JSON header that is read, held against it once, before anything is made of it.

What passes here is of the types and within the bounds that all code behind relies on; what does not
is told in one line by its first fault. Keys that nobody reads here may hold anything.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from embfilter_viz.errors import InputError
from embfilter_viz.system.regular import read_regular

__all__ = [
    "AdapterConfig",
    "Card",
    "Config",
    "Embedder",
    "FilterSaid",
    "GgufSaid",
    "HubListing",
    "HubTables",
    "Index",
    "IndexPage",
    "MapSaid",
    "Modules",
    "Pooling",
    "TensorLine",
    "TokenizerFile",
    "TokenizerSettings",
    "Transformer",
    "held_to",
    "json_of",
    "read_json",
]

LONGEST = 64 << 20
"""Bytes of a JSON file beside weights; the longest index is of some 20 million."""
_LONGEST_WORD = 60
_BOM = b"\xef\xbb\xbf"

Offset = Annotated[int, Field(ge=0, lt=1 << 62)]
Id = Annotated[int, Field(ge=-1, lt=1 << 32)]
"""Of a token; -1 is what some write for none."""
Count = Annotated[int, Field(ge=0, lt=1 << 31)]
Counts = Count | list[Count | None] | None
"""One for all layers or one for each."""
Layers = Annotated[int, Field(ge=1, le=10_000)]
Positions = Annotated[int, Field(ge=8, lt=1 << 31)] | list[Count | None] | None
"""Tokens of a text, and more than the first few words of a prompt."""
Word = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Factor = Annotated[float, Field(allow_inf_nan=False, gt=-1e6, lt=1e6)]


class _Header(BaseModel):
    """A JSON object of which the named keys are checked and the others kept as they are."""

    model_config = ConfigDict(strict=True, extra="allow", protected_namespaces=())


class TensorLine(_Header):
    """One line of a safetensors table."""

    dtype: Annotated[str, Field(max_length=20, pattern=r"^((BF|F|I|U|C)\d[\d\w]*|BOOL)$")]
    shape: Annotated[list[Offset], Field(max_length=32)]
    data_offsets: Annotated[list[Offset], Field(min_length=2, max_length=2)]


class Index(_Header):
    """``model.safetensors.index.json``: which shard holds which tensor."""

    weight_map: dict[str, Annotated[str, Field(max_length=255, pattern=r"^[\w.-]+\.safetensors$")]]


class _Language(_Header):
    """The settings of a language model that are read."""

    num_hidden_layers: Layers | None = None
    num_layers: Layers | None = None
    n_layer: Layers | None = None
    n_layers: Layers | None = None
    vocab_size: Counts = None
    hidden_size: Counts = None
    n_embd: Counts = None
    d_model: Counts = None
    intermediate_size: Counts = None
    num_attention_heads: Counts = None
    num_key_value_heads: Counts = None
    head_dim: Counts = None
    max_position_embeddings: Positions = None
    n_positions: Positions = None
    n_ctx: Positions = None
    logit_scale: Factor | Word | None = None
    lm_head_multiplier: Factor | None = None
    output_multiplier: Factor | None = None
    logits_scaling: Factor | None = None
    logits_mup_width_multiplier: Factor | None = None
    final_logit_softcapping: Factor | None = None
    logits_soft_cap: Factor | None = None
    output_logit_soft_cap: Factor | None = None
    logit_softcap: Factor | None = None
    bos_token_id: Id | list[Id] | None = None
    eos_token_id: Id | list[Id] | None = None
    tie_word_embeddings: bool | None = None
    use_bidirectional_attention: bool | Word | None = None
    is_causal: bool | None = None


class Config(_Language):
    """``config.json``."""

    model_type: Word | None = None
    architectures: list[Word] | None = None
    is_encoder_decoder: bool | None = None
    quantization_config: dict[str, Any] | None = None
    text_config: _Language | None = None
    llm_config: _Language | None = None
    language_config: _Language | None = None
    thinker_config: dict[str, Any] | None = None
    transformers_weights: Word | None = None


class AdapterConfig(_Header):
    """``adapter_config.json``."""

    base_model_name_or_path: Annotated[Word, Field(max_length=4096)] | None = None
    peft_type: Word | None = None
    revision: str | None = None


class FilterSaid(_Header):
    """The metadata of a filter file, all of it text."""

    head_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    checkpoint: Word
    prompt: Word | None = None
    library: Word | None = None


class MapSaid(FilterSaid):
    """The metadata of a method that is no window."""

    method: Word
    removes: Annotated[str, Field(max_length=1000)]


class _Added(_Header):
    id: Annotated[int, Field(ge=0, lt=1 << 31)]
    content: str


class TokenizerFile(_Header):
    """``tokenizer.json``, as far as the library that opens it does not check it itself."""

    added_tokens: list[_Added] | None = None
    model: dict[str, Any] | None = None


class _Spelt(_Header):
    content: str | None = None


class TokenizerSettings(_Header):
    """``tokenizer_config.json`` and ``special_tokens_map.json``."""

    bos_token: str | _Spelt | None = None
    eos_token: str | _Spelt | None = None


Place = Annotated[str, Field(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]
Options = dict[str, Any] | None


class Module(_Header):
    """One line of ``modules.json``: a step of an embedder and the folder of its settings."""

    type: Word
    path: Place = ""


Modules = Annotated[list[Module], Field(max_length=100)]
"""``modules.json``."""


class Transformer(_Header):
    """``sentence_bert_config.json`` and its kin."""

    tokenizer_args: Options = None
    processor_kwargs: Options = None
    model_args: Options = None
    model_kwargs: Options = None
    config_args: Options = None
    config_kwargs: Options = None
    modality_config: Options = None
    max_seq_length: Count | None = None


class Pooling(_Header):
    """Settings of the pooling of an embedder."""

    pooling_mode: Word | list[Word] | None = None


class Embedder(_Header):
    """``config_sentence_transformers.json``."""

    model_type: Word | None = None
    truncate_dim: Count | None = None
    default_prompt_name: str | None = None
    prompts: dict[str, str | None] | None = None


class Card(_Header):
    """The note that an exported folder has of itself."""

    method: Word | None = None
    prompt: str | None = None
    l: Count | Word | None = None  # noqa: E741
    r: Count | Word | None = None


_OF_SAFETENSORS = r"^(BOOL|B?F\d+(_\w+)?|[CIU]\d+)$"
"""Names of its number formats, those to come among them; a GGUF's blocks (``Q4_0``) are none."""


class _Stored(_Header):
    """A tensor in the table that is kept of a head fetched by ranges."""

    model_config = ConfigDict(extra="forbid")

    name: str
    dtype: Annotated[str, Field(max_length=20, pattern=_OF_SAFETENSORS)]
    shape: Annotated[list[Offset], Field(max_length=32)]
    file: Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]+$")]
    start: Offset
    n_bytes: Offset


class HubTables(_Header):
    """``tables.json``: the tensors of a repository on the hub, and where those fetched lie."""

    folder: str
    lengths: dict[str, Offset]
    tables: list[_Stored]


FileName = Annotated[
    str,
    Field(max_length=1000, pattern=r"^[^\x00-\x1f\x7f\\/]+(/[^\x00-\x1f\x7f\\/]+)*$"),
]
"""Of a file in a repository, folders before it."""


class _Listed(_Header):
    rfilename: FileName
    size: Offset | None = None


class HubListing(_Header):
    """A commit of a repository on the hub, and its files."""

    sha: Annotated[str, Field(pattern=r"^[0-9a-f]{40,64}$")]
    siblings: list[_Listed]


class _Linked(_Header):
    filename: str
    url: str


class IndexPage(_Header):
    """A project's files as a package index lists them (PEP 691)."""

    files: list[_Linked]


class GgufSaid(BaseModel):
    """The metadata of a GGUF, as far as it is read by name."""

    model_config = ConfigDict(strict=True, extra="allow", protected_namespaces=())

    architecture: Annotated[str, Field(max_length=64, pattern=r"^[\w.-]*$")] = Field(
        "", alias="general.architecture"
    )
    type: Word = Field("model", alias="general.type")
    alignment: Annotated[int, Field(ge=1, le=1 << 20)] = Field(32, alias="general.alignment")
    file_type: int = Field(0, alias="general.file_type")
    split_count: Annotated[int, Field(ge=0, le=99_999)] = Field(0, alias="split.count")
    split_no: Annotated[int, Field(ge=0, le=99_999)] = Field(0, alias="split.no")
    split_tensors: Offset = Field(0, alias="split.tensors.count")
    model: Word | None = Field(None, alias="tokenizer.ggml.model")
    pre: Word | None = Field(None, alias="tokenizer.ggml.pre")
    tokens: Offset = Field(0, alias="tokenizer.ggml.tokens")
    merges: Offset = Field(0, alias="tokenizer.ggml.merges")
    scores: list[Finite] = Field([], alias="tokenizer.ggml.scores")
    token_type: list[int] = Field([], alias="tokenizer.ggml.token_type")
    bos: Id | None = Field(None, alias="tokenizer.ggml.bos_token_id")
    eos: Id | None = Field(None, alias="tokenizer.ggml.eos_token_id")
    unknown: Id | None = Field(None, alias="tokenizer.ggml.unknown_token_id")
    padding: Id | None = Field(None, alias="tokenizer.ggml.padding_token_id")
    template: str | None = Field(None, alias="tokenizer.chat_template")


def read_json(path: Path, schema: Any, name: str, way_out: str = "download the file again") -> Any:
    """Return what a JSON file holds, if it keeps to ``schema``.

    Args:
        path: the file.
        schema: as :func:`json_of` takes it.
        name: the model as the user typed it, for the message.
        way_out: what the reader of the message is to do.

    Returns:
        the parsed JSON.

    Raises:
        InputError: it cannot be read, is no JSON, or breaks the schema.
    """
    try:
        data = read_regular(path, LONGEST)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{name}: {path.name} cannot be read ({reason}); {way_out}") from error
    return json_of(data, schema, f"{name}: {path.name}", way_out)


def json_of(data: bytes, schema: Any, what: str, way_out: str) -> Any:
    """The JSON in ``data``, as plain Python, if it keeps to ``schema``.

    Args:
        data: UTF-8, with a byte order mark or without.
        schema: ``dict`` for any object, or a model or type of this module for what it must hold.
        what: the file, for the message.
        way_out: what the reader of the message is to do.

    Returns:
        the parsed JSON, unknown keys included.

    Raises:
        InputError: it is no JSON, is nested too deep, or breaks the schema.

    >>> json_of(b'{"weight_map": {"w": "../x"}}', Index, "m: index.json", "download it again")
    Traceback (most recent call last):
    embfilter_viz.errors.InputError: m: index.json: weight_map.w should have no characters but ...
    """
    try:
        found = from_json(data.removeprefix(_BOM))
    except ValueError as error:
        raise InputError(
            f"{what} is not valid JSON ({_one_line(str(error))}); {way_out}"
        ) from error
    kind = list if schema is Modules else dict
    if not isinstance(found, kind):
        raise InputError(
            f"{what} must hold a JSON {'list' if kind is list else 'object'}, not "
            f"{type(found).__name__}; {way_out}"
        )
    if schema is not dict:
        held_to(schema, found, what, way_out)
    return found


def held_to(schema: Any, found: Any, what: str, way_out: str) -> None:
    """Refuse what breaks ``schema``, by its first fault.

    Args:
        schema: a model or type of this module.
        found: what was parsed.
        what: where it stood, for the message.
        way_out: what the reader of the message is to do.

    Raises:
        InputError: it breaks the schema.
    """
    try:
        _adapter(schema).validate_python(found, strict=True)
    except ValidationError as error:
        # Not from it: of a long table a traceback would list every line.
        raise InputError(f"{what}: {_first_fault(error)}; {way_out}") from None


@cache
def _adapter(schema: Any) -> TypeAdapter[Any]:
    return TypeAdapter(schema)


def _first_fault(error: ValidationError) -> str:
    """The first fault in words: where it stands, what should be there, and what is."""
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"] if not _is_of_pydantic(part))
    rule = first["msg"].removeprefix("Input ")
    if first["type"] == "string_pattern_mismatch":
        rule = "should have no characters but those that such a name may have"
    if first["type"] == "missing":
        rule = "is missing"
    got = "" if first["type"] == "missing" else f", and is {_short(repr(first['input']))}"
    return _one_line(f"{_short(place)} {rule[:120]}{got}")


def _is_of_pydantic(part: object) -> bool:
    """Tell whether a part of a place is the branch of a union, which stands in no file."""
    return isinstance(part, str) and (
        part in ("int", "float", "str", "bool") or part.startswith(("constrained-", "list["))
    )


def _short(text: str) -> str:
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= _LONGEST_WORD else f"{text[:_LONGEST_WORD]}…"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
