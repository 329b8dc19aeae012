"""What a model folder's README tells of the libraries and servers that read it."""

from embfilter_viz.export.tokenizing import Tokenizing

__all__ = ["OLDER", "readers_section"]

OLDER = "before_5.4"
"""Folder of the settings that sentence-transformers before 5.4 needs in the place of the others,
where a prompt is put around texts: it refuses what it does not know, and 6 needs it."""


def readers_section(words: Tokenizing | None, max_tokens: int) -> str:
    """The readers, each with the call and what it leaves out, in Markdown.

    Args:
        words: the prompt in a tokenizer's files; None: the folder reads as its makers have it.
        max_tokens: tokens of the longest text that is read whole.

    Returns:
        a section that ends without an empty line.
    """
    if words is None:
        return (
            "## Readers\n\n"
            "- sentence-transformers of the release that the model's makers ask for.\n"
            "- Servers: those that serve the model itself, where they read `2_Dense` and its like "
            "behind it;\n  check with `embfilter-viz verify`."
        )
    lines = [
        "## Readers",
        "",
        "| reader | what to do | what differs |",
        "|---|---|---|",
        f"| sentence-transformers 6 (tried: 6.2) | the lines above | {_nothing(words)} |",
        "| the same, 5.4 and newer 5 (tried: 5.4.1) | the lines above | "
        f"{_cut(words, max_tokens)} |",
        f"| the same, 3.4 to 5.3 (tried: 3.4.1, 5.1.0) | {_older(words)} | {_unread(words)}"
        f"spaces around a text are dropped; {_cut(words, max_tokens)} |",
        f"| vLLM | `vllm serve FOLDER --runner pooling --dtype float32`, {_call(words)} | "
        f"{_vllm(words)} |",
        "| Text Embeddings Inference | `--model-id FOLDER` | Read from its source of July 2026 "
        f"(1.9.3), not tried: {_tei(words)} |",
        "",
        "Ask any of them: `embfilter-viz verify FOLDER|URL --with texts.txt` compares its vectors "
        "with ours\nand says what is missing.",
    ]
    return "\n".join(lines)


def _nothing(words: Tokenizing) -> str:
    return "nothing" if not words.prefix else "nothing, where no prompt is passed"


def _around(words: Tokenizing) -> bool:
    """Tell whether words stand around a text."""
    return words.chat_template is not None


def _older(words: Tokenizing) -> str:
    if not _around(words):
        return "the lines above"
    return (
        f"copy `{OLDER}/sentence_bert_config.json` over `sentence_bert_config.json`, which they "
        "refuse"
    )


def _unread(words: Tokenizing) -> str:
    return "" if words.is_plain else "the prompt is not applied: put the text into it yourself; "


def _cut(words: Tokenizing, max_tokens: int) -> str:
    if not _around(words):
        return "nothing else"
    return f"a text over {max_tokens} tokens loses the prompt's end: cut it before"


def _call(words: Tokenizing) -> str:
    if words.is_plain:
        return 'then `{"model": "FOLDER", "input": ["a text"]}` to `/v1/embeddings`'
    return (
        'then `{"model": "FOLDER", "messages": [{"role": "user", "content": "a text"}]}` to '
        "`/v1/embeddings`"
    )


def _vllm(words: Tokenizing) -> str:
    said = ["tried with 0.32; without `--dtype float32` numbers are of float16"]
    if words.prefix:
        said.append(f"`{words.prefix}` is counted in the mean, so no vector is quite ours")
    if _around(words):
        said.append(
            "a text over the limit is refused, and with `truncate_prompt_tokens` it loses the "
            "prompt's end"
        )
    if not words.is_plain:
        said.append("plain `input` leaves the prompt out")
    said.append("releases before 0.30 may leave the projection out: ask them")
    return "; ".join(said)


def _tei(words: Tokenizing) -> str:
    said = [
        "pooling and projection are read; vectors come normalised unless asked not to; Llama, "
        "Mistral and Qwen 2 run on a GPU alone, in float16; Gemma 3 is read in both directions, as "
        "EmbeddingGemma is, so its vectors are not ours"
    ]
    if words.prefix:
        said.append(f"`{words.prefix}` is counted in the mean")
    if _around(words) and not words.is_plain:
        said.append("the prompt is not applied: put the text into it yourself")
    return "; ".join(said)
