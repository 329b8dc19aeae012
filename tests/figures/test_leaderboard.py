"""The leaderboard's figures show what the record holds."""

import numpy as np
import pytest

from embfilter_viz.analyses.calibration import Calibration
from embfilter_viz.analyses.leaderboard import Leaderboard, leaderboard
from embfilter_viz.evaluation.tasks import read_task
from embfilter_viz.figures.leaderboard import (
    leaderboard_figure,
    leaderboard_table,
    weights_figure,
    weights_table,
)
from embfilter_viz.figures.palette import BULK, RANDOM
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window


@pytest.fixture
def found(tiny_model: Model) -> Leaderboard:
    pairs = "\n".join(f"a {i},b {i % 5},{i % 4}" for i in range(24))
    task = read_task("sts", f"sentence1,sentence2,score\n{pairs}".encode(), "data.csv")
    return leaderboard(
        tiny_model, task, "mean", n_resamples=50,
        methods=["z-score", "whitening", "random-subspace", "centred-window"],
        calibration=Calibration(("one text", "another text", "a third"), "three texts"),
    )  # fmt: skip


def test_every_method_with_a_score_stands_where_its_number_says(found: Leaderboard) -> None:
    drawn = leaderboard_figure(found, "z-score")
    dots = {one.y[0]: one for one in drawn.data if one.customdata is not None}
    assert set(dots) == {"raw", "embedfilter", "z-score", "random-subspace", "centred-window"}
    for name, dot in dots.items():
        place = found.place(name)
        expected = 0.0 if place.to_raw is None else place.to_raw.value
        assert dot.x[0] == expected
        if place.to_raw is not None:
            assert dot.error_x.array[0] == pytest.approx(place.to_raw.high - expected)
            assert dot.error_x.arrayminus[0] == pytest.approx(expected - place.to_raw.low)
        assert (dot.marker.symbol == "circle-open") == (place.calibration is not None)
    assert dots["random-subspace"].marker.color == RANDOM
    (ring,) = (one for one in drawn.data if one.customdata is None)
    assert (ring.y[0], ring.marker.color) == ("z-score", BULK)
    # The best is on top, which is last.
    assert [one.y[0] for one in drawn.data if one.customdata is not None][-1] == (
        found.places[0].name
    )


def test_the_table_has_every_method_and_why_one_has_no_score(found: Leaderboard) -> None:
    table = leaderboard_table(found).set_index("method")
    assert list(table.index) == [one.name for one in found.places]
    assert np.isnan(table.loc["whitening", "score"])
    assert "calibration texts that span" in table.loc["whitening", "not_scored"]
    assert table.loc["z-score", "calibrated_on"] == "three texts"


def test_the_weights_are_drawn_one_a_direction() -> None:
    weights, window = np.geomspace(0.01, 1, 8), Window(2, 6, 8)
    drawn = weights_figure(weights, window)
    np.testing.assert_allclose(drawn.data[0].y, weights, rtol=1e-6)
    assert len(drawn.layout.shapes) == 2, "what the window drops, at either end"
    table = weights_table(weights, window)
    assert table["kept_by_window"].tolist() == [False, False, *[True] * 4, False, False]
