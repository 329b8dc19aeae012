"""The opened model: what is made once, kept, resumed and verified."""

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embfilter_viz import open_model
from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.model import FREQUENCY_SOURCES, Model
from embfilter_viz.models.encoding import backbone
from embfilter_viz.models.encoding.encoder import Encoder
from embfilter_viz.models.encoding.prompts import PROMPTS, Prompt
from embfilter_viz.opened_head import digest_of_texts
from embfilter_viz.store import text_key
from tests.models.tiny_checkpoints import D_MODEL, D_VOCAB, N_LAYERS, one_thread

__all__ = ["one_thread"]

TEXTS = ["the cat sat on the mat", "a dog", "a stock market index measures the market",
         "stars are born in clouds of gas; galaxies are held together by gravity"]  # fmt: skip


class Forwards:
    """Counts what goes through the transformer."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.sequences = 0
        self.batches = 0
        real = backbone.Backbone.pooled

        def counted(one: Any, sequences: Sequence[Any], *more: Any) -> np.ndarray:
            self.batches += 1
            self.sequences += len(sequences)
            return real(one, sequences, *more)

        patch.setattr(backbone.Backbone, "pooled", counted)


@pytest.fixture
def forwards(monkeypatch: pytest.MonkeyPatch) -> Forwards:
    return Forwards(monkeypatch)


class Listener:
    """Keeps what it is told, and cancels at the report it is asked to."""

    def __init__(self, stop: Callable[[float], bool] = lambda done: False) -> None:
        self.told: list[tuple[str, float, float, str]] = []
        self.stop = stop

    def __call__(self, what: str, done: float, total: float, unit: str) -> None:
        self.told.append((what, done, total, unit))
        if self.stop(done):
            raise Cancelled


# -- opening ----------------------------------------------------------------------------------


def test_open_model_is_the_front_door(tiny: Path) -> None:
    model = open_model(str(tiny))
    assert (model.d_vocab, model.d_model) == (D_VOCAB, D_MODEL)
    assert model.unembedding.W_U.shape == (D_VOCAB, D_MODEL)
    assert model.card.family == "Llama"
    assert model.name == str(tiny)
    assert f"d_vocab={D_VOCAB}" in repr(model)


def test_parts_are_made_once(tiny_model: Model) -> None:
    for part in ("unembedding", "vocabulary", "encoder", "spectrum", "centred_spectrum", "card"):
        assert getattr(tiny_model, part) is getattr(tiny_model, part)


def test_reopening_a_known_spectrum_reads_neither_rows_nor_tokenizer(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = open_model(str(tiny)).spectrum

    def untouched(*arguments: object) -> None:
        raise AssertionError(f"read {arguments}")

    monkeypatch.setattr("embfilter_viz.models.formats.tensors._raw", untouched)
    monkeypatch.setattr("embfilter_viz.models.head.vocabulary._open_tokenizer", untouched)
    np.testing.assert_array_equal(open_model(str(tiny)).spectrum.V, expected.V)
    with pytest.raises(AssertionError):
        _ = open_model(str(tiny)).vocabulary
    with pytest.raises(AssertionError):
        _ = open_model(str(tiny)).unembedding


def test_unknown_model_is_one_line() -> None:
    with pytest.raises(InputError, match="no-such-model") as caught:
        open_model("no-such-model")
    assert "\n" not in str(caught.value)


# -- encoding through the store ---------------------------------------------------------------


@pytest.mark.parametrize("prompt", PROMPTS)
def test_encode_is_the_encoders_in_the_order_of_the_texts(tiny_model: Model, prompt: str) -> None:
    found = tiny_model.encode(TEXTS, prompt)
    alone = Encoder(tiny_model.checkpoint.outline).encode(TEXTS, prompt)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, alone)
    np.testing.assert_array_equal(tiny_model.encode(TEXTS[::-1], prompt), alone[::-1])


def test_a_second_call_makes_no_forward_in_any_process(tiny: Path, forwards: Forwards) -> None:
    first = open_model(str(tiny)).encode(TEXTS)
    assert forwards.sequences == len(TEXTS)
    again = open_model(str(tiny)).encode(TEXTS)
    assert forwards.sequences == len(TEXTS)
    assert again.tobytes() == first.tobytes()


def test_only_what_is_missing_is_computed(tiny_model: Model, forwards: Forwards) -> None:
    tiny_model.encode(TEXTS[:2])
    listener = Listener()
    tiny_model.encode([TEXTS[0], TEXTS[3], TEXTS[3], TEXTS[1]], progress=listener)
    assert forwards.sequences == 3
    assert listener.told[-1] == ("Embedding texts", 4, 4, "texts")
    assert not tiny_model.is_encoded(TEXTS)
    assert tiny_model.is_encoded([TEXTS[3], TEXTS[0]])
    assert not tiny_model.is_encoded(TEXTS[:1], "mean")


def test_a_repeated_text_is_computed_once(tiny_model: Model, forwards: Forwards) -> None:
    rows = tiny_model.encode([TEXTS[0], TEXTS[1], TEXTS[0]])
    assert forwards.sequences == 2
    assert rows[0].tobytes() == rows[2].tobytes()


def test_forward_passes_are_counted(tiny: Path) -> None:
    model = open_model(str(tiny))
    model.encode(["a cat", "a dog", "a cat"], "mean")
    model.encode(["a cat", "a bird"], "mean")
    assert model.forwarded == 3
    own = Prompt.of(["So: {text}", "It is {text}"])
    model.encode(["a cat"], own)
    assert model.forwarded == 5
    assert open_model(str(tiny)).forwarded == 0


def test_a_reading_is_told_by_all_that_its_embeddings_depend_on(tiny: Path) -> None:
    model = open_model(str(tiny))
    own = [Prompt.of("So: {text}"), Prompt.of(["So: {text}", "It is {text}"])]
    readings = ["mean", "last", "prompteol", "geneol", "mean@1", "mean@2", *own]
    keys = [model.key_of_reading(one) for one in readings]
    keys.append(open_model(str(tiny), dtype="bfloat16").key_of_reading("mean"))
    assert len({json.dumps(key, sort_keys=True) for key in keys}) == len(keys)
    assert open_model(str(tiny)).key_of_reading("mean") == keys[0]


def test_prompts_do_not_share_rows(tiny_model: Model) -> None:
    by_prompt = [tiny_model.encode(TEXTS[:1], prompt) for prompt in PROMPTS]
    for i, one in enumerate(by_prompt):
        for other in by_prompt[:i]:
            assert not np.allclose(one, other)


def test_models_do_not_share_rows(tiny_model: Model, tmp_path: Path) -> None:
    from tests.models.tiny_checkpoints import write_checkpoint

    other = open_model(str(write_checkpoint(tmp_path / "other", seed=1).folder))
    assert other.checkpoint.content_hash != tiny_model.checkpoint.content_hash
    assert not np.allclose(tiny_model.encode(TEXTS), other.encode(TEXTS))


def test_precisions_do_not_share_rows_and_devices_do(tiny: Path, forwards: Forwards) -> None:
    full, half = open_model(str(tiny)), open_model(str(tiny), dtype="bfloat16")
    rows = full.encode(TEXTS)
    assert not half.is_encoded(TEXTS)
    rounded = half.encode(TEXTS)
    assert half.identity != full.identity
    assert rounded.dtype == np.float32
    assert 1e-4 < np.linalg.norm(rounded - rows) / np.linalg.norm(rows) < 0.1
    p, q = full.frequencies("model", TEXTS), half.frequencies("model", TEXTS)
    assert not np.array_equal(p.p, q.p)
    assert np.abs(p.p - q.p).sum() < 0.2
    before = forwards.sequences
    open_model(str(tiny), device="cpu").encode(TEXTS)
    assert forwards.sequences == before
    assert half.encoded == {"device": half.device, "dtype": "bfloat16"}
    assert open_model(str(tiny)).encoded is None


def test_a_device_that_is_not_here_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(InputError, match="device 'tpu'"):
        open_model("org/never-fetched", device="tpu")


def test_too_large_for_float16_is_not_called_damage(tmp_path: Path) -> None:
    import torch

    from tests.models.tiny_checkpoints import build_model, save

    model = build_model("llama")
    with torch.no_grad():
        model.model.layers[0].mlp.down_proj.weight.fill_(1e5)
    folder = str(save(model, tmp_path / "large").folder)
    assert np.isfinite(open_model(folder).encode(TEXTS)).all()
    with pytest.raises(InputError, match="float16 ends at 65,504"):
        open_model(folder, dtype="float16").encode(TEXTS)


def test_a_cancelled_encode_keeps_what_was_finished_and_resumes(
    tiny: Path, forwards: Forwards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backbone, "_LARGEST_BATCH", 200)
    texts = [" ".join(["cat"] * n + [str(n)] * 9) for n in range(1, 61)]  # many batches
    listener = Listener(stop=lambda done: done >= 20)
    with pytest.raises(Cancelled):
        open_model(str(tiny)).encode(texts, progress=listener)
    finished = forwards.sequences
    assert 20 <= finished < len(texts)
    model = open_model(str(tiny))
    assert sum(model.is_encoded([text]) for text in texts) == finished
    resumed = Listener()
    rows = model.encode(texts, progress=resumed)
    assert forwards.sequences == len(texts)
    assert resumed.told[0][1] >= finished
    alone = Encoder(model.checkpoint.outline).encode(texts)
    assert np.abs(rows - alone).max() <= 1e-5 * np.abs(alone).max()


def test_four_threads_get_the_same_rows(tiny_model: Model) -> None:
    alone = Encoder(tiny_model.checkpoint.outline).encode(TEXTS, "mean")
    together = threading.Barrier(4)

    def ask(turn: int) -> np.ndarray:
        together.wait(10)
        rows = tiny_model.encode(TEXTS[turn:] + TEXTS[:turn], "mean")
        return np.roll(rows, turn, axis=0)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(4)))
    for rows in answers:
        np.testing.assert_allclose(rows, alone, rtol=0, atol=1e-5 * np.abs(alone).max())
    assert tiny_model.is_encoded(TEXTS, "mean")


def test_four_threads_open_each_part_once(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    import embfilter_viz.opened_head as module

    calls: list[str] = []
    real = module.spectrum_of
    monkeypatch.setattr(
        module, "spectrum_of", lambda *a, **k: (calls.append("spectrum"), real(*a, **k))[1]
    )
    together = threading.Barrier(4)

    def ask(_: int) -> tuple[int, bytes]:
        together.wait(10)
        return id(tiny_model.encoder), tiny_model.spectrum.singular_values.tobytes()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ask, range(4)))) == 1
    assert calls == ["spectrum"]


def damage(files: list[Path]) -> None:
    assert files
    for path in files:
        content = bytearray(path.read_bytes())
        content[len(content) * 3 // 4] ^= 0xFF
        path.write_bytes(content)


def test_two_who_ask_at_once_embed_once(tiny: Path, forwards: Forwards) -> None:
    models = [open_model(str(tiny)) for _ in range(2)]
    for model in models:
        _ = model.encoder
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda model: model.encode(TEXTS), models)
    np.testing.assert_array_equal(one, other)
    assert forwards.sequences == len(TEXTS)


def test_a_damaged_row_is_recomputed(tiny: Path, forwards: Forwards) -> None:
    model = open_model(str(tiny))
    expected = model.encode(TEXTS)
    (table,) = model.store.folder.glob("embeddings/*.sqlite")
    needle = expected[1].tobytes()
    content = table.read_bytes()
    assert content.count(needle) == 1
    table.write_bytes(content.replace(needle, b"\x00" * len(needle)))
    again = open_model(str(tiny)).encode(TEXTS)
    assert forwards.sequences == len(TEXTS) + 1
    np.testing.assert_allclose(again, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_damaged_spectrum_is_recomputed(tiny: Path) -> None:
    expected = open_model(str(tiny)).spectrum
    damage(list(open_model(str(tiny)).store.folder.glob("spectrum/*.safetensors")))
    again = open_model(str(tiny)).spectrum
    np.testing.assert_array_equal(again.singular_values, expected.singular_values)
    np.testing.assert_array_equal(again.V, expected.V)


@pytest.mark.parametrize("texts", [[], ["a", " "], ["a", "b", "\n"]])
def test_nothing_to_embed_is_named(tiny_model: Model, texts: list[str]) -> None:
    words = f"text {len(texts)} of {len(texts)} is empty" if texts else "nothing to embed"
    with pytest.raises(InputError, match=words):
        tiny_model.encode(texts)


def test_unknown_prompt(tiny_model: Model) -> None:
    with pytest.raises(InputError, match=r"prompt 'poem': unknown; pick one of prompteol"):
        tiny_model.encode(["a"], "poem")


def test_long_texts_are_cut_and_counted(tiny_model: Model) -> None:
    texts = ["short", "x " * 25_000]
    assert tiny_model.truncated(texts) == 1
    rows = tiny_model.encode(texts)
    assert np.isfinite(rows).all()


def test_layers_end_in_the_embedding(tiny_model: Model) -> None:
    layers = tiny_model.layers(TEXTS[0])
    assert layers.shape == (N_LAYERS + 1, D_MODEL)
    np.testing.assert_allclose(layers[-1], tiny_model.encode(TEXTS[:1])[0], rtol=1e-4, atol=1e-5)


def test_means_of_layers_are_those_of_the_texts_read_one_by_one(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [*TEXTS, TEXTS[0]]  # one of them twice
    for prompt in ("prompteol", "mean"):
        found = tiny_model.layer_means(texts, prompt)
        expected = np.mean([tiny_model.layers(text, prompt) for text in texts], axis=0)
        assert found.shape == (N_LAYERS + 1, D_MODEL)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(Encoder, "layer_means", lambda *_, **__: 1 / 0)
    assert np.array_equal(tiny_model.layer_means(texts, "mean"), found), "kept in the store"
    with pytest.raises(ZeroDivisionError):
        tiny_model.layer_means(texts[:2], "mean")


def test_means_of_layers_tell_how_far_they_are_and_can_be_stopped(tiny_model: Model) -> None:
    listener = Listener()
    tiny_model.layer_means(TEXTS, "mean", progress=listener)
    assert ("Reading texts, layer by layer", len(TEXTS), len(TEXTS), "texts") in listener.told
    with pytest.raises(Cancelled):
        tiny_model.layer_means(TEXTS, "last", progress=Listener(lambda done: done > 0))
    with pytest.raises(InputError, match="at least one"):
        tiny_model.layer_means([], "mean")


# -- spectrum and frequencies -----------------------------------------------------------------


def test_both_spectra_are_of_their_own_matrix(tiny_model: Model) -> None:
    W_U = tiny_model.unembedding.W_U.astype(float)
    for spectrum, matrix in (
        (tiny_model.spectrum, W_U),
        (tiny_model.centred_spectrum, W_U - W_U.mean(0)),
    ):
        naive = np.linalg.svd(matrix, compute_uv=False)
        np.testing.assert_allclose(spectrum.singular_values, naive, rtol=1e-6)
    assert tiny_model.centred_spectrum.centred


@pytest.fixture
def few_words(monkeypatch: pytest.MonkeyPatch) -> None:
    import wordfreq

    words = {"the": 0.05, "cat": 0.001, "of": 0.03}
    monkeypatch.setattr(wordfreq, "get_frequency_dict", lambda *_, **__: words)


@pytest.mark.parametrize("source", FREQUENCY_SOURCES)
@pytest.mark.usefixtures("few_words")
def test_frequencies_of_each_source_come_back_from_the_store_as_they_were(
    tiny: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = TEXTS if source != "wordfreq" else None
    model = open_model(str(tiny))
    made = model.frequencies(source, texts, alpha=0.5)
    assert made.p.shape == (D_VOCAB,)
    assert made.p.sum() == pytest.approx(1)
    assert made.p.min() > 0
    assert made.source == source
    assert made.smoothing == (0 if source == "model" else 0.5)
    assert model.frequencies(source, texts, alpha=0.5) is made
    for maker in ("model.from_model", "opened_head.word_counts", "opened_head.from_corpus"):
        monkeypatch.setattr(
            f"embfilter_viz.{maker}", lambda *_, **__: pytest.fail("computed again")
        )
    again = open_model(str(tiny)).frequencies(source, texts, alpha=0.5)
    assert again.p.tobytes() == made.p.tobytes()
    fields = ("source", "detail", "smoothing", "counted", "zeros")
    assert [getattr(again, f) for f in fields] == [getattr(made, f) for f in fields]


def test_each_language_is_counted_once_and_mixes_and_smoothing_are_made_of_that(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wordfreq

    asked: list[str] = []
    lists = {"en": {"the": 0.05, "cat": 0.001}, "id": {"yang": 0.05, "cat": 0.002}}

    def listed(code: str, **_: object) -> dict[str, float]:
        asked.append(code)
        return lists[code]

    monkeypatch.setattr(wordfreq, "get_frequency_dict", listed)
    model = open_model(str(tiny))
    english = model.frequencies("wordfreq")
    own = model.frequencies("wordfreq", language="id")
    both = open_model(str(tiny)).frequencies("wordfreq", language="id,en")
    smoother = open_model(str(tiny)).frequencies("wordfreq", language="id", alpha=3)
    assert asked == ["en", "id"]
    n = 10_000_000
    for found in (english, own, both, smoother):
        assert found.p.sum() == pytest.approx(1)
    counts = [one.p * (one.counted + D_VOCAB) - 1 for one in (english, own, both)]
    np.testing.assert_allclose((counts[0] + counts[1]) / 2, counts[2], atol=1e-6 * n)
    assert not np.allclose(own.p, smoother.p)
    assert "(id)" in own.detail
    assert "(en, id)" in both.detail
    with pytest.raises(InputError, match="frequencies 'model' have no choice of language"):
        model.frequencies("model", language="id")


def test_a_corpus_is_counted_by_hand(tiny_model: Model) -> None:
    texts = ["the cat", "the dog the"]
    counts = np.zeros(D_VOCAB)
    for text in texts:
        for token in tiny_model.vocabulary.encode(text):
            counts[token] += 1
    found = tiny_model.frequencies("corpus", texts, alpha=2)
    np.testing.assert_allclose(found.p, (counts + 2) / (counts + 2).sum())


def test_smoothing_and_texts_make_different_frequencies(tiny_model: Model) -> None:
    first = tiny_model.frequencies("corpus", TEXTS)
    assert not np.allclose(first.p, tiny_model.frequencies("corpus", TEXTS, alpha=3).p)
    assert not np.allclose(first.p, tiny_model.frequencies("corpus", TEXTS[:2]).p)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("books",), "frequencies 'books': unknown source; take one of model, wordfreq, corpus"),
        (("corpus",), "counting needs texts"),
        (("corpus", []), "counting needs texts"),
    ],
)
def test_frequencies_without_a_source(tiny_model: Model, arguments: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        tiny_model.frequencies(*arguments)


@pytest.mark.parametrize("alpha", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("source", ["corpus", "model"])
def test_smoothing_must_be_a_number(tiny_model: Model, alpha: float, source: str) -> None:
    with pytest.raises(InputError, match="smoothing α"):
        tiny_model.frequencies(source, TEXTS, alpha=alpha)


def test_the_models_own_frequencies_default_to_the_demo_texts(tiny_model: Model) -> None:
    from embfilter_viz.data import demo_texts

    own = tiny_model.frequencies("model")
    given = tiny_model.frequencies("model", demo_texts().texts)
    assert own.p.tobytes() == given.p.tobytes()


def test_the_average_token_is_kept_by_gauge_and_frequencies(tiny_model: Model) -> None:
    first = tiny_model.frequencies("corpus", TEXTS)
    other = tiny_model.frequencies("corpus", TEXTS[:1])
    kept = tiny_model.average_token(first)
    assert tiny_model.average_token(first) is kept
    assert tiny_model.average_token(first, "invariant").gauge == "invariant"
    assert not np.allclose(tiny_model.average_token(other).h, kept.h)
    W_U, target = tiny_model.unembedding.W_U.astype(float), np.log(first.p)
    target -= target.mean()  # the centred gauge, by default
    np.testing.assert_allclose(kept.h, np.linalg.lstsq(W_U, target, rcond=None)[0], atol=1e-4)


def test_an_opened_model_remembers_only_so_much(tiny_model: Model) -> None:
    from embfilter_viz.opened_head import REMEMBERED

    for alpha in range(1, REMEMBERED + 5):
        tiny_model.frequencies("corpus", TEXTS, alpha=alpha)
    assert len(tiny_model._remembered) == REMEMBERED


def test_digests_tell_texts_apart() -> None:
    assert digest_of_texts(["a", "b"]) != digest_of_texts(["b", "a"])
    assert digest_of_texts(["a"]) == digest_of_texts(iter(["a"]))
    assert digest_of_texts(["\udcff"]) != digest_of_texts(["?"])
    assert len(text_key("\udcff")) == 32


# -- the real model ---------------------------------------------------------------------------


@pytest.mark.real_model
def test_the_bundled_models_own_figures(bundled: Model) -> None:
    """As measured in our lab: correlation of the average token's logits with log p̂."""
    frequencies = bundled.frequencies("wordfreq")
    found = {
        gauge: bundled.average_token(frequencies, gauge).correlation
        for gauge in ("paper", "centred", "invariant")
    }
    assert found["paper"] == pytest.approx(0.85, abs=0.02)
    assert found["centred"] == pytest.approx(0.90, abs=0.02)
    assert found["invariant"] > found["centred"]
    assert bundled.encode(["A man plays the guitar."]).shape == (1, 576)
