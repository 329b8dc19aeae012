from typing import Any

import numpy as np
import pytest

from embfilter_viz.analyses import forms
from embfilter_viz.analyses.forms import FormsAgreement, compare_forms
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from tests.analyses.hand_made import HandModel
from tests.models.tiny_checkpoints import D_MODEL


@pytest.mark.parametrize("window", ["1", "2", "3:30", "31:32"])
def test_both_forms_agree(tiny_model: Model, window: str) -> None:
    E = np.random.default_rng(0).normal(size=(20, D_MODEL)).astype(np.float32)
    chosen = Window.parse(window, D_MODEL)
    found = compare_forms(tiny_model, E, chosen)
    assert (found.d, found.k) == (D_MODEL, chosen.k)
    assert found.worst < 1e-5
    numbers = f"With {D_MODEL} numbers and with {chosen.k}"
    assert found.sentence == f"{numbers}, all cosines and distances agree to rounding."


@pytest.mark.parametrize("n", [1, 3])
def test_equal_texts_are_no_disagreement(tiny_model: Model, n: int) -> None:
    e = np.random.default_rng(1).normal(size=D_MODEL).astype(np.float32) * 100
    found = compare_forms(tiny_model, np.stack([e] * n), Window(8, 24, D_MODEL))
    assert found.worst < 1e-6


def test_a_filter_that_is_no_projection_is_found_out(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Skewed(forms.EmbedFilter):
        def transform(self, X: Any) -> np.ndarray:
            rows = super().transform(X)
            return rows if self.full else rows * np.linspace(1, 1.1, rows.shape[1], dtype="f4")

    monkeypatch.setattr(forms, "EmbedFilter", Skewed)
    E = np.random.default_rng(0).normal(size=(9, D_MODEL)).astype(np.float32)
    found = compare_forms(tiny_model, E, Window(8, 24, D_MODEL))
    assert found.cosine > 1e-3
    assert found.distance > 1e-3
    assert "do NOT agree" in found.sentence


def test_worst_is_the_larger() -> None:
    assert FormsAgreement(0.1, 0.2, 4, 2).worst == 0.2
    assert FormsAgreement(0.3, 0.2, 4, 2).worst == 0.3


def test_many_texts_are_compared_a_few_rows_at_a_time(monkeypatch) -> None:
    model: Any = HandModel(np.diag([8.0, 4, 2, 1]))
    E = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    whole = compare_forms(model, E, Window(1, 3, 4))
    shapes = []
    pairs = forms._pairs
    monkeypatch.setattr(forms, "_PAIRS_AT_ONCE", 400)
    monkeypatch.setattr(
        forms, "_pairs", lambda E, rows: shapes.append(pairs(E, rows)[0].shape) or pairs(E, rows)
    )
    assert compare_forms(model, E, Window(1, 3, 4)) == whole
    assert set(shapes) == {(8, 50), (2, 50)}
