import pytest

from embfilter_viz.analyses.lens import LayerLens, Lens
from embfilter_viz.analyses.tokens import Token
from embfilter_viz.figures.lens import layers_figure, layers_table, lens_table, ranks_figure
from embfilter_viz.figures.style import token_label
from embfilter_viz.spectral.windows import Window
from tests.figures.awkward import AWKWARD, check_safe, texts_of, tokens

__all__ = ["tokens"]


@pytest.fixture
def report(tokens: tuple[Token, ...]) -> Lens:
    # The first token moves from place 0 to 2, token 5 enters, token 1 leaves.
    raw, filtered = tokens[:4], (tokens[5], tokens[2], tokens[0], tokens[3])
    return Lens(Window(1, 3, 4), "embedfilter", raw, filtered, (2, 1233, 1, 3), (56, 2, 0, 3),
                0.75, 0.5, False)  # fmt: skip


def test_ranks(report: Lens) -> None:
    figure = ranks_figure(report, 50_000)
    check_safe(figure)
    left, going, right, coming, *lines = figure.data
    assert [row[0] for row in left.customdata] == [t.id for t in report.raw]
    assert [row[0] for row in right.customdata] == [t.id for t in report.filtered]
    assert [row[1] for row in left.customdata] == [t.logit for t in report.raw]
    assert [row[2] for row in right.customdata] == [t.frequency_rank for t in report.filtered]
    assert [row[3] for row in left.customdata] == [3, 1234, 2, 4]
    assert [tuple(line.y) for line in lines] == [(0, 2), (2, 1), (3, 3)]
    assert list(going.text) == ["", "→ #1,234", "", ""]
    assert list(coming.text) == ["from #57", "", "", ""]
    assert len(texts_of(figure)) == 2
    for trace, side in ((left, report.raw), (right, report.filtered)):
        for said, token in zip(trace.text, side, strict=True):
            label = token_label(token.text)
            frequent = token.frequency_rank is not None and token.frequency_rank < 100
            assert said.strip("\u00a0") == (f"<b>{label}</b>" if frequent else label)


def test_the_table_is_the_record(report: Lens) -> None:
    table = lens_table(report)
    assert table["side"].tolist() == ["raw"] * 4 + ["filtered"] * 4
    assert table["place"].tolist() == [1, 2, 3, 4] * 2
    assert table["text"].tolist() == [t.text for t in (*report.raw, *report.filtered)]
    assert table["logit"].tolist() == [t.logit for t in (*report.raw, *report.filtered)]
    assert table["rank_on_other_side"].tolist() == [3, 1234, 2, 4, 57, 3, 1, 4]


def test_layers(tokens: tuple[Token, ...]) -> None:
    by_layer = LayerLens((tokens[:4], tokens[4:]), (tokens[4:], tokens[:4]))
    for side, trace in enumerate(layers_figure(by_layer, 50_000).data):
        (alone,) = layers_figure(by_layer, 50_000, side=side).data
        assert alone.customdata == trace.customdata
        assert set(layers_table(by_layer, side=side)["side"]) == {("raw", "filtered")[side]}
        assert [x - alone.x[0] for x in alone.x] == pytest.approx([x - trace.x[0] for x in trace.x])
    figure = layers_figure(by_layer, 50_000)
    check_safe(figure)
    raw, filtered = figure.data
    assert list(raw.text) == [token_label(text, 11) for text in AWKWARD]
    assert list(raw.y) == [0] * 4 + [1] * 4
    assert [row[0] for row in filtered.customdata] == [4, 5, 6, 7, 0, 1, 2, 3]
    assert [row[1] for row in raw.customdata] == [t.logit for t in tokens]
    assert max(raw.x) < min(filtered.x)
    table = layers_table(by_layer)
    assert table["layer"].tolist() == ([0] * 4 + [1] * 4) * 2
    assert table["text"].tolist() == [*AWKWARD, *AWKWARD[4:], *AWKWARD[:4]]


def test_sides_have_other_names_where_they_are_others(
    report: Lens, tokens: tuple[Token, ...]
) -> None:
    names = ("e − μ", "(e − μ) Φ")
    assert texts_of(ranks_figure(report, 50_000, names=names)) == [f"<b>{n}</b>" for n in names]
    assert set(lens_table(report, names)["side"]) == set(names)
    by_layer = LayerLens((tokens[:4], tokens[4:]), (tokens[4:], tokens[:4]))
    assert texts_of(layers_figure(by_layer, 50_000, names=names)) == [f"<b>{n}</b>" for n in names]
    assert set(layers_table(by_layer, names)["side"]) == set(names)


def test_a_layer_may_have_no_tokens(tokens: tuple[Token, ...]) -> None:
    by_layer = LayerLens(((), tokens[:4]), ((), tokens[4:]))
    for trace in layers_figure(by_layer, 50_000).data:
        assert list(trace.y) == [1] * 4
        assert len(trace.text) == 4
    assert layers_table(by_layer)["layer"].tolist() == [1] * 8
