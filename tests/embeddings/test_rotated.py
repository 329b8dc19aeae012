"""Every shortcut of a rotated set against the definition, on the columns the window keeps."""

import numpy as np
import pytest

from embfilter_viz.embeddings import rotated as module
from embfilter_viz.embeddings.cosines import cosine_histogram
from embfilter_viz.embeddings.isotropy import isotropy
from embfilter_viz.embeddings.layouts import pca_in_one_frame
from embfilter_viz.embeddings.neighbours import nearest
from embfilter_viz.embeddings.rotated import Rotated
from embfilter_viz.errors import Cancelled, InputError

RUNS = [(0, 12), (3, 9), (0, 2), (10, 12)]


def cloud(n, d=12, seed=0):
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return (rng.normal(size=(n, d)) * np.geomspace(9, 0.2, d) + 4 * np.eye(d)[0]) @ basis.T, basis


@pytest.fixture(params=["covariances kept", "made at each question"])
def kept(request, monkeypatch):
    if request.param == "made at each question":
        monkeypatch.setattr(module, "_BYTES_FOR_COVARIANCES", 0)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("n", [7, 12, 13, 90])  # fewer texts than directions, as many, more
def test_isotropy_is_that_of_the_columns_kept(n, run, kept):
    E, basis = cloud(n)
    for given, rel in ((E, 1e-7), (E.astype(np.float32), 2e-3)):
        found = Rotated(given, basis, groups=5).run(*run).isotropy()
        expected = isotropy(E @ basis[:, slice(*run)], groups=5)
        assert (found.n, found.d) == (expected.n, expected.d)
        for name in ("mean_cosine", "isoscore", "effective_rank"):
            one, other = getattr(found, name), getattr(expected, name)
            assert (one.value, one.low, one.high) == pytest.approx(
                (other.value, other.low, other.high), rel=rel, abs=1e-6 if rel < 1e-6 else 1e-3
            ), name


def test_the_expensive_interval_can_be_left_out_and_nothing_else_changes(monkeypatch):
    E, basis = cloud(60)
    run = Rotated(E, basis).run(2, 11)
    whole = run.isotropy()
    decomposed = []
    eigvalsh = np.linalg.eigvalsh
    monkeypatch.setattr(np.linalg, "eigvalsh", lambda a: decomposed.append(len(a)) or eigvalsh(a))
    quick = run.isotropy(rank_interval=False)
    assert decomposed == [9]
    assert (quick.mean_cosine, quick.isoscore) == (whole.mean_cosine, whole.isoscore)
    assert quick.effective_rank.value == whole.effective_rank.value
    assert not quick.effective_rank.known
    assert (quick.complete, whole.complete) == (False, True)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("n", [7, 90])
def test_maps_are_pca_in_one_frame_of_the_full_forms(n, run, kept):
    E, basis = cloud(n)
    V = basis[:, slice(*run)]
    found = Rotated(E, basis).run(*run).maps()
    expected = pca_in_one_frame([E, E @ V @ V.T])
    for ours, theirs in zip(found.points, expected.points, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    np.testing.assert_allclose(found.explained, expected.explained, atol=1e-9)
    assert (found.method, found.parameters) == (expected.method, expected.parameters)


def test_histogram_and_neighbours_are_those_of_the_columns_kept():
    E, basis = cloud(40)
    rotated = Rotated(E, basis)
    for run in RUNS:
        F = E @ basis[:, slice(*run)]
        assert rotated.run(*run).histogram(50).counts.tolist() == (
            cosine_histogram(F, 50).counts.tolist()
        )
        for index in (0, 17):
            ours, theirs = rotated.run(*run).nearest(index, 6), nearest(F, index, 6)
            assert ours.ids.tolist() == theirs.ids.tolist()
            np.testing.assert_allclose(ours.cosines, theirs.cosines, atol=1e-12)


def test_of_many_texts_the_histogram_counts_the_pairs_of_a_sample(monkeypatch):
    monkeypatch.setattr(module, "SAMPLED_TEXTS", 30)
    E, basis = cloud(200)
    rotated = Rotated(E, basis)
    assert len(set(rotated.sampled.tolist())) == 30
    found = rotated.run(1, 9).histogram(20)
    expected = cosine_histogram((E @ basis[:, 1:9])[rotated.sampled], 20)
    assert found.counts.tolist() == expected.counts.tolist()
    assert found.counts.sum() == 30 * 29 // 2


@pytest.mark.parametrize(
    ("E", "rule"),
    [
        (np.ones((1, 3)), "at least 2 texts"),
        (np.full((40, 3), 0.1, np.float32), "all rows are the same"),
        (np.array([[1, 2, 3], [np.nan, 1, 1]]), "row 1 holds NaN"),
        (np.ones((4, 5)), "different models"),
    ],
)
def test_what_cannot_be_measured_is_refused(E, rule):
    with pytest.raises(InputError, match=rule):
        Rotated(E, np.eye(3))


def test_a_row_that_the_window_leaves_nothing_of_has_no_cosine():
    E = cloud(20)[0]
    E[3, 4:] = 0
    rotated = Rotated(E, np.eye(12))
    for measure in ("isotropy", "histogram"):
        with pytest.raises(InputError, match="row 3 is zero"):
            getattr(rotated.run(5, 12), measure)()
    with pytest.raises(InputError, match="there are texts 0 to 19"):
        rotated.run(0, 5).nearest(20)


def test_the_work_can_be_stopped(monkeypatch):
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 8)
    E, basis = cloud(40)

    def stop_at(word):
        def progress(what, done, total, unit):
            if word in what and done > 0:
                raise Cancelled

        return progress

    with pytest.raises(Cancelled):
        Rotated(E, basis, progress=stop_at("rotating"))
    rotated = Rotated(E, basis)
    with pytest.raises(Cancelled):
        rotated.prepare(stop_at("covariances"))
    rotated.prepare()
    assert rotated.nbytes == 8 * (40 * 12 + 11 * 12 * 12)
