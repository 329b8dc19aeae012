"""Retrieval: are the passages that answer a query the nearest to it?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

import numpy as np

from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.pair_cosines import DECIMALS, check_lengths, running_squares
from embfilter_viz.evaluation.task import Task, halves
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.wording import counted

__all__ = ["RetrievalTask", "discounted_gains"]

FEWEST_QUERIES = 10
"""Queries below which the task is refused: five to choose by and five to report on."""
DEPTH = 10
"""k of nDCG@k and of recall@k."""
_NUMBERS_AT_ONCE = 16_000_000
"""Inner products held at once, in numbers of float64: 128 MB."""


@dataclass(frozen=True, eq=False)
class RetrievalTask(Task):
    """Queries, passages, and how relevant some of the passages are to a query.

    >>> judged = [(f"query {i}", f"passage {i}", 1) for i in range(10)]
    >>> task = RetrievalTask.of_judgements(judged, "by hand")
    >>> task.n_units, len(task.passages)
    (10, 10)
    """

    kind: ClassVar[str] = "retrieval"
    measure: ClassVar[str] = f"nDCG@{DEPTH} × 100"
    unit: ClassVar[str] = "queries"

    queries: np.ndarray
    """(n_queries,) the place of each query among the texts."""
    passages: np.ndarray
    """(n_passages,) the place of each passage."""
    judged: np.ndarray
    """(n_judged, 2) number of a query and of a passage that is relevant to it."""
    gains: np.ndarray
    """(n_judged,) float64, above 0: how relevant it is."""

    @classmethod
    def of_judgements(
        cls,
        judgements: Iterable[tuple[str, str, float]],
        source: str,
        passages: Iterable[str] = (),
        notes: Iterable[str] = (),
    ) -> "RetrievalTask":
        """The task of (query, passage, relevance); relevance 0 is judged and not relevant.

        Args:
            judgements: as they are in a file; the last of several on one pair counts.
            source: where they come from.
            passages: further passages to be searched, relevant to no query.
            notes: what was decided before.

        Returns:
            the task.

        Raises:
            InputError: fewer than 10 queries have a relevant passage, or there are no more
                passages than nDCG@10 looks at.
        """
        given = list(judgements)
        relevance = {
            (query, passage): float(gain) for query, passage, gain in given if query != passage
        }
        own = [passage for query, passage, _ in given if query == passage]
        searched = list(dict.fromkeys([*(passage for _, passage in relevance), *own, *passages]))
        asked = list(dict.fromkeys(query for query, _ in relevance))
        answered = {query for (query, _), gain in relevance.items() if gain > 0}
        told = list(notes)
        if own:
            told.append(
                f"{counted(len(own), 'query is', 'queries are')} judged as "
                f"{'its' if len(own) == 1 else 'their'} own answer; that does not count."
            )
        if len(answered) < len(asked):
            without = len(asked) - len(answered)
            told.append(
                f"{counted(without, 'query has', 'queries have')} no relevant passage, of "
                f"{len(asked):,}, and {'was' if without == 1 else 'were'} left out."
            )
        asked = [query for query in asked if query in answered]
        if len(asked) < FEWEST_QUERIES:
            raise InputError(
                f"{source}: at least {FEWEST_QUERIES} queries with a relevant passage are needed; "
                f"it holds {len(asked)}"
            )
        if len(searched) < FEWEST_QUERIES:
            raise InputError(
                f"{source}: at least {FEWEST_QUERIES} different passages to search among are "
                f"needed; it holds {len(searched)}"
            )
        texts = list(dict.fromkeys([*asked, *searched]))
        place = {text: i for i, text in enumerate(texts)}
        query_number = {text: i for i, text in enumerate(asked)}
        passage_number = {text: i for i, text in enumerate(searched)}
        relevant = [
            (query_number[query], passage_number[passage], gain)
            for (query, passage), gain in relevance.items()
            if gain > 0
        ]
        return cls(
            tuple(texts),
            source,
            np.array([place[text] for text in asked]),
            np.array([place[text] for text in searched]),
            np.array([one[:2] for one in relevant], dtype=np.intp),
            np.array([gain for *_, gain in relevant]),
            notes=tuple(told),
        )

    @property
    def n_units(self) -> int:
        """Say how many queries there are."""
        return len(self.queries)

    @cached_property
    def chooses(self) -> np.ndarray:
        """(n_queries,) bool: half of the queries, by chance."""
        return halves(np.zeros(self.n_units))

    @cached_property
    def _itself(self) -> np.ndarray:
        """(m, 2) number of a query and of the passage that has the same words."""
        number = {int(text): i for i, text in enumerate(self.passages)}
        found = [(i, number[int(q)]) for i, q in enumerate(self.queries) if int(q) in number]
        return np.array(found, dtype=np.intp).reshape(-1, 2)

    def outcomes(self, E: np.ndarray) -> np.ndarray:
        """nDCG@10 and recall@10 of each query by cosine, (n_queries, 2)."""
        d = E.shape[1]
        return self.outcomes_of_windows(E, [Window(0, d, d)])[0]

    def outcomes_of_windows(
        self, R: np.ndarray, windows: Sequence[Window], *, progress: Progress = silent
    ) -> np.ndarray:
        """The same under every window, (m, n_queries, 2).

        The inner products of a window are the difference of two running sums of inner products
        over the bands between the windows' edges, so that each column of R is multiplied once.
        """
        edges = sorted({end for window in windows for end in (window.l, window.r)})
        place = {edge: i for i, edge in enumerate(edges)}
        P = np.asarray(R[self.passages], dtype=np.float64)
        squares_P = self._running_squares(P, self.passages, edges, place, windows)
        out = np.empty((len(windows), self.n_units, 2))
        step = max(1, _NUMBERS_AT_ONCE // (len(edges) * len(P)))
        for start in range(0, self.n_units, step):
            some = slice(start, min(start + step, self.n_units))
            Q = np.asarray(R[self.queries[some]], dtype=np.float64)
            squares_Q = self._running_squares(Q, self.queries[some], edges, place, windows)
            products = np.zeros((len(edges), len(Q), len(P)))
            for i, (left, right) in enumerate(pairwise(edges), start=1):
                np.matmul(Q[:, left:right], P[:, left:right].T, out=products[i])
                products[i] += products[i - 1]
            mine = (self.judged[:, 0] >= some.start) & (self.judged[:, 0] < some.stop)
            judged = self.judged[mine] - [some.start, 0]
            itself = self._itself[
                (self._itself[:, 0] >= some.start) & (self._itself[:, 0] < some.stop)
            ] - [some.start, 0]
            for number, window in enumerate(windows):
                progress("Scoring windows", number, len(windows), "windows")
                left, right = place[window.l], place[window.r]
                near = products[right] - products[left]
                near /= np.sqrt(squares_P[right] - squares_P[left])
                near /= np.sqrt(squares_Q[right] - squares_Q[left])[:, None]
                # Rounding must not put equal passages in an order.
                near.round(DECIMALS, out=near)
                near[itself[:, 0], itself[:, 1]] = -np.inf  # no query is its own answer
                ranks = _ranks(near, judged)
                out[number, some] = _measures(ranks, judged[:, 0], self.gains[mine], len(Q))
        return out

    def scores(self, outcomes: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        """Mean nDCG@10 over queries, times 100: (m, b)."""
        ndcg = outcomes[..., 0]
        if counts is None:
            return 100 * ndcg.mean(axis=1, keepdims=True)
        return 100 * ndcg @ counts.T / counts.sum(axis=1)

    def more(self, outcomes: np.ndarray) -> dict[str, float]:
        """Mean recall@10, times 100."""
        return {f"recall@{DEPTH} × 100": float(100 * outcomes[:, 1].mean())}

    def describe(self) -> str:
        """Return what was scored, in words for a caption."""
        return f"{super().describe()}, searching {len(self.passages):,} passages"

    def _running_squares(
        self,
        rows: np.ndarray,
        texts: np.ndarray,
        edges: Sequence[int],
        place: dict[int, int],
        windows: Sequence[Window],
    ) -> np.ndarray:
        """Squared lengths of rows up to each edge, (edges, n); no window may leave one empty.

        Args:
            rows: (n, d) embeddings in the basis of the singular vectors.
            texts: (n,) which text each row is of, for messages.
            edges: where windows begin or end.
            place: where each edge stands in the result.
            windows: those that are scored.

        Returns:
            (edges, n) float64.
        """
        squares = running_squares(rows, edges)
        for window in windows:
            check_lengths(squares[place[window.r]] - squares[place[window.l]], texts, window)
        return squares


def _ranks(near: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """Rank of each relevant passage for its query, from 1; among equals the earlier first."""
    ranks = np.empty(len(judged), dtype=np.int64)
    for i, (query, passage) in enumerate(judged):
        row = near[query]
        own = row[passage]
        ranks[i] = 1 + np.count_nonzero(row > own) + np.count_nonzero(row[:passage] == own)
    return ranks


def _measures(ranks: np.ndarray, query: np.ndarray, gains: np.ndarray, n: int) -> np.ndarray:
    """nDCG@10 and recall@10 of n queries, (n, 2).

    Args:
        ranks: (m,) place of each relevant passage.
        query: (m,) whose it is.
        gains: (m,) its relevance.
        n: how many queries.

    Returns:
        (n, 2) float64.
    """
    found = np.bincount(query, discounted_gains(ranks, gains), minlength=n)
    order = np.lexsort((-gains, query))
    begins = np.searchsorted(query[order], np.arange(n))
    ideal_ranks = np.arange(len(query)) - begins[query[order]] + 1
    ideal = np.bincount(query[order], discounted_gains(ideal_ranks, gains[order]), minlength=n)
    in_sight = np.bincount(query, ranks <= DEPTH, minlength=n)
    return np.stack([found / ideal, in_sight / np.bincount(query, minlength=n)], axis=1)


def discounted_gains(ranks: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Return what each relevant passage adds to DCG@10: gain / log₂(1 + rank), 0 beyond rank 10.

    The gain is the relevance itself, as in trec_eval and MTEB, not 2^relevance − 1.

    >>> discounted_gains(np.array([1, 3, 11]), np.array([2.0, 1.0, 1.0]))
    array([2. , 0.5, 0. ])
    """
    return np.where(ranks <= DEPTH, gains / np.log2(1 + ranks), 0.0)
