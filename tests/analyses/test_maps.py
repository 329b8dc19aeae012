import numpy as np

from embfilter_viz.analyses.maps import neighbour_tables
from embfilter_viz.embeddings.neighbours import neighbour_changes

RAW = np.array([[1, 0], [1, 0.1], [1, 0.3], [0, 1], [-1, 0]])
FILTERED = np.array([[1, 0], [-1, 0], [1, 0.3], [1, 0.1], [0, 1]])
TEXTS = ["zero", "one", "two", "three", "four"]


def test_neighbours_by_hand() -> None:
    raw, filtered, words = neighbour_tables(neighbour_changes(RAW, FILTERED, 0, 2), TEXTS, None)
    assert raw["text"].tolist() == ["one", "two"]
    assert filtered["text"].tolist() == ["three", "two"]
    assert raw["change"].tolist() == ["leaves", "stays"]
    assert filtered["change"].tolist() == ["enters", "stays"]
    assert raw["cosine"].tolist() == [0.995, 0.958]
    assert filtered["row"].tolist() == [3, 2]
    assert words == "1 of 2 neighbours is the same after the filter."


def test_labels_are_counted() -> None:
    labels = ["a", "a", "b", "b", "b"]
    raw, _, words = neighbour_tables(neighbour_changes(RAW, FILTERED, 0, 2), TEXTS, labels)
    assert raw["label"].tolist() == ["a", "b"]
    assert "Neighbours with its label “a”: 1 before the filter, 0 after it." in words


def test_fewer_texts_than_neighbours() -> None:
    raw, filtered, words = neighbour_tables(
        neighbour_changes(RAW[:2], FILTERED[:2], 1, 8), TEXTS[:2], None
    )
    assert (len(raw), len(filtered)) == (1, 1)
    assert words == "1 of 1 neighbour is the same after the filter."
