"""What opens of a checkpoint, held against the transformers model that was saved.

One row a checkpoint: what was found right, wrong or refused. The truth is one plain forward pass a
text of the model in memory, watched by hooks; nothing of ours is asked for it.
"""

import json
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from embfilter_viz import open_model
from embfilter_viz.errors import InputError
from embfilter_viz.models.families import check_causal
from embfilter_viz.models.formats.safetensors_header import read_tables, weight_files
from tests.models import tiny_families
from tests.models.tiny_checkpoints import save

__all__ = ["FORMS", "Truth", "findings", "opened", "rows_of_family", "verdict"]

BOUND = 1e-4
"""Relative distance that rounding in float32 explains."""
LINE = "the cat sat on the mat while stars are born in clouds "
TEXTS = [LINE[:9], LINE[4:30], LINE + LINE[:17], (LINE * 5)[3:], "a stock market index", LINE[:12]]

Row = dict[str, Any]

FORMS = ("hub names", "module names", "tie flipped")
"""As checkpoints on the hub are named; as transformers names its modules; tied if it is not."""


def rows_of_family(model_type: str, folder: Path) -> Iterator[Row]:
    """The rows of one family, one for each form in which it is saved.

    Args:
        model_type: as transformers has it.
        folder: where the tiny checkpoints are written.
    """
    row: Row = {"model_type": model_type, "class": tiny_families.families()[model_type]}
    truth, names = None, None
    for form in FORMS:
        row = {**row, "form": form}
        target = folder / form.replace(" ", "-")
        try:
            if truth is None or form == "tie flipped":
                model = tiny_families.tiny_model(model_type, tie_flipped=form == "tie flipped")
                before, truth = truth, Truth(model)
            save(model, target, save_original_format=form != "module names")
        except ImportError:  # of the package that its eyes need
            text = tiny_families.write_without_eyes(target, model_type)
            yield row | opened(target, Truth(text))
            return
        except Exception as error:
            if truth is None:
                yield row | _not_built(row, error)
                return
            continue  # its class has no such form
        found = {entry.name for entry in read_tables(weight_files(target, ""), "")}
        if form == "module names" and found == names:
            continue
        if form == "tie flipped" and before is not None and truth.tied == before.tied:
            continue  # its class does not go by what the configuration says
        names = names or found
        yield row | opened(target, truth)


def _not_built(row: Row, error: Exception) -> Row:
    """What is said of its configuration, where no tiny model can be made of it here."""
    found: Row = {"n_layers": None}
    config = {"model_type": row["model_type"], "architectures": [row["class"]]}
    _step(found, "open", lambda: check_causal(config, "model"))
    return found if "refused" in found else {"stage": "not built", "said": error_line(error)}


class Truth:
    """What a model says itself of token ids, in one plain forward pass."""

    def __init__(self, model: Any) -> None:
        self.whole = self.model = model
        self.options: dict[str, Any] = {}
        self.no_pass = ""
        """Why it has no forward pass on text alone; empty where it has."""
        self._called: set[Any] = set()
        ids = list(range(5, 45))
        try:
            with torch.no_grad():
                seen = self._first_pass(ids)
                early = self._pass(ids[:20])
        except Exception as error:
            self.no_pass = error_line(error)
            self.model = model
            self.head = _embedding_of(model, "output")
        else:
            self.states, self.logits, self.head = seen["states"], seen["logits"], seen["head"]
            self.causal = relative(early["states"], self.states[:20]) < BOUND
        into = _embedding_of(self.model)
        self.tied = self.head is not None and self.head.weight is getattr(into, "weight", None)
        self.n_layers = self._count_layers(ids)

    @property
    def readable(self) -> bool:
        """Whether texts alone go through it, and logits come out."""
        return not self.no_pass

    def embedding(self, ids: tuple[int, ...], start: int) -> np.ndarray:
        """(d_model,): the mean of the final states from ``start`` on, read alone."""
        with torch.no_grad():
            return self._pass(list(ids))["states"][start:].mean(dim=0).numpy()

    def embedding_after(self, layer: int, ids: tuple[int, ...], start: int) -> np.ndarray | None:
        """The same of a model whose layers from ``layer`` on do nothing; None where unknown."""
        layers = self._layers()
        if layers is None:
            return None
        handles = [m.register_forward_hook(_skipped, with_kwargs=True) for m in layers[layer:]]
        try:
            return self.embedding(ids, start)
        finally:
            for handle in handles:
                handle.remove()

    def _layers(self) -> Any:
        """The list of as many modules as there are layers, whose way is the shortest."""
        lists = [
            (name.count("."), m)
            for name, m in self.model.named_modules()
            if isinstance(m, nn.ModuleList)
            and len(m) == self.n_layers
            and all(layer in self._called for layer in m)
        ]
        return min(lists, key=lambda found: found[0])[1] if lists else None

    def _count_layers(self, ids: list[int]) -> int | None:
        """As the states it gives between layers say, or else its configuration."""
        if self.readable and self._layers_said() is not None:
            try:
                with torch.no_grad():
                    out = self.model(
                        input_ids=torch.tensor([ids]), output_hidden_states=True, **self.options
                    )
                return len(out.hidden_states) - 1
            except Exception:  # it keeps none
                pass
        return self._layers_said()

    def _layers_said(self) -> int | None:
        text = self.whole.config.get_text_config(decoder=True)
        return getattr(text, "num_hidden_layers", None)

    def _first_pass(self, ids: list[int]) -> dict[str, Any]:
        """With the whole model if it reads text alone, else with the part of it that does."""
        failed: Exception | None = None
        for name in ("", "thinker", "language_model", "text_model", "model.language_model"):
            for options in ({}, {"use_cache": False}):
                try:
                    self.model = self.whole.get_submodule(name)
                    self.options = options
                    seen = self._pass(ids)
                except Exception as error:
                    failed = failed or error
                    continue
                if seen["logits"] is not None:
                    return seen
        raise failed or ValueError("its forward pass gives no logits")

    def _pass(self, ids: list[int]) -> dict[str, Any]:
        """States, logits and head of one sequence.

        States are what the head reads; where a model only multiplies the decoder's final states
        by a number before (MiniCPM), they are those.
        """
        heads: list[tuple[Any, Any]] = []
        finals: list[Any] = []

        def before(module: Any, args: Any) -> None:
            if args and torch.is_tensor(args[0]) and args[0].dim() == 3:
                heads.append((module, args[0][0].float()))

        def after(module: Any, args: Any, out: Any) -> None:
            self._called.add(module)
            states = getattr(out, "last_hidden_state", None)
            if torch.is_tensor(states) and states.dim() == 3 and states.shape[1] == len(ids):
                finals.append(states[0].float())

        handles = [
            module.register_forward_pre_hook(before)
            if isinstance(getattr(module, "weight", None), nn.Parameter)
            else module.register_forward_hook(after)
            for module in self.model.modules()
        ]
        try:
            out = self.model(input_ids=torch.tensor([ids]), **self.options)
        finally:
            for handle in handles:
                handle.remove()
        logits = getattr(out, "logits", None)
        if logits is None:
            return {"logits": None}
        named = self.model.get_output_embeddings()
        head, read = next(
            (m, h)
            for m, h in reversed(heads)
            if (m is named if named is not None else m.weight.shape[0] == logits.shape[-1])
        )
        states = finals[-1] if finals and _parallel(finals[-1], read) else read
        return {"logits": logits[0].float(), "head": head, "states": states}


def _embedding_of(model: Any, end: str = "input") -> Any:
    """The module that ``model`` calls its embedding, or None where it is not one matrix."""
    try:
        found = getattr(model, f"get_{end}_embeddings")()
    except (AttributeError, NotImplementedError):
        return None
    return found if torch.is_tensor(getattr(found, "weight", None)) else None


def _skipped(module: Any, args: Any, kwargs: Any, out: Any) -> Any:
    """What a layer was given, in the form in which it answers."""
    given = args[0] if args else kwargs["hidden_states"]
    return type(out)([given, *out[1:]]) if isinstance(out, tuple | list) else given


def _parallel(one: Any, other: Any) -> bool:
    if one.shape != other.shape:
        return False
    return bool((nn.functional.cosine_similarity(one, other, dim=-1) > 1 - 1e-5).all())


def opened(given: Path | str, truth: Truth) -> Row:
    """What a model shows when it is opened, beside the truth.

    Args:
        given: a folder, or what else a user would type.
        truth: of the model that was saved.
    """
    row: Row = {"tied": truth.tied, "n_layers": truth.n_layers, "no_pass": truth.no_pass}
    row["causal"] = truth.causal if truth.readable else None
    model = _step(row, "open", lambda: open_model(str(given)))
    head = None if model is None else _step(row, "spectrum", lambda: model.unembedding)
    if head is not None:
        _head(row, model, head, truth)
    if model is not None:
        _encoded(row, model, truth)
        if isinstance(given, Path):
            _with_code_of_its_own(row, given)
    return row


def _head(row: Row, model: Any, head: Any, truth: Truth) -> None:
    row["head_found"], row["tied_said"] = head.tensor_name, head.tied
    row["head_adds"] = list(head.adds)
    if truth.head is not None:
        row["head_differs"] = difference(np.asarray(head.W_U), truth.head.weight.detach().numpy())
    if truth.readable:
        lens = _step(row, "lens", lambda: head.logits(truth.states.numpy()))
        if lens is not None:
            # Tokens that a model never says (Chameleon's images) have its lowest number.
            said = truth.logits[0].numpy() > 0.5 * np.finfo(np.float32).min
            row["never_says"] = int((~said).sum())
            lens = lens[:, : truth.logits.shape[1]]
            row["lens_differs"] = difference(lens[:, said], truth.logits.numpy()[:, said])
    card = _step(row, "card", lambda: model.card)
    row["card_layers"] = None if card is None else card.n_layers
    _step(row, "spectrum", lambda: model.spectrum)


def _encoded(row: Row, model: Any, truth: Truth) -> None:
    for prompt in ("prompteol", "mean"):
        found = _step(row, "embeddings", lambda p=prompt: model.encode(TEXTS, p))
        if found is None:
            return
        if not truth.readable:
            row["unchecked"] = True
            return
        prepared = model.encoder.prepare(TEXTS, prompt)
        expected = np.stack([truth.embedding(p.ids, p.start) for p in prepared])
        row[f"embed_{prompt}_differs"] = difference(found, expected)
    row["packs"] = model.encoder._model.packs
    layers = _step(row, "layers", lambda: model.layers(TEXTS[1], "mean"))
    if layers is None:
        return
    row["layers_rows"] = len(layers) - 1
    row["layers_end_differs"] = difference(layers[-1:], found[1:2])
    after_one = truth.embedding_after(1, prepared[1].ids, prepared[1].start)
    if after_one is not None:
        row["layers_first_differs"] = difference(layers[1:2], after_one[None])


def _with_code_of_its_own(row: Row, folder: Path) -> None:
    """The same folder when its config.json also names code that must not be run."""
    path = folder / "config.json"
    config = path.read_text()
    code = {"AutoConfig": "configuration_x.X", "AutoModelForCausalLM": "modeling_x.Y"}
    path.write_text(json.dumps(json.loads(config) | {"auto_map": code}))
    _step(row, "auto_map", lambda: open_model(str(folder)).unembedding)
    path.write_text(config)


def _step(row: Row, name: str, work: Callable[[], Any]) -> Any:
    try:
        return work()
    except InputError as error:
        row.setdefault("refused", {})[name] = str(error).partition(": ")[2]
    except Exception as error:
        row.setdefault("faults", {})[name] = f"{error_line(error)} at {_where(error)}"
    return None


def relative(found: Any, expected: Any) -> float:
    """|found − expected| / |expected| of two tensors."""
    if found.shape != expected.shape:
        return float("inf")
    return float((found - expected).norm() / expected.norm())


def difference(found: np.ndarray, expected: np.ndarray) -> float | str:
    """The largest distance of two rows, relative to their length."""
    if found.shape != expected.shape:
        return f"shape {found.shape}, not {expected.shape}"
    lengths = np.linalg.norm(expected, axis=-1)
    return float(np.max(np.linalg.norm(found - expected, axis=-1) / lengths))


def error_line(error: BaseException) -> str:
    """An exception in one line."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0][:300] if said else ''}"


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "/embfilter_viz/" in f.filename]
    return ", in ".join(f"{Path(f.filename).name}:{f.lineno}" for f in (*ours[-1:], frames[-1]))


def findings(row: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong in a row; nothing for one that is right, or refuses in one line."""
    for step, said in row.get("faults", {}).items():
        yield f"FAULT in {step}: {said}"
    for said in row.get("refused", {}).values():
        if "\n" in said:
            yield f"WRONG refusal of several lines: {said}"
    if row.get("head_differs", 0.0) != 0.0:
        yield f"WRONG head {row['head_found']}: {row['head_differs']}"
    if "head_differs" in row and row["tied_said"] != row["tied"]:
        yield f"WRONG tied: says {row['tied_said']}, is {row['tied']}"
    for name in ("lens", "embed_prompteol", "embed_mean", "layers_end", "layers_first"):
        found = row.get(f"{name}_differs", 0.0)
        if not isinstance(found, float) or not found < BOUND:
            yield f"WRONG {name}: {found if isinstance(found, str) else format(found, '.2g')}"
    layers = row.get("n_layers")
    if layers and row.get("card_layers", layers) != layers:
        yield f"WRONG layers on the card: {row['card_layers']}, are {layers}"
    if layers and row.get("layers_rows", layers) != layers:
        yield f"WRONG rows of layers: {row['layers_rows']}, are {layers}"
    if row.get("unchecked"):
        yield f"WRONG: encodes, and transformers reads no text alone ({row['no_pass']})"
    if row.get("causal") is False and "embed_mean_differs" in row:
        yield "WRONG: encodes, and is not causal"


def verdict(row: Mapping[str, Any]) -> str:
    """The row in one line: ``right``, what was refused, or what is wrong."""
    if "stage" in row:
        return f"{row['stage']}: {row['said']}"
    refused = [f"refused in {step}: {said}" for step, said in row.get("refused", {}).items()]
    return "; ".join([*findings(row), *refused]) or "right"
