"""What a GGUF says, in transformers' terms: nothing of it is left unread without a word."""
