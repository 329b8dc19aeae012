"""Selected texts and a text that is none of them, against the definitions written naively."""

import numpy as np
import pytest

from embfilter_viz.analyses.calibration import CalibrationRows
from embfilter_viz.analyses.geometry import TextGeometry
from embfilter_viz.analyses.selection import (
    SelectedTexts,
    kept_reference,
    matching_rows,
    nearest_to,
)
from embfilter_viz.embeddings.isotropy import isotropy
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from tests.models.tiny_checkpoints import D_MODEL

WINDOW = Window(3, 20, D_MODEL)
ROWS = (2, 5, 11, 12, 30)
E = np.random.default_rng(3).normal(1, 1, (40, D_MODEL)).astype(np.float32)


@pytest.fixture
def ready(tiny_model: Model) -> TextGeometry:
    return TextGeometry(tiny_model, E, CalibrationRows(E[:9] + 1, "nine others"))


def units(X: np.ndarray) -> np.ndarray:
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def test_a_selection_is_measured_by_itself_and_against_the_rest(
    ready: TextGeometry, tiny_model: Model
) -> None:
    found = SelectedTexts(ready, [30, 2, 5, 11, 12, 2]).report(WINDOW, k=4)
    assert found.rows == ROWS
    kept = E.astype(float) @ tiny_model.spectrum.V[:, 3:20]
    assert found.neighbours is not None
    others = [row for row in range(40) if row not in ROWS]
    for number, (X, one, near) in enumerate(
        [(E.astype(float), found.raw, found.neighbours.before),
         (kept, found.filtered, found.neighbours.after)]
    ):  # fmt: skip
        U = units(X)
        mine = U[list(ROWS)]
        pairs = (mine @ mine.T)[np.triu_indices(5, 1)]
        assert one.mean_cosine.value == pytest.approx(pairs.mean(), abs=1e-5)
        whole = isotropy(X[list(ROWS)])
        assert one.isoscore.value == pytest.approx(whole.isoscore.value, abs=1e-5)
        assert one.effective_rank.value == pytest.approx(whole.effective_rank.value, rel=1e-4)
        assert found.to_others[number] == pytest.approx((mine @ U[others].T).mean(), abs=1e-5)
        to_middle = U @ mine.mean(axis=0) / np.linalg.norm(mine.mean(axis=0))
        order = [row for row in np.argsort(-to_middle).tolist() if row in others][:4]
        assert near.ids.tolist() == order
        np.testing.assert_allclose(near.cosines, to_middle[order], atol=1e-5)
    assert "among the 5 selected texts the mean cosine is" in found.sentence


def test_all_texts_leave_no_others(ready: TextGeometry) -> None:
    found = SelectedTexts(ready, range(40)).report(WINDOW)
    assert found.neighbours is None
    assert found.sentence.count(";") == 0
    for rows, said in (([3], "select at least 2"), ([3, 40], "rows run from 0 to 39")):
        with pytest.raises(InputError, match=said):
            SelectedTexts(ready, rows)


def test_a_text_of_ones_own_has_the_neighbours_by_its_cosines(
    ready: TextGeometry, tiny_model: Model
) -> None:
    own = np.random.default_rng(4).normal(size=D_MODEL).astype(np.float32)
    found = nearest_to(ready, own, WINDOW, k=6)
    through = tiny_model.spectrum.V[:, 3:20]
    for near, X, v in ((found.before, E, own), (found.after, E @ through, own @ through)):
        cosines = units(X.astype(float)) @ (v / np.linalg.norm(v))
        assert near.ids.tolist() == np.argsort(-cosines)[:6].tolist()
        np.testing.assert_allclose(near.cosines, np.sort(cosines)[::-1][:6], atol=1e-5)
    # A row's own embedding is nearest to itself.
    assert nearest_to(ready, E[7], WINDOW).before.ids[0] == 7


def test_what_is_kept_to_compare_with_has_each_text_once() -> None:
    texts = [f"text {i // 2}" for i in range(40)]
    kept = kept_reference(texts, ["a", "b"] * 20, range(5, 30))
    assert kept.texts == tuple(f"text {i}" for i in range(2, 15))
    assert kept.labels == ("b", *["a"] * 12)
    assert kept.said == "13 texts of your selection"
    with pytest.raises(InputError, match="9 different texts"):
        kept_reference(texts, None, range(18))


def test_texts_are_found_by_all_words() -> None:
    assert matching_rows(["STRASSE am Fluß", "Straße", "Fluss"], "straße") == (0, 1)
    assert matching_rows(["a"], "  ") == ()
