"""The page docs/models.md, written from the rows of ``what_opens.py``."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from tests.models.family_checks import findings
from tests.models.tiny_families import families_with_eyes

__all__ = ["page", "wrong"]

Row = Mapping[str, Any]

_HEAD = """# What opens

Written by `python tools/what_opens.py --page docs/models.md`, with transformers {transformers}.

Each name below stands for tiny models with random weights that were built by transformers, saved,
opened the way yours would be, and held against the model that was saved. *Opens* means: the head
W_U and whether it is tied, the lens against the model's own logits, embeddings (PromptEOL and mean)
and the states after each layer against one plain forward pass a text, within a relative 0.0001. A
model whose weights are not all in the checkpoint, whose states depend on the tokens that follow, or
whose logits are not what the lens shows, is refused when it is loaded, whatever its family.
"""
_FAMILIES = """
## Families

{rows} checkpoints of {families} families (`model_type` in config.json): with the names of the hub
and with those of transformers' modules where they differ, tied and not tied where the family can be
both. Code that comes with a checkpoint (`auto_map`) is never run and not needed.

**All of it opens** in {n_right} families. Text alone:

{text}

With images, video or sound, of which the language model is read:

{eyes}
"""
_PARTLY = """
**The spectrum opens, and not all of the rest:**

| family | what is refused | in which words |
|---|---|---|
"""
_REFUSED = """
**Refused**, because there is no next token to predict from text alone:

| family | in which words |
|---|---|
"""
_FORMS = """
## Forms

A name is `smollm2-135m`, a hub id (`org/name` or `org/name@revision`), a folder or a file.

| what you have | spectrum | embeddings and lens | in which words |
|---|---|---|---|
"""
_GGUF = """
## GGUF

{n} architectures have their layers read, each compared with the model it was written from; all
others open with the head alone: spectrum, directions and average token. A setting or a tensor of
the file that is not read refuses the embeddings and is named.

{right}
"""
_STEPS = {
    "open": "everything",
    "spectrum": "everything",
    "lens": "the lens",
    "card": "the model card",
    "embeddings": "embeddings and lens",
    "layers": "the lens on layers before the last",
    "auto_map": "a checkpoint with code of its own",
}


def page(rows: Sequence[Row]) -> str:
    """The page as Markdown.

    Args:
        rows: of families, forms and GGUF architectures.
    """
    of_families = [row for row in rows if row["kind"] == "family"]
    by_family: dict[str, list[Row]] = defaultdict(list)
    for row in of_families:
        by_family[row["model_type"]].append(row)
    right = [t for t, found in by_family.items() if not any(_refusals(row) for row in found)]
    right = [t for t in right if not any(wrong(row) for row in by_family[t])]
    eyes = families_with_eyes()
    parts = [
        _HEAD.format(transformers=version("transformers")),
        _wrong_ones(rows),
        _FAMILIES.format(
            rows=len(of_families),
            families=len(by_family),
            n_right=len(right),
            text=_listed(t for t in right if t not in eyes),
            eyes=_listed(t for t in right if t in eyes),
        ),
        _PARTLY,
        *_tabled(by_family, everything=False),
        _REFUSED,
        *_tabled(by_family, everything=True),
        _FORMS,
        *(_form(row) for row in rows if row["kind"] == "form"),
        _gguf([row for row in rows if row["kind"] == "gguf"]),
    ]
    return "".join(parts)


def wrong(row: Row) -> list[str]:
    """What of a row is neither right nor a refusal."""
    return [row["said"]] if "stage" in row else list(findings(row))


def _wrong_ones(rows: Sequence[Row]) -> str:
    found = [f"| {_named(row)} | {said} |\n" for row in rows for said in wrong(row)]
    return (
        "\n**Known to be wrong:**\n\n| what | how |\n|---|---|\n" + "".join(found) if found else ""
    )


def _named(row: Row) -> str:
    return f"`{row['model_type']}` ({row['form']})" if "model_type" in row else row["form"]


def _refusals(row: Row) -> dict[str, str]:
    return row.get("refused", {})


def _tabled(by_family: Mapping[str, Sequence[Row]], *, everything: bool) -> Iterator[str]:
    """Lines of a table, families with the same words together."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for model_type, rows in by_family.items():
        for step, said in dict(pair for row in rows for pair in _refusals(row).items()).items():
            if (_STEPS[step] == "everything") == everything:
                groups[_STEPS[step], said.replace(model_type, "…")].append(model_type)
    for (what, said), types in groups.items():
        said = said.replace("…", types[0]) if len(types) == 1 else said
        middle = "" if everything else f" {what} |"
        yield f"| {_listed(dict.fromkeys(types))} |{middle} {said} |\n"


def _form(row: Row) -> str:
    refused = _refusals(row)
    closed = next((s for s in ("open", "spectrum") if s in refused), None)
    spectrum = "no" if closed else "yes"
    texts = "no" if closed or "embeddings" in refused else "yes"
    said = next(iter(refused.values()), "")
    return f"| {row['form']} | {spectrum} | {texts} | {said} |\n"


def _gguf(rows: Sequence[Row]) -> str:
    right = [row["model_type"] for row in rows if not _refusals(row) and not wrong(row)]
    return _GGUF.format(n=len(right), right=_listed(right))


def _listed(types: Any) -> str:
    return ", ".join(f"`{t}`" for t in sorted(types))
