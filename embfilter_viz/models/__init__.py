"""A checkpoint, and what the explorer needs of it: the head, the tokens, the embeddings."""
