"""Where a model comes from: this disk, the hub, a package index, a GGUF file."""
