"""Who decides: the texts where they can, otherwise the checkpoint, and the proposal says which."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from embfilter_viz.analyses import propose
from embfilter_viz.analyses.propose import propose_window
from embfilter_viz.embeddings.isotropy import Interval
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation import grids
from embfilter_viz.evaluation.proposing.from_head import propose_from_head
from embfilter_viz.evaluation.proposing.from_texts import propose_from_texts
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent
from tests.analyses.hand_made import HandModel, frequencies_of

TEXTS = [f"text {i}" for i in range(60)]


class Encoding(HandModel):
    """A model of eight directions whose texts share the first."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        super().__init__(rng.standard_normal((400, 8)) * np.arange(8, 0, -1))
        self.asked: list[str] = []
        self.card = SimpleNamespace(family="Llama")

    def encode(self, texts: list[str], prompt: str, *, progress: Progress = silent) -> np.ndarray:
        self.asked.append(prompt)
        drawn = np.random.default_rng(1).standard_normal((len(texts), 8))
        return drawn + 20 * self.spectrum.V[:, 0]

    def frequencies(
        self, source: str, *, language: str = "en", progress: Progress = silent
    ) -> TokenFrequencies:
        self.asked.append(source if language == "en" else f"{source} {language}")
        return frequencies_of(np.random.default_rng(2).uniform(0.1, 9, self.d_vocab))


def test_texts_decide_and_repeated_ones_count_once() -> None:
    model = Encoding()
    found = propose_window(model, TEXTS + TEXTS[:5], "mean")
    assert (found.source, found.n_texts, model.asked) == ("texts", 60, ["wordfreq", "mean"])
    assert found.window.l >= 1


def test_texts_move_what_the_checkpoint_proposes_and_its_language_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = Encoding()
    alone = propose_window(model)
    of_texts = propose_from_texts(model.encode(TEXTS, "mean"), model.spectrum)
    head = replace(alone, worth=True, window=Window(3, 8, 8))
    monkeypatch.setattr(propose, "propose_from_head", lambda *_: head)
    found = propose_window(model, TEXTS)
    assert found.window.l == round((60 * of_texts.window.l + 50 * 3) / 110)
    assert found.language == "en"
    assert "the checkpoint and word frequencies propose 3:8" in found.why
    head = replace(alone, worth=False)
    found = propose_window(model, TEXTS)
    assert (found.window, found.language) == (of_texts.window, None)


def test_the_checkpoint_without_texts_encodes_nothing_and_names_the_word_frequencies() -> None:
    model = Encoding()
    found = propose_window(model)
    assert (found.source, model.asked) == ("checkpoint", ["wordfreq"])
    assert "from the checkpoint and English word frequencies (wordfreq): " in found.why


def test_another_language_is_asked_for_by_its_one_name_and_named() -> None:
    model = Encoding()
    found = propose_window(model, language="id, en")
    assert model.asked == ["wordfreq en,id"]
    assert "and word frequencies of English and Indonesian in equal parts (wordfreq)" in found.why
    assert found.to_json()["language"] == "en,id"
    with pytest.raises(InputError, match="language 'tlh'"):
        propose_window(model, TEXTS, language="tlh")


def test_of_mistral_the_papers_own_window_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grids, "SHIFTED", {"Mistral": 2})
    model = Encoding()
    plain = propose_window(model)
    model.card = SimpleNamespace(family="Mistral")
    found = propose_window(model)
    assert found.window == plain.window
    assert found.why == f"{plain.why}; the paper's own window for Mistral at τ = 2 is 2:6"


@pytest.mark.parametrize(
    ("n", "words"), [(1, "distinct texts given: 1, fewer"), (49, "distinct texts given: 49")]
)
def test_too_few_texts_are_not_used(n: int, words: str) -> None:
    model = Encoding()
    found = propose_window(model, TEXTS[:n])
    assert model.asked == ["wordfreq"]
    assert found.why.startswith(words)
    assert found.window == propose_window(model).window


def test_the_checkpoint_decides_where_texts_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def undecided(E: np.ndarray, spectrum: object, prior: object) -> object:
        found = propose_from_texts(E, spectrum, prior=prior)
        return replace(found, worth=False, gain=Interval(0.1, -0.1, 0.3), why="they do not")

    monkeypatch.setattr(propose, "propose_from_texts", undecided)
    found = propose_window(Encoding(), TEXTS)
    alone = propose_window(Encoding())
    assert (found.source, found.window) == ("checkpoint", alone.window)
    assert found.why == f"they do not; {alone.why}"


def test_the_head_is_asked_about_frequent_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[np.ndarray] = []

    def recording(shifts: np.ndarray, frequencies: str) -> object:
        asked.append(shifts)
        return propose_from_head(shifts)

    monkeypatch.setattr(propose, "propose_from_head", recording)
    model = Encoding()
    propose_window(model)
    frequencies = model.frequencies("wordfreq")
    h = model.average_token(frequencies, "centred").h
    V, rows = model.spectrum.V, model.unembedding.W_U[frequencies.most(100)]
    for i, shift in enumerate(asked[0]):
        without = h - V[:, i] * (V[:, i] @ h)
        assert shift == pytest.approx(np.abs(rows @ (without - h)).sum() / np.abs(rows @ h).sum())
