"""Filter and lens by position: the map, a cell's top ten, a token followed, a window that moves."""

import re
from pathlib import Path

import numpy as np

from embfilter_viz import open_model
from embfilter_viz.analyses.position_lens import find_token, prompt_lens
from embfilter_viz.spectral.windows import Window
from tests.pages.test_pages import filled


def test_the_page_shows_what_the_analysis_says(tiny: Path) -> None:
    link = {"prompt": "mean", "text": "the cat sat", "window": "3:20"}
    explorer = filled("filter_and_lens", tiny, **link)
    assert "positions_chart" not in explorer.figures, "nothing long starts unasked"
    explorer.change("positions", True)
    model = open_model(str(tiny))
    ready = prompt_lens(model, "the cat sat", "mean", frequencies=model.frequencies("model"))
    window = Window(3, 20, 32)
    found = ready.map("raw", window)
    assert found.sentence in explorer.answers
    drawn = explorer.figure("positions_chart")["data"][0]
    np.testing.assert_allclose(drawn["z"], found.probability, rtol=1e-5)
    assert "path_chart" not in explorer.figures

    explorer.change("follow", "cat").change("position_colour", "rank")
    explorer.change("position_side", "filtered").change("cell_layer", 2).change("cell_token", 1)
    token = find_token(model, "cat")[0]
    followed = ready.map("filtered", window, token=token)
    assert followed.rank is not None
    z = np.array(explorer.figure("positions_chart")["data"][0]["z"])
    np.testing.assert_allclose(10**-z - 1, followed.rank, rtol=1e-3, atol=1e-3)
    assert ready.path(token, 1, window).sentence in explorer.answers
    top = [t.id for t in ready.cell("filtered", window, 2, 1).tokens]
    chips = [h.proto.body for h in explorer.at.get("html") if 'class="toks"' in h.proto.body][-1]
    assert [int(c.split(",")[0]) for c in re.split("title=.token ", chips)[1:]] == top

    # Until the window rests the map of the last one stays, pale and named.
    explorer.move("4:20")
    moved = explorer.figure("positions_chart")["data"][0]
    assert moved["opacity"] < 0.5
    assert moved["z"] == z.tolist()
    assert "This map is still of the window 3:20" in explorer.words


def test_relative_to_other_texts_each_layer_has_its_own_mean(tiny: Path) -> None:
    explorer = filled(
        "filter_and_lens", tiny, prompt="prompteol", positions="true",
        position_side="relative to other texts",
    )  # fmt: skip
    last = [row[-1] for row in explorer.figure("positions_chart")["data"][0]["z"]]
    # PromptEOL ends alike for all texts, so before the first layer their states are one.
    assert last[0] is None
    assert None not in last[1:]
