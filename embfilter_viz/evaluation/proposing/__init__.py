"""A window proposed without labels: from the head, or from texts that nobody has judged.

Both are for comparing by cosine. A classifier trained on embeddings weighs directions itself: it
gains little or nothing by a window, and can lose. ``benchmarks/propose.py`` compares the proposals
with windows chosen by labels, on three tasks.
"""
