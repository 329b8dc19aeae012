"""All methods on a task whose truth is known: one that must win, and one where none can."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from embfilter_viz.analyses.calibration import Calibration, calibration_from
from embfilter_viz.analyses.leaderboard import leaderboard
from embfilter_viz.analyses.methods import METHODS, Parts, fitted, variants_of
from embfilter_viz.analyses.removals import frequent_shifts
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.evaluation.sts import StsTask
from embfilter_viz.evaluation.tasks import demo_task, read_task
from embfilter_viz.model import Model
from embfilter_viz.spectral.reweighting import spectral_weights
from embfilter_viz.spectral.windows import Window
from tests.analyses.hand_made import HandModel, frequencies_of

D = 8
ELSE = Calibration(tuple(f"c{i}" for i in range(200)), "texts of our own")
RNG = np.random.default_rng(3)
HEAD = RNG.standard_normal((400, D)) * np.geomspace(8, 1, D)
P = frequencies_of(np.exp(RNG.standard_normal(400)))


class Read(HandModel):
    """A model by hand that embeds: each text has a row."""

    default_frequencies = "model"

    def __init__(self, rows: dict[str, np.ndarray]) -> None:
        super().__init__(HEAD)
        self.rows = rows

    def encode(self, texts: Any, prompt: str = "", *, progress: Any = None) -> np.ndarray:
        return np.stack([self.rows[text] for text in texts]).astype(np.float32)

    def frequencies(self, source: str = "model", *, progress: Any = None) -> Any:
        return P


def made(n: int, spoil: float, seed: int = 0, signal: float = 1.0) -> tuple[StsTask, Read]:
    """Pairs whose likeness is in all coordinates; one of them has ``spoil`` times the spread."""
    rng = np.random.default_rng(seed)
    grades = rng.uniform(0, 5, n)
    task = StsTask.of_pairs([(f"a{i}", f"b{i}") for i in range(n)], grades, "by hand")
    E = rng.normal(size=(2 * n, D))
    noise = rng.normal(size=(n, D)) * (5 - grades[:, None])
    E[task.second] = signal * E[task.first] + noise
    rows = dict(zip(task.texts, E, strict=True))
    rows |= {text: rng.normal(size=D) for text in ELSE.texts}
    for one in rows.values():
        one[0] = spoil * rng.normal()
    return task, Read(rows)


def test_the_method_that_must_win_is_found_and_said_to_be_better() -> None:
    """One coordinate is noise of a hundred times the size: standardising it is the cure."""
    task, model = made(300, 100.0)
    found = leaderboard(model, task, "mean", calibration=ELSE, n_resamples=300)  # type: ignore[arg-type]
    for name in ("z-score", "whitening-full", "soft-whitening"):
        gap = found.place(name).to_raw
        assert gap is not None
        assert gap.low > 10
    assert found.places[0].calibration == "texts of our own"
    for name in ("mean-subtraction", "raw"):
        assert found.place(name).score.value < 30  # type: ignore[union-attr]
    rogue = found.place("rogue-dimensions")
    assert rogue.to_raw is not None
    assert rogue.to_raw.low > 0
    best = found.places[0].name
    assert found.sentence.startswith(f"Of {len(METHODS) + 1} methods on 300 pairs {best} scores")
    assert "better than raw (95 % interval +" in found.sentence
    assert "learn from no text" in found.sentence


def test_where_nothing_helps_hardly_ever_is_one_said_to_be_better() -> None:
    """The null: grades that no embedding knows of. All intervals of a column hold together."""
    wrong = 0
    for seed in range(40):
        task, model = made(80, 1.0, seed, signal=0.0)
        grades = np.random.default_rng((seed, 1)).uniform(0, 5, 80)
        task = StsTask.of_pairs([(f"a{i}", f"b{i}") for i in range(80)], grades, "null")
        found = leaderboard(model, task, "mean", calibration=ELSE, n_resamples=200,
                            methods=["z-score", "whitening", "pca", "reweighting"])  # type: ignore[arg-type]  # fmt: skip
        assert found.n_compared == 5
        wrong += any(
            one.to_raw is not None and (one.to_raw.low > 0 or one.to_raw.high < 0)
            for one in found.places
        )
    # 5 % of 40 are 2; seven or more have a chance below 1 %.
    assert wrong <= 6


def test_each_score_is_that_of_its_transformer_and_each_gap_is_paired() -> None:
    task, model = made(60, 5.0)
    found = leaderboard(model, task, "mean", Window(1, 6, D), calibration=ELSE, n_resamples=100)  # type: ignore[arg-type]
    E, C = model.encode(task.texts), model.encode(ELSE.texts)
    parts = Parts(model, Window(1, 6, D))  # type: ignore[arg-type]
    raw = task.score(E)
    own = found.place("embedfilter").score.value  # type: ignore[union-attr]
    V = model.spectrum.V.astype(float)
    assert own == pytest.approx(task.score(E @ V[:, 1:6]))
    for name, method in METHODS.items():
        place = found.place(name)
        if method.draws > 1:
            assert place.spread is not None
            assert place.spread[0] <= place.score.value <= place.spread[1]  # type: ignore[union-attr]
            continue
        out = fitted(name, parts, C).transform(E)
        assert place.dims == out.shape[1]
        assert place.score.value == pytest.approx(task.score(out))  # type: ignore[union-attr]
        assert place.to_raw.value == pytest.approx(task.score(out) - raw)  # type: ignore[union-attr]
        assert (place.calibration is None) == (not method.learns)
    mean = C.mean(axis=0)
    naive = task.score((E - mean) @ V[:, 1:6])
    assert found.place("window+mean-subtraction").score.value == pytest.approx(naive, abs=0.05)  # type: ignore[union-attr]


def test_the_reweighting_is_of_the_centred_head_in_the_invariant_gauge() -> None:
    """Against the definition: least squares with a constant, and each direction taken out."""
    _, model = made(10, 1.0)
    W = HEAD.astype(np.float32).astype(np.float64)
    centred = W - W.mean(axis=0)
    log_p = np.log(P.p)
    h = np.linalg.lstsq(centred, log_p - log_p.mean(), rcond=None)[0]
    _, sigma, Vt = np.linalg.svd(centred, full_matrices=False)
    top = centred[np.argsort(-P.p)[:100]]
    naive = [np.abs(top @ (h - (h @ v) * v) - top @ h).sum() / np.abs(top @ h).sum() for v in Vt]
    np.testing.assert_allclose(frequent_shifts(model, P, "invariant"), naive, rtol=1e-3)  # type: ignore[arg-type]
    parts = Parts(model, Window(2, 6, D))  # type: ignore[arg-type]
    weights = spectral_weights(sigma, np.array(naive))
    np.testing.assert_allclose(parts.reweighting().weights_, weights, rtol=1e-3)


def test_where_nothing_is_dropped_what_only_cuts_differs_from_raw_in_nothing() -> None:
    task, model = made(60, 5.0)
    found = leaderboard(model, task, "mean", Window(0, D, D), calibration=ELSE, n_resamples=100)  # type: ignore[arg-type]
    for name in ("embedfilter", "centred-window", "truncation", "random-coordinates",
                 "random-subspace"):  # fmt: skip
        assert found.place(name).to_raw == Interval(0.0, 0.0, 0.0)
    assert found.place("reweighting-window").to_raw != Interval(0.0, 0.0, 0.0)
    E = model.encode(task.texts)
    basis = np.linalg.svd(HEAD - HEAD.mean(axis=0), full_matrices=False)[2].T
    assert task.score(E @ basis) == pytest.approx(task.score(E), abs=0.1)
    assert "better than the window and" in found.sentence
    assert leaderboard(
        model, task, "mean", Window.of_tau(4, D), calibration=ELSE, n_resamples=20, methods=["pca"]  # type: ignore[arg-type]
    ).window_words == "τ = 4"  # fmt: skip


def test_what_cannot_be_made_stands_last_with_its_reason() -> None:
    task, model = made(30, 1.0)
    few = Calibration(ELSE.texts[:4], "four texts")
    found = leaderboard(model, task, "mean", calibration=few, n_resamples=50)  # type: ignore[arg-type]
    assert found.places[-1].name == "whitening-full"
    assert "whitening to 8 dimensions needs" in (found.places[-1].refusal or "")
    said = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert said["methods"][-1]["score"] is None
    assert found.n_compared == sum(one.score is not None for one in found.places) - 1


def test_texts_that_are_scored_teach_nothing() -> None:
    task, model = made(30, 1.0)
    with pytest.raises(InputError, match="calibration: 1 text is among those that are scored"):
        leaderboard(model, task, "mean", calibration=Calibration(("c0", "a3"), "two"))  # type: ignore[arg-type]
    known = calibration_from(["c0", "a3", "c1", "c1"], "mine.txt", task)
    assert known.texts == ("c0", "c1")
    with pytest.raises(InputError, match="1 text given, 0 of them not in the task"):
        calibration_from(["a3"], "mine.txt", task)
    assert not set(demo_task("sts").texts) & set(
        calibration_from(demo_task("retrieval").texts, "x", demo_task("sts")).texts
    )


def test_bad_methods_and_cancels_are_heard() -> None:
    task, model = made(30, 1.0)
    with pytest.raises(InputError, match=r"method 'x': unknown; take one of embedfilter, "):
        leaderboard(model, task, "mean", methods=["x"], calibration=ELSE)  # type: ignore[arg-type]

    def stop(what: str, done: float, total: float, unit: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        leaderboard(model, task, "mean", calibration=ELSE, progress=stop)  # type: ignore[arg-type]
    parts = Parts(model, Window(2, 6, D))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="method z-score: it learns from texts"):
        fitted("z-score", parts)
    (one,) = variants_of(["z-score"], parts, np.zeros((1, D)), "one text")
    assert "at least 2 embeddings; got 1" in (one.refusal or "")


def test_without_intervals_none_is_claimed(tiny_model: Model) -> None:
    rows = ["sentence1,sentence2,score", *(f"a {i},b {i % 5},{i % 2}" for i in range(12))]
    task = read_task("pairs", "\n".join(rows).encode(), "data.csv")
    others = Calibration(tuple(f"the {i} of {i * i}" for i in range(40)), "forty texts")
    found = leaderboard(tiny_model, task, "mean", calibration=others, n_resamples=50,
                        methods=["z-score", "pca"])  # fmt: skip
    assert "no interval" in found.sentence
    assert "noise" not in found.sentence
    assert found.no_interval is not None


def test_the_sentence_follows_the_numbers() -> None:
    task, model = made(60, 1.0)
    found = leaderboard(model, task, "mean", calibration=ELSE, n_resamples=100,
                        methods=["z-score", "reweighting"])  # type: ignore[arg-type]  # fmt: skip
    won, lost = Interval(2.0, 0.5, 3.5), Interval(-2.0, -3.5, -0.5)
    all_won = replace(found, places=tuple(replace(one, to_raw=won) for one in found.places))
    assert "Beyond noise, 4 of 4 are better than raw and none worse" in all_won.sentence
    all_lost = replace(found, places=tuple(replace(one, to_window=lost) for one in found.places))
    assert "none of 4 is better than τ = 2 and 4 worse" in all_lost.sentence


class Trained:
    """A model by hand that was trained for embeddings: it knows the grades."""

    name = "trained-one"

    def __init__(self, task: StsTask) -> None:
        angles = np.zeros(len(task.texts))
        angles[task.second] = np.pi * (1 - task.grades / 5)
        self.E = np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def encode(self, texts: Any, *, progress: Any = None) -> np.ndarray:
        assert len(texts) == len(self.E)
        return self.E


def test_a_model_trained_for_embeddings_stands_beside_and_is_no_method() -> None:
    task, model = made(60, spoil=1)
    given: Any = {"calibration": ELSE, "n_resamples": 100, "yardsticks": [Trained(task)]}
    found = leaderboard(model, task, "mean", **given)  # type: ignore[arg-type]
    first = found.places[0]
    assert (first.name, first.trained, first.dims) == ("trained-one", True, 2)
    assert first.score is not None
    assert first.score.value == pytest.approx(100)
    gap = first.to_window
    assert gap is not None
    window = found.place("embedfilter").score
    assert window is not None
    assert gap.value == pytest.approx(100 - window.value)
    # The best of the methods is said as before, and it has its own sentence.
    assert f"Of {len(METHODS) + 1} methods" in found.sentence
    assert "trained-one, trained for embeddings, scores 100.0: " in found.sentence
    assert "trained-one" not in found.sentence.split(".")[0]
    assert found.to_json()["methods"][0]["trained_for_embeddings"] is True
