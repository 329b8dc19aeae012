from pathlib import Path

import numpy as np
import pytest

from embfilter_viz.analyses.umap_maps import umap_maps
from embfilter_viz.embeddings.layouts import Layout
from embfilter_viz.spectral.windows import Window
from embfilter_viz.store import Store
from tests.analyses.hand_made import HandModel

RNG = np.random.default_rng(0)
EMBEDDINGS = RNG.standard_normal((9, 6)).astype(np.float32)


@pytest.fixture
def laid_out(monkeypatch):
    """The requests that came as far as UMAP."""
    requests = []

    def layout(sets, *, progress, **told):
        requests.append(told)
        points = tuple((E[:, :2] * (told["seed"] + 1)).astype(np.float32) for E in sets)
        return Layout("umap", points, None, (0.75, 0.5), told["seed"], {**told, "metric": "cosine"})

    monkeypatch.setattr("embfilter_viz.layout_process.aligned_umap", layout)
    return requests


def model_in(folder: Path) -> HandModel:
    model = HandModel(np.random.default_rng(1).standard_normal((30, 6)))
    model.store = Store(folder)
    return model


def test_a_layout_is_kept_for_whoever_asks_for_the_same(tmp_path, laid_out):
    window = Window(1, 4, 6)
    first = umap_maps(model_in(tmp_path), EMBEDDINGS, window, seed=3)
    again = umap_maps(model_in(tmp_path), EMBEDDINGS.copy(), window, seed=3)
    assert len(laid_out) == 1
    for one, other in zip(first.points, again.points, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (again.method, again.seed, again.trustworthiness) == ("umap", 3, (0.75, 0.5))
    assert again.parameters == first.parameters
    assert again.parameters["metric"] == "cosine"
    # Whatever the map comes from makes another map.
    umap_maps(model_in(tmp_path), EMBEDDINGS, window, seed=4)
    umap_maps(model_in(tmp_path), EMBEDDINGS, Window(0, 4, 6), seed=3)
    umap_maps(model_in(tmp_path), EMBEDDINGS[::-1], window, seed=3)
    umap_maps(model_in(tmp_path), EMBEDDINGS, window, seed=3, n_neighbors=5)
    umap_maps(model_in(tmp_path), EMBEDDINGS, window, seed=3, min_dist=0.5)
    assert len(laid_out) == 6


def test_a_damaged_layout_is_laid_out_anew(tmp_path, laid_out):
    window = Window(1, 4, 6)
    first = umap_maps(model_in(tmp_path), EMBEDDINGS, window)
    (path,) = tmp_path.glob("layouts/*.safetensors")
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)
    again = umap_maps(model_in(tmp_path), EMBEDDINGS, window)
    assert len(laid_out) == 2
    np.testing.assert_array_equal(first.points[0], again.points[0])
