"""Folders and servers made wrong on purpose, and whether the fault is named."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from embfilter_viz import open_model
from embfilter_viz.analyses.calibration import Calibration
from embfilter_viz.cli import main
from embfilter_viz.errors import InputError
from embfilter_viz.export.filter_file import save_filter
from embfilter_viz.export.model_folder import save_model_folder
from embfilter_viz.export.refinement import refinement
from embfilter_viz.export.served import API_KEY, served_vectors, vectors_of_server
from embfilter_viz.export.verifying import verify
from embfilter_viz.model import Model
from embfilter_viz.spectral.affine import AffineMap
from tests.export.test_model_folder import WINDOW, with_bos
from tests.models.tiny_checkpoints import build_model, one_thread, save

__all__ = ["one_thread"]

TEXTS = ["the cat sat on the mat.", "a stock market index", "stars are born in gas", "the dog"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = save(build_model("llama"), tmp_path_factory.mktemp("m") / "llama", with_bos()).folder
    config = json.loads((folder / "config.json").read_text())
    config["rope_parameters"] = {"rope_type": "default", "rope_theta": 2.0}
    (folder / "config.json").write_text(json.dumps(config))
    return open_model(str(folder))


@pytest.fixture
def folder(model: Model, tmp_path: Path) -> Path:
    return save_model_folder(tmp_path / "out", model, WINDOW).path


def linear(V: np.ndarray) -> AffineMap:
    return AffineMap(V, np.zeros(V.shape[1]))


def change(path: Path, how: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(how(json.loads(path.read_text()))))


def without_projection(folder: Path) -> None:
    change(folder / "modules.json", lambda modules: modules[:2])


def with_mean(folder: Path) -> None:
    flags = {"pooling_mode": "mean", "pooling_mode_lasttoken": False}
    more = {"pooling_mode_mean_tokens": True}
    change(folder / "1_Pooling" / "config.json", lambda said: {**said, **flags, **more})


def without_prompt(folder: Path) -> None:
    first = [{"id": "<s>", "ids": [0], "tokens": ["<s>"]}]
    processor = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A",
                   "type_id": 0}}],
        "pair": [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"],
        "special_tokens": {"<s>": first[0]},
    }  # fmt: skip
    change(folder / "tokenizer.json",
           lambda said: {**said, "normalizer": None, "post_processor": processor})  # fmt: skip
    older = json.loads((folder / "before_5.4" / "sentence_bert_config.json").read_text())
    change(folder / "sentence_bert_config.json", lambda said: older)


def normalised(folder: Path) -> None:
    last = {"idx": 3, "name": "3", "path": "3_Normalize",
            "type": "sentence_transformers.models.Normalize"}  # fmt: skip
    (folder / "3_Normalize").mkdir()
    change(folder / "modules.json", lambda modules: [*modules, last])


def with_other_positions(folder: Path) -> None:
    rope = {"rope_type": "default", "rope_theta": 10_000.0}
    change(folder / "config.json",
           lambda said: {**said, "rope_theta": 10_000.0, "rope_parameters": rope})  # fmt: skip


def asked(model: Model, folder: Path) -> Any:
    V = model.spectrum.V[:, WINDOW.kept]
    served = served_vectors(str(folder), TEXTS)
    return verify(model, linear(V), "prompteol", TEXTS, served, "out")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (without_projection, "the projection is not applied: these are raw embeddings"),
        (with_mean, "the pooling is the mean over all tokens"),
        (without_prompt, "the prompt is not applied: it reads the text alone"),
        (with_other_positions, "positions are scaled otherwise: with the base 10,000 of RoPE"),
    ],
)
def test_the_fault_of_a_folder_is_named(
    wrong: Callable[[Path], None], said: str, model: Model, folder: Path
) -> None:
    assert asked(model, folder).same
    wrong(folder)
    verdict = asked(model, folder)
    assert not verdict.same
    assert len(verdict.faults) == 1
    assert verdict.faults[0].startswith(said)
    assert verdict.explained > 0.9999
    assert verdict.faults[0] in verdict.sentence


def test_vectors_of_length_one_are_said_to_be_so(model: Model, folder: Path) -> None:
    normalised(folder)
    verdict = asked(model, folder)
    assert (verdict.same, verdict.normalised, verdict.faults) == (True, True, ())
    assert "normalised, to length 1" in verdict.sentence


def test_long_texts_that_are_cut_otherwise_are_told_apart(model: Model) -> None:
    V = model.spectrum.V[:, WINDOW.kept]
    texts = [*TEXTS, "the cat sat. " * 400]
    served = model.encode(texts, "prompteol") @ V
    served[-1] = model.encode(texts[-1:], "last")[0] @ V
    verdict = verify(model, linear(V), "prompteol", texts, served, "out")
    assert not verdict.same
    assert len(verdict.faults) == 1
    assert verdict.faults[0].endswith("tokens are cut in another way, and all others agree")
    assert verdict.explained is None
    raw = model.encode(texts, "prompteol")
    raw[-1] = served[-1] @ V.T
    dropped = verify(model, linear(V), "prompteol", texts, raw, "out")
    assert dropped.faults == ("the projection is not applied: these are raw embeddings",)


def test_several_faults_at_once_are_all_named(model: Model, folder: Path) -> None:
    for wrong in (without_projection, without_prompt, normalised):
        wrong(folder)
    modules = json.loads((folder / "modules.json").read_text())
    assert [module["path"] for module in modules] == ["", "1_Pooling", "3_Normalize"]
    verdict = asked(model, folder)
    assert len(verdict.faults) == 2
    assert verdict.normalised
    assert verdict.sentence.count("not applied") == 2


def test_what_nothing_explains_is_said_to_be_so(model: Model) -> None:
    V = model.spectrum.V[:, WINDOW.kept]
    noise = np.random.default_rng(0).standard_normal((4, WINDOW.k))
    verdict = verify(model, linear(V), "prompteol", TEXTS, noise, "out")
    assert verdict.faults == ()
    assert "none of the differences that are known explains it" in verdict.sentence
    wide = verify(model, linear(V), "prompteol", TEXTS, np.ones((4, 99)), "out")
    assert "gives 99 numbers a vector where ours have 17" in wide.sentence


def test_the_command_takes_window_and_prompt_from_the_folder(
    model: Model, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    with_mean(folder)
    asked = ["verify", str(folder), "--with", str(tmp_path / "texts.txt"), "--model", model.name]
    with pytest.raises(SystemExit, match="1"):
        main([*asked, "--json"])
    said = json.loads(capsys.readouterr().out)
    assert not said["same"]
    assert said["faults"][0].startswith("the pooling is the mean over all tokens")


def test_a_prompt_that_is_given_goes_before_that_of_the_folder(
    model: Model, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    card = folder / "embfilter.json"
    said = json.loads(card.read_text())
    assert said["prompt"] == "prompteol"
    card.write_text(json.dumps({**said, "prompt": "last"}))
    asked = ["verify", str(folder), "--with", str(tmp_path / "texts.txt"), "--model", model.name]
    for more, same in (
        ([], False),
        (["--prompt", "prompteol"], True),
        (["--prompt", "prompteol", "--layer", "1"], False),
    ):
        with pytest.raises(SystemExit, match="0" if same else "1"):
            main([*asked, *more, "--json"])
        assert json.loads(capsys.readouterr().out)["same"] == same, more


def test_another_method_is_compared_by_the_numbers_in_the_folder_or_a_filter_file(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    learnt_from = Calibration(tuple(f"the cat {i} sat on {i * i} mats" for i in range(40)), "forty")
    taken = refinement(
        model, "window+mean-subtraction", WINDOW, prompt="mean", calibration=learnt_from
    )
    folder = save_model_folder(tmp_path / "method", model, taken, prompt="mean").path
    save_filter(tmp_path / "other.safetensors", model, WINDOW)
    asked = ["verify", str(folder), "--with", str(tmp_path / "texts.txt"), "--model", model.name]
    for more, same in (([], True), (["--filter", str(tmp_path / "other.safetensors")], False)):
        with pytest.raises(SystemExit, match="0" if same else "1"):
            main([*asked, *more, "--json"])
        assert json.loads(capsys.readouterr().out)["same"] == same
    with pytest.raises(SystemExit, match="2"):
        main([*asked, "--filter", "x", "--tau", "2"])
    assert "--filter: the file says what is applied" in capsys.readouterr().err
    without_projection(folder)
    with pytest.raises(SystemExit, match="2"):
        main(asked)
    assert "it holds no projection of 32 numbers" in capsys.readouterr().err


@contextmanager
def server(answers: dict[str, tuple[int, Any]]) -> Iterator[str]:
    """A server that answers each path with a status and a value, or what that makes of a body."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, body: Any) -> None:
            status, value = answers.get(self.path, (404, {"error": "no such path"}))
            said = value(body, self.headers) if callable(value) else value
            content = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def log_message(self, *_: Any) -> None:
            return None

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}"
    finally:
        running.shutdown()
        running.server_close()


ONE = (200, {"data": [{"id": "m"}]})


def test_a_server_that_leaves_the_prompt_out_and_normalises(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    V = model.spectrum.V[:, WINDOW.kept]
    keys = []
    monkeypatch.setenv(API_KEY, "secret")

    def embed(body: Any, headers: Any) -> Any:
        keys.append(headers["Authorization"])
        rows = model.encode(body["input"], "last") @ V
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        data = [{"index": i, "embedding": row.tolist()} for i, row in enumerate(rows)]
        return {"data": data[::-1]}

    with server({"/v1/models": ONE, "/v1/embeddings": (200, embed)}) as address:
        served = vectors_of_server(address + "/v1/", TEXTS)
    verdict = verify(model, linear(V), "prompteol", TEXTS, served, address)
    assert verdict.faults == ("the prompt is not applied: it reads the text alone",)
    assert verdict.normalised
    assert keys == ["Bearer secret"]
    assert "secret" not in json.dumps(verdict.to_json())


def test_messages_are_sent_one_at_a_time() -> None:
    def embed(body: Any, headers: Any) -> Any:
        return {"data": [{"index": 0, "embedding": [len(body["messages"][0]["content"]), 1]}]}

    with server({"/v1/embeddings": (200, embed)}) as address:
        found = vectors_of_server(f"{address}#m", TEXTS, messages=True)
    assert found[:, 0].tolist() == [len(text) for text in TEXTS]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"/v1/models": (401, {})}, "asks for a key"),
        ({"/v1/models": (200, {"data": [{"id": "a"}, {"id": "b"}]})}, "2 models (a, b); name one"),
        ({"/v1/models": ONE}, "status 404"),
        ({"/v1/models": ONE, "/v1/embeddings": (200, {"x": 1})}, "holds no embeddings"),
        ({"/v1/models": ONE, "/v1/embeddings": (200, b"<html>")}, "no JSON"),
        ({"/v1/models": ONE, "/v1/embeddings": (200, {"data": []})}, "shape (0,)"),
    ],
)
def test_a_server_that_answers_otherwise_is_refused_in_one_line(
    answers: dict[str, tuple[int, Any]], said: str
) -> None:
    with server(answers) as address, pytest.raises(InputError) as error:
        vectors_of_server(address, TEXTS)
    assert said in str(error.value)


def test_what_cannot_be_reached_or_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be reached"):
        vectors_of_server("http://127.0.0.1:9", TEXTS)
    with pytest.raises(InputError, match=r"there is no modules\.json"):
        served_vectors(str(tmp_path), TEXTS)
    (tmp_path / "modules.json").write_text("[{}]")
    with pytest.raises(InputError, match=r"modules\.json: 0\.type is missing"):
        served_vectors(str(tmp_path), TEXTS)
    (tmp_path / "modules.json").write_text(
        '[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]'
    )
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(InputError, match="pickled weights are never opened"):
        served_vectors(str(tmp_path), TEXTS)
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(InputError, match="sentence-transformers cannot read it"):
        served_vectors(str(tmp_path), TEXTS)
