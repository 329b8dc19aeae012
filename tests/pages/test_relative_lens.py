"""Filter and lens, less the mean of other texts: what is said, by layer and over texts."""

from pathlib import Path

from embfilter_viz import open_model
from embfilter_viz.analyses.reference import reference_of
from embfilter_viz.analyses.relative_lens import relative_lens
from embfilter_viz.spectral.windows import Window
from tests.pages.test_pages import filled


def test_the_page_says_what_the_analysis_says(tiny: Path) -> None:
    explorer = filled("filter_and_lens", tiny, prompt="mean", text="the cat sat", window="3:20")
    model = open_model(str(tiny))
    found = relative_lens(
        model, "the cat sat", "mean", Window(3, 20, 32), reference=reference_of("demo"),
        frequencies=model.frequencies("model"), layers=True,
    )  # fmt: skip
    assert found.own.sentence in explorer.answers
    drawn = explorer.figure("relative_chart")
    assert [row[0] for row in drawn["data"][0]["customdata"]] == [t.id for t in found.lens.raw]
    titles = [note["text"] for note in drawn["layout"]["annotations"]]
    assert titles == ["<b>e − μ</b>", "<b>(e − μ) Φ</b>"]
    assert "the mean of 160 demo texts" in explorer.words
    assert "--relative-to demo" in explorer.command

    assert "relative_layers_chart" not in explorer.figures
    explorer.change("relative_layers", True)
    assert found.layers is not None
    shown = explorer.figure("relative_layers_chart_filtered")["data"][0]["customdata"]
    assert [row[0] for row in shown] == [t.id for row in found.layers.filtered for t in row]

    assert "own_ranks_chart" not in explorer.figures, "nothing long starts unasked"
    explorer.press("Measure it over 160 demo texts")
    assert found.over_texts is not None
    assert found.over_texts.sentence in explorer.answers
    assert "own_ranks_chart" in explorer.figures
    explorer.move("2:30")
    assert "own_ranks_chart" not in explorer.figures, "it was measured for another window"
    assert explorer.button("Measure it over").label.startswith("Measure")


def test_a_layer_where_all_texts_are_one_says_so(tiny: Path) -> None:
    explorer = filled("filter_and_lens", tiny, prompt="prompteol", relative_layers="true")
    assert "relative_layers_chart" in explorer.figures
    assert "in which all texts have the same state." in explorer.words
