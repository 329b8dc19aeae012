"""Plumbing that knows nothing of models: progress, paths, files, locks, memory, child processes."""
