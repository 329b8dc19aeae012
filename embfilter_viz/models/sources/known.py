"""The models that can be picked without typing a name."""

import difflib
from dataclasses import dataclass

from embfilter_viz.errors import InputError
from embfilter_viz.models.families import check_causal
from embfilter_viz.models.formats.checks import read_config
from embfilter_viz.models.formats.fingerprints import files_of_checkpoint
from embfilter_viz.models.sources import adapters, hub
from embfilter_viz.models.sources.bundled import BUNDLED, DOWNLOAD_BYTES, SOURCE, find_bundled
from embfilter_viz.models.sources.gguf_conversion import all_converted
from embfilter_viz.models.sources.ranges import all_hub_heads, find_hub_head
from embfilter_viz.system.regular import is_there

__all__ = ["KnownModel", "close_names", "known_models"]


@dataclass(frozen=True)
class KnownModel:
    """A model that can be picked without typing its name."""

    name: str
    """What ``locate`` takes."""
    source: str
    """Where it is or comes from, in words."""
    n_bytes: int
    """On disk, or to be downloaded."""
    present: bool
    """Whether it opens without the network."""


def known_models() -> list[KnownModel]:
    """Return what can be picked: the bundled model, and what is already in the caches.

    Reads no weights and asks no network.

    >>> known_models()[0].name
    'smollm2-135m'
    """
    here = find_bundled()
    size = here.n_bytes if here else DOWNLOAD_BYTES
    models = [KnownModel(BUNDLED, SOURCE, size, here is not None)]
    for cached in hub.all_cached():
        if adapters.is_adapter(cached.folder):
            models += _known_adapter(cached)
            continue
        try:
            config = read_config(cached.folder, cached.repo)
            check_causal(config, cached.repo)
        except InputError:
            continue
        size = sum(path.stat().st_size for path in files_of_checkpoint(cached.folder))
        models.append(KnownModel(cached.repo, "Hugging Face cache", size, True))
    listed = {model.name for model in models}
    for repo, head in all_hub_heads():
        if repo not in listed:
            what = "its head alone fetched" if head.n_bytes else "has no head of its own"
            models.append(KnownModel(repo, f"hub, {what}", head.n_bytes, True))
    for conversion in all_converted():
        same = here is not None and conversion.folder == here.folder
        if not same and conversion.original.is_file():
            source = f"GGUF, {conversion.precision}, converted before"
            models.append(KnownModel(str(conversion.original), source, conversion.n_bytes, True))
    return models


def _known_adapter(cached: hub.Snapshot) -> list[KnownModel]:
    """An adapter in the cache, present where its base is too; none where it cannot be opened."""
    try:
        adapter = adapters.read_adapter(cached.folder, cached.repo)
    except InputError:
        return []
    base = hub.parse_id(adapter.base)
    here = is_there(adapter.base) or (
        base is not None and bool(hub.find_cached(*base) or find_hub_head(*base))
    )
    size = sum(file.stat().st_size for file in adapter.files)
    return [KnownModel(cached.repo, f"Hugging Face cache, adapter on {adapter.base}", size, here)]


def close_names(name: str) -> str:
    """The known models whose names come near ``name``, as a question; empty where none does."""
    tails = {model.name.rpartition("/")[2].lower(): model.name for model in known_models()}
    close = difflib.get_close_matches(name.lower(), list(tails), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(tails[c] for c in close)}? " if close else ""
