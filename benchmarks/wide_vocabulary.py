"""A checkpoint with Gemma's vocabulary and width: python benchmarks/wide_vocabulary.py FOLDER.

A Llama of 18 layers with 262,144 tokens of 640 numbers, its weights random and its head tied. Its
tokenizer is that of the bundled model with made-up words after the real ones, so texts are read as
there. Give the folder to the other programs as ``--model FOLDER``.
"""

import argparse
import json
import sys
from pathlib import Path

from embfilter_viz.models.sources.locate import locate


def write_wide(folder: Path, d_vocab: int, d_model: int, n_layers: int) -> Path:
    """Write configuration, weights (float32) and tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    bundled = locate("smollm2-135m").folder
    tokenizer = json.loads((bundled / "tokenizer.json").read_text(encoding="utf-8"))
    words = tokenizer["model"]["vocab"]
    first = max(words.values(), default=-1) + 1
    words.update({f"Ġword{i}": i for i in range(first, d_vocab)})
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=d_vocab,
        hidden_size=d_model,
        intermediate_size=4 * d_model,
        num_hidden_layers=n_layers,
        num_attention_heads=d_model // 64,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    return folder


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("folder", type=Path)
    words.add_argument("--vocabulary", type=int, default=262_144)
    words.add_argument("--width", type=int, default=640)
    words.add_argument("--layers", type=int, default=18)
    asked = words.parse_args()
    if asked.folder.exists():
        sys.exit(f"{asked.folder} is there already; name a new folder")
    write_wide(asked.folder, asked.vocabulary, asked.width, asked.layers)
    print(f"{asked.folder}: open it as --model {asked.folder}")


if __name__ == "__main__":
    main()
