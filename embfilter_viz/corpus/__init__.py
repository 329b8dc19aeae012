"""A corpus in Parquet files, embedded into shards that a run which was stopped goes on with."""

from embfilter_viz.corpus.embedding import Embedded, embed_corpus
from embfilter_viz.corpus.parts import Corpus, Part
from embfilter_viz.corpus.plan import Plan, plan_for

__all__ = ["Corpus", "Embedded", "Part", "Plan", "embed_corpus", "plan_for"]
