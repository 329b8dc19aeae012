"""Tasks over pairs of texts that look at nothing but the cosine of each pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from embfilter_viz.evaluation.pair_cosines import cosines_of_windows
from embfilter_viz.evaluation.resampling import N_RESAMPLES, Resamples, unit_counts
from embfilter_viz.evaluation.task import Task
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import counted

__all__ = ["FEWEST_OF_A_GRADE", "MANY_PAIRS", "CosinePairs", "shared_texts_note"]

MANY_PAIRS = 10
"""Pairs of a text from which on the text is resampled, with all its pairs, and not each pair."""

FEWEST_OF_A_GRADE = 10
"""Pairs of either of two grades below which there is no interval; so never below 20 pairs."""


@dataclass(frozen=True, eq=False)
class CosinePairs(Task):
    """Pairs of texts; all windows are scored from running sums along one rotation.

    Pairs that share a text are not independent of one another. A text of 10 pairs or more is
    therefore drawn itself, and a pair is in a resample as often as the product of its drawn texts
    says (the pigeonhole bootstrap: Owen 2007, Annals of Applied Statistics 1, 386; for pairs of
    one kind of text Davezies, D'Haultfœuille and Guyonvarch 2021, Annals of Statistics 49, 845).
    Of a pair with one such text that is a bootstrap over clusters; all other pairs are drawn
    singly.
    """

    first: np.ndarray
    """(n_pairs,) the place of each pair's first sentence among the texts."""
    second: np.ndarray
    """(n_pairs,) the place of its second sentence."""

    @property
    def one_grade(self) -> np.ndarray | None:
        """(n_pairs,) bool: which of two grades a pair has; None where there are more."""
        raise NotImplementedError

    @cached_property
    def drawn_texts(self) -> np.ndarray:
        """(n_texts,) bool: texts of so many pairs that they are resampled."""
        return pairs_of_texts(self.first, self.second, len(self.texts)) >= MANY_PAIRS

    def resamples(
        self, among: np.ndarray | None = None, *, count: int = N_RESAMPLES, seed: int = 0
    ) -> Resamples:
        """Resamples of texts of many pairs, with those pairs, and of the other pairs."""
        within = np.ones(self.n_units, dtype=bool) if among is None else among
        of_text = self.drawn_texts
        ends = [np.where(of_text[end], end, -1) for end in (self.first, self.second)]
        ends[1] = np.where(self.first == self.second, -1, ends[1])  # a pair with itself, once
        single = within & (ends[0] < 0) & (ends[1] < 0)
        rng = np.random.default_rng(seed)
        counts = np.zeros((count, self.n_units))
        drawn = int(single.sum())
        if drawn:
            counts += unit_counts(self.n_units, single, count=count, seed=seed)
        texts = np.unique(np.concatenate([end[within] for end in ends]))
        texts = texts[texts >= 0]
        if texts.size:
            weight = np.ones((count, len(self.texts) + 1))  # the last stands for no text
            size = len(texts)
            weight[:, texts] = rng.multinomial(size, np.full(size, 1 / size), size=count)
            shared = within & ~single
            counts[:, shared] = weight[:, ends[0][shared]] * weight[:, ends[1][shared]]
            drawn += size
        return Resamples(counts, *self._grades_in(within, drawn))

    def _grades_in(self, within: np.ndarray, drawn: int) -> tuple[int, float, str | None]:
        """Return what an interval over these pairs must know of their grades."""
        one = self.one_grade
        if one is None:
            return drawn, self.widening, None
        n, fewer = int(within.sum()), int(min(one[within].sum(), (~one[within]).sum()))
        refusal = None
        if fewer < FEWEST_OF_A_GRADE:
            refusal = (
                f"of {counted(n, 'pair')} only {fewer} have one of the two grades, too few for "
                f"an interval: {FEWEST_OF_A_GRADE} of either are needed"
            )
        # The rarer grade says how much can be known: of 100 pairs, 10 of them alike, that is 20.
        return min(drawn, 2 * fewer), self.widening, refusal

    def outcomes(self, E: np.ndarray) -> np.ndarray:
        """Cosines of the pairs, (n_pairs,) float64."""
        d = E.shape[1]
        return self.outcomes_of_windows(E, [Window(0, d, d)])[0]

    def outcomes_of_windows(
        self, R: np.ndarray, windows: Sequence[Window], *, progress: Progress = silent
    ) -> np.ndarray:
        """Cosines of the pairs under every window, (m, n_pairs), from running sums along R."""
        progress("Scoring windows", 0, len(windows), "windows")
        return cosines_of_windows(R, self.first, self.second, windows)


def pairs_of_texts(first: np.ndarray, second: np.ndarray, n_texts: int) -> np.ndarray:
    """Say how many pairs each text is in, (n_texts,) int64; a pair with itself counts once.

    >>> pairs_of_texts(np.array([0, 0, 2]), np.array([1, 2, 2]), 3).tolist()
    [2, 1, 2]
    """
    other = second[first != second]
    return np.bincount(first, minlength=n_texts) + np.bincount(other, minlength=n_texts)


def shared_texts_note(first: np.ndarray, second: np.ndarray, n_texts: int) -> list[str]:
    """Say how intervals and halves treat texts that are in many pairs."""
    many = int((pairs_of_texts(first, second, n_texts) >= MANY_PAIRS).sum())
    if not many:
        return []
    return [
        f"{counted(many, 'text occurs', 'texts occur')} in {MANY_PAIRS} pairs or more: intervals "
        "draw them with all their pairs, the other pairs singly. Both halves of the pairs hold "
        "such a text, so the reporting half is not quite new."
    ]
