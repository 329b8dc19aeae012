"""Texts to embeddings: prompts, batches, the forward pass."""
