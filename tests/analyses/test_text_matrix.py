import numpy as np
import pytest

from embfilter_viz.analyses.reference import COSINES, Reference, ReferenceTexts
from embfilter_viz.analyses.text_matrix import MOST_IN_MATRIX, text_matrix
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from tests.models.tiny_checkpoints import D_MODEL, one_thread

__all__ = ["one_thread"]

OTHERS = Reference("by hand", tuple(f"text number {i}" for i in range(12)), None)


def test_all_cosines_by_the_definition(tiny_model: Model) -> None:
    rng = np.random.default_rng(0)
    E, others = (rng.normal(size=(n, D_MODEL)).astype(np.float32) + 1 for n in (4, 12))
    E[3] = E[1] + 0.01
    ready = ReferenceTexts(tiny_model, OTHERS, others)
    window = Window(4, 20, D_MODEL)
    found = text_matrix(tiny_model, list("abcd"), E, ready, window)
    kept = tiny_model.spectrum.V[:, 4:20]
    about = E - others.mean(axis=0)
    for name, X in zip(COSINES, (E, E @ kept, about, about @ kept), strict=True):
        for i in range(4):
            for j in range(4):
                expected = X[i] @ X[j] / np.linalg.norm(X[i]) / np.linalg.norm(X[j])
                assert found.cosines[name][i, j] == pytest.approx(expected, abs=1e-5)
    raw = found.cosines["raw"]
    mean = (raw.sum() - np.trace(raw)) / 12
    assert f"the 6 pairs of these 4 texts have a mean cosine of {mean:.2f} raw" in found.sentence
    assert found.sentence.endswith("most alike are 2 and 4, raw and filtered.")
    said = found.to_json()
    assert said["raw"] == raw.tolist()
    assert said["mean"]["raw"] == pytest.approx(mean)
    assert said["most_alike"]["raw"] == [2, 4]
    assert said["sentence"] == found.sentence


@pytest.mark.parametrize("m", [1, MOST_IN_MATRIX + 1])
def test_how_many_texts(m: int, tiny_model: Model) -> None:
    E = np.ones((m, D_MODEL), dtype=np.float32)
    ready = ReferenceTexts(tiny_model, OTHERS, np.random.default_rng(0).normal(size=(12, D_MODEL)))
    with pytest.raises(InputError, match="from 2 to 30"):
        text_matrix(tiny_model, ["x"] * m, E, ready, Window(4, 20, D_MODEL))
