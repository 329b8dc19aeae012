"""The routers of a mixture of experts, against transformers' own forward on tiny random models."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from embfilter_viz import open_model
from embfilter_viz.analyses.calibration import Calibration
from embfilter_viz.analyses.leaderboard import leaderboard
from embfilter_viz.analyses.routed import ROUTED
from embfilter_viz.embeddings.routing import joined
from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.evaluation.sts import StsTask
from embfilter_viz.model import Model
from embfilter_viz.models.encoding.routers import experts_of
from embfilter_viz.store import Store
from tests.models.tiny_checkpoints import build_model, save

TEXTS = ["the cat sat on a mat", "stock market index", "galaxies are born in clouds of a cat", "a"]
KINDS = ("qwen3_moe", "olmoe", "mixtral", "qwen2_moe")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Any, Model]]:
    known: dict[str, tuple[Any, Model]] = {}

    def get(kind: str) -> tuple[Any, Model]:
        if kind not in known:
            torch.manual_seed(0)
            model = build_model(kind).eval()
            for name, weight in model.named_parameters():
                if name.endswith("gate.weight"):  # some start at 0, and tell nothing
                    torch.nn.init.normal_(weight, std=0.5)
            folder = save(model, tmp_path_factory.mktemp(kind)).folder
            known[kind] = model, open_model(str(folder))
        return known[kind]

    return get


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prompt", ["prompteol", "mean"])
def test_routes_are_the_softmax_of_the_models_own_router_logits(
    kind: str, prompt: str, opened: Any
) -> None:
    theirs, ours = opened(kind)
    found = ours.route(TEXTS, prompt)
    for text, row in zip(TEXTS, found, strict=True):
        (prepared,) = ours.encoder.prepare([text], prompt)
        with torch.inference_mode():
            out = theirs(input_ids=torch.tensor([prepared.ids]), output_router_logits=True)
        by_layer = [one.float().softmax(-1)[prepared.start :].mean(0) for one in out.router_logits]
        np.testing.assert_allclose(row, torch.cat(by_layer).numpy(), atol=1e-5)
    assert ours.n_experts == experts_of(theirs.config.to_dict()) > 1
    layers = found.reshape(len(TEXTS), -1, ours.n_experts)
    np.testing.assert_allclose(layers.sum(axis=-1), 1, atol=1e-5)
    assert np.ptp(found, axis=0).max() > 0.01, "they differ by text"


def test_routes_are_kept_and_averaged_over_templates(opened: Any) -> None:
    _, model = opened("olmoe")
    first = model.route(TEXTS, "metaeol")
    one_by_one = [model.route(TEXTS, one) for one in model.prompt("metaeol").members]
    np.testing.assert_allclose(first, np.mean(one_by_one, axis=0), atol=1e-6)
    seen = model.encoder.work.rows
    np.testing.assert_array_equal(model.route(TEXTS[::-1], "metaeol")[::-1], first)
    assert model.encoder.work.rows == seen, "read from the store"


def test_a_cosine_of_both_is_the_weighted_sum_of_cosines() -> None:
    rng = np.random.default_rng(0)
    E, R = rng.standard_normal((5, 4)), rng.standard_normal((5, 7))

    def cosine(X: np.ndarray) -> np.ndarray:
        return np.array([[a @ b / np.sqrt(a @ a) / np.sqrt(b @ b) for b in X] for a in X])

    for weight in (0.0, 0.3, 1.0, 4.0):
        naive = (cosine(E) + weight * cosine(R)) / (1 + weight)
        np.testing.assert_allclose(cosine(joined(E, R, weight)), naive, atol=1e-12)
    with pytest.raises(InputError, match="weight -1 of the routers: take 0 or a larger"):
        joined(E, R, -1)
    with pytest.raises(InputError, match="5 embeddings and 4 router embeddings"):
        joined(E, R[:4])


@pytest.mark.parametrize("kind", ["qwen3_moe", "olmoe"])
def test_they_stand_on_the_leaderboard_with_the_scores_of_the_definition(
    kind: str, opened: Any
) -> None:
    _, model = opened(kind)
    rng = np.random.default_rng(1)
    words = list(dict.fromkeys(" ".join(TEXTS).split()))
    texts = [" ".join(rng.choice(words, 6)) for _ in range(60)]
    task = StsTask.of_pairs(
        list(zip(texts[::2], texts[1::2], strict=True)), rng.uniform(0, 5, 30), "by hand"
    )
    others = Calibration(tuple(f"the {a} {b}" for a in words for b in words), "other texts")
    found = leaderboard(model, task, "prompteol", calibration=others, methods=["truncation"],
                        router_weight=0.5, n_resamples=50)  # fmt: skip
    E, R = model.encode(task.texts, "prompteol"), model.route(task.texts, "prompteol")
    filtered = E @ model.spectrum.V[:, found.window.l : found.window.r]

    def unit(X: np.ndarray) -> np.ndarray:
        return X / np.linalg.norm(X, axis=1, keepdims=True)

    for name, naive in {
        "router": R,
        "router+hidden": np.hstack([unit(E), 0.5**0.5 * unit(R)]),
        "router+window": np.hstack([unit(filtered), 0.5**0.5 * unit(R)]),
    }.items():
        place = found.place(name)
        assert place.does == ROUTED[name]
        assert place.score.value == pytest.approx(task.score(naive), abs=1e-3)
        assert place.dims == naive.shape[1]
        assert place.to_raw is not None


def test_a_model_without_routers_has_none_and_says_so(tiny_model: Model) -> None:
    assert tiny_model.n_experts == 0
    with pytest.raises(InputError, match="LlamaModel: transformers records no router logits"):
        tiny_model.route(TEXTS, "mean")


def test_a_cancelled_reading_keeps_its_batches(tmp_path: Path) -> None:
    model = open_model(str(save(build_model("olmoe"), tmp_path / "olmoe").folder))
    told: list[float] = []

    def stop(what: str, done: float, total: float, unit: str) -> None:
        told.append(done)
        if done:
            raise Cancelled

    texts = [f"the cat {i} " * (1 + i % 40) for i in range(400)]
    model.encoder._model.tokens_per_batch = 256
    with pytest.raises(Cancelled):
        model.route(texts, "mean", progress=stop)
    done = int(told[-1])
    assert 0 < done < 400
    before = model.encoder.work.rows
    rows = model.route(texts, "mean")
    assert rows.shape == (400, model.n_layers * model.n_experts)
    again = open_model(str(tmp_path / "olmoe"))
    again.store = Store(tmp_path / "another")
    whole = again.route(texts, "mean")
    np.testing.assert_allclose(rows, whole, atol=1e-5)
    assert model.encoder.work.rows - before < again.encoder.work.rows, "what was done was kept"
