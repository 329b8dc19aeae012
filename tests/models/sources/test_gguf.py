import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.model import Model
from embfilter_viz.models.formats.fingerprints import files_of_tokenizer, known_hash
from embfilter_viz.models.formats.gguf_header import GgufHeader, read_header
from embfilter_viz.models.formats.safetensors_header import TensorEntry
from embfilter_viz.models.formats.tensors import StoredRows, row_blocks
from embfilter_viz.models.gguf import parts
from embfilter_viz.models.head.unembedding import find_head, open_head
from embfilter_viz.models.outline import Checkpoint
from embfilter_viz.models.sources import gguf_conversion, gguf_outline
from embfilter_viz.models.sources.gguf_conversion import all_converted, converted, find_converted
from embfilter_viz.models.sources.known import known_models
from embfilter_viz.models.sources.locate import locate, outline
from embfilter_viz.system.child_process import StoppedBySystem
from tests.models import hand_made
from tests.models.hand_made import Listener
from tests.models.tiny_gguf import D_MODEL, D_VOCAB, N_HEADS, N_LAYERS, write_gguf

pytestmark = pytest.mark.usefixtures("own_cache")


@dataclass(frozen=True)
class First:
    path: Path
    plain: dict[str, np.ndarray]
    checkpoint: Checkpoint
    listener: Listener
    cache: Path


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    write_gguf(path)
    return path


def test_header_matches_the_package(gguf: Path) -> None:
    from gguf import GGUFReader

    header = read_header(gguf, "tiny")
    reader = GGUFReader(gguf)
    theirs = {
        t.name: (tuple(int(n) for n in t.shape[::-1]), t.tensor_type.name, t.data_offset, t.n_bytes)
        for t in reader.tensors
    }
    ours = {t.name: (t.shape, t.type_name, t.offset, t.n_bytes) for t in header.tensors}
    assert ours == theirs
    assert header.architecture == "llama"
    assert header.precision == "Q8_0"
    assert header.parameters == sum(int(t.n_elements) for t in reader.tensors)
    assert header.metadata["llama.embedding_length"] == D_MODEL
    assert header.metadata["tokenizer.ggml.tokens"] == D_VOCAB
    assert header.metadata["tokenizer.ggml.token_type"][:4] == [3, 3, 3, 1]


def unpermute(rows: np.ndarray) -> np.ndarray:
    """llama.cpp interleaves the two halves of each head's rotary pairs; undo it by its index."""
    per_head = len(rows) // N_HEADS
    order = [
        head * per_head + 2 * i + half
        for head in range(N_HEADS)
        for half in (0, 1)
        for i in range(per_head // 2)
    ]
    return rows[order]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> First:
    """A conversion that several tests look at, in a cache of their own."""
    room = tmp_path_factory.mktemp("first")
    path = room / "tiny.gguf"
    plain = write_gguf(path)
    listener = Listener()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBFILTER_VIZ_CACHE", str(room / "cache"))
        checkpoint = locate(str(path), progress=listener)
    return First(path, plain, checkpoint, listener, room / "cache")


def test_converted_weights_are_the_dequantised_ones_bit_for_bit(first: First) -> None:
    checkpoint, plain = first.checkpoint, first.plain
    assert checkpoint.outline.kind == "gguf"
    assert checkpoint.outline.precision == "Q8_0"
    stored = load_file(checkpoint.folder / "model.safetensors")
    names = {
        **{"token_embd": "embed_tokens", "output_norm": "norm"},
        **{"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"},
        **{f"attn_{x}": f"self_attn.{x}_proj" for x in "qkv"},
        "attn_output": "self_attn.o_proj",
        **{f"ffn_{x}": f"mlp.{x}_proj" for x in ("gate", "up", "down")},
    }
    seen = set()
    for name, values in plain.items():
        stem = name.removesuffix(".weight")
        block, _, last = stem.rpartition(".")
        ours = f"model.{block.replace('blk', 'layers')}.{names[last]}.weight".replace("..", ".")
        expected = unpermute(values) if last in ("attn_q", "attn_k") else values
        assert stored[ours].dtype == np.float32
        np.testing.assert_array_equal(stored[ours], expected, err_msg=name)
        seen.add(ours)
    assert seen == set(stored)  # the tied head is stored once, as the embedding
    config = json.loads((checkpoint.folder / "config.json").read_text())
    assert config["tie_word_embeddings"] is True
    assert "quantization_config" not in config
    assert config["num_hidden_layers"] == N_LAYERS


def test_opened_as_any_checkpoint(first: First) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = first.checkpoint.folder
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    ids = torch.tensor([tokenizer("AB!").input_ids])
    assert tokenizer.convert_ids_to_tokens(ids[0].tolist()) == ["AB", "!"]
    assert torch.isfinite(model(ids).logits).all()
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_second_time_converts_nothing_even_under_another_name(
    first: First, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert any(what.startswith("dequantising") for what, *_ in first.listener.told)
    monkeypatch.setenv("EMBFILTER_VIZ_CACHE", str(first.cache))
    monkeypatch.setattr(gguf_conversion, "run_in_child", None)
    copy = shutil.copy(first.path, tmp_path / "other.gguf")
    second = locate(str(copy))
    assert second.folder == first.checkpoint.folder
    assert second.content_hash == first.checkpoint.content_hash


def test_listed_among_known_models(
    first: First, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBFILTER_VIZ_CACHE", str(first.cache))
    assert [m.name for m in known_models() if m.source.startswith("GGUF")] == [str(first.path)]
    away = first.path.rename(tmp_path / "away.gguf")
    assert [m for m in known_models() if m.source.startswith("GGUF")] == []
    away.rename(first.path)


def test_the_head_is_read_from_the_file_itself_bit_for_bit(first: First, own_cache: Path) -> None:
    """Without a conversion and without a hash of the file; the same key as the converted one's."""
    found = outline(str(first.path))
    head = find_head(found)
    assert (head.entry.name, head.entry.dtype, head.tied) == ("token_embd.weight", "Q8_0", True)
    read = open_head(head)
    np.testing.assert_array_equal(read.W_U, first.plain["token_embd.weight"])
    np.testing.assert_array_equal(StoredRows(head.entry)[3:9], read.W_U[3:9])
    assert (found.precision, read.stored_as) == ("Q8_0", "Q8_0")
    assert not (own_cache / "models" / "converted").exists()
    assert known_hash(first.path) is None
    assert head.digest() == find_head(first.checkpoint.outline).digest()
    theirs = {p.name: p.read_bytes() for p in files_of_tokenizer(first.checkpoint.folder)}
    assert {p.name: p.read_bytes() for p in files_of_tokenizer(found.folder)} == theirs
    ours, whole = (
        json.loads((f / "config.json").read_text()) for f in (found.folder, first.checkpoint.folder)
    )
    facts = ("architectures", "model_type", "tie_word_embeddings", "vocab_size", "bos_token_id")
    assert [ours[k] for k in facts] == [whole[k] for k in facts]


@pytest.mark.parametrize(
    "kind", ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q6_K"]
)
def test_rows_are_dequantised_as_llama_cpp_s_package_does(tmp_path: Path, kind: str) -> None:
    """In blocks of rows, from anywhere in a file, to the bits of the whole at once."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
    from gguf.quants import dequantize

    block, n_bytes = GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    length = 512 // block * n_bytes
    values = np.random.default_rng(0).normal(size=(37, length // 2)).astype(np.float16)
    packed = values.view(np.uint8).reshape(37, length)
    (tmp_path / "f").write_bytes(b"before" + packed.tobytes())
    entry = TensorEntry("w", kind, (37, 512), tmp_path / "f", 6, packed.size)
    expected = dequantize(packed, GGMLQuantizationType[kind]).reshape(37, 512)
    blocks = list(row_blocks(entry, max_bytes=4 * length))
    assert len(blocks) > 5
    np.testing.assert_array_equal(np.concatenate(blocks), expected)
    np.testing.assert_array_equal(StoredRows(entry)[[36, 2, 2]], expected[[36, 2, 2]])


def test_a_vocabulary_is_converted_once(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def pretend(function: Callable[..., object], arguments: dict[str, str], **_: object) -> None:
        asked.append(function.__name__)
        hand_made.write(Path(arguments["folder"]))

    monkeypatch.setattr(gguf_outline, "run_in_child", pretend)
    first = outline(str(gguf))
    os.utime(gguf, (1, 1))
    assert outline(str(gguf)).folder == first.folder
    assert asked == ["convert_outline"]


def test_opening_and_fetching_parse_the_header_once(
    gguf: Path, monkeypatch: pytest.MonkeyPatch, conversions: list[str]
) -> None:
    parsed = []

    def counted(path: Path, name: str) -> GgufHeader:
        parsed.append(path)
        return read_header(path, name)

    monkeypatch.setattr(parts, "read_header", counted)
    model = Model(outline(str(gguf)))
    assert model.card.n_layers == N_LAYERS
    model.fetch()
    assert parsed == [gguf]
    assert conversions == [str(gguf)]


def test_conversions_of_older_releases_go(gguf: Path, conversions: list[str]) -> None:
    first = locate(str(gguf)).folder
    older = first.rename(first.with_name(first.name.rpartition("-")[0] + "-v1"))
    assert all_converted() == []
    assert locate(str(gguf)).folder == first
    assert not older.exists()


def test_nothing_of_transformers_own_reader_of_gguf_is_asked() -> None:
    """Its names and its ways change from release to release; two classes of transformers do not."""
    sources = Path(gguf_conversion.__file__).parents[1]
    asked = set()
    for path in [*sources.glob("gguf/**/*.py"), *sources.glob("*/gguf_*.py")]:
        asked |= set(re.findall(r"\btransformers\.[\w.]+", path.read_text(encoding="utf-8")))
        assert "from transformers" not in path.read_text(encoding="utf-8")
    assert asked == {
        "transformers.AutoConfig.for_model",
        "transformers.AutoModelForCausalLM.from_config",
        "transformers.__version__",
    }


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Conversion without transformers: what surrounds it is tested in milliseconds."""
    done = []

    def pretend(function: Callable[..., object], arguments: dict[str, str], **_: object) -> None:
        assert function is gguf_conversion.convert
        hand_made.write(Path(arguments["folder"]))
        done.append(arguments["path"])

    monkeypatch.setattr(gguf_conversion, "run_in_child", pretend)
    return done


def test_damaged_conversion_is_made_anew(gguf: Path, conversions: list[str]) -> None:
    folder = locate(str(gguf)).folder
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    assert all_converted() == []
    assert locate(str(gguf)).folder == folder
    assert weights.read_bytes() == whole
    assert conversions == [str(gguf), str(gguf)]


@pytest.mark.parametrize("moment", ["opening", "dequantising"])
def test_cancelled_at_any_moment_leaves_nothing(gguf: Path, moment: str) -> None:
    before = time.monotonic()
    listener = Listener(cancel_when=moment)
    with pytest.raises(Cancelled):
        converted(gguf, "tiny", sha256="0" * 64, progress=listener)
    assert listener.told[-1][0].startswith(moment)
    assert time.monotonic() - before < 30
    home = gguf_conversion.cache_folder() / "models" / "converted"
    assert [p.name for p in home.iterdir() if p.is_dir()] == []
    assert find_converted("0" * 64) is None


_KILLED = """
import os, signal, sys
from pathlib import Path
from embfilter_viz.models.sources.gguf_conversion import converted
def progress(what, done, total, unit):
    if what.startswith(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
converted(Path(sys.argv[1]), "tiny", progress=progress)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_killed_while_writing_recovers(gguf: Path, conversions: list[str]) -> None:
    command = [sys.executable, "-c", _KILLED, str(gguf), "dequantising"]
    root = str(Path(__file__).parents[3])
    ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": root}, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert all_converted() == []
    checkpoint = locate(str(gguf))
    home = checkpoint.folder.parent
    assert [p for p in home.iterdir() if p.is_dir()] == [checkpoint.folder]
    assert conversions == [str(gguf)]


def test_cancelled_while_checking_leaves_nothing(gguf: Path, conversions: list[str]) -> None:
    with pytest.raises(Cancelled):
        locate(str(gguf), progress=Listener(cancel_when="checking the converted"))
    assert all_converted() == []
    assert locate(str(gguf)).outline.precision == "Q8_0"
    assert conversions == [str(gguf), str(gguf)]


def test_killed_by_the_system_for_memory_is_one_line(
    gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise StoppedBySystem("signal 9")

    monkeypatch.setattr(gguf_conversion, "run_in_child", killed)
    with pytest.raises(InputError, match="want of memory"):
        locate(str(gguf))


def test_two_at_once_convert_once(gguf: Path) -> None:
    code = (
        "import sys; from embfilter_viz.models.sources.locate import locate; "
        "told = []; print(locate(sys.argv[1], progress=lambda *a: told.append(a[0])).content_hash, "
        "'checking the converted model' in told)"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(gguf)],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    ended = [process.communicate(timeout=90) for process in started]
    assert [errors for _, errors in ended] == ["", ""]  # no bar, no warning of a library leaks
    said = [output.split() for output, _ in ended]
    assert [p.returncode for p in started] == [0, 0]
    assert said[0][0] == said[1][0]
    assert sorted(converting for _, converting in said) == ["False", "True"]


@pytest.mark.parametrize("keep", [0, 3, 20, 200, 3000, -1])
def test_truncated_anywhere_is_one_line(gguf: Path, keep: int) -> None:
    gguf.write_bytes(gguf.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"truncated|not a GGUF") as refusal:
        locate(str(gguf))
    assert "\n" not in str(refusal.value)
    assert str(gguf) in str(refusal.value)


def test_damaged_bytes_in_the_header_are_one_line(gguf: Path) -> None:
    whole = gguf.read_bytes()
    rng = np.random.default_rng(1)
    for position in rng.integers(4, 1500, size=200):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        gguf.write_bytes(damaged)
        with contextlib.suppress(InputError):  # any other exception fails the test
            read_header(gguf, "tiny")


@pytest.mark.parametrize(
    ("architecture", "kind"),
    [("bert", "encoder-only"), ("t5", "encoder-decoder"), ("unheard-of", "not known here")],
)
def test_other_architectures_are_refused(tmp_path: Path, architecture: str, kind: str) -> None:
    path = tmp_path / "other.gguf"
    write_gguf(path, architecture=architecture)
    with pytest.raises(InputError, match=kind) as refusal:
        locate(str(path))
    assert "\n" not in str(refusal.value)


def test_refused_before_converting_where_memory_is_short(
    gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_conversion, "memory_free", lambda: 5_000_000)
    monkeypatch.setattr(gguf_conversion, "run_in_child", None)
    with pytest.raises(InputError, match=r"needs 6\d\d MB of memory and 5 MB are free"):
        locate(str(gguf))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        locate(str(tmp_path / "nowhere.gguf"))
