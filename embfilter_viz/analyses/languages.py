"""Does a window chosen by English serve other languages? Our graded pairs, raw and under windows.

Windows come from English texts, English pairs or English word frequencies, and from those of the
language itself, beside τ = 2 and both halves of the spectrum. No window but that of the English
pairs has seen a score, and that one has none for English.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embfilter_viz.analyses.finite import finite
from embfilter_viz.analyses.propose import propose_window
from embfilter_viz.analyses.scored import scores_of_windows
from embfilter_viz.data import DEMO_LANGUAGES, demo_texts
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.grids import windows_of_plane
from embfilter_viz.evaluation.resampling import Resamples, simultaneous_intervals
from embfilter_viz.evaluation.tasks import demo_task
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import bracketed, listed

__all__ = ["CONTRASTS", "ENGLISH", "WINDOWS", "LanguageScores", "LanguagesReport", "languages"]

ENGLISH = "en"

WINDOWS: Mapping[str, str] = {
    "tau-2": "τ = 2",
    "english-texts": "proposed from English texts",
    "own-texts": "proposed from texts of the language",
    "english-words": "proposed from English word frequencies",
    "own-words": "proposed from the language's word frequencies",
    "english-pairs": "best of 210 on the English pairs",
    "strong-half": "the stronger half of the directions",
    "weak-half": "the weaker half of the directions",
}
"""The windows compared, by their names in JSON."""

CONTRASTS: Mapping[str, tuple[str, str]] = {
    "texts: own minus English": ("own-texts", "english-texts"),
    "words: own minus English": ("own-words", "english-words"),
    "halves: weak minus strong": ("weak-half", "strong-half"),
}
"""Differences of two windows, each paired."""

_GRID = 20
_RESAMPLES = 1000


@dataclass(frozen=True)
class LanguageScores:
    """The graded pairs of one language, raw and under each window."""

    language: str
    """Its code."""
    n_pairs: int
    """() how many pairs are scored."""
    tokens_per_character: float
    """() tokens that the model's tokenizer needs for a character of our texts."""
    raw: Interval
    """Spearman × 100 of raw cosines."""
    windows: dict[str, Window]
    """Each window by its name in :data:`WINDOWS`; without ``english-pairs`` for English."""
    scores: dict[str, float]
    """The same, in Spearman × 100."""
    to_raw: dict[str, Interval]
    """Their differences to raw, paired, with intervals that hold together."""
    contrasts: dict[str, Interval]
    """Differences of two windows by the names of :data:`CONTRASTS`; none for English."""
    texts_decide: bool
    """Whether the texts of the language decided on a window, or left it to word frequencies."""


@dataclass(frozen=True)
class LanguagesReport:
    """Scores of windows in several languages, and their mean over those that are not English."""

    model: str
    """The model's name."""
    prompt: str
    """How texts were put to it."""
    rows: tuple[LanguageScores, ...]
    """(n,) the languages."""
    to_raw: dict[str, Interval]
    """Mean differences to raw over the languages other than English; of several languages pairs of
    one row are drawn together, for many say the same."""
    contrasts: dict[str, Interval]
    """The same of the differences of two windows."""

    @property
    def others(self) -> list[str]:
        """The languages that are not English, by their names."""
        return [DEMO_LANGUAGES[row.language] for row in self.rows if row.language != ENGLISH]

    @property
    def sentence(self) -> str:
        """Answer the question in words: what is decided by the pairs, and what is not."""
        where = f"Over {listed(self.others)}"
        served = _against(self.to_raw["english-texts"], "raw embeddings")
        contrasts = self.contrasts
        texts = _against(contrasts["texts: own minus English"], "the one from English texts")
        words = _against(contrasts["words: own minus English"], "the one from English words")
        halves = _against(contrasts["halves: weak minus strong"], "the stronger half")
        return (
            f"{where}, the window proposed from English texts is {served}. The window from texts "
            f"of the language is {texts}, and the one from its word frequencies is {words}. The "
            f"weaker half of the directions is {halves}. Numbers are points of Spearman × 100 "
            "with 95 % intervals over pairs."
        )

    def to_json(self) -> dict[str, Any]:
        """The report under its names on the command line."""
        return finite(
            {
                "model": self.model,
                "prompt": self.prompt,
                "languages": [
                    {
                        "language": row.language,
                        "name": DEMO_LANGUAGES[row.language],
                        "n_pairs": row.n_pairs,
                        "tokens_per_character": row.tokens_per_character,
                        "texts_decide": row.texts_decide,
                        "raw": asdict(row.raw),
                        "windows": {
                            name: {
                                "l": window.l,
                                "r": window.r,
                                "score": row.scores[name],
                                "to_raw": asdict(row.to_raw[name]),
                            }
                            for name, window in row.windows.items()
                        },
                        "contrasts": {name: asdict(one) for name, one in row.contrasts.items()},
                    }
                    for row in self.rows
                ],
                "others": {
                    "to_raw": {name: asdict(one) for name, one in self.to_raw.items()},
                    "contrasts": {name: asdict(one) for name, one in self.contrasts.items()},
                },
                "sentence": self.sentence,
            }
        )


def languages(
    model: Model,
    prompt: str = "prompteol",
    asked: Sequence[str] = tuple(DEMO_LANGUAGES),
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> LanguagesReport:
    """Score our graded pairs of several languages under windows of English and of their own.

    Args:
        model: the opened model.
        prompt: how texts are put to it.
        asked: codes of :data:`~embfilter_viz.data.DEMO_LANGUAGES`; English may be left out.
        seed: of the resamples.
        progress: told of the work; may raise ``Cancelled``.

    Returns:
        scores, paired differences to raw, and their means over the languages other than English.

    Raises:
        InputError: a language that we have no pairs in, or none but English.
    """
    codes = list(dict.fromkeys(asked))
    for code in codes:
        if code not in DEMO_LANGUAGES:
            raise InputError(
                f"language {code!r}: there are no graded pairs in it; take some of "
                f"{', '.join(DEMO_LANGUAGES)}"
            )
    others = [code for code in codes if code != ENGLISH]
    if not others:
        raise InputError("languages: at least one other than English is needed; add hi, id, ru, zh")
    d = model.d_model
    # First of all, so that a model that reads no texts is told of before words are counted.
    english_pairs = _best_on_english_pairs(model, prompt, progress)
    common = {
        "tau-2": Window.of_tau(2, d),
        "english-texts": propose_window(
            model, demo_texts(ENGLISH).texts, prompt, progress=progress
        ).window,
        "english-words": propose_window(model, progress=progress).window,
        "english-pairs": english_pairs,
        "strong-half": Window(0, d // 2, d),
        "weak-half": Window(d - d // 2, d, d),
    }
    scored = {code: _scored(model, prompt, code, common, seed, progress) for code in codes}
    kept = [scored[code] for code in others]
    values = np.mean([one.values for one in kept], axis=0)
    again = np.mean([one.again for one in kept], axis=0)
    names = list(kept[0].row.windows)
    to_raw, contrasts = _differences(names, values, again, kept[0].how)
    rows = tuple(scored[code].row for code in codes)
    return LanguagesReport(model.name, prompt, rows, to_raw, contrasts)


@dataclass(frozen=True, eq=False)
class _Scored:
    row: LanguageScores
    values: np.ndarray
    """(m + 1,) scores of raw and of the windows."""
    again: np.ndarray
    """(m + 1, b) the same on the resamples."""
    how: Resamples


def _scored(
    model: Model,
    prompt: str,
    code: str,
    common: Mapping[str, Window],
    seed: int,
    progress: Progress,
) -> _Scored:
    """Score one language's pairs raw and under all windows.

    Args:
        model: the opened model.
        prompt: how texts are put to it.
        code: the language.
        common: the windows that are the same for all languages.
        seed: of the resamples.
        progress: told of the work.

    Returns:
        the scores, on all pairs and on the resamples.
    """
    task, texts = demo_task("sts", code), demo_texts(code).texts
    by_texts = propose_window(model, texts, prompt, language=code, progress=progress)
    by_words = propose_window(model, language=code, progress=progress)
    own = {**common, "own-texts": by_texts.window, "own-words": by_words.window}
    names = [name for name in WINDOWS if code != ENGLISH or name != "english-pairs"]
    windows = [own[name] for name in names]
    E = np.asarray(model.encode(task.texts, prompt, progress=progress), dtype=np.float64)
    raw = task.outcomes(E)[None]
    outcomes = np.concatenate([raw, task.outcomes_of_windows(E @ model.spectrum.V, windows)])
    how = task.resamples(count=_RESAMPLES, seed=seed)
    values, again = scores_of_windows(task, outcomes, how.counts, progress=progress)
    to_raw, contrasts = _differences(names, values, again, how)
    tokens = sum(len(ids) for ids in model.vocabulary.encode_many(texts))
    row = LanguageScores(
        code,
        task.n_units,
        tokens / sum(map(len, texts)),
        task.score_intervals(values[:1], again[:1], how)[0],
        dict(zip(names, windows, strict=True)),
        dict(zip(names, values[1:].tolist(), strict=True)),
        to_raw,
        {} if code == ENGLISH else contrasts,
        by_texts.source == "texts",
    )
    return _Scored(row, values, again, how)


def _differences(
    names: Sequence[str], values: np.ndarray, again: np.ndarray, how: Resamples
) -> tuple[dict[str, Interval], dict[str, Interval]]:
    """Differences to raw, and of the pairs of windows in CONTRASTS, each family held together.

    Args:
        names: (m,) of the windows.
        values: (m + 1,) scores of raw and of the windows.
        again: (m + 1, b) on the resamples.
        how: the resamples.

    Returns:
        the differences to raw, and the contrasts.
    """
    to_raw = simultaneous_intervals(values[1:] - values[0], again[1:] - again[0], how).intervals
    at = {name: 1 + place for place, name in enumerate(names)}
    first, second = (
        [at[pair[side]] for pair in CONTRASTS.values()] for side in (0, 1)
    )  # fmt: skip
    found = simultaneous_intervals(
        values[first] - values[second], again[first] - again[second], how
    ).intervals
    return dict(zip(names, to_raw, strict=True)), dict(zip(CONTRASTS, found, strict=True))


def _best_on_english_pairs(model: Model, prompt: str, progress: Progress) -> Window:
    """The window of the plane that scores highest on all English pairs."""
    task = demo_task("sts")
    tried = windows_of_plane(_GRID, model.d_model)
    E = np.asarray(model.encode(task.texts, prompt, progress=progress), dtype=np.float64)
    progress("Scoring windows on the English pairs", 0, 0, "")
    scores = task.scores(task.outcomes_of_windows(E @ model.spectrum.V, tried))[:, 0]
    return tried[int(np.nanargmax(scores))]


def _against(found: Interval, other: str) -> str:
    """Say whether a difference is decided, with its numbers."""
    said = "surely better than" if found.low > 0 else "surely worse than"
    if found.low <= 0 <= found.high:
        said = "not decidedly better or worse than"
    return f"{said} {other}: {bracketed(found.value, found.low, found.high, 1, sign=True)}"
