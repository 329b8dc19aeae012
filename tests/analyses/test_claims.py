"""The twelve claims on a tiny model: each number is that of the analysis it belongs to."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from embfilter_viz.analyses import claims as module
from embfilter_viz.analyses.claim_record import Claim, Claims
from embfilter_viz.analyses.claim_rules import NOT_DECIDED, RULES
from embfilter_viz.analyses.claims import MOST_TEXTS, ORDER, claims
from embfilter_viz.analyses.geometry import RANDOM, geometry
from embfilter_viz.analyses.spectroscopy import spectroscopy
from embfilter_viz.analyses.sweep import Sweep, sweep
from embfilter_viz.embeddings.isotropy import Interval
from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.evaluation.sts import StsTask
from embfilter_viz.evaluation.tasks import demo_task
from embfilter_viz.model import Model, open_model
from embfilter_viz.spectral.windows import Window
from tests.environment import isolate

PAIRS = [(f"the cat number {i} sat", f"a dog of {i * 3 % 70} years ran off") for i in range(70)]
TASK = StsTask.of_pairs(PAIRS, [float(i % 6) for i in range(70)], "by hand")


@pytest.fixture(scope="module")
def model(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    """The tiny model with one store for all tests of this module."""
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("claims"))
        yield open_model(str(tiny))


@pytest.fixture(scope="module")
def told() -> list[Claim]:
    """The claims in the order in which they were told."""
    return []


@pytest.fixture(scope="module")
def found(model: Model, told: list[Claim]) -> Claims:
    return claims(model, [TASK], "mean", tell=told.append)


@pytest.fixture(scope="module")
def swept(model: Model) -> Sweep:
    """What the Window laboratory says of the same task."""
    windows = [Window.of_tau(tau, model.d_model) for tau in (2, 4, 8)]
    return sweep(model, TASK, "mean", windows)


def of(found: Claims, number: int) -> Claim:
    return found.claims[number - 1]


def test_all_twelve_are_decided_and_told_as_soon_as_known(found: Claims, told: list[Claim]) -> None:
    assert [one.number for one in found.claims] == list(range(1, 13))
    assert [one.number for one in told] == list(ORDER)
    assert sorted(told, key=lambda one: one.number) == list(found.claims)
    assert all(one.measured for one in found.claims)
    assert sum(found.verdicts.values()) == 12
    assert (found.n_texts, found.n_read) == (len(TASK.texts), len(TASK.texts))


def test_claims_1_and_4_by_their_definitions(found: Claims, model: Model) -> None:
    E = model.encode(TASK.texts, "mean")
    V = model.spectrum.V.astype(float)
    frequencies = model.frequencies("model")
    frequent = set(frequencies.most(100).tolist())
    W = np.asarray(model.unembedding.W_U, dtype=float)
    centred = W - W.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    words = []
    for ids in model.vocabulary.encode_many(TASK.texts):
        own = sorted({i for i in ids if i not in frequent})
        mean = W[own].mean(axis=0) - W.mean(axis=0)
        words.append(mean / np.linalg.norm(mean))
    shares, places = {}, {}
    for name, rows in (("raw", E), ("filtered", E @ V[:, 8:24] @ V[:, 8:24].T)):
        logits = model.unembedding.logits(rows.astype(np.float32))
        top = np.argsort(-logits, axis=1, kind="stable")[:, :10]
        shares[name] = np.mean([[int(i) in frequent for i in ids] for ids in top])
        S = np.array([[np.mean(unit[ids] @ word) for word in words] for ids in top])
        places[name] = np.mean(
            [
                np.mean([(S[a, a] > x) + 0.5 * (S[a, a] == x) for x in np.delete(S[a], a)])
                for a in range(len(S))
            ]
        )
    one, four = of(found, 1), of(found, 4)
    assert one.figure is not None
    assert one.control is not None
    assert one.figure.interval.value == pytest.approx(shares["raw"])
    assert one.control.interval.value == pytest.approx(shares["filtered"])
    change, filtered = four.figures
    assert filtered.interval.value == pytest.approx(places["filtered"], abs=2e-3)
    assert change.interval.value == pytest.approx(
        100 * (places["filtered"] - places["raw"]), abs=0.3
    )


def test_claims_2_and_3_are_those_of_the_page(found: Claims, model: Model) -> None:
    shifts = spectroscopy(model, model.frequencies("model"))
    ends = (shifts.edge_to_bulk.strong, shifts.edge_to_bulk.weak)
    assert [one.interval.value for one in of(found, 2).figures] == [end.ratio for end in ends]
    assert [one.interval.value for one in of(found, 2).controls] == [end.permuted for end in ends]
    (figure,) = of(found, 3).figures
    random = shifts.contrast["random"]
    assert figure.interval == Interval(random.ratio, random.low, random.high)


def test_claim_5_is_that_of_the_page(found: Claims, model: Model) -> None:
    report = geometry(model, TASK.texts, "mean", Window.of_tau(2, model.d_model))
    (figure,), (control,) = of(found, 5).figures, of(found, 5).controls
    assert figure.interval == report.difference
    raw = report.variants["raw"].mean_cosine.value
    assert control.interval.low == pytest.approx(report.variants[RANDOM].mean_cosine.low - raw)


def test_claim_6_is_rounding_here(found: Claims) -> None:
    assert of(found, 6).verdict == "holds"


def test_claim_7_is_the_sweep_of_one_task(found: Claims, swept: Sweep) -> None:
    for figure, window in zip(of(found, 7).figures, swept.windows, strict=True):
        assert figure.interval.value == pytest.approx(window.difference.value)
        assert figure.interval.low == pytest.approx(window.difference.low)


def test_claims_8_to_11_are_differences_of_the_sweeps_scores(found: Claims, swept: Sweep) -> None:
    scores = {one.name: one.score.value for one in swept.baselines if one.score is not None}
    others = {
        8: ("random subspace", "random coordinates", "truncation"),
        9: ("dominant", "secondary", "bulk"),
        10: ("optimal",),
        11: ("whitening",),
    }
    for number, names in others.items():
        figures, controls = of(found, number).figures, of(found, number).controls
        for figure, control, name in zip(figures, controls, names, strict=True):
            gap = scores["embedfilter"] - scores[name]
            assert figure.interval.value == pytest.approx(gap, abs=1e-4), name
            assert control.interval.value == pytest.approx(
                scores[name] - scores["raw"], abs=1e-4
            ), name
            assert figure.interval.low < figure.interval.value < figure.interval.high


def test_claim_12_by_its_definition(found: Claims, model: Model) -> None:
    p = model.frequencies("model").p
    W, V = np.asarray(model.unembedding.W_U, dtype=float), model.spectrum.V.astype(float)
    targets = (np.log(p), np.log(p) - np.log(p).mean())
    h = [np.linalg.lstsq(W, target, rcond=None)[0] for target in targets]
    cosine = h[0] @ h[1] / np.linalg.norm(h[0]) / np.linalg.norm(h[1])
    top = model.frequencies("model").most(100)
    profiles = [np.abs((W[top] @ V) * (one @ V)).mean(axis=0) for one in h]
    figures = of(found, 12).figures
    assert figures[0].interval.value == pytest.approx(cosine, abs=1e-5)
    assert figures[1].interval.value == pytest.approx(spearmanr(*profiles).statistic, abs=1e-3)


def test_to_json_keeps_the_contract(found: Claims) -> None:
    record = found.to_json()
    assert record["sentence"] == found.sentence
    for number, one in enumerate(record["claims"], 1):
        assert one["claim"] == number
        assert one["verdict"] in ("holds", "fails", "not decided")
        assert {"statistic", "value", "low", "high", "control", "rule"} <= set(one)
        assert one["control"]["value"] is not None
        assert one["rule"]["holds"] == RULES[number - 1].holds


def test_few_texts_decide_nothing_about_texts_and_stop_nothing(model: Model) -> None:
    few = StsTask.of_pairs(PAIRS[:40], [float(i % 6) for i in range(40)], "few")
    found = claims(model, [few], "mean")
    open_ = {one.number for one in found.claims if not one.measured}
    assert open_ == {1, 4, 5, 6, 7, 8, 9, 10, 11}
    for number in open_:
        assert of(found, number).verdict == NOT_DECIDED
        assert f"{len(few.texts)} texts, and no claim about texts is decided on fewer than 120" in (
            of(found, number).sentence
        )
        assert of(found, number).to_json()["value"] != of(found, number).to_json()["value"]
    assert found.to_json()["claims"][0]["value"] is None
    assert len(found.claims) == 12


def test_what_cannot_be_measured_says_why_and_the_others_go_on(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise InputError("no such thing")

    monkeypatch.setattr(module, "compare_forms", refuses)
    found = claims(model, [TASK], "mean", known={n: None for n in range(1, 12) if n != 6})  # type: ignore[misc]
    assert found.claims[5].sentence == "It could not be measured: no such thing."
    assert found.claims[5].verdict == NOT_DECIDED
    assert found.claims[11].measured


def test_what_is_known_is_not_measured_again(found: Claims, model: Model) -> None:
    heard: list[Claim] = []
    known = {one.number: one for one in found.claims if one.number != 12}
    again = claims(model, [TASK], "mean", known=known, tell=heard.append)
    assert [one.number for one in heard] == [12]
    assert again == found


def test_a_cancelled_run_has_told_what_it_knew(model: Model) -> None:
    heard: list[Claim] = []

    def stop(what: str, *_: object) -> None:
        if what == "Deciding claim 12":
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        claims(model, [TASK], "mean", tell=heard.append, progress=stop)
    assert [one.number for one in heard] == [2, 3]


def test_two_tasks_are_pooled_and_each_is_told(model: Model, monkeypatch) -> None:
    other = demo_task("retrieval")
    only = {n: None for n in range(1, 13) if n != 7}
    heard: list[Claim] = []
    monkeypatch.setattr(module, "summed_up", lambda *_: None)
    claims(model, [TASK, other], "mean", known=only, tell=heard.append)  # type: ignore[arg-type]
    (seven,) = heard
    by_task = [one.interval for one in seven.details]
    assert [one.name.split(":")[0] for one in seven.details[:2]] == ["similarity", "retrieval"]
    assert seven.figures[0].interval.value == pytest.approx(
        (by_task[0].value + by_task[1].value) / 2
    )
    assert "pooled over 2 tasks" in seven.sentence


def test_bad_input_is_refused_once(model: Model) -> None:
    with pytest.raises(InputError, match="at least one task"):
        claims(model, [], "mean")
    with pytest.raises(InputError, match="prompt 'no'"):
        claims(model, [TASK], "no")


def test_of_many_texts_so_many_are_read_at_even_distances() -> None:
    texts = tuple(map(str, range(1000)))
    read = module._read_of(texts)
    assert len(set(read)) == MOST_TEXTS
    steps = np.diff([int(one) for one in read])
    assert set(steps.tolist()) == {3, 4}
    assert module._read_of(texts[:150]) == texts[:150]
