"""A checkpoint whose tokens would run, draw or link something wherever they were not escaped."""

import json
from pathlib import Path

from tests.models.tiny_checkpoints import build_model, byte_level_tokenizer, save

TOKENS = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(2)</script>",
    "$x$",
    "**b**",
    "[go](javascript:alert(3))",
    "<a href='https://example.com'>a</a>",
    "</span><iframe src=x>",
    "{{7*7}}",
    ":material/home:",
)
COPIES = 30
"""Every such token so often that it is sure to be among the top ones everywhere."""


def write_hostile_checkpoint(folder: Path) -> Path:
    """A tiny Llama in which all tokens beyond the bytes are of that kind."""
    from tokenizers import Tokenizer

    state = json.loads(byte_level_tokenizer().to_str())
    vocabulary = {word: i for word, i in state["model"]["vocab"].items() if i < 258}
    for copy in range(COPIES):
        for token in TOKENS:
            shown = token.replace(" ", "Ġ") + "!" * copy
            vocabulary[shown] = len(vocabulary)
    state["model"]["vocab"], state["model"]["merges"] = vocabulary, []
    tokenizer = Tokenizer.from_str(json.dumps(state))
    return save(build_model("llama", vocab_size=len(vocabulary)), folder, tokenizer).folder
