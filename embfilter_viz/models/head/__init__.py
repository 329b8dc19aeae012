"""The LM head: W_U, its tokens, their frequencies, and products with it."""
