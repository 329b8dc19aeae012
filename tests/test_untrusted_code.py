"""No code, template or pickle of a checkpoint, of vectors or of a filter is ever run.

Each of them would leave a file of its own behind. What holds them is opened by way of every command
that opens such files and a page; a test of the traps themselves shows that each would be sprung.
"""

import contextlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from embfilter_viz import open_model
from embfilter_viz.cli import main
from embfilter_viz.errors import InputError
from embfilter_viz.export.filter_file import load_filter
from embfilter_viz.system.child_process import run_in_child
from embfilter_viz.yardstick import open_yardstick
from tests.models.tiny_checkpoints import one_thread, write_checkpoint
from tests.models.tiny_embedders import embedder

__all__ = ["one_thread"]

MODULES = ("configuration_x", "modeling_x", "tokenization_x", "evil", "json", "torch", "numpy")
"""Python files of a checkpoint: named by ``auto_map``, by modules.json, and like libraries."""
CLASSES = {
    **dict.fromkeys(("AutoModel", "AutoModelForCausalLM"), "modeling_x.X"),
    "AutoConfig": "configuration_x.X",
    "AutoTokenizer": ["tokenization_x.X", "tokenization_x.X"],
}


class Trap:
    """Code that leaves a file behind, in each of the forms in which a checkpoint can hold code."""

    def __init__(self, traces: Path) -> None:
        self.traces = traces

    def python(self, name: str) -> str:
        trace = str(self.traces / name)
        return f"open({trace!r}, 'w').close()\nclass X: pass\nclass Module: pass\n"

    def template(self, name: str) -> str:
        """A chat template that finds its way out of Jinja, if it is not rendered in a sandbox."""
        return (
            "{{ cycler.__init__.__globals__.os.system('touch "
            f"{self.traces / name}') }}}}{{{{ messages[0]['content'] }}}}"
        )

    def pickled(self, name: str) -> "Pickled":
        return Pickled(str(self.traces / name))

    @property
    def sprung(self) -> list[str]:
        return sorted(path.name for path in self.traces.iterdir())


class Pickled:
    """An object that runs code when it is unpickled."""

    def __init__(self, trace: str) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.trace,)


@pytest.fixture(scope="module")
def trap(tmp_path_factory: pytest.TempPathFactory) -> Trap:
    return Trap(tmp_path_factory.mktemp("traces"))


@pytest.fixture(autouse=True)
def nothing_sprung(trap: Trap) -> Iterator[None]:
    yield
    assert trap.sprung == []


def change(path: Path, **more: Any) -> None:
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | more))


def arm(folder: Path, trap: Trap) -> Path:
    """Put a trap of every kind into the folder of a checkpoint."""
    for module in MODULES:
        (folder / f"{module}.py").write_text(trap.python(module))
    change(folder / "config.json", auto_map=CLASSES)
    change(
        folder / "tokenizer_config.json",
        auto_map=CLASSES,
        tokenizer_class="X",
        trust_remote_code=True,
        chat_template=[{"name": n, "template": trap.template(n)} for n in ("default", "rag")],
    )
    (folder / "chat_template.jinja").write_text(trap.template("jinja"))
    change(folder / "chat_template.json", chat_template=trap.template("json-template"))
    change(folder / "generation_config.json", custom_generate="evil", trust_remote_code=True)
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text(trap.python("generate"))
    for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt", "model.pt"):
        torch.save(trap.pickled(name), folder / name)
    for weights in folder.glob("*.safetensors"):
        held = load_file(weights)
        save_file(held, weights, {"format": "pt", "auto_map": "modeling_x.X", "pickle": "cos.x"})
    return folder


@pytest.fixture(scope="module")
def armed(tmp_path_factory: pytest.TempPathFactory, trap: Trap) -> Path:
    """A checkpoint that opens, and is full of traps."""
    return arm(write_checkpoint(tmp_path_factory.mktemp("armed") / "m").folder, trap)


def run(*words: object) -> int:
    """The exit code of a command."""
    try:
        main([*map(str, words)])
    except SystemExit as end:
        return int(end.code or 0)
    raise AssertionError("a command ends with an exit code")


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(InputError) as error:
        work()
    return str(error.value)


def test_each_trap_would_be_sprung_by_whoever_opens_it(tmp_path: Path) -> None:
    trap = Trap(tmp_path / "traces")
    trap.traces.mkdir()
    exec(trap.python("python"), {})
    from jinja2 import Template

    Template(trap.template("template")).render(messages=[{"content": "a"}])
    pickle.loads(pickle.dumps(trap.pickled("pickle")))
    torch.save(trap.pickled("torch"), tmp_path / "x.pt")
    torch.load(tmp_path / "x.pt", weights_only=False)
    assert trap.sprung == ["pickle", "python", "template", "torch"]


def test_every_command_opens_a_checkpoint_full_of_traps_and_springs_none(
    armed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(armed)  # where Python files that are called like libraries lie
    texts, made, vectors = tmp_path / "t.txt", tmp_path / "f.safetensors", tmp_path / "v.npy"
    texts.write_text("the cat sat\na dog\nstars are born\n")
    folder = tmp_path / "folder"
    window = ("--window", "3:20")
    for words in (
        ("models",),
        ("spectrum", "."),
        ("directions", ".", "--index", 0),
        ("lens", ".", "a cat", *window),
        ("embed", ".", texts, "--prompt", "mean", "--raw", "-o", vectors),
        ("geometry", ".", texts, "--prompt", "mean", *window),
        ("export", ".", *window, "--format", "filter", "-o", made),
        ("export", ".", *window, "--format", "sentence-transformers", "-o", folder),
        ("apply", made, vectors, "-o", tmp_path / "w.npy"),
        ("verify", folder, "--with", texts, "--model", ".", *window),
    ):
        assert run(*words) == 0, words
    assert not {path.name for path in folder.rglob("*")} & {
        "pytorch_model.bin", "training_args.bin", *(f"{name}.py" for name in MODULES)
    }  # fmt: skip


def test_pickled_weights_alone_are_refused(armed: Path, trap: Trap, tmp_path: Path) -> None:
    folder = shutil.copytree(armed, tmp_path / "m")
    (folder / "model.safetensors").unlink()
    assert "pickle can run any code" in refused(lambda: open_model(str(folder)).spectrum)
    for path in (folder / "pytorch_model.bin", folder / "model.pt"):
        assert "pickle can run any code" in refused(partial(open_model, str(path)))


def test_a_type_that_only_the_checkpoints_own_code_knows_is_refused(
    armed: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(armed, tmp_path / "m")
    change(folder / "config.json", model_type="brand_new", architectures=["XForCausalLM"])
    said = refused(lambda: open_model(str(folder)).encode(["a"], "mean"))
    assert "auto_map" in said


def test_a_tokenizer_without_tokenizer_json_runs_no_code(armed: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(armed, tmp_path / "m")
    state = json.loads((folder / "tokenizer.json").read_text())["model"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(state["vocab"]))
    (folder / "merges.txt").write_text("\n".join(" ".join(pair) for pair in state["merges"]))
    with contextlib.suppress(InputError):  # it may open: nothing of it may run
        open_model(str(folder)).encode(["a"], "mean")


def test_an_adapter_names_no_code(armed: Path, tmp_path: Path) -> None:
    from tests.models.tiny_adapters import adapter_on

    folder = adapter_on(armed, tmp_path / "a")
    change(
        folder / "adapter_config.json",
        auto_mapping={"base_model_class": "X", "parent_library": "evil"},
    )
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    with contextlib.suppress(InputError):
        open_model(str(folder)).encode(["a"], "mean")
    (folder / "adapter_model.safetensors").unlink()
    torch.save({}, folder / "adapter_model.bin")
    assert "pickled weights are never opened" in refused(lambda: open_model(str(folder)).spectrum)


@pytest.fixture(scope="module")
def armed_embedder(tmp_path_factory: pytest.TempPathFactory, trap: Trap) -> Path:
    folder = arm(embedder(tmp_path_factory.mktemp("embedder")), trap)
    settings = {"trust_remote_code": True}
    change(
        folder / "sentence_bert_config.json",
        **dict.fromkeys(("model_args", "tokenizer_args", "config_args"), settings),
    )
    return folder


def test_an_embedders_own_settings_trust_nothing(armed_embedder: Path, tmp_path: Path) -> None:
    with contextlib.suppress(InputError):
        open_yardstick(str(armed_embedder)).encode(["a", "b"])


@pytest.mark.parametrize("kind", ["evil.Module", "json.Module", "sentence_transformers_x.Module"])
def test_an_embedders_own_modules_are_refused(
    kind: str, armed_embedder: Path, armed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(armed_embedder, tmp_path / "m")
    path = folder / "modules.json"
    modules = json.loads(path.read_text())
    modules.append({"idx": len(modules), "name": "x", "path": "", "type": kind})
    path.write_text(json.dumps(modules))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    said = refused(lambda: open_yardstick(str(folder)).encode(["a"]))
    assert "code of its own, which is never run" in said
    (tmp_path / "t.txt").write_text("a\nb\n")
    verify = ("verify", folder, "--with", tmp_path / "t.txt", "--model", armed, "--tau", 2)
    assert run(*verify) == 2


@pytest.mark.parametrize("ending", [".npy", ".pt", ".faiss", ".parquet", ".arrow"])
def test_pickled_vectors_are_refused(
    ending: str, armed: Path, trap: Trap, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, vectors = tmp_path / "f.safetensors", tmp_path / f"v{ending}"
    assert run("export", armed, "--tau", 2, "--format", "filter", "-o", made) == 0
    if ending == ".npy":
        np.save(vectors, np.array([[trap.pickled("npy")]], dtype=object), allow_pickle=True)
    else:
        torch.save(trap.pickled("vectors"), vectors)
    capsys.readouterr()
    assert run("apply", made, vectors, "-o", tmp_path / "w.npy") == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    for name in (vectors, shutil.copyfile(vectors, tmp_path / "g.safetensors")):
        assert str(name) in refused(partial(load_filter, name))


def test_python_files_of_the_working_folder_are_no_libraries(
    armed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(armed)
    assert run_in_child(os.path.basename, {"p": "a/b"}, progress=None) == "b"
    root = str(Path(__file__).parents[1])
    for command in ([sys.executable, "-m", "embfilter_viz"], [_beside_python("embfilter-viz")]):
        found = subprocess.run(
            [*command, "models", "--json"], env={**os.environ, "PYTHONPATH": root},
            capture_output=True, check=False,
        )  # fmt: skip
        assert found.returncode == 0, found.stderr


def _beside_python(name: str) -> str:
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        pytest.skip("embfilter-viz is not installed as a command")
    return str(path)
