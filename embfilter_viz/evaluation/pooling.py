"""The mean of several tasks' differences, with an interval."""

import math
from collections.abc import Sequence

from embfilter_viz.embeddings.interval import Interval

__all__ = ["pooled", "together"]


def pooled(differences: Sequence[Interval], groups: Sequence[int]) -> Interval:
    """Mean over tasks of a difference, each task counting the same, with its 95 % interval.

    The intervals are symmetric, value ± reach. Reaches of tasks that have nothing in common add as
    the errors of independent estimates do, by their squares. Those of tasks that share texts add as
    they are, as if they erred alike: however much they depend on one another, the interval is no
    shorter than it must be.

    Args:
        differences: (t,) one a task.
        groups: (t,) the group of each; see :func:`together`.

    >>> one = Interval(1.0, -2.0, 4.0)
    >>> found = pooled([one, one], [0, 0])
    >>> found.low, found.high
    (-2.0, 4.0)
    >>> round(pooled([one, one], [0, 1]).high, 2)
    3.12
    """
    value = sum(one.value for one in differences) / len(differences)
    reaches: dict[int, float] = {}
    for one, group in zip(differences, groups, strict=True):
        reaches[group] = reaches.get(group, 0.0) + (one.high - one.low) / 2
    reach = math.hypot(*reaches.values()) / len(differences)
    return Interval(value, value - reach, value + reach)


def together(texts: Sequence[Sequence[str]]) -> list[int]:
    """A number for each task, the same for those that share a text, directly or through others.

    Args:
        texts: (t,) the texts of each task.

    >>> together([["a", "b"], ["c"], ["b", "d"], ["d"]])
    [0, 1, 0, 0]
    """
    sets = [set(one) for one in texts]
    groups = list(range(len(sets)))
    for i, one in enumerate(sets):
        for j in range(i):
            if one & sets[j]:
                old, new = max(groups[i], groups[j]), min(groups[i], groups[j])
                groups = [new if group == old else group for group in groups]
    return groups
