"""Pure mathematics of embeddings: arrays in, records out."""
