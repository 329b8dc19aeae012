"""top_k against a full stable sort, ties above all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from embfilter_viz.embeddings.ranking import top_k


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 4), st.integers(1, 30)),
        elements=st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0, np.inf]),
    ),
    st.integers(0, 40),
)
def test_equals_a_stable_sort(scores, k):
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(top_k(scores, k), expected)
    np.testing.assert_array_equal(top_k(scores[0], k), expected[0])


@pytest.mark.parametrize("k", [1, 10, 1000])
def test_on_many_different_scores(k):
    scores = np.random.default_rng(0).normal(size=(3, 5000)).astype(np.float32)
    np.testing.assert_array_equal(top_k(scores, k), np.argsort(-scores, axis=1)[:, :k])


@pytest.mark.parametrize("values", [2, 50, 10**6])
@pytest.mark.parametrize("k", [1, 5, 60])
def test_on_rows_as_long_as_a_vocabulary(values, k):
    scores = np.random.default_rng(0).integers(0, values, (3, 10_001)).astype(np.float32)
    scores[0, [3, 10_000]] = np.inf
    scores[1] = 7
    scores[2, 9000:] = -np.inf
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(top_k(scores, k), expected)
    np.testing.assert_array_equal(top_k(scores[2], k), expected[2])
