"""A reader by the rules of Text Embeddings Inference, from its source at 0d124dc (July 2026).

It takes ``tokenizer.json`` alone, three flags of the pooling file, and a projection only where all
modules have the names it knows. What it would refuse it raises, what it would drop it lists.
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_weights
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModel

__all__ = ["RefusedError", "TeiReader"]

_KNOWN = {f"sentence_transformers.models.{n}" for n in
          ("Dense", "Normalize", "Pooling", "Transformer")}  # fmt: skip
_EITHER_NAME = ("qwen2", "qwen3")
"""Families whose tensors it takes with and without ``model.`` before their names."""


class RefusedError(Exception):
    """It would not start."""


class TeiReader:
    """What it would read of ``folder``, which it would not normalise if asked so."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dropped: list[str] = []
        self.pooling = self._pooling()
        self.projections = self._projections()
        self.config = json.loads((folder / "config.json").read_text())
        if "rope_theta" not in self.config:
            raise RefusedError("config.json: missing field `rope_theta`")
        names = {n for file in folder.glob("model*.safetensors") for n in load_weights(file)}
        finds_tensors = "embed_tokens.weight" in names or self.config["model_type"] in _EITHER_NAME
        if not finds_tensors:
            raise RefusedError("cannot find tensor embed_tokens.weight")
        settings = json.loads((folder / "sentence_bert_config.json").read_text())
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(settings["max_seq_length"])
        whole = json.loads((folder / "config_sentence_transformers.json").read_text())
        self.prompt = (whole["prompts"] or {}).get(whole["default_prompt_name"], "")

    def _pooling(self) -> str:
        said = json.loads((self.folder / "1_Pooling" / "config.json").read_text())
        flags = ("pooling_mode_cls_token", "pooling_mode_mean_tokens")
        for flag in flags:
            if flag not in said:
                raise RefusedError(f"1_Pooling/config.json: missing field `{flag}`")
        for flag in (*flags, "pooling_mode_lasttoken"):
            if said.get(flag):
                return flag
        raise RefusedError("pooling config is not supported")

    def _projections(self) -> list[np.ndarray]:
        modules = json.loads((self.folder / "modules.json").read_text())
        if not {module["type"] for module in modules} <= _KNOWN:
            self.dropped.append("projection")
            return []
        found = []
        for module in modules:
            if module["type"].endswith("Dense"):
                place = self.folder / module["path"]
                said = json.loads((place / "config.json").read_text())
                assert said["activation_function"] == "torch.nn.modules.linear.Identity"
                weight = load_file(place / "model.safetensors")["linear.weight"]
                assert weight.shape == (said["out_features"], said["in_features"])
                found.append(weight)
        return found

    def encode(self, texts: list[str]) -> np.ndarray:
        """(n, k) float32: the default prompt before each text, special tokens, pooling, Dense."""
        config = AutoConfig.from_pretrained(self.folder)
        model = AutoModel.from_pretrained(self.folder, config=config, dtype=torch.float32).eval()
        rows = []
        for text in texts:
            ids = self.tokenizer.encode(self.prompt + text, add_special_tokens=True).ids
            with torch.no_grad():
                states = model(torch.tensor([ids])).last_hidden_state[0].numpy()
            row = states.mean(axis=0) if "mean" in self.pooling else states[-1]
            for weight in self.projections:
                row = weight @ row
            rows.append(row)
        return np.stack(rows)
