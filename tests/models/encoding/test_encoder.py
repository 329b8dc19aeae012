import threading

import numpy as np
import pytest
import torch

from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.models import families
from embfilter_viz.models.encoding.batches import batches_by_beginning, batches_by_length
from embfilter_viz.models.encoding.encoder import Encoder
from embfilter_viz.models.encoding.prompts import PROMPTS
from embfilter_viz.models.head.unembedding import read_unembedding
from embfilter_viz.system.turns import Turns
from tests.models.tiny_checkpoints import (
    RECIPES,
    build_model,
    one_thread,  # noqa: F401
    save,
    write_checkpoint,
)

LINE = "the cat sat on a mat and stock market index galaxies are born in clouds "
TEXTS = [(LINE * 5)[n : 12 * n + 5].strip() for n in range(1, 25)]


@pytest.fixture(scope="module")
def model():
    return build_model("llama")


@pytest.fixture(scope="module")
def encoder(model, tmp_path_factory):
    return Encoder(save(model, tmp_path_factory.mktemp("llama")).outline)


def alone(model, encoder, text, prompt):
    """The naive definition: one text, one forward pass of the whole model, its states pooled."""
    prepared = encoder.prepare([text], prompt)[0]
    with torch.inference_mode():
        states = model.base_model(input_ids=torch.tensor([prepared.ids])).last_hidden_state[0]
    return states[prepared.start :].mean(dim=0).numpy()


@pytest.mark.parametrize("prompt", PROMPTS)
def test_encode_is_the_naive_definition_in_the_order_of_the_texts(prompt, model, encoder):
    found = encoder.encode(TEXTS, prompt)
    assert found.dtype == np.float32
    expected = np.stack([alone(model, encoder, text, prompt) for text in TEXTS])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model_type", sorted(RECIPES))
def test_neither_packing_nor_company_changes_an_embedding(model_type, tmp_path):
    model = build_model(model_type)
    encoder = Encoder(save(model, tmp_path).outline)
    backbone = encoder._model
    assert backbone.packs == families.family_of({"model_type": model_type}).packs
    backbone.tokens_per_batch = 300
    order = np.random.default_rng(1).permutation(len(TEXTS))
    for prompt in ("prompteol", "mean"):
        expected = np.stack([alone(model, encoder, text, prompt) for text in TEXTS])
        together = encoder.encode(TEXTS, prompt)
        shuffled = encoder.encode([TEXTS[i] for i in order], prompt)
        assert apart(together, expected) < 1e-5
        assert apart(shuffled, expected[order]) < 1e-5
    assert backbone.packs == families.family_of({"model_type": model_type}).packs  # still
    backbone.tokens_per_batch = 1  # one by one
    assert apart(encoder.encode(TEXTS, "mean"), expected) < 1e-5
    backbone._packed = None
    backbone.tokens_per_batch = 300  # padded
    assert apart(encoder.encode(TEXTS, "mean"), expected) < 1e-5


def apart(found, expected):
    """The largest distance of two rows, relative to their length."""
    lengths = np.linalg.norm(expected, axis=1)
    return np.max(np.linalg.norm(found - expected, axis=1) / lengths)


def test_sliding_windows_matter_to_these_texts_or_the_test_above_shows_little(tmp_path):
    """The same weights with a window that reaches everything say something else."""
    narrow = Encoder(write_checkpoint(tmp_path / "narrow", "gemma3_text").outline)
    wide = Encoder(write_checkpoint(tmp_path / "wide", "gemma3_text", sliding_window=512).outline)
    assert apart(narrow.encode(TEXTS[-2:]), wide.encode(TEXTS[-2:])) > 1e-3


def test_a_model_that_asks_for_its_attention_otherwise_is_read_padded(encoder, model, monkeypatch):
    """As another release of transformers might: here the layers keep to the attention of theirs."""
    from embfilter_viz.models.encoding import packed

    other = Encoder(encoder.outline)
    assert other._model.packs
    monkeypatch.setattr(packed, "_NAME", "sdpa")
    expected = np.stack([alone(model, encoder, text, "last") for text in TEXTS])
    assert apart(other.encode(TEXTS, "last"), expected) < 1e-5
    assert not other._model.packs


def test_what_is_computed_is_counted_and_no_more_than_needed(encoder):
    """Operations, not seconds: every shared beginning once, one row a text in the last layer."""
    backbone, work = encoder._model, encoder._model.work
    asked, inside = [], []
    handles = [
        backbone._head.register_forward_hook(lambda *_: asked.append("logits")),
        backbone._base.layers[-1].mlp.register_forward_hook(
            lambda _m, given, _out: inside.append(given[0].shape[1])
        ),
    ]
    texts = [*TEXTS, TEXTS[0]]  # a repeated one as well
    sequences = {p.ids for p in encoder.prepare(texts)}
    beginnings = {ids[:n] for ids in sequences for n in range(1, len(ids) + 1)}
    n_template = len(common(sequences))

    before = (work.forwards, work.rows, work.read)
    backbone.tokens_per_batch = 100_000
    encoder.encode(texts)
    assert (work.forwards - before[0], work.rows - before[1]) == (1, len(beginnings))
    assert work.read - before[2] == sum(inside) == len(sequences)

    before = (work.forwards, work.rows, work.read)
    backbone.tokens_per_batch = 150
    encoder.encode(texts)
    batches = batches_by_beginning(encoder.prepare(texts), 150, n_template)
    assert len(batches) > 2
    assert work.forwards - before[0] == len(batches) + 1  # the template's own, once
    computed = work.rows - before[1] - n_template
    assert computed == sum(
        len({s.ids[:n] for s in b.sequences for n in range(n_template + 1, len(s.ids) + 1)})
        for b in batches
    )
    assert work.read - before[2] == len(sequences)

    before = work.forwards
    encoder.encode(texts)
    assert work.forwards - before == len(batches)  # and is known the next time
    assert asked == []
    for handle in handles:
        handle.remove()


def common(sequences):
    """The tokens all begin with, found the slow way."""
    found = []
    for column in zip(*sequences, strict=False):
        if len(set(column)) > 1:
            break
        found.append(column[0])
    return found


def test_some_batches_are_padded_or_the_test_above_shows_less(encoder):
    batches = list(batches_by_length(encoder.prepare(TEXTS, "mean"), 300))
    assert any(len({len(s.ids) for s in batch.sequences}) > 1 for batch in batches)


@pytest.mark.parametrize("model_type", sorted(RECIPES))
def test_layers_end_where_encode_is_and_pass_through_the_final_norm(model_type, tmp_path):
    model = build_model(model_type)
    encoder = Encoder(save(model, tmp_path).outline)
    for prompt in ("prompteol", "mean"):
        layers = encoder.layers("the cat sat", prompt)
        assert layers.shape[0] == encoder.n_layers + 1
        assert apart(layers[-1:], encoder.encode(["the cat sat"], prompt)) < 1e-5
    # The oracle catches what comes out of each layer itself and norms it by hand.
    outputs = []
    base = getattr(model.base_model, "decoder", model.base_model)
    blocks = max(
        (m for m in base.children() if isinstance(m, torch.nn.ModuleList)),
        key=lambda m: sum(p.numel() for p in m.parameters()),
    )
    for block in blocks:
        block.register_forward_hook(
            lambda _m, _i, out: outputs.append(out[0] if isinstance(out, tuple) else out)
        )
    prepared = encoder.prepare(["the cat sat"], "mean")[0]
    with torch.inference_mode():
        model.base_model(input_ids=torch.tensor([prepared.ids]))
        norm = next(m for n, m in base.named_children() if n in NORMS)
        expected = [norm(h)[0, prepared.start :].mean(dim=0).numpy() for h in outputs]
    np.testing.assert_allclose(layers[1:], expected, rtol=1e-4, atol=1e-4)


NORMS = ("norm", "ln_f", "final_layer_norm", "final_layernorm")


@pytest.mark.parametrize("model_type", ["llama", "gemma2", "phi", "granite"])
def test_unigram_is_the_mean_of_softmax_over_all_positions(model_type, tmp_path, monkeypatch):
    from embfilter_viz.models.encoding import backbone

    model = build_model(model_type)
    encoder = Encoder(save(model, tmp_path).outline)
    monkeypatch.setattr(backbone, "_LOGITS_AT_ONCE", 384 * 5)  # several chunks a batch
    texts = [*TEXTS[:6], TEXTS[2], TEXTS[2]]  # a repeated text counts each time
    each = []
    for prepared in encoder.prepare(texts, "mean"):
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([prepared.ids])).logits[0, prepared.start :]
        each.append(torch.softmax(logits.double(), dim=-1).numpy())
    expected = np.concatenate(each).mean(axis=0)
    read = encoder.unigram(texts)
    assert (read.positions, read.error) == (read.available, None)
    found = read.p
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert found.sum() == pytest.approx(1, abs=1e-6)


def test_unigram_of_a_token_too_unlikely_for_float32_is_not_lost(tmp_path):
    model = build_model("llama")
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(20)
    encoder = Encoder(save(model, tmp_path).outline)
    (prepared,) = encoder.prepare(["the cat"], "mean")
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([prepared.ids])).logits[0, prepared.start :]
    expected = torch.softmax(logits.double(), dim=-1).mean(dim=0).numpy()
    seldom = (expected > 1e-65) & (expected < 1e-45)  # float32 ends at 1e-45
    assert seldom.any()
    found = encoder.unigram(["the cat"]).p
    np.testing.assert_allclose(np.log(found[seldom]), np.log(expected[seldom]), atol=1e-4)


def test_the_model_is_loaded_once_and_only_when_asked(tmp_path, monkeypatch):
    from embfilter_viz.models.encoding import encoder as module

    opened = []
    original = module.open_backbone
    monkeypatch.setattr(
        module, "open_backbone", lambda *a, **k: opened.append(a) or original(*a, **k)
    )
    encoder = Encoder(write_checkpoint(tmp_path).outline)
    encoder.truncated(["the cat"])
    assert not opened
    threads = [threading.Thread(target=encoder.encode, args=(TEXTS[:2],)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1


def test_repeated_texts_come_back_the_same(encoder):
    found = encoder.encode([TEXTS[3], TEXTS[5], TEXTS[3]])
    np.testing.assert_array_equal(found[0], found[2])
    assert not np.array_equal(found[0], found[1])


def test_a_cancel_keeps_the_finished_batches(encoder):
    encoder._model.tokens_per_batch = 100
    kept = {}

    def stop_at_half(what, done, total, unit):
        assert (what, total, unit) == ("Encoding", len(TEXTS), "texts")
        if done >= total / 2:
            raise Cancelled

    def keep_what_is_done():
        for rows, vectors in encoder.encode_batches(TEXTS, "mean", progress=stop_at_half):
            kept.update(zip(rows.tolist(), vectors, strict=True))

    with pytest.raises(Cancelled):
        keep_what_is_done()
    assert len(TEXTS) / 2 <= len(kept) < len(TEXTS)
    whole = encoder.encode(TEXTS, "mean")
    for row, vector in kept.items():
        np.testing.assert_allclose(vector, whole[row], rtol=1e-5, atol=1e-6)


def test_a_cancel_is_heard_inside_a_batch(encoder, monkeypatch):
    from embfilter_viz.models.encoding import encoder as module

    monkeypatch.setattr(module, "_BEAT", 0.0)
    finished = []

    def stop(what, done, total, unit):
        raise Cancelled

    with pytest.raises(Cancelled):
        finished.extend(encoder.encode_batches(TEXTS, progress=stop))
    assert not finished  # before the first batch was through
    assert encoder.encode(TEXTS[:1]).shape == (1, 32)  # and the turn was handed back


def test_a_cancel_is_heard_while_texts_are_tokenised(encoder, monkeypatch):
    from embfilter_viz.models.encoding import encoder as module

    monkeypatch.setattr(module, "_PREPARED_AT_ONCE", 8)
    before = encoder.work.forwards

    def stop(what, done, total, unit):
        raise Cancelled

    with pytest.raises(Cancelled):
        encoder.encode(TEXTS, progress=stop)
    assert encoder.work.forwards == before


def test_progress_ends_at_all_texts(encoder):
    told = []
    encoder.encode(TEXTS, progress=lambda *said: told.append(said[1]))
    assert told == sorted(told)
    assert told[-1] == len(TEXTS)


def test_no_texts_are_no_rows(encoder):
    assert encoder.encode([]).shape == (0, 32)


@pytest.mark.parametrize("empty", ["", " \n"])
def test_an_empty_text_is_named_by_its_row(empty, encoder):
    with pytest.raises(InputError, match=r"row 3 of 3: the text is empty"):
        encoder.encode(["the cat", "sat", empty])
    with pytest.raises(InputError, match=r"^the text is empty"):
        encoder.encode([empty])


def test_long_texts_are_cut_and_told(encoder):
    texts = ["the cat", "the cat " * 6250, "😀" * 50_000]
    assert encoder.truncated(texts).tolist() == [False, True, True]
    assert np.isfinite(encoder.encode(texts)).all()


def test_a_short_context_bounds_the_prompt(tmp_path):
    encoder = Encoder(write_checkpoint(tmp_path, max_position_embeddings=40).outline)
    assert encoder.max_tokens == 40
    assert len(encoder.prepare(["zz " * 100], "mean")[0].ids) == 40


def test_mistral_is_asked_in_its_own_words(tmp_path):
    encoder = Encoder(write_checkpoint(tmp_path, "mistral").outline)
    prepared = encoder.prepare(["cat"])[0]
    assert "".join(encoder.vocabulary.texts(prepared.ids)).endswith("means [MASK]")


def test_lower_precision_by_choice_comes_back_as_float32(encoder):
    half = Encoder(encoder.outline, dtype="bfloat16").encode(TEXTS[:4])
    full = encoder.encode(TEXTS[:4])
    assert half.dtype == np.float32
    assert 0 < np.abs(half - full).max() < 0.2 * np.abs(full).max()


def test_an_absent_device_is_refused(encoder):
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(InputError, match="device 'cuda': not present"):
        Encoder(encoder.outline, device="cuda").encode(["the cat"])


def test_quantised_weights_are_refused_for_running(tmp_path):
    import json

    checkpoint = write_checkpoint(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert read_unembedding(checkpoint.outline).d_model == 32  # its head still opens
    with pytest.raises(InputError, match=r"quantised \(gptq\)"):
        Encoder(checkpoint.outline).encode(["the cat"])


def test_weights_that_do_not_fit_the_config_are_one_clear_line(tmp_path):
    import json

    checkpoint = write_checkpoint(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"hidden_size": 48}))
    with pytest.raises(
        InputError, match=r"lm_head.weight has shape \[384, 32\] .* asks for \[384, 48\]"
    ) as refused:
        Encoder(checkpoint.outline).encode(["the cat"])
    assert "\n" not in str(refused.value)


def test_nothing_is_printed(encoder, capfd):
    Encoder(encoder.outline).encode(TEXTS[:2])
    assert capfd.readouterr() == ("", "")


def test_turns_are_taken_in_the_order_of_asking():
    turns, order, asked = Turns(), [], []

    def take(name):
        asked.append(name)
        with turns:
            order.append(name)

    threads = []
    with turns:
        for name in "abcde":
            threads.append(threading.Thread(target=take, args=(name,)))
            threads[-1].start()
            while len(turns._waiting) < len(threads):
                pass
    for thread in threads:
        thread.join()
    assert order == asked == list("abcde")
    with turns:  # and it is free again
        order.append("last")
    assert order[-1] == "last"


def test_a_single_sentence_waits_for_one_batch_of_a_long_job(encoder):
    encoder._model.tokens_per_batch = 60
    started = threading.Event()
    batches_after_asking = []
    answered = threading.Event()

    def listen(what, done, total, unit):
        started.set()
        if asked.is_set() and not answered.is_set():
            batches_after_asking.append(done)

    asked = threading.Event()
    many = [text + end for text in TEXTS for end in ("", " a", " b", " c")]
    job = threading.Thread(target=lambda: encoder.encode(many, progress=listen))
    job.start()
    started.wait()
    asked.set()
    encoder.encode(["one sentence"])
    answered.set()
    job.join()
    assert len(batches_after_asking) <= 3


@pytest.fixture(scope="module")
def bundled():
    from embfilter_viz.models.sources.locate import locate

    return Encoder(locate("smollm2-135m").outline)


SENTENCES = [
    "A man is playing a guitar.",
    "The stock market fell sharply on Monday.",
    "Galaxies are held together by gravity 😀.",
    "שלום עולם",
    "Two dogs run across a wide green field while a boy in a red coat is watching them.",
    "cat",
]


@pytest.mark.real_model
@pytest.mark.parametrize("prompt", PROMPTS)
def test_on_the_bundled_model_company_changes_no_embedding(prompt, bundled):
    together = bundled.encode(SENTENCES, prompt)
    for i in reversed(range(len(SENTENCES))):
        (single,) = bundled.encode([SENTENCES[i]], prompt)
        assert np.linalg.norm(single - together[i]) < 1e-5 * np.linalg.norm(single)


@pytest.mark.real_model
def test_on_the_bundled_model_tokens_and_logits_are_those_of_transformers(bundled):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = bundled.outline.folder
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text, prepared in zip(SENTENCES, bundled.prepare(SENTENCES), strict=True):
        assert list(prepared.ids) == tokenizer(PROMPTS["prompteol"].fill(text)).input_ids
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    lens = read_unembedding(bundled.outline).logits(bundled.encode(SENTENCES[:1]))
    with torch.inference_mode():
        ids = torch.tensor([bundled.prepare(SENTENCES[:1])[0].ids])
        own = model(input_ids=ids).logits[0, -1].numpy()
    np.testing.assert_allclose(lens[0], own, atol=1e-4, rtol=1e-4)
