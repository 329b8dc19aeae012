"""Served engines as the encoder: each dialect beside the local model, and each fault named."""

import logging
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embfilter_viz import open_model
from embfilter_viz.embeddings.cosines import unit_rows
from embfilter_viz.engine_model import EngineModel
from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.model import Model
from embfilter_viz.models.engines.line import API_KEY, LOOK_BYTES, Line, Patience
from embfilter_viz.models.engines.trial import TEXTS
from tests.models.engines.stand_in import LocalOnce, StandIn, serving
from tests.models.hub_stand_in import Repository, hub_stand_in
from tests.models.tiny_checkpoints import build_model, one_thread, save

__all__ = ["one_thread"]

SENTENCES = [
    "the cat sat on the mat.",
    "a stock market index measures",
    'stars are born in "clouds" of gas',
    "Größe, 東京",
]
LONG = "galaxies are held together by gravity and the dog sat on the cat " * 60
QUICK = Patience(connect=2.0, answer=5.0, tries=4, first_pause=0.01, longest_pause=1.0)
_LOCAL = EngineModel._local


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another tiny Llama, of other weights."""
    model = build_model("llama", seed=1)
    return save(model, tmp_path_factory.mktemp("other") / "llama").folder


@pytest.fixture(scope="module")
def local(tiny: Path) -> Model:
    return open_model(str(tiny))


def engine_of(address: str, tiny: Path, *, dtype: str = "float32", in_flight: int = 4,
              patience: Patience = QUICK) -> EngineModel:  # fmt: skip
    """The engine at ``address`` with the head of the tiny model, and little patience."""
    model = open_model(f"engine:{address}#tiny={tiny}", dtype=dtype)
    assert isinstance(model, EngineModel)
    model.line = Line(address, in_flight=in_flight, patience=patience)
    return model


@pytest.fixture(autouse=True)
def loaded_once(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The local layers are loaded once for all tests; one test loads them as everybody does."""
    monkeypatch.setattr(EngineModel, "_local", lambda self: LocalOnce(tiny))


@pytest.fixture
def by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """No layers on this machine."""
    monkeypatch.setattr(EngineModel, "_local", lambda self: None)


def test_an_answer_without_end_is_left_at_what_was_asked_for(tiny: Path) -> None:
    engine = StandIn(tiny, events=["endless"])
    with serving(engine) as address:
        model = engine_of(address, tiny)
        with pytest.raises(InputError, match=r"the answer is longer than 16 MB, the most that was"):
            model.encode(["a cat"], "last")
        assert engine.sent_endlessly < 3 * LOOK_BYTES  # the rest lay in buffers


def test_an_answer_that_trickles_ends_with_its_time(tiny: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def trickle() -> None:
            there, _ = server.accept()
            with there, suppress(OSError):
                there.recv(1 << 16)
                there.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while True:
                    there.sendall(b" ")
                    time.sleep(0.1)

        threading.Thread(target=trickle, daemon=True).start()
        line = Line(f"http://127.0.0.1:{server.getsockname()[1]}", patience=Patience(look=1.0))
        with pytest.raises(InputError, match="no answer within 1 s"):
            line.get("/v1/models")


DIALECTS = [
    ("vllm", "last", ["prompteol", "last"]),
    ("vllm-tokens", "tokens", ["prompteol", "mean", "echo", "metaeol"]),
    ("llama.cpp", "last", ["prompteol"]),
    ("llama.cpp", "mean", ["mean"]),
    ("llama.cpp", "tokens", ["echo"]),
]


@pytest.mark.parametrize(("kind", "pooling", "prompts"), DIALECTS)
def test_an_engine_of_token_ids_gives_our_embeddings(
    tiny: Path, local: Model, kind: str, pooling: str, prompts: list[str]
) -> None:
    with serving(StandIn(tiny, kind, pooling=pooling)) as address:
        model = engine_of(address, tiny)
        for prompt in prompts:
            found = model.encode([*SENTENCES, LONG], prompt)
            np.testing.assert_allclose(found, local.encode([*SENTENCES, LONG], prompt), atol=2e-5)
        trial = model.trial
    assert (trial.gives, trial.normalised, trial.precision) == (pooling, False, "float32")
    assert trial.against == "the local model"
    assert trial.lowest_cosine > 1 - 1e-9
    assert "lowest cosine with the local model" in trial.sentence


@pytest.mark.parametrize("kind", ["ollama", "openai", "openai-text"])
def test_normalised_engines_give_our_directions_and_say_so(
    tiny: Path, local: Model, kind: str
) -> None:
    with serving(StandIn(tiny, kind)) as address:
        model = engine_of(address, tiny)
        found = model.encode(SENTENCES)
        np.testing.assert_allclose(found, unit_rows(local.encode(SENTENCES)), atol=1e-6)
        assert model.normalised
        assert "vectors of length 1" in model.encoded_sentence
        with pytest.raises(InputError, match="the mean over 8 templates needs the lengths"):
            model.encode(SENTENCES, "metaeol")
        with pytest.raises(InputError, match=r"needs the mean of several: .* open .* itself"):
            model.encode(SENTENCES, "mean")


FAULTS = [
    ({"pooling": "first"}, "answers the state of the first token; .* start vLLM with --runner"),
    ({"adds": (1,)}, "an end token that it adds behind the text"),
    ({"rounded": lambda x: x.astype(np.float16)},
     r"computes in float16, not in float32 \(its numbers all .*; start vLLM with --dtype float32, "
     "or take it as it is with --dtype float16"),
    ({"rounded": lambda x: np.round(x * 8) / 8}, "coarser than any precision|in bfloat16"),
    ({"rounded": lambda x: 3 * x}, "other lengths than the states, by up to 200 %"),
    ({"shuffles": True}, "come back in another order"),
    ({"reads": 100}, "prompts of .* have up to 512 tokens, and it cuts the end of long ones; "
     "start vLLM with --max-model-len"),
    ({"refuses_over": 200}, r"it refuses one of 512 \(.*maximum context length is 200"),
    ({"columns": 16}, "vectors of 16 numbers came, and the head has 32 columns"),
    ({"columns": 16, "kind": "openai"}, "vectors of 16 numbers came"),
    ({"broken": float("nan")}, "NaN or infinite"),
    ({"broken": float("inf"), "kind": "llama.cpp"}, "NaN or infinite"),
    ({"events": [500]}, "answers with status 500"),
    ({"events": ["html"]}, "the answer is no JSON"),
    ({"key": "secret-word"}, f"asks for a key .*{API_KEY}"),
    ({"served": "elsewhere"}, "serves 1 model .elsewhere. and none is called 'tiny'; write engine"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "words"), FAULTS)
def test_a_fault_is_found_by_the_local_model_and_named(
    tiny: Path, wrong: dict[str, Any], words: str
) -> None:
    engine = StandIn(tiny, **{"kind": "vllm", **wrong})
    with serving(engine) as address, pytest.raises(InputError, match=words) as met:
        engine_of(address, tiny).encode(SENTENCES, "last")
    assert "\n" not in str(met.value)


def test_another_model_is_found_by_the_local_one(tiny: Path, other: Path) -> None:
    with serving(StandIn(other)) as address, pytest.raises(InputError, match="not those of"):
        engine_of(address, tiny).encode(SENTENCES)


@pytest.mark.parametrize(
    ("kind", "pooling", "prompt", "words"),
    [
        ("vllm", "mean", "last", "answers the mean of the states; the prompt last needs the last:"),
        ("vllm", "last", "mean", "start vLLM with --runner pooling --pooler-config .*MEAN"),
        ("vllm", "last", "echo", "start vLLM with --runner pooling --pooler-config .*token_embed"),
        ("llama.cpp", "last", "mean", "start llama-server with --embedding --pooling mean"),
        ("llama.cpp", "mean", "echo", "the mean of some of them: .*--pooling none"),
        ("vllm", "last", "prompteol@1", "needs the states after layer 1"),
    ],
)
def test_a_prompt_of_another_pooling_is_refused(
    tiny: Path, kind: str, pooling: str, prompt: str, words: str
) -> None:
    engine = StandIn(tiny, kind, pooling=pooling)
    with serving(engine) as address, pytest.raises(InputError, match=words):
        engine_of(address, tiny).encode(SENTENCES, prompt)


@pytest.mark.usefixtures("by_itself")
@pytest.mark.parametrize("kind", ["vllm", "llama.cpp", "ollama", "openai-text"])
@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_without_local_layers_the_pooling_is_found_by_the_engine_alone(
    tiny: Path, kind: str, pooling: str
) -> None:
    with serving(StandIn(tiny, kind, pooling=pooling)) as address:
        trial = engine_of(address, tiny).trial
    assert (trial.gives, trial.against, trial.lowest_cosine) == (pooling, "itself", None)
    assert trial.normalised == (kind in ("ollama", "openai-text"))


@pytest.mark.usefixtures("by_itself")
@pytest.mark.parametrize(("wrong", "words"), [
    ({"pooling": "first"}, "the end of a text changes nothing"),
    ({"rounded": lambda x: x.astype(np.float16)}, "computes in float16.*all lie on that grid"),
    ({"shuffles": True}, "come back in another order"),
    ({"kind": "llama.cpp", "weights": "Q4_1"}, r"bfloat16.*it says that its weights are in Q4_1"),
    ({"kind": "ollama", "weights": "F16"}, r"float16, not in float32 \(it says .* F16\)"),
    ({"reads": 300}, "cuts the end of long ones"),
    ({"kind": "vllm-tokens", "pooling": "tokens", "reads": 100}, "reads 100 of one"),
])  # fmt: skip
def test_without_local_layers_faults_are_named(
    tiny: Path, wrong: dict[str, Any], words: str
) -> None:
    engine = StandIn(tiny, **{"kind": "vllm", **wrong})
    with serving(engine) as address, pytest.raises(InputError, match=words):
        engine_of(address, tiny).encode(SENTENCES, "last")


@pytest.mark.usefixtures("by_itself")
def test_without_local_layers_the_head_warns_of_states_that_it_cannot_read(tiny: Path) -> None:
    with serving(StandIn(tiny)) as address:  # random weights, which predict nothing
        trial = engine_of(address, tiny).trial
    assert "the engine may serve another model" in trial.warning
    assert "tested against itself alone" in trial.sentence


def test_half_precision_is_taken_where_it_is_asked_for(tiny: Path, local: Model) -> None:
    engine = StandIn(tiny, rounded=lambda x: x.astype(np.float16))
    with serving(engine) as address:
        model = engine_of(address, tiny, dtype="float16")
        found = model.encode(SENTENCES)
    assert model.trial.precision == "float16"
    assert 0 < np.abs(found - local.encode(SENTENCES)).max() < 0.01


def test_a_busy_or_lost_engine_is_asked_again(tiny: Path, local: Model) -> None:
    engine = StandIn(tiny)
    with serving(engine) as address:
        model = engine_of(address, tiny)
        model.fetch()
        engine.events = [(429, 0.05), "drop", (503, "soon")]
        found = model.encode(SENTENCES)
        assert engine.events == []
        np.testing.assert_allclose(found, local.encode(SENTENCES), atol=1e-5)
        engine.events = [(429, 3600)]
        with pytest.raises(InputError, match="busy and asks to wait 3600 s"):
            model.encode(["once more"])
        engine.events = [503] * 4
        with pytest.raises(InputError, match=r"busy \(status 503\) 4 times in a row"):
            model.encode(["once more"])


def test_an_engine_that_hangs_is_given_up(tiny: Path) -> None:
    engine = StandIn(tiny)
    with serving(engine) as address:
        model = engine_of(address, tiny, patience=Patience(answer=0.3))
        model.fetch()
        engine.events = ["hang"]
        with pytest.raises(InputError, match=r"no answer within 0\.3 s"):
            model.encode(["hello"])


def test_a_job_that_was_stopped_asks_for_the_missing_rows_alone(tiny: Path, local: Model) -> None:
    texts = [f"the cat number {i} sat on the mat" for i in range(100)]
    engine = StandIn(tiny)
    with serving(engine) as address:
        model = engine_of(address, tiny, in_flight=1)
        model.fetch()
        engine.asked.clear()
        engine.events = [None, None, *["drop"] * 4]
        with pytest.raises(InputError, match=r"connection was lost 4 times .* finished is kept"):
            model.encode(texts)
        assert engine.texts_asked == 64 + 4 * 32
        engine.asked.clear()
        again = engine_of(address, tiny)
        again.fetch()
        tried = engine.texts_asked
        found = again.encode(texts)
        assert engine.texts_asked - tried == 100 - 64
    np.testing.assert_allclose(found, local.encode(texts), atol=1e-5)


def test_a_cancelled_job_ends_at_once_and_keeps_what_came(tiny: Path) -> None:
    texts = [f"the dog number {i}" for i in range(64)]
    engine = StandIn(tiny)
    with serving(engine) as address:
        model = engine_of(address, tiny, in_flight=1)
        model.fetch()
        engine.events = [None, "hang"]

        def stop(what: str, done: float, total: float, unit: str) -> None:
            if done >= 32:
                raise Cancelled

        with pytest.raises(Cancelled):
            model.encode(texts, progress=stop)
        assert model.is_encoded(texts[:32])
        assert not model.is_encoded(texts)


def test_requests_in_flight_keep_to_the_limit(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embfilter_viz.models.engines.engine._TEXTS", 2)
    engine = StandIn(tiny, slow=0.02)
    with serving(engine) as address:
        model = engine_of(address, tiny, in_flight=3)
        model.fetch()
        engine.most_at_once = 0
        model.encode([f"text {i}" for i in range(24)])
    assert engine.most_at_once == 3


def test_an_engine_that_is_not_there_is_said_at_once(tiny: Path) -> None:
    with serving(StandIn(tiny)) as address:
        pass
    with pytest.raises(InputError, match=r"cannot be reached \(ConnectError\); start it"):
        open_model(f"engine:{address}#tiny={tiny}").encode(["hello"])


def test_a_key_is_sent_and_kept_nowhere(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(API_KEY, "sk-very-secret")
    engine = StandIn(tiny, key="sk-very-secret")
    with serving(engine) as address:
        model = engine_of(address, tiny)
        model.encode(SENTENCES)
        engine.events = [500]
        with pytest.raises(InputError) as met:
            model.encode(["more"])
    sent = {name.lower(): value for name, value in engine.headers[0].items()}
    assert sent["authorization"] == "Bearer sk-very-secret"
    said = f"{model!r} {model.encoded} {model.card} {met.value} {caplog.text}"
    assert "very-secret" not in said
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert not any(b"very-secret" in path.read_bytes() for path in kept)


def test_a_key_that_a_server_repeats_is_not_shown() -> None:
    refused = Line("http://host")._refused("/v1", 400, "no such key sk-1 here", "sk-1")
    assert "sk-1" not in str(refused)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("engine:http://me:secret@host:8000#smollm2-135m", "has a user or password in it"),
        ("engine:me:secret@host#smollm2-135m", "has a user or password in it"),
        ("engine:https://host/v1?api_key=secret#smollm2-135m", "has a query"),
        ("engine:ftp://host#smollm2-135m", "must be an http or https address"),
        ("engine:http://host:99999#smollm2-135m", "cannot be read"),
        ("engine:http://host", "the model is missing"),
        ("engine:http://host#m=engine:http://other#m", "cannot be an engine"),
        ("engine:http://host#nosuchmodel", "nosuchmodel: unknown model"),
    ],
)
def test_names_that_are_refused(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as met:
        open_model(name)
    assert "secret" not in str(met.value)


def test_what_was_found_is_kept_and_found_again_when_the_engine_changes(
    tiny: Path, other: Path
) -> None:
    engine = StandIn(tiny)
    with serving(engine) as address:
        first = engine_of(address, tiny)
        rows = first.encode(SENTENCES)
        engine.asked.clear()
        again = engine_of(address, tiny)
        again.encode(SENTENCES)
        assert engine.texts_asked == 2  # two of the eight, and no row
        engine.version, engine.asked = "0.33.0", []
        newer = engine_of(address, tiny)
        newer.encode(SENTENCES)
        assert engine.texts_asked > len(TEXTS)  # tried again, and no row: it answers the same
        assert newer.trial.engine == "vLLM 0.33.0"
        assert newer.checkpoint.content_hash == first.checkpoint.content_hash
        engine.folder = other
        with pytest.raises(InputError, match="not those of"):
            engine_of(address, tiny).encode(SENTENCES)
    assert np.isfinite(rows).all()


@pytest.mark.usefixtures("by_itself")
def test_rows_of_an_engine_that_changed_are_not_used(tiny: Path, other: Path) -> None:
    engine = StandIn(tiny)
    with serving(engine) as address:
        before = engine_of(address, tiny).encode(SENTENCES)
        engine.folder = other
        after = engine_of(address, tiny).encode(SENTENCES)
    assert np.abs(before - after).max() > 0.1


def test_the_only_model_of_an_engine_needs_no_name(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EngineModel, "_local", _LOCAL)
    with serving(StandIn(tiny, served="whatever")) as address:
        model = open_model(f"engine:{address}/v1/#={tiny}")
        assert model.encode(["hello"]).shape == (1, 32)
        assert model.name == f"engine:{address}#={tiny}"


def test_what_needs_the_layers_says_so(tiny: Path) -> None:
    with serving(StandIn(tiny)) as address:
        model = engine_of(address, tiny)
        for ask in (
            lambda: model.layers("hello"),
            lambda: model.token_states("hello"),
            lambda: model.layer_means(["hello"]),
            lambda: model.route(["hello"]),
            lambda: model.rewritings(["hello"]),
            lambda: model.encode(["hello"], "geneol"),
        ):
            with pytest.raises(InputError, match=r"gives the states after the last layer alone"):
                ask()
        with pytest.raises(InputError, match="gives vectors alone; take wordfreq"):
            model.frequencies("model")


def test_a_text_that_cannot_be_written_is_refused_by_its_row(tiny: Path) -> None:
    with serving(StandIn(tiny, "ollama")) as address:
        model = engine_of(address, tiny)
        model.fetch()
        with pytest.raises(InputError, match=r"row 2 of 2: Ollama takes texts and no token ids"):
            model.encode(["the cat", "東京タワー" * 100], "last")


def test_of_a_hub_model_the_head_alone_is_fetched(
    tiny: Path, local: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EngineModel, "_local", _LOCAL)
    with (
        hub_stand_in({"org/tiny": Repository(tiny)}) as hub,
        serving(StandIn(tiny, served="org/tiny")) as address,
    ):
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        model = open_model(f"engine:{address}#org/tiny")
        found = model.encode(SENTENCES)
        assert hub.bytes_sent["model.safetensors"] < (tiny / "model.safetensors").stat().st_size / 2
    np.testing.assert_allclose(found, local.encode(SENTENCES), atol=2e-5)
    assert isinstance(model, EngineModel)
    assert model.trial.against == "itself"
