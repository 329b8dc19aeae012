"""Tasks, scores and intervals."""
