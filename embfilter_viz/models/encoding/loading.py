"""A checkpoint to a transformers model in memory, every weight of it the checkpoint's own.

Transformers fills a weight that a checkpoint lacks with random numbers and reports it. The report
is read here: a model with one such weight in its language part is refused.
"""

import re
import warnings
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from embfilter_viz.errors import InputError
from embfilter_viz.models import families
from embfilter_viz.models.encoding.devices import Device, Precision
from embfilter_viz.models.encoding.parts import Parts, find_parts
from embfilter_viz.models.encoding.quantised import (
    check_quantised,
    method_of,
    settings_for_loading,
    uncompiled,
)
from embfilter_viz.models.formats.agreement import check_filled_in
from embfilter_viz.models.outline import Adapter, Outline
from embfilter_viz.models.transformers_internals import (
    configuration_of,
    language_model_classes,
)
from embfilter_viz.system.panics import panics_raised

__all__ = ["Loaded", "check_runs_here", "load", "quiet_transformers", "warm_up"]


@dataclass(frozen=True)
class Loaded:
    """A model in memory."""

    parts: Parts
    """The modules of it that are used."""
    left_out: tuple[str, ...]
    """What of the checkpoint was not loaded, in words."""


def load(outline: Outline, device: Device = "cpu", dtype: Precision = "float32") -> Loaded:
    """Load a model: safetensors on this machine only, none of the checkpoint's code run.

    Args:
        outline: of a checkpoint that is whole on this machine.
        device: where the model is to run.
        dtype: in what precision.

    Raises:
        InputError: what transformers cannot load, or cannot load in full.
    """
    check_runs_here(outline)
    if method_of(outline.config) == "bitnet":
        return uncompiled(_loaded)(outline, device, dtype)
    return _loaded(outline, device, dtype)


def _loaded(outline: Outline, device: Device, dtype: Precision) -> Loaded:
    import torch

    transformers = quiet_transformers()
    model, report = _from_transformers(transformers, outline, getattr(torch, dtype))
    if outline.adapter is not None:
        model = _merged(model, outline.adapter, outline.name)
    model.to(device).requires_grad_(False).eval()
    listed = families.is_listed(outline.config["model_type"])
    try:
        parts = find_parts(model, outline.name, listed=listed)
    except InputError:  # with weights missing, say that
        _check_report(report, model, Parts(model, model, None, None), outline.name)
        raise
    if method_of(outline.config) == "bitnet":
        for module in {parts.reader, parts.decoder}:
            module.forward = uncompiled(module.forward)
    _check_report(report, model, parts, outline.name)
    left_out = _left_out(report["unexpected_keys"], families.layer_count(outline.config))
    return Loaded(parts, left_out)


def check_runs_here(outline: Outline) -> None:
    """Refuse, before anything is loaded, what cannot be run on this machine.

    Raises:
        InputError: only its head can be read, its weights are quantised in a form that
            transformers cannot run here, or it is an adapter and the package peft is missing.
    """
    name = outline.name
    if outline.only_head is not None:
        raise InputError(f"{name}: texts cannot be encoded with it: {outline.only_head}")
    if outline.adapter is not None:
        try:
            import_module("peft")
        except ImportError as error:
            raise InputError(
                f"{name}: an adapter needs the package peft to be merged into its base "
                f"(pip install 'embfilter-viz[peft]'); its head opens without"
            ) from error
    quiet_transformers()
    check_quantised(outline)


def _from_transformers(
    transformers: Any, outline: Outline, dtype: Any
) -> tuple[Any, dict[str, Any]]:
    """The model and transformers' loading report."""
    filled_in = None
    with suppress(Exception):  # told by what follows
        filled_in = configuration_of(outline.folder).to_dict()
    if filled_in is not None:
        check_filled_in(filled_in, outline.tables, outline.name)
    try:
        auto, more = _class_of(transformers, outline)
        more |= settings_for_loading(outline.config)
        try:
            with panics_raised():
                return _pretrained(auto, outline.folder, dtype, **more)
        except ImportError:  # of what its eyes need, and its language model does not
            text = configuration_of(outline.folder).get_text_config(decoder=True)
            if text.model_type not in language_model_classes()[0]:
                raise
            auto = transformers.AutoModelForCausalLM
            more |= {"config": text, "key_mapping": _OF_TEXT}
            return _pretrained(auto, outline.folder, dtype, **more)
    except Exception as error:  # each class of models has refusals of its own kinds
        raise InputError(
            f"{outline.name}: transformers {transformers.__version__} cannot load it "
            f"({_first_sentence(error)}); check that the folder is complete and its architecture "
            f"known to this release"
        ) from error


_OF_TEXT = {r"^model\.language_model\.": "model.", r"^language_model\.(model|lm_head)\.": r"\1."}
"""What the tensors of a language model with eyes are called without them."""


def _pretrained(auto: Any, folder: Path, dtype: Any, **more: Any) -> tuple[Any, dict[str, Any]]:
    more |= {
        "dtype": dtype,
        "local_files_only": True,
        "use_safetensors": True,
        "trust_remote_code": False,
        "output_loading_info": True,
        # A tensor of another shape is then reported, and not told in a table printed elsewhere.
        "ignore_mismatched_sizes": True,
    }
    try:
        return auto.from_pretrained(folder, attn_implementation="sdpa", **more)
    except ValueError as error:
        if "scaled_dot_product_attention" not in str(error):
            raise
        return auto.from_pretrained(folder, attn_implementation="eager", **more)


def _class_of(transformers: Any, outline: Outline) -> tuple[Any, dict[str, Any]]:
    """The class that opens the checkpoint, and what it is to be told.

    It is the one whose table has the checkpoint's architecture. Of a model that also speaks
    (Qwen Omni), the part that thinks is taken: the language model with its eyes and ears.
    """
    causal, multimodal = language_model_classes()
    model_type = outline.config["model_type"]
    if not _has_head(outline):
        return transformers.AutoModel, {}
    if "thinker_config" in outline.config:
        thinker = configuration_of(outline.folder).thinker_config
        return getattr(transformers, multimodal[thinker.model_type]), {"config": thinker}
    architectures = tuple(outline.config.get("architectures") or ())
    if model_type in multimodal and (
        model_type not in causal or multimodal[model_type] in architectures
    ):
        # By its name: transformers' own lookup does not find all that are in its table.
        return getattr(transformers, multimodal[model_type]), {}
    return transformers.AutoModelForCausalLM, {}


def _has_head(outline: Outline) -> bool:
    """Tell whether the checkpoint has a head of its own, stored or tied."""
    stored = outline.stored
    return (
        next(families.head_names(stored), None) is not None
        or families.is_tied(outline.config) is not False
    )


def _check_report(report: dict[str, Any], model: Any, parts: Parts, name: str) -> None:
    """Refuse a model whose language part did not come whole out of the checkpoint.

    Args:
        report: what transformers says of the weights.
        model: what was loaded.
        parts: decoder, head and layers.
        name: the model's name.

    Raises:
        InputError: a weight is missing, has another shape, or could not be converted.
    """
    used = (parts.decoder, parts.head, parts.before_head)
    of_text = {
        name for part in used for name in _names_of(model, part) if families.is_of_text(name)
    }
    errors = report.get("error_msgs") or []
    if errors:
        raise InputError(f"{name}: transformers could not load it ({_first_sentence(errors[0])})")
    other = sorted(set(report["mismatched_keys"]), key=str)
    for key, stored, expected in (m for m in other if m[0] in of_text):
        raise InputError(
            f"{name}: {key} has shape {list(stored)} and config.json asks for {list(expected)}; "
            f"configuration and weights are of two models: download both again"
        )
    missing = sorted(set(report["missing_keys"]) & of_text)
    if missing:
        raise InputError(
            f"{name}: {len(missing)} of its weights are not in the checkpoint, {missing[0]} the "
            f"first, and would be random; {_way_out(report['unexpected_keys'])}"
        )


def _names_of(model: Any, module: Any) -> set[str]:
    """The names that the parameters and buffers of ``module`` have in ``model``."""
    if module is None:
        return set()
    ours = {id(tensor) for tensor in (*module.parameters(), *module.buffers())}
    named = (
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    )
    return {key for key, tensor in named if id(tensor) in ours}


_CODES = re.compile(r"\.(qweight|qzeros|scales|g_idx|weight_scale\w*|weight_packed|absmax)$")


def _way_out(unexpected: Iterable[str]) -> str:
    """Return what to do about missing weights, by the names that nobody asked for instead."""
    names = sorted(unexpected)
    if any("lora_" in name or ".base_layer." in name for name in names):
        return "it is an adapter saved with its base: merge it (PEFT: merge_and_unload) and save it"
    if any(_CODES.search(name) for name in names):
        return "its weights are quantised and config.json does not say how: take another release"
    if names:
        return f"it has {names[0]} instead: download it again, or take another release of the model"
    return "download the whole checkpoint"


_ON_PURPOSE = (
    (re.compile(r"rotary|inv_freq|masked_bias|\.attn\.bias$|\.attention\.bias$"), "fixed buffers"),
    (re.compile(r"mtp|nextn|eh_proj|enorm|hnorm|shared_head"), "heads that predict further tokens"),
    (re.compile(r"score\.|classifier|v_head|value_head|summary"), "heads of other tasks"),
    (re.compile(r"(^|\.)(lm_head|embed_out)\."), "a head that is tied"),
)


def _left_out(unexpected: Iterable[str], n_layers: int | None) -> tuple[str, ...]:
    """Return what of the checkpoint was not loaded, counted by kind."""
    kinds: Counter[str] = Counter()
    for name in sorted(unexpected):
        layer = next((int(part) for part in name.split(".") if part.isdigit()), -1)
        if not families.is_of_text(name):
            kind = "parts for images and sound"
        elif n_layers is not None and layer >= n_layers:
            kind = f"layers beyond the {n_layers} of config.json"
        else:
            kind = next((kind for rule, kind in _ON_PURPOSE if rule.search(name)), name)
        kinds[kind] += 1
    return tuple(f"{kind} ({n} tensor{'s' if n != 1 else ''})" for kind, n in kinds.items())


def _merged(model: Any, adapter: Adapter, name: str) -> Any:
    """The model with the adapter merged into its weights.

    Raises:
        InputError: the adapter does not fit the model, or not all of it does, or cannot be merged.
    """
    import torch

    peft: Any = import_module("peft")
    refusals = (
        *(ValueError, KeyError, RuntimeError, OSError),
        *(TypeError, AttributeError, ImportError),
    )
    ids = torch.arange(1, 9)[None]
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # told in one line, or not at all
            inner = _part_adapted(model, adapter)
            changed = peft.PeftModel.from_pretrained(
                inner, str(adapter.folder), local_files_only=True
            )
            _check_all_read(peft, changed, adapter)
            expected = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
            changed.merge_and_unload()
            found = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
    except refusals as error:
        raise InputError(
            f"{name}: its adapter does not fit {adapter.base} ({_first_sentence(error)}); give the "
            f"base it was trained on"
        ) from error
    apart = (found - expected).float().norm(dim=-1) / expected.float().norm(dim=-1)
    if apart.max() > (1e-3 if found.dtype == torch.float32 else 0.1):
        raise InputError(
            f"{name}: PEFT cannot merge this kind of adapter ({adapter.config.get('peft_type')}) "
            f"without changing what it computes; give a LoRA adapter or a whole model"
        )
    return model


def _part_adapted(model: Any, adapter: Adapter) -> Any:
    """The part of the model that the adapter's tensors are named from: all, or all but the head."""
    first = {key.partition(".")[0] for key in adapter.brought}
    parts = (model, model.base_model)
    return next((part for part in parts if all(hasattr(part, name) for name in first)), model)


def _check_all_read(peft: Any, changed: Any, adapter: Adapter) -> None:
    """Refuse an adapter of which something is left, or to which something is lacking."""
    # Not "auto", which would ask the hub what the base is.
    expected = set(peft.get_peft_model_state_dict(changed, save_embedding_layers=False))
    stored = {entry.name for entry in adapter.tables}
    of_base = {f"base_model.model.{key}" for key in changed.get_base_model().state_dict()}
    extra = stored - expected - of_base  # some adapters bring weights of the base along
    if lacking := sorted((expected - stored) | extra):
        key = lacking[0]
        raise ValueError(f"{key} is in {'the adapter' if key in stored else 'the base'} alone")


def _first_sentence(error: object) -> str:
    """The first line of an error, without pointing at what is not shown."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"\s*(For details|See|look at)[^.]*(above|report)[^.]*\.?", "", lines[0])[:300]


def quiet_transformers() -> Any:
    """Import transformers with its log and progress bars off: the terminal is the command's own."""
    # Not by an import statement: transformers puts another module in its place while it is being
    # imported, and a second thread that waits for it meanwhile would be given the first one.
    transformers = import_module("transformers")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def warm_up() -> None:
    """Import what loading a model needs: some seconds that can pass while nobody waits."""
    quiet_transformers().modeling_utils  # noqa: B018 - an attribute that imports, torch too
