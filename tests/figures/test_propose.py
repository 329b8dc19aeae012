import numpy as np

from embfilter_viz.evaluation.proposing.from_head import propose_from_head
from embfilter_viz.evaluation.proposing.from_texts import propose_from_texts
from embfilter_viz.figures.propose import proposal_figure, proposal_table
from embfilter_viz.spectral.spectrum import spectrum_of
from tests.figures.awkward import shaded


def test_from_texts_both_ends_are_drawn_against_raw() -> None:
    E = np.random.default_rng(0).standard_normal((80, 20)) + 30 * np.eye(20)[0]
    proposal = propose_from_texts(E, spectrum_of(np.diag(np.arange(20.0, 0, -1))))
    figure = proposal_figure(proposal)
    for trace, curve in zip(figure.data, proposal.curves, strict=True):
        assert trace.x.tolist() == curve.at.tolist()
        np.testing.assert_allclose(trace.y, curve.values, rtol=1e-6)
    assert proposal.window.l >= 1
    assert shaded(figure)[0] == (-0.5, proposal.window.l - 0.5)
    line = next(shape for shape in figure.layout.shapes if shape.type == "line")
    assert line.y0 == line.y1 == proposal.level
    table = proposal_table(proposal)
    assert len(table) == sum(len(curve.at) for curve in proposal.curves)
    assert set(table["curve"]) == {curve.name for curve in proposal.curves}


def test_from_the_head_the_shift_is_drawn_against_the_bulk() -> None:
    proposal = propose_from_head(np.r_[np.full(10, 9.0), np.ones(90)])
    figure = proposal_figure(proposal)
    assert len(figure.data) == 1
    assert shaded(figure) == [(-0.5, proposal.window.l - 0.5)]
    assert figure.layout.yaxis.title.text == proposal.measure
