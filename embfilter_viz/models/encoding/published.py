"""An embedder read as its makers publish it: the files of a sentence-transformers folder.

They name a prompt, the tokens around it, the pooling, the longest text and whether vectors are
normalised. Every setting is either followed or refused by name: one that was passed over would
give vectors that are not the embedder's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten
from typing import Any, Literal

from embfilter_viz.errors import InputError
from embfilter_viz.models.encoding.loading import quiet_transformers
from embfilter_viz.models.encoding.prepared import Prepared
from embfilter_viz.models.encoding.prompts import PUBLISHED, Prompt, find_prompt
from embfilter_viz.models.families import family_of, layers_of
from embfilter_viz.models.outline import Outline

__all__ = [
    "MODULES",
    "Published",
    "PublishedTokens",
    "is_embedder",
    "prompt_of",
    "read_published",
]

MODULES = "modules.json"
"""The file that tells an embedder's folder from another model's."""

_POOLINGS: dict[str, Literal["last", "mean"]] = {"lasttoken": "last", "mean": "mean"}
_OLD_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""What sentence-transformers wrote before release 6: a switch for each."""
_LONGEST_SHOWN = 160
"""Characters of a prompt that a sentence about it shows."""
_OWN_WAY_OUT = "take the prompt mean or last"


@dataclass(frozen=True)
class Published:
    """The way in which an embedder's makers have a text read."""

    folder: Path
    """modules.json, the files it names, and the tokenizer."""
    prompt: str
    """Put before every text; empty for none."""
    pooling: Literal["last", "mean"]
    """``last``: the last token's state. ``mean``: the mean over all tokens."""
    pools_prompt: bool
    """Scalar: whether the mean is over the prompt's tokens too."""
    max_tokens: int | None
    """Scalar: tokens a text may have, special ones included; None: as its tokenizer says."""
    normalised: bool
    """Scalar: whether vectors are scaled to length 1."""
    tokenizer_settings: Mapping[str, Any] = field(default_factory=dict)
    """What the tokenizer is opened with."""

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides a vector beside the checkpoint, for a key of the store."""
        return {
            "prompt": self.prompt,
            "pooling": self.pooling,
            "pools_prompt": self.pools_prompt,
            "max_tokens": self.max_tokens,
            "normalised": self.normalised,
            "tokenizer": dict(self.tokenizer_settings),
        }

    def as_prompt(self) -> Prompt:
        """The same as a :class:`~.prompts.Prompt`, with a sentence for the user."""
        prompt = shorten(self.prompt, _LONGEST_SHOWN, placeholder=" …")
        parts = [f"“{prompt}” before the text"] if prompt else []
        parts.append("the special tokens of its tokenizer around it")
        if self.pooling == "last":
            parts.append("the state of the last token")
        else:
            alone = prompt and not self.pools_prompt
            parts.append(f"the mean over {'the text' if alone else 'all tokens'}")
        parts += ["scaled to length 1"] * self.normalised
        parts += [f"at most {self.max_tokens:,} tokens"] if self.max_tokens else []
        return Prompt(
            PUBLISHED.name,
            PUBLISHED.label,
            f"{self.prompt}{{text}}",
            self.pooling,
            f"As its makers have it: {', '.join(parts)}.",
        )


def is_embedder(outline: Outline) -> bool:
    """Tell whether the folder of a model, or of its adapter, is one of sentence-transformers."""
    return (_home(outline) / MODULES).is_file()


def read_published(outline: Outline) -> Published:
    """Say how the makers of a model have it read, from its files alone.

    Args:
        outline: of any model.

    Raises:
        InputError: no sentence-transformers folder, or one that asks for more than is done here.
    """
    from embfilter_viz.models.formats import schemas

    folder, name = _home(outline), f"{outline.name}: prompt {PUBLISHED.name}"
    modules = _read_json(folder / MODULES, name, schemas.Modules)
    if not is_embedder(outline):
        again = " or fetch the model again, if the hub has one" if outline.kind == "hub" else ""
        raise InputError(
            f"{name}: it has no {MODULES}, so nothing says how it is to be read; take another "
            f"prompt{again}"
        )
    whole = _read_json(folder / "config_sentence_transformers.json", name, schemas.Embedder)
    transformer, pooling, normalised = _pipeline(modules, folder, name)
    _check_whole(whole, name)
    settings, max_tokens = _transformer(transformer, name)
    mode, pools_prompt = _pooling(pooling, name)
    return Published(
        folder, _prompt(whole, name), mode, pools_prompt, max_tokens, normalised, settings
    )


def prompt_of(outline: Outline, name: str) -> Prompt:
    """The prompt called ``name`` in the words used for a model.

    To be read after its last layer is to be read as always, so that layer is left out of the name.

    Raises:
        InputError: no such prompt, a layer the model does not have, or ``published`` of a model
            that cannot be read so.
    """
    asked = find_prompt(name)
    last = layers_of(outline.config, outline.stored)
    if asked.layer is not None and asked.layer > last:
        raise InputError(
            f"layer {asked.layer}: {outline.name} has {last} layers; take 0, the input, to {last}, "
            f"after which it is read if nothing is said"
        )
    layer = None if asked.layer == last else asked.layer
    if asked.base == PUBLISHED.name:
        return read_published(outline).as_prompt().at(layer)
    return asked.at(layer).of_family(family_of(outline.config))


def _home(outline: Outline) -> Path:
    """Return where the files lie: an adapter is published with its own."""
    return outline.folder if outline.adapter is None else outline.adapter.folder


def _pipeline(
    modules: list[Any], folder: Path, name: str
) -> tuple[dict[str, Any], dict[str, Any], bool]:
    """The settings of the transformer and of the pooling, and whether vectors are normalised."""
    from embfilter_viz.models.formats import schemas

    kinds = [one["type"] for one in modules]
    names = [kind.rpartition(".")[2] for kind in kinds]
    foreign = next((k for k in kinds if not k.startswith("sentence_transformers.")), None)
    if "Dense" in names:
        raise InputError(
            f"{name}: its vectors go through a further layer (Dense), so they are no states that "
            f"its head reads; {_OWN_WAY_OUT}"
        )
    if foreign is not None or names not in (
        ["Transformer", "Pooling"],
        ["Transformer", "Pooling", "Normalize"],
    ):
        said = ", ".join(foreign or n for n in names)
        raise InputError(
            f"{name}: {MODULES} asks for {said}, and Transformer, Pooling and Normalize are done "
            f"here; {_OWN_WAY_OUT}"
        )
    places = [str(one.get("path", "")) for one in modules]
    if places[0]:
        raise InputError(
            f"{name}: {MODULES} has the model itself in {places[0]}; give a folder that has it in "
            f"its root, or {_OWN_WAY_OUT}"
        )
    read = [
        _read_json(_inside(folder, place, name) / "config.json", name, schemas.Pooling)
        for place in places[1:]
    ]
    if len(read) == 2 and read[1].get("module_input_name", "sentence_embedding") != (
        "sentence_embedding"
    ):
        raise InputError(f"{name}: it normalises single tokens, not texts; {_OWN_WAY_OUT}")
    files = sorted(folder.glob("sentence_*_config.json"))
    transformer = _read_json(files[0], name, schemas.Transformer) if files else {}
    return transformer, read[0], len(read) == 2


def _inside(folder: Path, place: str, name: str) -> Path:
    found = (folder / place).absolute()
    if ".." in Path(place).parts or Path(place).is_absolute():
        raise InputError(f"{name}: {MODULES} names {place}, outside its folder; {_OWN_WAY_OUT}")
    return found


def _check_whole(whole: dict[str, Any], name: str) -> None:
    kind = whole.get("model_type") or "SentenceTransformer"
    if kind != "SentenceTransformer":
        raise InputError(f"{name}: it is a {kind}, which gives no vector a text; {_OWN_WAY_OUT}")
    if whole.get("truncate_dim"):
        raise InputError(
            f"{name}: it keeps the first {whole['truncate_dim']} coordinates alone "
            f"(truncate_dim), and a head reads all of them; {_OWN_WAY_OUT}"
        )


def _prompt(whole: dict[str, Any], name: str) -> str:
    """The text of the default prompt; empty where there is none."""
    default = whole.get("default_prompt_name")
    if default is None:
        return ""
    said = whole.get("prompts")
    prompts = {"query": "", "document": "", **(said if isinstance(said, Mapping) else {})}
    if default not in prompts:
        raise InputError(
            f"{name}: its default prompt {default!r} is not among its prompts; {_OWN_WAY_OUT}"
        )
    return str(prompts[default] or "")


_TEXT_ALONE = {"method": "forward", "method_output_name": "last_hidden_state"}
_AS_EXPECTED: dict[str, tuple[Any, ...]] = {
    "do_lower_case": (False, None),
    "transformer_task": ("feature-extraction", None),
    "module_output_name": ("token_embeddings", None),
    "processing_kwargs": ({}, None),
    "tokenizer_name_or_path": (None,),
    "query_expansion": (None,),
}
"""Settings of the transformer and the values that change nothing here."""
_OF_NO_MATTER = ("unpad_inputs", "query_length", "document_length", "backend")
_MODEL_SETTINGS = ("dtype", "torch_dtype", "attn_implementation", "use_safetensors", "use_cache")
"""What may be said of how the model is loaded, for it changes rounding alone."""
_TOKENIZER_SETTINGS = (
    *("model_max_length", "padding_side", "truncation_side", "add_bos_token", "add_eos_token"),
    *("tokenizer_type", "use_fast"),
)


def _transformer(config: dict[str, Any], name: str) -> tuple[dict[str, Any], int | None]:
    """Return what the tokenizer is opened with, and the longest text in tokens.

    Raises:
        InputError: a setting that is not followed here.
    """
    asked: dict[str, Any] = {}
    length: Any = None
    for key, value in config.items():
        if key in ("tokenizer_args", "processor_kwargs"):
            asked = dict(value or {})
            unknown = [k for k in asked if k not in (*_TOKENIZER_SETTINGS, "trust_remote_code")]
        elif key in ("model_args", "model_kwargs", "config_args", "config_kwargs"):
            unknown = [k for k in value or {} if k not in (*_MODEL_SETTINGS, "trust_remote_code")]
        elif key == "max_seq_length":
            length, unknown = value, []
        elif key == "modality_config":
            unknown = [k for k in value or {} if k != "text" or value[k] != _TEXT_ALONE]
        else:
            known = key in _OF_NO_MATTER or value in _AS_EXPECTED.get(key, ())
            unknown = [] if known else [str(value)]
        if unknown:
            raise InputError(
                f"{name}: sentence_bert_config.json says {key}: {unknown[0]}, which is not done "
                f"here; {_OWN_WAY_OUT}"
            )
    asked.pop("trust_remote_code", None)
    if asked.get("model_max_length") is not None:
        length = asked["model_max_length"]
    if length is not None and (not isinstance(length, int) or length < 2):
        raise InputError(f"{name}: max_seq_length is {length!r}, no number; {_OWN_WAY_OUT}")
    return asked, length


def _pooling(config: dict[str, Any], name: str) -> tuple[Literal["last", "mean"], bool]:
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for key, mode in _OLD_POOLINGS.items() if config.get(key)] or ["mean"]
    modes = [modes] if isinstance(modes, str) else list(modes)
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise InputError(
            f"{name}: it pools by {' and '.join(map(str, modes))}, and the last token or the mean "
            f"are read here; {_OWN_WAY_OUT}"
        )
    return _POOLINGS[modes[0]], config.get("include_prompt", True) is not False


def _read_json(path: Path, name: str, schema: Any) -> Any:
    """Return what a file holds; nothing where there is no such file."""
    from embfilter_viz.models.formats.schemas import Modules, read_json

    if not path.is_file():
        return [] if schema is Modules else {}
    return read_json(path, schema, name, "download it again")


class PublishedTokens:
    """A text as an embedder's own tokenizer gives it to the model.

    Asked of transformers, as sentence-transformers does: for some families it puts splitting rules
    of its own in the place of those in ``tokenizer.json``.

    Args:
        published: how the makers have a text read.
        outline: of the whole model.

    Raises:
        InputError: a tokenizer that transformers cannot open without code of its own.
    """

    def __init__(self, published: Published, outline: Outline) -> None:
        self._published = published
        transformers = quiet_transformers()
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(
                outline.tokenizer_folder,
                **{**published.tokenizer_settings, "local_files_only": True},
                trust_remote_code=False,
            )
            self.max_tokens = published.max_tokens or self._own_length(transformers, outline)
            """Tokens a text may have, special ones included."""
        except Exception as error:  # each tokenizer has refusals of its own kinds
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise InputError(
                f"{outline.name}: prompt {PUBLISHED.name}: transformers cannot open its tokenizer "
                f"({reason}); {_OWN_WAY_OUT}"
            ) from error
        self._before = self._n_prompt_tokens() if not published.pools_prompt else 0

    def prepare(self, text: str) -> Prepared:
        """Tokenise ``text`` after the prompt; a text that is too long is cut as the tokenizer cuts.

        Raises:
            InputError: an empty text, or one that yields no tokens.
        """
        if not text.strip():
            raise InputError("the text is empty; give it at least one visible character")
        filled = self._published.prompt + text
        try:
            ids = self._ids(filled)
            truncated = len(ids) > self.max_tokens
            if truncated:
                ids = self._ids(filled, truncation="longest_first", max_length=self.max_tokens)
        except (UnicodeEncodeError, TypeError) as error:
            raise InputError(
                f"a text is not valid Unicode ({error}); save the file as UTF-8 and try again"
            ) from error
        start = len(ids) - 1 if self._published.pooling == "last" else self._before
        if not 0 <= start < len(ids):
            raise InputError(f"the text {text[:20]!r} has no tokens in this model; use other words")
        return Prepared(tuple(ids), start, truncated)

    @property
    def backend(self) -> Any:
        """Return it as the library tokenizers has it, special tokens included.

        Raises:
            InputError: it is written in Python, and tokenizers cannot have it.
        """
        found = getattr(self._tokenizer, "backend_tokenizer", None)
        if found is None:
            raise InputError(
                f"prompt {PUBLISHED.name}: the library tokenizers cannot read its tokenizer; "
                f"{_OWN_WAY_OUT}"
            )
        return found

    def _own_length(self, transformers: Any, outline: Outline) -> int:
        """The longest text where the makers do not say: the tokenizer's, or the model's if less."""
        config = transformers.AutoConfig.from_pretrained(
            outline.folder, local_files_only=True, trust_remote_code=False
        )
        positions = getattr(config, "max_position_embeddings", -1)
        lengths = (int(self._tokenizer.model_max_length), positions)
        return min(length for length in lengths if isinstance(length, int) and length > 0)

    def _n_prompt_tokens(self) -> int:
        """Tokens of the prompt alone, as sentence-transformers counts: less a special last one."""
        if not self._published.prompt:
            return 0
        ids = self._ids(self._published.prompt)
        return len(ids) - bool(ids and ids[-1] in self._tokenizer.all_special_ids)

    def _ids(self, text: str, **more: Any) -> list[int]:
        return list(self._tokenizer(text, verbose=False, **more)["input_ids"])
