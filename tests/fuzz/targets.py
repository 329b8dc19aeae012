"""What is put under mutation: one target a parser, as far behind it as no model is loaded."""

import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from tests.fuzz import answers, stored
from tests.fuzz.gguf_files import gguf_changed, tiny
from tests.fuzz.mutations import (
    Mutation,
    bytes_changed,
    json_changed,
    safetensors_changed,
    text_changed,
)
from tests.fuzz.tables import (
    json_lines_changed,
    json_lines_seeds,
    json_seeds,
    packed_seeds,
    parquet_seeds,
    table_changed,
    table_seeds,
)

__all__ = ["ALL", "TARGETS", "Target"]


@dataclass(frozen=True)
class Target:
    """One parser."""

    name: str
    """As on the command line."""
    seeds: Callable[[], list[bytes]]
    """Valid files, small."""
    change: Mutation
    """Makes one of them wrong."""
    file: str
    """What the file is called."""
    read: Callable[[Path], object]
    """Reads the file in a folder where all else is right; to raise ``InputError`` or nothing."""
    warm: Callable[[], list[bytes]] = list
    """Further files that make it import what it may need."""
    slow: bool = False
    """Whether an input takes so long that only some thousands are read, if asked for by name."""


# -- the seeds: the smallest files that pass -------------------------------------------------------

WIDTH, ROWS = 4, 11


@cache
def safetensors_seed() -> bytes:
    from safetensors.numpy import save

    rng = np.random.default_rng(0)
    shapes = {"model.embed_tokens.weight": (ROWS, WIDTH), "model.norm.weight": (WIDTH,)}
    shapes["model.layers.0.mlp.up_proj.weight"] = (6, WIDTH)
    made = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    made["model.layers.0.mlp.down_proj.weight"] = np.ones((WIDTH, 6), dtype=np.float16)
    return save(made, metadata={"format": "pt"})


@cache
def config_seeds() -> list[bytes]:
    plain = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": WIDTH,
        "vocab_size": ROWS,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 2,
        "intermediate_size": 6,
        "max_position_embeddings": 128,
        "rope_theta": 10_000.0,
        "rope_scaling": {
            **{"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0},
            **{"high_freq_factor": 4.0, "original_max_position_embeddings": 64},
        },
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": [2, 3],
    }
    gemma = plain | {"model_type": "gemma2", "final_logit_softcapping": 30.0}
    granite = plain | {"model_type": "granite", "logits_scaling": 8.0}
    eyes = {"model_type": "gemma3", "text_config": plain | {"model_type": "gemma3_text"}}
    codes = plain | {"quantization_config": {"quant_method": "fp8", "modules_to_not_convert": []}}
    return [json.dumps(one).encode() for one in (plain, gemma, granite, eyes, codes)]


def unlisted_config_seeds() -> list[bytes]:
    """Configurations that transformers is asked about, which takes it milliseconds."""
    (first, *_) = config_seeds()
    asked = ("arcee", "seed_oss", "exaone4", "ernie4_5", "glm4_moe")
    plain = json.loads(first)
    return [json.dumps(plain | {"model_type": one}).encode() for one in asked]


def index_seed() -> bytes:
    names = json.loads(safetensors_seed()[8:].split(b"}}")[0] + b"}}")
    shards = dict.fromkeys((n for n in names if n != "__metadata__"), "model-00001.safetensors")
    return json.dumps({"metadata": {"total_size": 10}, "weight_map": shards}).encode()


def tokenizer_seeds() -> list[bytes]:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    letters = {chr(97 + i): i + 3 for i in range(8)}
    special = {"[UNK]": 0, "<s>": 1, "</s>": 2}
    bpe = Tokenizer(models.BPE(special | letters | {"ab": 11}, [("a", "b")], unk_token="[UNK]"))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    bpe.add_special_tokens(["<s>", "</s>"])
    words = Tokenizer(models.WordPiece(special | letters | {"##b": 11}, unk_token="[UNK]"))
    words.normalizer = normalizers.BertNormalizer()
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words.post_processor = processors.BertProcessing(("</s>", 2), ("<s>", 1))
    pieces = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0)]
    pieces += [(f"▁{a}", -2.0) for a in letters] + [(a, -3.0) for a in letters]
    unigram = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    unigram.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.decoder = decoders.Metaspace()
    split = Tokenizer(models.WordLevel(special | letters, unk_token="[UNK]"))
    split.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(" ", behavior="isolated"), pre_tokenizers.Digits()]
    )
    split.enable_truncation(8)
    split.enable_padding()
    return [one.to_str().encode() for one in (bpe, words, unigram, split)]


def settings_seeds() -> list[bytes]:
    plain = {"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": False}}
    return [json.dumps(plain | {"model_max_length": 10**30, "add_bos_token": True}).encode()]


def adapter_seeds() -> list[bytes]:
    said = {"peft_type": "LORA", "base_model_name_or_path": "base", "r": 8, "revision": None}
    return [json.dumps(said).encode()]


def modules_seeds() -> list[bytes]:
    kinds = ("Transformer", "Pooling", "Normalize")
    lines = [
        {"idx": i, "name": str(i), "path": f"{i}_{kind}" if i else "",
         "type": f"sentence_transformers.models.{kind}"}
        for i, kind in enumerate(kinds)
    ]  # fmt: skip
    return [json.dumps(lines).encode()]


def pooling_seeds() -> list[bytes]:
    old = {"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True}
    return [json.dumps(one).encode() for one in (old, {"pooling_mode": "lasttoken"})]


def transformer_seeds() -> list[bytes]:
    more = {"tokenizer_args": {"padding_side": "left"}, "model_args": {"dtype": "float32"}}
    return [json.dumps({"max_seq_length": 128, "do_lower_case": False} | more).encode()]


def embedder_seeds() -> list[bytes]:
    prompts = {"query": "find: ", "document": ""}
    said = {"prompts": prompts, "default_prompt_name": "query", "truncate_dim": None}
    return [json.dumps(said | {"model_type": "SentenceTransformer"}).encode()]


@cache
def filter_seeds() -> tuple[bytes, ...]:
    from embfilter_viz.export.filter_file import _packed

    class About:
        def __init__(self, **said: str) -> None:
            self.said = said

        def metadata(self) -> dict[str, str]:
            same = {"head_hash": "0" * 64, "checkpoint": "llama", "prompt": "mean"}
            return same | {"library": "embfilter-viz 1"} | self.said

    V = np.eye(WIDTH, dtype=np.float32)[:, 1:3]
    window = About(l="1", r="3", d_model=str(WIDTH), removes="two", tau="2.0")
    method = About(method="whitening", removes="the mean", d_model=str(WIDTH))
    of_window = _packed("1", (np.ascontiguousarray(V),), window)  # type: ignore[arg-type]
    of_map = _packed(
        "2",
        (np.eye(WIDTH), np.ones(WIDTH)),
        method,  # type: ignore[arg-type]
    )
    return of_window, of_map


def filter_changed(rng: random.Random, seed: bytes) -> bytes:
    """A filter file changed, half of the time with its checksum made right again."""
    from safetensors.numpy import load, save

    from embfilter_viz.export.filter_file import _digest

    data = safetensors_changed(rng, seed)
    if rng.random() < 0.5:
        return data
    try:
        tensors = load(data)
        length = int.from_bytes(data[:8], "little")
        said = json.loads(data[8 : 8 + length]).get("__metadata__", {})
        said["sha256"] = _digest(list(tensors.values()), said)
        return save(tensors, metadata=said)
    except Exception:  # it is wrong in a way that has no checksum
        return data


# -- what reads them -------------------------------------------------------------------------------


@cache
def _whole(folder: Path) -> Path:
    """A checkpoint that opens, of which one file is then changed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_bytes(config_seeds()[0])
    (folder / "tokenizer.json").write_bytes(tokenizer_seeds()[0])
    (folder / "model.safetensors").write_bytes(safetensors_seed())
    return folder


@contextmanager
def _beside(path: Path, *files: str) -> Iterator[Path]:
    """The folder of ``path`` with the other files of a whole checkpoint in it."""
    source = _whole(path.parent.parent / "whole")
    for file in files:
        target = path.parent / file
        if not target.exists():
            target.write_bytes((source / file).read_bytes())
    yield path.parent


def read_checkpoint(path: Path) -> None:
    """Outline, head and its values: what `spectrum` needs."""
    from embfilter_viz.models import families
    from embfilter_viz.models.encoding.quantised import keeps_codes, method_of
    from embfilter_viz.models.formats.tensors import row_blocks
    from embfilter_viz.models.head.unembedding import find_head
    from embfilter_viz.models.sources.locate import outline_of_folder

    with _beside(path, "config.json", "tokenizer.json", "model.safetensors") as folder:
        found = outline_of_folder(folder, "m")
    head = find_head(found)
    _ = families.family_of(found.config).title, families.layers_of(found.config, found.stored)
    _ = method_of(found.config), keeps_codes(found.config), found.identity
    for entry in (head.entry, *([head.bias] if head.bias else [])):
        for block in row_blocks(entry):
            assert block.dtype == np.float32


@cache
def _room() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory()  # removed as the process ends


@cache
def _loadable() -> Path:
    """A tiny random Llama that loads."""
    from tests.models.tiny_checkpoints import write_checkpoint

    return write_checkpoint(Path(_room().name) / "llama").folder


def loadable_config_seeds() -> list[bytes]:
    return [(_loadable() / "config.json").read_bytes()]


def read_loaded(path: Path) -> None:
    """The model in memory, and one text through it, with another configuration than its own."""
    from embfilter_viz.model import open_model

    for file in _loadable().iterdir():
        if not (path.parent / file.name).exists():
            (path.parent / file.name).write_bytes(file.read_bytes())
    open_model(str(path.parent)).encode([f"a text {path.stat().st_mtime_ns}"], "mean")


def read_index(path: Path) -> None:
    from embfilter_viz.models.formats.checks import is_whole
    from embfilter_viz.models.formats.safetensors_header import read_tables, weight_files

    shard = path.with_name("model-00001.safetensors")
    if not shard.exists():
        shard.write_bytes(safetensors_seed())
    is_whole(path.parent)
    read_tables(weight_files(path.parent, "m"), "m")


def read_tokenizer(path: Path) -> None:
    from embfilter_viz.models.head.vocabulary import Vocabulary
    from embfilter_viz.models.outline import Outline

    with _beside(path, "tokenizer.json") as folder:
        outline = Outline("m", folder, json.loads(config_seeds()[0]), ())
    words = Vocabulary.of(outline, ROWS)
    _ = words.size, words.opening, words.closing
    words.encode("a b")
    words.encode_many(["ab cab", "", "é 12\n"])
    words.encode_with_ends("a bad")
    for row in range(ROWS):
        words.text(row)
        words.kind(row)


def read_gguf(path: Path) -> None:
    from embfilter_viz.errors import InputError
    from embfilter_viz.models.formats.tensors import is_readable, row_blocks
    from embfilter_viz.models.gguf.account import NotRead, entry_of
    from embfilter_viz.models.gguf.heads import check_is_decoder, head_config
    from embfilter_viz.models.gguf.parts import read_gguf as header_of
    from embfilter_viz.models.gguf.reading import plan_to_encode
    from embfilter_viz.models.gguf.tokenizer import tokenizer_files

    header = header_of(path, "m")
    check_is_decoder(header, "m")
    head_config(header, "m")
    _ = header.precision, header.parameters
    for entry in map(entry_of, header.tensors):
        if entry.name in ("token_embd.weight", "output.weight") and is_readable(entry):
            list(row_blocks(entry))
    try:
        plan_to_encode(header)
        tokenizer_files(header)
    except NotRead as reason:
        raise InputError(f"m: texts cannot be read: {reason}; take another") from reason


def read_gguf_tensors(path: Path) -> None:
    """All that a conversion reads: every parameter's values, and the tokenizer as it is written."""
    from embfilter_viz.models.gguf.account import NotRead
    from embfilter_viz.models.gguf.parts import read_gguf as header_of
    from embfilter_viz.models.gguf.reading import plan_to_encode
    from embfilter_viz.models.gguf.tokenizer import tokenizer_files
    from embfilter_viz.models.head.vocabulary import Vocabulary
    from embfilter_viz.models.outline import Outline
    from embfilter_viz.models.sources.gguf_conversion import cannot_encode, values_of

    header = header_of(path, "m")
    folder = path.parent / "written"
    try:
        plan = plan_to_encode(header)
        folder.mkdir(exist_ok=True)
        tokenizer_files(header).write(folder)
    except NotRead as reason:
        raise cannot_encode("m", str(reason)) from reason
    for parameter in plan.parameters:
        values = values_of(plan, parameter, "m")
        assert values.dtype == np.float32
        assert values.size == plan.parameters[parameter].n_elements
    words = Vocabulary.of(Outline("m", folder, plan.config, ()), header.tensors[0].shape[0])
    words.encode_with_ends("a bad")


def read_gguf_converted(path: Path) -> None:
    """The conversion, with the model that transformers makes of the file's settings."""
    from embfilter_viz.models.gguf.parts import read_gguf as header_of
    from embfilter_viz.models.sources.gguf_conversion import convert
    from embfilter_viz.system.progress import silent

    folder = path.parent / "converted"
    folder.mkdir(exist_ok=True)
    header_of(path, "m")
    convert(str(path), "m", str(folder), "", silent)


def read_hub_tables(path: Path) -> None:
    """A head that was fetched from the hub by ranges, by the table that was kept of it."""
    from embfilter_viz.models.formats.tensors import row_blocks
    from embfilter_viz.models.head.unembedding import find_head
    from embfilter_viz.models.outline import Outline
    from embfilter_viz.models.sources.ranges import _read

    with _beside(path, "config.json", "tokenizer.json", "model.safetensors") as folder:
        where = str(folder).encode()
        path.write_bytes(path.read_bytes().replace(HERE.encode(), where))
        found = _read(folder, "0" * 40)
    if found is None:  # fetched again
        return
    config = json.loads(config_seeds()[0])
    head = find_head(Outline("m", found.folder, config, found.tables))
    for block in row_blocks(head.entry):
        assert block.dtype == np.float32


HERE = "/the/folder"
"""What stands for the folder of the target in its inputs."""


@cache
def hub_tables_seeds() -> list[bytes]:
    from dataclasses import asdict

    from embfilter_viz.models.formats.safetensors_header import read_tables

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        path.write_bytes(safetensors_seed())
        tables = [asdict(one) | {"file": f"{HERE}/{path.name}"} for one in read_tables([path], "m")]
        lengths = {f"{HERE}/{path.name}": path.stat().st_size}
    said = {"folder": HERE, "lengths": lengths, "tables": tables}
    return [json.dumps(said).encode()]


def card_seeds() -> list[bytes]:
    said = {"method": "window", "l": 1, "r": 3, "prompt": "mean", "checkpoint": "llama"}
    return [json.dumps(said).encode()]


def read_card(path: Path) -> None:
    """The note that an exported folder has of itself."""
    from embfilter_viz.cli.verifying import _card

    card = _card(path)
    _ = card.get("method"), card.get("prompt")


def read_dense(path: Path) -> None:
    """The projection of an exported folder of sentence-transformers."""
    from safetensors.numpy import save_file

    from embfilter_viz.export.folder_map import _last_dense

    folder = path.parent if path.name == "modules.json" else path.parents[1]
    (folder / "1_Dense").mkdir(exist_ok=True)
    if not (folder / "modules.json").exists():
        (folder / "modules.json").write_bytes(dense_seeds()[0])
    if not (folder / "1_Dense/model.safetensors").exists():
        weight = np.ones((2, WIDTH), dtype=np.float32)
        save_file({"linear.weight": weight}, folder / "1_Dense/model.safetensors")
    found = _last_dense(folder)
    if found is not None:
        found(np.ones((2, len(found.matrix)), dtype=np.float32))


def dense_seeds() -> list[bytes]:
    lines = [{"type": f"sentence_transformers.models.{kind}", "path": f"1_{kind}"}
             for kind in ("Pooling", "Dense")]  # fmt: skip
    return [json.dumps(lines).encode()]


def dense_weight_seeds() -> list[bytes]:
    from safetensors.numpy import save

    return [save({"linear.weight": np.ones((2, WIDTH), dtype=np.float32)})]


def beir_seeds() -> list[bytes]:
    lines = [{"_id": f"d{i}", "title": "A cat", "text": f"sits on mat {i}."} for i in range(9)]
    return ["\n".join(map(json.dumps, lines)).encode()]


def qrels_seeds() -> list[bytes]:
    lines = ["query-id\tcorpus-id\tscore", *(f"q{i}\td{i}\t1" for i in range(9))]
    return ["\n".join(lines).encode()]


def read_beir_folder(path: Path) -> None:
    """A folder as BEIR has it, of which one file is changed."""
    from embfilter_viz.texts import read_judged

    folder = path.parents[1] if path.name == "test.tsv" else path.parent
    queries = [{"_id": f"q{i}", "text": f"where is cat {i}?"} for i in range(9)]
    right = {
        "corpus.jsonl": beir_seeds()[0], "qrels/test.tsv": qrels_seeds()[0],
        "queries.jsonl": "\n".join(map(json.dumps, queries)).encode(),
    }  # fmt: skip
    for name, data in right.items():
        if not (folder / name).exists():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(data)
    read_judged(folder, "retrieval")


def read_adapter(path: Path) -> None:
    from embfilter_viz.models.sources.adapters import is_adapter, read_adapter

    weights = path.with_name("adapter_model.safetensors")
    if not weights.exists():
        weights.write_bytes(safetensors_seed())
    if is_adapter(path.parent):
        _ = read_adapter(path.parent, "m").brought


def read_embedder(path: Path) -> None:
    """How an embedder is read by its makers, of which one file is changed."""
    from embfilter_viz.models.encoding.published import read_published
    from embfilter_viz.models.outline import Outline
    from embfilter_viz.models.sources.hub_embedder import embedder_folder

    folder = path.parents[1] if path.name == "config.json" else path.parent
    files = {
        "modules.json": modules_seeds()[0],
        "1_Pooling/config.json": pooling_seeds()[0],
        "2_Normalize/config.json": b"{}",
        "sentence_bert_config.json": transformer_seeds()[0],
        "config_sentence_transformers.json": embedder_seeds()[0],
        "model.safetensors": safetensors_seed(),
    }
    for place, data in files.items():
        if not (folder / place).exists():
            (folder / place).parent.mkdir(exist_ok=True)
            (folder / place).write_bytes(data)
    embedder_folder(str(folder))
    _ = read_published(Outline("m", folder, json.loads(config_seeds()[0]), ())).as_prompt()


def read_filter(path: Path) -> None:
    from embfilter_viz import load_filter

    found = load_filter(path)
    found.transform(np.ones((2, WIDTH), dtype=np.float32))
    _ = found.removes, found.get_feature_names_out()
    _ = found.metadata["checkpoint"]


def read_table(path: Path) -> None:
    """Texts of a table, its preview and the task it is for."""
    from embfilter_viz.errors import InputError
    from embfilter_viz.evaluation.tasks import read_tasks
    from embfilter_viz.texts import preview_table, read_texts
    from embfilter_viz.texts.reading import read_lines

    refused = None
    data = path.read_bytes()
    for read in (
        lambda: read_texts(path),
        lambda: preview_table(data, "pairs", path.name),
        lambda: read_lines(path),
        lambda: read_tasks(path),
    ):
        try:
            read()
        except InputError as error:
            refused = error
    if refused is not None:
        raise refused


def read_name(path: Path) -> None:
    from embfilter_viz.models.sources import hub
    from embfilter_viz.models.sources.names import repository, understood, without_place
    from embfilter_viz.models.sources.ranges import find_hub_head

    name = path.read_bytes().decode("utf-8", "surrogateescape")
    without_place(name)
    name, kind = understood(name)
    if kind == "hub":
        repo, revision = repository(name)
        hub.find_cached(repo, revision)
        find_hub_head(repo, revision)


def read_window(path: Path) -> None:
    from embfilter_viz.spectral.windows import Window

    window = Window.parse(path.read_bytes().decode("utf-8", "surrogateescape"), 576)
    _ = window.description, window.tau


GGUFS = ("llama gpt2", "llama llama", "gemma2 llama")
"""Architectures and kinds of tokenizer of the tiny files."""


def read_self_test(path: Path) -> None:
    """Read nothing of ours: one input is never answered, another ends the process."""
    what = path.read_bytes()
    if what == b"hang":
        time.sleep(60)
    if what == b"abort":
        os.abort()


def _of_text(*lines: str) -> Callable[[], list[bytes]]:
    return lambda: [line.encode() for line in lines]


TARGETS = {
    one.name: one
    for one in (
        Target("safetensors", lambda: [safetensors_seed()], safetensors_changed,
               "model.safetensors", read_checkpoint),
        Target("gguf", _of_text(*GGUFS), gguf_changed, "m.gguf", read_gguf,
               lambda: [tiny(*one.split()).bytes() for one in GGUFS]),
        Target("index", lambda: [index_seed()], json_changed,
               "model.safetensors.index.json", read_index),
        Target("config", config_seeds, json_changed, "config.json", read_checkpoint,
               unlisted_config_seeds),
        Target("config-unlisted", unlisted_config_seeds, json_changed, "config.json",
               read_checkpoint),
        Target("config-loaded", loadable_config_seeds, json_changed, "config.json", read_loaded,
               slow=True),
        Target("tokenizer", tokenizer_seeds, json_changed, "tokenizer.json", read_tokenizer),
        Target("tokenizer-settings", settings_seeds, json_changed, "tokenizer_config.json",
               read_tokenizer),
        Target("adapter", adapter_seeds, json_changed, "adapter_config.json", read_adapter),
        Target("embedder-modules", modules_seeds, json_changed, "modules.json", read_embedder),
        Target("embedder-pooling", pooling_seeds, json_changed, "1_Pooling/config.json",
               read_embedder),
        Target("embedder-transformer", transformer_seeds, json_changed,
               "sentence_bert_config.json", read_embedder),
        Target("embedder-prompts", embedder_seeds, json_changed,
               "config_sentence_transformers.json", read_embedder),
        Target("filter", lambda: list(filter_seeds()), filter_changed, "f.safetensors",
               read_filter),
        Target("table", table_seeds, table_changed, "t.csv", read_table),
        Target("table-json", json_lines_seeds, json_lines_changed, "t.jsonl", read_table),
        Target("table-records", json_seeds, json_changed, "t.json", read_table),
        Target("table-packed", packed_seeds, bytes_changed, "t.csv.gz", read_table),
        Target("table-parquet", parquet_seeds, bytes_changed, "t.parquet", read_table),
        Target("gguf-tensors", _of_text(*GGUFS), gguf_changed, "m.gguf", read_gguf_tensors,
               lambda: [tiny(*one.split()).bytes() for one in GGUFS]),
        Target("gguf-converted", _of_text(*GGUFS), gguf_changed, "m.gguf", read_gguf_converted,
               lambda: [tiny(*one.split()).bytes() for one in GGUFS], slow=True),
        Target("hub-tables", hub_tables_seeds, json_changed, "tables.json", read_hub_tables),
        Target("hub-listing", answers.listing_seeds, json_changed, "listing.json",
               answers.read_listing),
        Target("index-page", answers.index_page_seeds, answers.index_page_changed, "page",
               answers.read_index_page),
        Target("engine-answer", answers.answer_seeds, json_changed, "answer.json",
               answers.read_answer),
        Target("engine-models", answers.models_seeds, json_changed, "models.json",
               answers.read_models),
        Target("card", card_seeds, json_changed, "card.json", read_card),
        Target("dense-modules", dense_seeds, json_changed, "modules.json", read_dense),
        Target("dense-weights", dense_weight_seeds, safetensors_changed,
               "1_Dense/model.safetensors", read_dense),
        Target("beir-corpus", beir_seeds, json_lines_changed, "corpus.jsonl", read_beir_folder),
        Target("beir-qrels", qrels_seeds, table_changed, "qrels/test.tsv", read_beir_folder),
        Target("vectors-npy", stored.npy_seeds, stored.npy_changed, "v.npy", stored.read_vectors),
        Target("vectors-scales", stored.scale_seeds, stored.npy_changed, "v.npy",
               stored.read_scales),
        Target("vectors-parquet", stored.parquet_vector_seeds, bytes_changed, "v.parquet",
               stored.read_vectors),
        Target("vectors-arrow", stored.arrow_seeds, bytes_changed, "v.arrow",
               stored.read_vectors),
        Target("vectors-faiss", stored.faiss_seeds, bytes_changed, "v.faiss",
               stored.read_vectors),
        Target("database-sqlite", stored.sqlite_seeds, bytes_changed, "v.db",
               stored.read_database),
        Target("database-duckdb", stored.duckdb_seeds, bytes_changed, "v.duckdb",
               stored.read_duckdb, slow=True),
        Target("browser-history", answers.history_seeds, json_changed, "history.json",
               answers.read_history),
        Target("link", answers.link_seeds, text_changed, "link.txt", answers.read_link),
        Target("name", _of_text("org/name", "org/name@v1.0", "folder", "./x.gguf", "smollm2-135m",
                                "org/name@refs/pr/1", "~/models", "config.json",
                                "engine:http://127.0.0.1:9#org/name"),
               text_changed, "name.txt", read_name),
        Target("window", _of_text("2", "tau=1.25", "72:504", ":5", "τ = 3"), text_changed,
               "window.txt", read_window),
    )
}  # fmt: skip
"""By name."""

SELF_TEST = Target(
    "self-test", lambda: [b"fine"], lambda rng, seed: rng.choice((seed, b"hang", b"abort")), "x",
    read_self_test,
)  # fmt: skip
"""Shows that a run notices what ends a process or never ends."""
ALL = {**TARGETS, SELF_TEST.name: SELF_TEST}
