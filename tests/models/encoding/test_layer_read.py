"""The state after an earlier layer, through the final norm, held against transformers' own pass."""

import numpy as np
import pytest
import torch

from embfilter_viz.errors import InputError
from embfilter_viz.model import Model, open_model
from embfilter_viz.models.encoding.encoder import Encoder
from tests.models.tiny_checkpoints import (
    RECIPES,
    build_model,
    one_thread,  # noqa: F401
    save,
)

LINE = "the cat sat on a mat and stock market index galaxies are born in clouds "
TEXTS = [(LINE * 5)[n : 12 * n + 5].strip() for n in range(1, 13)]
NORMS = ("norm", "ln_f", "final_layer_norm", "final_layernorm")


def after(model, encoder, text, prompt, layer):
    """One plain pass of the whole model: what enters or leaves a layer, normed by hand, pooled."""
    base = getattr(model.base_model, "decoder", model.base_model)
    lists = (m for m in base.children() if isinstance(m, torch.nn.ModuleList))
    blocks = max(lists, key=lambda m: sum(p.numel() for p in m.parameters()))
    seen = {}

    def entered(_m, args, kwargs):
        seen[0] = args[0] if args else kwargs["hidden_states"]

    def left(n):
        def hook(_m, _i, out):
            seen[n] = out[0] if isinstance(out, tuple) else out

        return hook

    handles = [blocks[0].register_forward_pre_hook(entered, with_kwargs=True)]
    handles += [b.register_forward_hook(left(n)) for n, b in enumerate(blocks, start=1)]
    prepared = encoder.prepare([text], prompt)[0]
    norm = next(m for n, m in base.named_children() if n in NORMS)
    with torch.inference_mode():
        model.base_model(input_ids=torch.tensor([prepared.ids]))
        state = norm(seen[layer])[0, prepared.start :].mean(dim=0).numpy()
    for handle in handles:
        handle.remove()
    return state


def apart(found, expected):
    """The largest distance of two rows, relative to their length."""
    return np.max(np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1))


@pytest.mark.parametrize("model_type", sorted(RECIPES))
def test_every_layer_is_that_of_a_plain_pass(model_type, tmp_path):
    model = build_model(model_type)
    encoder = Encoder(save(model, tmp_path).outline)
    encoder._model.tokens_per_batch = 300
    for prompt in ("prompteol", "mean"):
        for layer in range(encoder.n_layers):
            found = encoder.encode(TEXTS, f"{prompt}@{layer}")
            expected = [after(model, encoder, text, prompt, layer) for text in TEXTS]
            assert apart(found, np.stack(expected)) < 1e-5, (prompt, layer)


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return save(build_model("llama"), tmp_path_factory.mktemp("llama"))


def test_the_last_layer_by_its_number_is_what_is_read_if_nothing_is_said(llama):
    encoder = Encoder(llama.outline)
    expected = encoder.encode(TEXTS)
    found = encoder.encode(TEXTS, f"prompteol@{encoder.n_layers}")
    np.testing.assert_array_equal(found, expected)
    earlier = encoder.encode(TEXTS, "prompteol@1")
    assert apart(earlier, expected) > 1e-2
    np.testing.assert_array_equal(encoder.encode(TEXTS), expected)  # all layers are back


def test_layers_that_follow_are_not_run(llama):
    encoder = Encoder(llama.outline)
    encoder.encode(TEXTS[:2], "mean@1")  # which holds the shortened model against the whole one
    ran = []
    for number, layer in enumerate(encoder._model._layers, start=1):
        layer.register_forward_hook(lambda *_, n=number: ran.append(n))
    encoder.encode(TEXTS, "mean@1")
    assert set(ran) == {1}
    assert encoder._model._cut(1).packed is not None


def test_a_model_that_cannot_be_shortened_is_read_whole(llama, monkeypatch):
    from embfilter_viz.models.encoding.backbone import Backbone

    expected = Encoder(llama.outline).encode(TEXTS, "mean@1")
    monkeypatch.setattr(Backbone, "_cut_agrees", lambda *_: False)
    assert apart(Encoder(llama.outline).encode(TEXTS, "mean@1"), expected) < 1e-5


def test_a_cancel_inside_a_shortened_pass_gives_the_model_back_whole(llama, monkeypatch):
    from embfilter_viz.errors import Cancelled
    from embfilter_viz.models.encoding import encoder as module

    encoder = Encoder(llama.outline)
    expected = encoder.encode(TEXTS)
    encoder.encode(TEXTS[:1], "mean@1")
    monkeypatch.setattr(module, "_BEAT", 0.0)

    def stop(what, done, total, unit):
        if what == "Encoding" and total == len(TEXTS):
            raise Cancelled

    with pytest.raises(Cancelled):
        encoder.encode(TEXTS, "mean@1", progress=stop)
    np.testing.assert_array_equal(encoder.encode(TEXTS), expected)


def test_the_layer_is_part_of_what_the_store_knows_it_by(llama):
    model = open_model(str(llama.folder))
    last = model.encode(TEXTS, "mean")
    assert not model.is_encoded(TEXTS, "mean@1")
    first = model.encode(TEXTS, "mean@1")
    assert model.is_encoded(TEXTS, "mean@1")
    assert not np.allclose(first, last)
    np.testing.assert_array_equal(model.encode(TEXTS, f"mean@{model.n_layers}"), last)
    np.testing.assert_array_equal(open_model(str(llama.folder)).encode(TEXTS, "mean@1"), first)


def test_tables_of_layers_end_where_the_prompt_reads(llama):
    model = open_model(str(llama.folder))
    text = TEXTS[3]
    whole = model.layers(text, "mean")
    np.testing.assert_array_equal(model.layers(text, "mean@1"), whole[:2])
    assert apart(whole[1:2], model.encode([text], "mean@1")) < 1e-5
    assert len(model.token_states(text, "mean@1").states) == 2
    assert model.layer_means(TEXTS, "mean@1").shape == (2, model.d_model)
    assert (model.layer_read("mean"), model.layer_read("mean@1")) == (model.n_layers, 1)


def test_a_layer_beyond_the_last_is_refused_before_anything_is_loaded(
    llama, monkeypatch: pytest.MonkeyPatch
):
    model = open_model(str(llama.folder))
    monkeypatch.setattr(Model, "fetch", lambda *_, **__: 1 / 0)
    with pytest.raises(InputError, match=rf"layer 99: .* has {model.n_layers} layers; take 0"):
        model.encode(TEXTS, "mean@99")


def test_a_layer_that_only_the_configuration_has_is_refused(llama):
    encoder = Encoder(llama.outline)
    sequences = encoder.prepare(TEXTS, "mean")
    with pytest.raises(InputError, match="layer 9: LlamaModel runs 3 layers; take 0"):
        encoder._model.pooled(sequences, layer=9)


@pytest.mark.real_model
def test_on_the_bundled_model_a_layer_is_transformers_hidden_state_through_its_norm():
    from transformers import AutoModelForCausalLM

    ours = open_model("smollm2-135m")
    own = AutoModelForCausalLM.from_pretrained(
        ours.checkpoint.folder, dtype=torch.float32, local_files_only=True
    ).eval()
    prompt = 'mean@12:Passage: "{text}" is about'
    texts = ["A man is playing a guitar.", "Galaxies 😀 are held together by gravity."]
    for text, found in zip(texts, ours.encode(texts, prompt), strict=True):
        ids = ours.vocabulary.encode(f'Passage: "{text}" is about')
        start = len(ours.vocabulary.encode('Passage: "'))
        with torch.inference_mode():
            said = own.model(input_ids=torch.tensor([ids]), output_hidden_states=True)
            expected = own.model.norm(said.hidden_states[12])[0, start:].mean(dim=0).numpy()
        assert np.linalg.norm(found - expected) < 1e-4 * np.linalg.norm(expected)
