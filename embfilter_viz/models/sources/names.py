"""From what the user typed to one of the forms a model can have: no file is opened for it."""

import re
from pathlib import Path

from embfilter_viz.errors import InputError
from embfilter_viz.models.engines.names import EngineName, is_engine
from embfilter_viz.models.formats.checks import PICKLES
from embfilter_viz.models.gguf.parts import models_in
from embfilter_viz.models.outline import Kind
from embfilter_viz.models.sources import hub
from embfilter_viz.models.sources.bundled import BUNDLED
from embfilter_viz.models.sources.known import close_names
from embfilter_viz.system.regular import kind_of

__all__ = ["FORMS", "gguf_of", "path_of", "repository", "understood", "without_place"]

FORMS = (
    f"give {BUNDLED} (bundled), a hub id (org/name or org/name@revision), a folder with "
    f"config.json and safetensors, a .gguf file, or engine:URL#NAME for a served engine"
)


def understood(name: str) -> tuple[str, Kind]:
    """A name as it is known from here on, and its form.

    One file of a checkpoint stands for its folder, and a repository's folder in the Hugging Face
    cache for its snapshot.

    Raises:
        InputError: it has none of the four forms.
    """
    name = str(name).strip()
    if name.lower() == BUNDLED:
        return BUNDLED, "bundled"
    path = path_of(name)
    if (kind := kind_of(path)) is not None:
        raise InputError(f"{name}: {kind}, which is never read as a model; {FORMS}")
    if path.is_dir():
        return name, "folder" if _gguf_in(path, name) is None else "gguf"
    if path.suffix.lower() == ".gguf":
        if not path.is_file():
            raise InputError(f"{name}: no such file; check the path of the .gguf file")
        return name, "gguf"
    if path.is_file():
        if path.suffix == ".safetensors" or path.name.startswith(("config.json", "model.safe")):
            return str(path.parent), "folder"
        raise InputError(f"{name}: {_wrong_file(path)}")
    if _looks_like_a_path(name) or hub.parse_id(name) is None:
        raise _unknown(name)
    return name, "hub"


def path_of(name: str) -> Path:
    """The place on this disk that ``name`` would be.

    Raises:
        InputError: it can be none.
    """
    if not name or "\0" in name:
        raise _unknown(name)
    try:
        path = Path(name).expanduser()
        path.exists()
    except (ValueError, OSError, RuntimeError):  # a name too long, no such user
        raise _unknown(name) from None
    return path


def without_place(name: str) -> str:
    """A model's name without where it lies: a path would tell of its user's disk.

    Of a served engine it is the checkpoint's, for an address tells of its user's machines.

    >>> without_place("org/name@v1"), without_place("/home/someone/models/tiny.gguf")
    ('org/name@v1', 'tiny.gguf')
    >>> without_place("engine:http://10.0.0.7:8000#org/name")
    'org/name'
    """
    try:
        if is_engine(name):
            name = EngineName.of(name).checkpoint
        path = path_of(name)
    except InputError:
        return name
    return path.resolve().name if path.is_absolute() or path.exists() else name


def gguf_of(name: str) -> Path:
    """The file of what was understood as a GGUF, or of its folder the first part that is there."""
    path = path_of(name)
    return (_gguf_in(path, name) or path) if path.is_dir() else path


def _gguf_in(folder: Path, name: str) -> Path | None:
    """The GGUF model of a folder without safetensors, in one file or in parts.

    Raises:
        InputError: there are several.
    """
    if (folder / "adapter_config.json").is_file() or any(folder.glob("*.safetensors")):
        return None
    models = models_in(folder)
    if len(models) > 1:
        listed = ", ".join(path.name for path in models)
        raise InputError(f"{name}: a folder with {len(models)} GGUF models; give one of {listed}")
    return models[0] if models else None


def repository(name: str) -> tuple[str, str | None]:
    """Repository and revision of what was understood as a hub id."""
    found = hub.parse_id(name)
    assert found is not None
    return found


def _unknown(name: str) -> InputError:
    """Say why a name is refused that stands for nothing here."""
    shown = repr(name) if not name.isprintable() or not name else name[:200]
    repo, at, revision = name.partition("@")
    if at and hub.parse_id(repo) is not None:
        return InputError(
            f"{shown}: {revision[:60]!r} is no revision; give a branch, a tag or a commit of {repo}"
        )
    if "/" in name or "\\" in name:
        return InputError(f"{shown}: no such folder or file; {FORMS}")
    return InputError(f"{shown}: unknown model; {close_names(name)}{FORMS}")


def _looks_like_a_path(name: str) -> bool:
    """Tell whether ``name`` can only be, or was plainly meant as, a place on this disk.

    The last rule is for ``models/typo`` where there is a folder ``models``.
    """
    return (
        name.startswith(("/", ".", "~"))
        or "\\" in name
        or re.match(r"[A-Za-z]:", name) is not None
        or name.partition("@")[0].count("/") != 1
        or Path(name).suffix in (".safetensors", ".json", *PICKLES)
        or Path(name).parent.is_dir()
    )


def _wrong_file(path: Path) -> str:
    if path.suffix in PICKLES:
        return (
            "pickled weights are never opened, because a pickle can run any code on loading; "
            "give a safetensors checkpoint or a .gguf file"
        )
    return f"a file that is no model; {FORMS}"
