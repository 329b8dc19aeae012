from typing import Any

import numpy as np
import pytest

from embfilter_viz.analyses.removals import FREQUENT_TOKENS, REMOVALS, removal_of
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import BANDS, Window
from tests.analyses.hand_made import HandModel, frequencies_of
from tests.models.tiny_checkpoints import D_MODEL


@pytest.mark.parametrize("window", ["2", "3:20", "0:32", "31:32"])
@pytest.mark.parametrize("name", REMOVALS)
def test_every_removal_leaves_the_windows_number_of_dimensions(
    tiny_model: Model, name: str, window: str
) -> None:
    chosen = Window.parse(window, D_MODEL)
    frequencies = tiny_model.frequencies("corpus", ["the cat sat on the mat"])
    found = removal_of(tiny_model, name, chosen, frequencies=frequencies)
    everything = found.transform(np.eye(D_MODEL, dtype=np.float32))
    assert everything.shape == (D_MODEL, D_MODEL)
    assert everything.dtype == np.float32
    assert (found.k, np.linalg.matrix_rank(everything, tol=1e-3)) == (chosen.k, chosen.k)
    np.testing.assert_allclose(found.transform(everything), everything, atol=1e-5)  # a projection
    assert found.removes


def test_each_by_hand() -> None:
    # v_i are the coordinate axes in order; the most frequent tokens stand on axes 0 and 1.
    W = np.concatenate([np.diag([8.0, 4, 2, 1])] * 40)
    model: Any = HandModel(W)
    p = np.ones(160)
    p[0::4], p[1::4] = 9, 5
    e = np.array([[1, 2, 3, 4]], np.float32)
    kept = {
        name: removal_of(model, name, Window(1, 3, 4), frequencies=frequencies_of(p)).transform(e)
        for name in ("embedfilter", "dominant", "secondary", "bulk", "optimal", "truncation")
    }
    assert {name: row.round(5).tolist() for name, row in kept.items()} == {
        "embedfilter": [[0, 2, 3, 0]],
        "dominant": [[0, 0, 3, 4]],
        "secondary": [[1, 2, 0, 0]],
        "bulk": [[1, 0, 0, 4]],
        "optimal": [[0, 0, 3, 4]],
        "truncation": [[0, 0, 3, 4]],
    }


def test_only_the_filter_itself_follows_an_asymmetric_window(tiny_model: Model) -> None:
    e = np.ones((1, D_MODEL), np.float32)
    windows = [Window(0, 16, D_MODEL), Window(16, 32, D_MODEL)]
    moved = {
        name: not np.allclose(*(removal_of(tiny_model, name, w).transform(e) for w in windows))
        for name in REMOVALS
        if name != "optimal"
    }
    assert moved == {name: name == "embedfilter" for name in moved}


def test_names_are_the_papers_and_the_filter_says_its_own_window(tiny_model: Model) -> None:
    assert list(REMOVALS) == list(BANDS)
    assert FREQUENT_TOKENS == 100
    found = removal_of(tiny_model, "embedfilter", Window(3, 30, D_MODEL))
    assert found.removes == "the 3 strongest and the 2 weakest directions"


@pytest.mark.parametrize(("name", "words"), [("all", "'all'"), ("optimal", "token frequencies")])
def test_refused(tiny_model: Model, name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        removal_of(tiny_model, name, Window(1, 3, D_MODEL))
