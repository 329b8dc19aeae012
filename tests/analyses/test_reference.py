from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from embfilter_viz.analyses.reference import COSINES, Reference, ReferenceTexts, reference_of
from embfilter_viz.data import demo_texts
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from embfilter_viz.texts import read_texts
from tests.models.tiny_checkpoints import D_MODEL, one_thread

__all__ = ["one_thread"]


def lines(*texts: str) -> bytes:
    return "\n".join(texts).encode()


TWELVE = [f"text number {i}" for i in range(12)]


def test_the_demo_reference_leaves_half_of_each_topic_for_others() -> None:
    found, demo = reference_of("demo"), demo_texts()
    assert (found.name, len(found.texts), found.left_out) == ("demo", 160, 0)
    assert found.labels is not None
    assert {found.labels.count(topic) for topic in demo.topics} == {16}
    assert set(found.texts) == set(demo.texts[::2])
    assert found.said == "160 demo texts"


def test_a_file_is_read_with_its_labels_each_text_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    rows = [f"text number {i},{'ab'[i % 2]}" for i in range(12)]
    path.write_text("\n".join(["text,label", *rows, rows[3]]), encoding="utf-8")
    found = reference_of(str(path))
    assert found.texts == tuple(TWELVE)
    assert found.topics == tuple("ab" * 6)
    assert found.said == "12 texts of mine.csv"
    table = read_texts(path)
    assert reference_of(table) == Reference("mine.csv", tuple(TWELVE), found.labels)


def test_texts_that_are_compared_are_left_out() -> None:
    whole = reference_of(read_texts(lines(*TWELVE), "t.txt"))
    found = whole.without((TWELVE[3], "another"))
    assert found.texts == tuple(text for text in TWELVE if text != TWELVE[3])
    assert (found.left_out, found.to_json()) == (
        1,
        {"name": "t.txt", "n_texts": 11, "left_out": 1},
    )
    assert whole.without(()) == whole


def test_labels_that_tell_nothing_are_none() -> None:
    for labels in (("a",) * 3, ("a", "b", "c")):
        assert Reference("x", ("1", "2", "3"), labels).topics is None


@pytest.mark.parametrize("texts", [TWELVE[:9], ["the same"] * 20])
def test_too_few(texts: list[str]) -> None:
    with pytest.raises(InputError, match=r"t\.txt: at least 10 texts .* remain; give more"):
        reference_of(read_texts(lines(*texts), "t.txt"))


def test_no_such_file() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        reference_of("no/such/file.txt")


def test_cosines_of_all_pairs_under_any_window(tiny_model: Model) -> None:
    E = np.random.default_rng(0).normal(size=(12, D_MODEL)).astype(np.float32) + 1
    reference = Reference("x", tuple(TWELVE), tuple("abc" * 4))
    ready = ReferenceTexts(tiny_model, reference, E)
    assert ready.n_pairs == 66
    np.testing.assert_allclose(ready.mean, E.mean(axis=0), rtol=1e-6)
    V = tiny_model.spectrum.V.astype(float)
    for window in (Window(4, 20, D_MODEL), Window(3, 9, D_MODEL), Window(4, 20, D_MODEL)):
        found = ready.cosines(window)
        assert list(found) == list(COSINES)
        for number, (a, b) in enumerate(combinations(range(12), 2)):
            others = np.delete(E, [a, b], axis=0).mean(axis=0)
            kept = V[:, window.l : window.r]
            sides = (
                (E[a], E[b]), (E[a] @ kept, E[b] @ kept), (E[a] - others, E[b] - others),
                ((E[a] - others) @ kept, (E[b] - others) @ kept),
            )  # fmt: skip
            for name, (x, y) in zip(COSINES, sides, strict=True):
                expected = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
                assert found[name][number] == pytest.approx(expected, abs=1e-5), name
    assert ready.growth[-1] == pytest.approx(np.quantile(found["raw"], [0.05, 0.5, 0.95]), abs=1e-6)
    assert [band.right for band in ready.anatomy.bands] == [1, 8, 24, 31, 32]
    assert ready.anatomy.whole.mean.value == pytest.approx(found["raw"].mean(), abs=1e-6)
