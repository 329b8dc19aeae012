"""The command line's contract: its JSON, its files, and one line for whatever is wrong."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from embfilter_viz import EmbedFilter, load_filter, open_model
from embfilter_viz.analyses.claims import ORDER
from embfilter_viz.analyses.geometry import geometry
from embfilter_viz.analyses.lens import lens, lens_by_layer
from embfilter_viz.analyses.lesson import lesson
from embfilter_viz.analyses.methods import METHODS
from embfilter_viz.analyses.pair import pair
from embfilter_viz.analyses.position_lens import positions_report
from embfilter_viz.analyses.propose import propose_window
from embfilter_viz.analyses.reference import reference_of
from embfilter_viz.analyses.relative_lens import relative_lens
from embfilter_viz.cli import commands, main, options, tables
from embfilter_viz.data import DEMO_NAMES
from embfilter_viz.evaluation.tasks import COLUMNS_OF, KINDS, LIMITS
from embfilter_viz.model import Model
from embfilter_viz.models.encoding.devices import DEVICES, PRECISIONS
from embfilter_viz.models.encoding.encoder import Encoder
from embfilter_viz.models.encoding.prompts import AVERAGED, PROMPTS, PUBLISHED
from embfilter_viz.spectral.average_token import GAUGES
from embfilter_viz.spectral.windows import BANDS, Window
from tests.models.tiny_checkpoints import D_MODEL, D_VOCAB, N_LAYERS, one_thread
from tests.models.tiny_embedders import embedder, lender, theirs

__all__ = ["one_thread"]

ROOT = Path(__file__).parents[1]
TEXTS = ["the cat sat on the mat", "a dog", "stock markets 😀", "שלום עולם", "stars are born",
         "gas & dust", "the cat sat on the mat", "clouds", "<b>bold</b>", "gravity",
         "one word", "the market fell"]  # fmt: skip
TOKEN = {"id", "text", "logit", "frequency_rank"}


@dataclass
class Said:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.status == 0, self.err
        # Work that takes over a second tells of itself, and a busy machine takes that for anything.
        assert all(line.startswith("… ") for line in self.err.splitlines()), self.err
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))

    @property
    def complaint(self) -> str:
        """The one line, once it is known to be all there is."""
        assert self.status == 2, self.out
        assert self.out == ""
        lines = [line for line in self.err.splitlines(keepends=True) if line[:2] != "… "]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("embfilter-viz: ")
        assert lines[0].endswith("\n")
        return lines[0][len("embfilter-viz: ") : -1]


Run = Callable[..., Said]


@pytest.fixture(scope="module")
def one_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(
    one_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run the command line here, with one cache for all tests of this module."""
    import wordfreq

    monkeypatch.setenv("EMBFILTER_VIZ_CACHE", str(one_cache))
    words = {"the": 0.05, "cat": 0.001, "of": 0.03}
    monkeypatch.setattr(wordfreq, "get_frequency_dict", lambda *_, **__: words)

    def running(*arguments: object) -> Said:
        with pytest.raises(SystemExit) as left:
            main([str(a) for a in arguments])
        captured = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return Said(left.value.code, captured.out, captured.err)

    return running


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model as sentence-transformers saves it."""
    return embedder(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def model(run: Run, tiny: Path) -> Model:
    """The tiny model in the cache that the commands use."""
    return open_model(str(tiny))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    return path


def process(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "embfilter_viz", *map(str, arguments)]
    kinds = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    return subprocess.Popen(command, **(kinds | options))


# -- the JSON ---------------------------------------------------------------------------------


def test_models(run: Run) -> None:
    (bundled,) = run("models", "--json").json["models"]
    assert bundled.items() >= {"name": "smollm2-135m", "present": False}.items()
    assert bundled["bytes"] > 9e7


@pytest.mark.parametrize("centre", [[], ["--centre"]])
def test_spectrum(run: Run, tiny: Path, model: Model, centre: list[str]) -> None:
    said = run("spectrum", tiny, "--json", *centre).json
    assert (said["d_vocab"], said["d_model"]) == (D_VOCAB, D_MODEL)
    W_U = model.unembedding.W_U.astype(float)
    naive = np.linalg.svd(W_U - W_U.mean(0) * bool(centre), compute_uv=False)
    np.testing.assert_allclose(said["singular_values"], naive, rtol=1e-6)
    assert said["condition_number"] == pytest.approx(naive[0] / naive[-1], rel=1e-6)
    assert said["centred"] == bool(centre)
    assert len(said["relative_error"]) == D_MODEL
    assert said["degenerate_groups"] == []


def test_directions(run: Run, tiny: Path, model: Model) -> None:
    said = run("directions", tiny, "--index", 3, "--top", 4, "--json").json
    loadings = model.unembedding.W_U @ model.spectrum.V[:, 3]
    order = np.argsort(-loadings, kind="stable")
    assert said["index"] == 3
    assert said["singular_value"] == model.spectrum.singular_values[3]
    assert [token["id"] for token in said["positive"]] == order[:4].tolist()
    assert [token["id"] for token in said["negative"]] == order[::-1][:4].tolist()
    assert said["negative"][0]["logit"] == pytest.approx(loadings.min())
    assert all(set(token) >= TOKEN for token in said["positive"])
    assert said["positive"][0]["text"] == model.vocabulary.text(int(order[0]))


@pytest.mark.parametrize("gauge", GAUGES)
def test_spectroscopy(run: Run, tiny: Path, file: Path, gauge: str) -> None:
    options = ["--frequencies", file, "--gauge", gauge, "--top", 5]
    said = run("spectroscopy", tiny, *options, "--json").json
    assert {name: len(values) for name, values in said["shift"].items()} == dict.fromkeys(
        ("frequent", "infrequent", "random"), D_MODEL
    )
    assert said["edge_to_bulk"]["low"] <= said["edge_to_bulk"]["high"]
    assert said["edge_to_bulk"]["ratio"] > 0
    assert {"strong", "weak", "verdict", "n_permutations"} <= set(said["edge_to_bulk"])
    assert {"random", "infrequent"} <= set(said["contrast"])
    assert (said["gauge"], said["frequencies"]["source"]) == (gauge, "corpus")
    assert sum(one["frequency"] for one in said["scripts"]) == pytest.approx(1)
    assert sum(one["n_tokens"] for one in said["scripts"]) == D_VOCAB
    assert [token["frequency_rank"] for token in said["frequent_tokens"]] == list(range(5))
    bands = run("spectroscopy", tiny, *options, "--bands", 4, "--json").json
    assert [len(values) for values in bands["shift"].values()] == [4, 4, 4]
    assert bands["bands"] == [[0, 8], [8, 16], [16, 24], [24, 32]]


def test_lens(run: Run, tiny: Path, model: Model, file: Path) -> None:
    said = run("lens", tiny, "the cat", "--window", "3:20", "--top", 6, "--json").json
    assert said["window"] == [3, 20]
    own = lens(
        model, "the cat", "prompteol", Window(3, 20, D_MODEL), top=6,
        frequencies=model.frequencies("model"),
    )  # fmt: skip
    assert said == own.to_json()
    assert all(set(token) >= TOKEN for side in ("raw", "filtered") for token in said[side])
    tau = run("lens", tiny, "the cat", "--tau", 4, "--frequencies", file, "--json").json
    assert tau["window"] == [12, 20]


def test_lens_by_position(run: Run, tiny: Path, model: Model, file: Path) -> None:
    asked = ("lens", tiny, "the cat", "--window", "3:20", "--positions", "--follow", "cat")
    said = run(*asked, "--relative-to", file, "--json").json["positions"]
    own = positions_report(
        model, "the cat", "prompteol", Window(3, 20, D_MODEL), reference=reference_of(str(file)),
        frequencies=model.frequencies("model"), follow="cat",
    )  # fmt: skip
    assert said == own.to_json()
    cells = np.array(said["raw"]["rank"])
    assert cells.shape == (N_LAYERS + 1, len(said["tokens"]))
    assert said["follow"]["ranks"]["raw"] == cells[:, -1].tolist()
    assert said["relative"]["top"][0][-1] is None, "PromptEOL ends alike for all texts"
    words = " ".join(run(*asked, "--frequencies", file).out.split())
    assert "By layer and token, filtered: after the last layer the filtered state" in words
    refused = run("lens", tiny, "the cat", "--follow", "cat").complaint
    assert refused == "--follow: a token is followed through a map; add --positions"


def test_lens_relative_to_other_texts(run: Run, tiny: Path, model: Model, file: Path) -> None:
    asked = ("lens", tiny, "the cat", "--prompt", "mean", "--window", "3:20", "--top", 6)
    said = run(*asked, "--relative-to", file, "--layers", "--json").json
    p, window = model.frequencies("model"), Window(3, 20, D_MODEL)
    plain = lens(model, "the cat", "mean", window, top=6, frequencies=p)
    own = relative_lens(model, "the cat", "mean", window, top=6, frequencies=p, layers=True,
                        reference=reference_of(str(file)))  # fmt: skip
    by_layer = lens_by_layer(model, model.layers("the cat", "mean"), window, frequencies=p)
    assert said == {**plain.to_json(), "layers": by_layer.to_json(), **own.to_json()}
    for side in ("relative", "relative_filtered"):
        assert [set(token) for token in said[side]] == [TOKEN] * 6
    assert said["reference"]["name"] == "texts.txt"
    assert set(said["own_tokens"]["median_rank"]) == set(said["over_texts"]["median_rank"])
    without = run(*asked, "--json").json
    assert {"relative", "layers", "own_tokens"} & set(without) == set()
    lines = run(*asked, "--relative-to", file, "--layers").out
    assert "With the mean of 11 texts of texts.txt removed:" in lines
    assert own.own.sentence.split(";")[0][:40] in " ".join(lines.split())
    assert len(re.findall(r"^ +layer ", lines, re.MULTILINE)) == 2


def test_pair(run: Run, tiny: Path, model: Model, file: Path) -> None:
    window = ("--window", "3:20", "--prompt", "mean", "--relative-to", file)
    said = run("pair", tiny, "the cat", "a dog", *window, "--top", 4, "--json").json
    own = pair(
        model, ("the cat", "a dog"), "mean", Window(3, 20, D_MODEL), top=4,
        reference=reference_of(str(file)), frequencies=model.frequencies("model"),
    )  # fmt: skip
    assert said == own.to_json()
    # One of the twelve stands there twice, and one is compared.
    assert said["reference"] == {"name": "texts.txt", "n_texts": 10, "left_out": 1}
    kinds = {"raw", "filtered", "mean_removed", "filtered_mean_removed"}
    assert set(said["cosine"]) == set(said["percentile"]) == kinds
    assert sum(said["contributions"]) == pytest.approx(said["cosine"]["raw"])
    for words in (said, said["filtered_words"]):
        for kind in ("shared", "first_only", "second_only"):
            assert [set(token) for token in words[kind]] == [TOKEN] * 4
    assert "matrix" not in said
    three = run("pair", tiny, "the cat", "a dog", "a hen", *window, "--top", 4, "--json").json
    assert np.shape(three["matrix"]["raw"]) == (3, 3)
    lines = run("pair", tiny, "the cat", "a dog", "a hen", *window).out
    assert "What follows is about the first two texts." in lines
    for number in (three["cosine"]["raw"], three["bands"][0]["contribution"]):
        assert re.search(f"{number:.3f}", lines), number
    many = run("pair", tiny, *(f"text {i}" for i in range(16)), *window).out
    assert "do not fit here; --json has them" in many


def test_lesson(run: Run, tiny: Path, model: Model, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.html"
    asked = ("lesson", tiny, "the cat", "a dog", "--window", "3:20")
    said = run(*asked, "-o", sheet, "--json").json
    own = lesson(model, ("the cat", "a dog"), "mean", Window(3, 20, D_MODEL))
    assert said == own.to_json()
    assert len(said["answers"]) == len(said["seen"]) == 7
    assert said["worth"]["n_pairs"] == 160
    page = sheet.read_text(encoding="utf-8")
    assert "Seven steps on" in page
    lines = run(*asked).out
    for number in range(1, 8):
        assert f"{number}. " in lines
    sheet.write_text("mine", encoding="utf-8")
    assert "not as embfilter-viz wrote it" in run(*asked, "-o", sheet).err
    assert sheet.read_text(encoding="utf-8") == "mine"


def test_geometry(run: Run, tiny: Path, model: Model, file: Path) -> None:
    said = run("geometry", tiny, file, "--prompt", "mean", "--json").json
    assert said == geometry(model, TEXTS, "mean", Window.of_tau(2, D_MODEL)).to_json()
    measures = {"mean_cosine", "isoscore", "effective_rank"}
    assert set(said["raw"]) & set(said["filtered"]) >= measures


def test_propose(run: Run, tiny: Path, model: Model, file: Path, tmp_path: Path) -> None:
    said = run("propose", tiny, "--json").json
    assert said == propose_window(model).to_json()
    assert (said["source"], said["n_texts"]) == ("checkpoint", 0)
    few = run("propose", tiny, file, "--json").json
    # one of the twelve stands there twice
    assert few["why"].startswith("distinct texts given: 11, fewer than the 50")
    assert {key: few[key] for key in ("l", "r")} == {key: said[key] for key in ("l", "r")}
    many = [f"{text} {i}" for i in range(6) for text in TEXTS]
    (tmp_path / "many.txt").write_text("\n".join(many), encoding="utf-8")
    said = run("propose", tiny, tmp_path / "many.txt", "--prompt", "mean", "--json").json
    assert said == propose_window(model, many, "mean").to_json()
    # whether or not a random model's texts decide, they were looked at
    assert f"your {len(set(many))} texts" in said["why"]


@pytest.mark.parametrize(
    ("kind", "name"),
    [("filter", "a.safetensors"), ("faiss", "a.vt"), ("numpy", "a.py"), ("report", "a.html")],
)
def test_export(
    run: Run, tiny: Path, model: Model, file: Path, tmp_path: Path, kind: str, name: str
) -> None:
    out = tmp_path / name
    more = ("--texts", file) if kind == "report" else ()
    said = run(
        "export", tiny, "--window", "3:20", "--format", kind, "-o", out, *more, "--json"
    ).json
    assert (said["window"], said["dimensions"], said["tau"]) == ([3, 20], 17, 32 / 17)
    assert (said["head"], said["bytes"]) == (model.head.digest(), out.stat().st_size)
    if kind == "report":
        assert said["check"] is None
        page = out.read_text(encoding="utf-8")
        assert page.count('class="figure"') == 4
        assert TEXTS[0] in page
        assert model.head.digest() in page
        assert str(tiny) not in page
    else:
        assert said["check"]["cosine"] > 0.999999
    if kind == "filter":
        V = model.spectrum.V[:, 3:20]
        np.testing.assert_array_equal(load_filter(out, model=model).projection_, V)
    out.write_text("something of the user's own")
    again = run("export", tiny, "--format", kind, "-o", out)
    assert "not as embfilter-viz wrote it; choose another name, or replace it with --force" in (
        again.complaint
    )


def test_a_language_is_that_of_the_word_frequencies_in_every_command(run: Run, tiny: Path) -> None:
    model = open_model(str(tiny))
    language = ("--language", "id=3,en", "--json")
    asked = model.frequencies("wordfreq", language="en=1,id=3")
    said = run("spectroscopy", tiny, "--top", 5, *language).json["frequencies"]
    assert (said["source"], said["detail"]) == ("wordfreq", asked.detail)
    assert "(en 25 %, id 75 %)" in asked.detail
    assert run("propose", tiny, *language).json["language"] == "en=0.25,id=0.75"
    ranks = dict(enumerate(asked.ranks.tolist()))
    for command in (
        ["directions", tiny, "--index", 0, "--top", 3],
        ["lens", tiny, "the cat", "--top", 3],
    ):
        found = run(*command, *language).json
        tokens = found.get("positive") or found["raw"]
        assert [one["frequency_rank"] for one in tokens] == [ranks[one["id"]] for one in tokens]


def test_languages_shows_every_window_for_each(run: Run, tiny: Path) -> None:
    asked = ("languages", tiny, "--prompt", "mean", "--only", "id,zh")
    said = run(*asked, "--json").json
    assert [one["language"] for one in said["languages"]] == ["id", "zh"]
    words = run(*asked).out
    assert said["sentence"] in " ".join(words.split())
    assert words.count("the weaker half of the directions") == 3
    assert "Mean difference to raw over Indonesian and Chinese" in words


def test_our_sets_in_other_languages_go_by_their_names(run: Run, tiny: Path) -> None:
    swept = run("sweep", tiny, "demo-ru", "--task", "sts", "--taus", "2", "--no-baselines").out
    assert "72 pairs of our Russian demo pairs" in " ".join(swept.split())
    said = run("geometry", tiny, "demo-zh", "--prompt", "mean", "--json").json
    assert said["n_texts"] == 60
    proposal = run("propose", tiny, "demo-hi", "--json").json
    assert (proposal["undecided_texts"] or proposal)["n_texts"] == 60
    pair = run("pair", tiny, "kucing", "anjing", "--relative-to", "demo-id", "--json").json
    assert pair["reference"] == {"name": "demo-id", "n_texts": 30, "left_out": 0}
    runs = ("--run", tiny, "mean", "raw", "--run", tiny, "mean", "2")
    assert run("compare", "demo-id", "--task", "pairs", *runs, "--json").status == 0
    asked = ("leaderboard", tiny, "demo-id", "--task", "sts", "--methods", "mean-subtraction")
    found = run(*asked, "--calibrate", "demo-id", "--json").json
    assert found["calibration"] == "60 texts of demo-id"


def test_a_lower_precision_is_another_result_and_said(run: Run, tiny: Path, tmp_path: Path) -> None:
    plain = run("lens", tiny, "the cat", "--frequencies", "wordfreq", "--json").json
    half = ("lens", tiny, "the cat", "--frequencies", "wordfreq", "--dtype", "bfloat16")
    said = run(*half, "--device", "cpu", "--json").json
    assert said["encoded"] == {"device": "cpu", "dtype": "bfloat16"}
    assert "encoded" not in plain
    assert said["raw"][0]["logit"] != plain["raw"][0]["logit"]
    assert said["raw"][0]["logit"] == pytest.approx(plain["raw"][0]["logit"], rel=0.1)
    assert run(*half).out.endswith("Texts were read in bfloat16 on cpu, not in float32.\n")


def test_a_report_is_made_in_the_precision_asked_for(
    run: Run, tiny: Path, file: Path, tmp_path: Path
) -> None:
    asked = ("export", tiny, "--format", "report", "--texts", file, "--device", "cpu", "--json")
    window, encoded, pages, rows = Window.of_tau(2, D_MODEL), {}, {}, {}
    for dtype in ("float32", "bfloat16"):
        out = tmp_path / f"{dtype}.html"
        encoded[dtype] = run(*asked, "--dtype", dtype, "-o", out).json.get("encoded")
        pages[dtype] = out.read_text(encoding="utf-8")
        own = open_model(str(tiny), device="cpu", dtype=dtype)
        cosine = geometry(own, TEXTS, "prompteol", window).variants["raw"].mean_cosine
        numbers = (cosine.value, cosine.low, cosine.high)
        rows[dtype] = "".join(f'<td class="number">{value:.4g}</td>' for value in numbers)
    assert encoded == {"float32": None, "bfloat16": {"device": "cpu", "dtype": "bfloat16"}}
    for dtype, page in pages.items():
        assert [other for other, row in rows.items() if row in page] == [dtype]
        assert f"<th>Texts read in</th><td>{dtype}</td>" in page
        assert (", dtype=&#x27;bfloat16&#x27;)" in page) == (dtype == "bfloat16")


def test_an_absent_device_is_one_line_before_anything_is_fetched(run: Run) -> None:
    absent = "mps" if sys.platform != "darwin" else "cuda"
    for asked in (
        ["lens", "org/name", "a cat"],
        ["export", "org/name", "--format", "report", "-o", "a.html"],
    ):
        complaint = run(*asked, "--device", absent).complaint
        assert f"device '{absent}': not present" in complaint


@pytest.fixture(scope="module")
def lent(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An embedder without a head whose tokenizer ends texts with </s>, and a model that has one."""
    folder = tmp_path_factory.mktemp("lent")
    return embedder(folder), lender(folder)


def test_a_head_is_lent_to_a_model_without_one_and_named(
    run: Run, lent: tuple[Path, str], file: Path, tmp_path: Path
) -> None:
    model, other = lent
    assert "name a model of the same width and tokens that lends its head (--head-from)" in (
        run("spectrum", model).complaint
    )
    plain = run("spectrum", other, "--json").json
    said = run("spectrum", model, "--head-from", other, "--json").json
    assert said["singular_values"] == plain["singular_values"]
    assert (said["head_from"], "head_from" in plain) == (other, False)
    assert said["loaded"]["sentence"].endswith(f"the head of {other} alone")
    words = run("directions", model, "--index", 0, "--head-from", other).out
    assert words.endswith(f"The head of {other} is used, because {model} has none of its own.\n")
    out = tmp_path / "a.safetensors"
    run("export", model, "--head-from", other, "--format", "filter", "-o", out)
    assert load_filter(out).metadata["head_from"] == "lender"
    page = tmp_path / "a.html"
    asked = ("--format", "report", "--texts", file, "-o", page, "--prompt", "published")
    assert run("export", model, "--head-from", other, *asked).status == 0
    written = page.read_text(encoding="utf-8")
    assert "<th>Head lent by</th><td>lender</td>" in written
    assert str(Path(other).parent) not in written
    runs = ["--run", model, "published", "raw", "--run", other, "prompteol", "2"]
    both = run("compare", "demo", "--task", "pairs", *runs, "--head-from", other, "--json").json
    assert both["head_from"] == other
    complaint = run(
        "compare", "demo", "--task", "pairs", *runs[-4:], *runs[-4:], "--head-from", other
    )
    assert "each model has a head of its own" in complaint.complaint


def test_a_run_is_compared_with_a_model_trained_for_embeddings(
    run: Run, tiny: Path, trained: Path
) -> None:
    asked = ("compare", "demo", "--task", "pairs", "--run", tiny, "mean", "2")
    found = run(*asked, "--yardstick", trained, "--json").json
    assert found["second"]["trained_for_embeddings"] is True
    assert found["second"]["dims"] == 32
    assert f"{trained}, trained for embeddings" in found["sentence"]
    assert "given 1 times; give the two runs" in run(*asked).complaint
    assert "no modules.json" in run(*asked, "--yardstick", tiny).complaint


def test_an_embedder_is_read_as_it_is_published(
    run: Run, lent: tuple[Path, str], tiny: Path, file: Path, tmp_path: Path
) -> None:
    model, other = lent
    out = tmp_path / "out.npy"
    asked = ("embed", model, file, "--head-from", other, "--raw", "-o", out, "--json")
    said = run(*asked, "--prompt", "published").json
    assert (said["prompt"], said["truncated"]) == ("published", 0)
    np.testing.assert_allclose(np.load(out), theirs(model, TEXTS), atol=1e-5)
    assert "prompt published: it has no modules.json" in (
        run("embed", tiny, file, "--prompt", "published", "-o", out).complaint
    )


@pytest.mark.parametrize("prompt", ["mean", "last", "prompteol", "published"])
def test_a_token_that_the_tokenizer_adds_at_the_end_is_told_where_it_is_not_read(
    run: Run, lent: tuple[Path, str], prompt: str
) -> None:
    model, other = lent
    asked = ("lens", model, "the cat", "--head-from", other, "--prompt", prompt, "--json")
    said = run(*asked)
    told = json.loads(said.out).get("unread_tokens")
    if prompt in ("prompteol", "published"):
        assert (said.err, told) == ("", None)
        return
    sentence = (
        "The prompts mean and last read a text without the token </s> that this model's tokenizer "
        "adds at its end, and the prompt published reads it."
    )
    assert told == [{"model": str(model), "tokens": ["</s>"], "sentence": sentence}]
    assert said.err == f"embfilter-viz: {model}: {sentence}\n"


def test_names_that_help_spells_out_are_the_librarys() -> None:
    assert (*PROMPTS, *AVERAGED, PUBLISHED.name) == options.PROMPTS
    assert (DEVICES, PRECISIONS) == (options.DEVICES, options.PRECISIONS)
    assert GAUGES == options.GAUGES
    assert DEMO_NAMES == options.DEMOS
    assert tuple(BANDS) == options.REMOVALS
    assert tuple(METHODS) == options.METHODS
    assert tuple(KINDS) == tuple(COLUMNS_OF) == tuple(LIMITS) == options.TASKS


def test_an_infinite_number_is_null(run: Run, tiny: Path, tmp_path: Path) -> None:
    def flattened(W: np.ndarray) -> None:
        W[:, 0] = 0

    broken = altered(tiny, tmp_path / "flat", flattened)
    assert run("spectrum", broken, "--json").json["condition_number"] is None
    assert "inf" in run("spectrum", broken).out


# -- embed ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "filter_of"),
    [
        (["--raw"], None),
        ([], {"tau": 2}),
        (["--tau", "4"], {"tau": 4}),
        (["--tau", "1.5", "--full"], {"tau": 1.5, "full": True}),
        (["--window", "3:20"], {"window": "3:20"}),
        (["--window", "3:"], {"window": (3, D_MODEL)}),
        (["--window", "3:20", "--full"], {"window": "3:20", "full": True}),
    ],
)
@pytest.mark.parametrize("prompt", ["prompteol", "echo"])
def test_embed_is_encode_and_filter_bit_for_bit(
    run: Run, tiny: Path, model: Model, file: Path, tmp_path: Path,
    options: list[str], filter_of: dict[str, Any] | None, prompt: str,
) -> None:  # fmt: skip
    out = tmp_path / "out.npy"
    said = run("embed", tiny, file, "--prompt", prompt, *options, "-o", out, "--json").json
    written = np.load(out)
    expected = model.encode(TEXTS, prompt)
    if filter_of is not None:
        expected = EmbedFilter(model.spectrum, **filter_of).transform(expected)
    assert written.dtype == np.float32
    assert written.tobytes() == expected.tobytes()
    assert (said["rows"], said["columns"]) == written.shape == (len(TEXTS), expected.shape[1])
    assert said["window"] is None or said["columns"] == (
        D_MODEL if "--full" in options else said["window"][1] - said["window"][0]
    )
    assert np.array_equal(written[0], written[6])  # the same line twice
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.npy", "texts.txt"]


def test_the_reduced_form_has_no_column_too_many(
    run: Run, tiny: Path, file: Path, tmp_path: Path
) -> None:
    for window, columns in (("0:1", 1), ("31:32", 1), ("0:32", 32)):
        said = run("embed", tiny, file, "--window", window, "-o", tmp_path / "o.npy", "--json").json
        assert (said["columns"], said["dtype"]) == (columns, "float32")


def test_a_cancelled_embed_leaves_the_old_file_and_no_other(
    run: Run, tiny: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.npy"
    out.write_bytes(b"from before")

    def stopped(*_: object, **__: object) -> None:
        assert len(list(tmp_path.glob(".out.npy.*.part"))) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(Encoder, "encode_batches", stopped)
    said = run("embed", tiny, file, "--prompt", "last", "-o", out, "--force")
    assert (said.status, said.out) == (130, "")
    assert said.err == "embfilter-viz: stopped; what was finished is kept\n"
    assert out.read_bytes() == b"from before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.npy", "texts.txt"]


# -- text a reader sees -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["models"],
        ["spectrum", "MODEL"],
        ["directions", "MODEL", "--index", 0],
        ["spectroscopy", "MODEL", "--top", 5],
        ["spectroscopy", "MODEL", "--top", 5, "--bands", 3],
        ["lens", "MODEL", "the cat"],
        ["lens", "MODEL", "the cat", "--remove", "optimal"],
        ["lens", "MODEL", "the cat", "--relative-to", "FILE", "--layers"],
        ["pair", "MODEL", "the cat", "a dog", "stars", "--relative-to", "FILE"],
        ["lesson", "MODEL", "the cat", "a dog"],
        ["geometry", "MODEL", "FILE"],
        ["propose", "MODEL"],
    ],
    ids=lambda arguments: " ".join(map(str, arguments)),
)
def test_words_are_short_and_digits_few(
    run: Run, tiny: Path, file: Path, arguments: list[object]
) -> None:
    said = run(*({"MODEL": tiny, "FILE": file}.get(str(a), a) for a in arguments))
    assert (said.status, said.err) == (0, "")
    assert not re.search(r"\d\.\d{7}", said.out)
    assert not re.search(r" $", said.out, re.MULTILINE)
    assert max(map(len, said.out.replace(str(tiny), "M").splitlines())) <= 110


def test_columns_stay_aligned_behind_wide_characters() -> None:
    block = tables.columns([["日本", "1"], ["ab", "10"], ["e\u0301", "7"]], "<>")
    assert [tables.cells(line) for line in block.splitlines()] == [10, 10, 10]


def test_the_lens_stands_raw_beside_filtered(run: Run, tiny: Path) -> None:
    lines = run("lens", tiny, "the cat", "--top", 3).out.splitlines()
    head = next(i for i, line in enumerate(lines) if "raw place" in line)
    assert lines[head].split()[:2] == ["raw", "logit"]
    assert [line.split()[0] for line in lines[head + 1 :]] == ["1", "2", "3"]


# -- what can be wrong ------------------------------------------------------------------------

BAD: list[tuple[list[object], str]] = [
    (["lens"], r"Missing argument 'MODEL'.*lens --help"),
    (["lens", "MODEL"], r"Missing argument 'TEXT'"),
    (["bogus"], r"No such command 'bogus'.*--help"),
    (["--bogus"], r"No such option '--bogus'.*--help"),
    (["spectrum", "MODEL", "--tau", "2"], r"No such option '--tau'.*spectrum --help"),
    (["spectrum", "MODEL", "MORE"], r"unexpected extra argument.*MORE.*--help"),
    (["spectrum", "no-such-model"], r"no-such-model"),
    (["spectrum", ""], r"model"),
    (["spectrum", "/no/such/folder"], r"/no/such/folder"),
    (["spectrum", "no/such.gguf"], r"no/such\.gguf"),
    (["spectrum", "org/name@"], r"org/name@"),
    (["spectrum", "FILE"], r"texts\.txt"),
    (["directions", "MODEL"], r"Missing option '--index'"),
    (["directions", "MODEL", "--index", 32], r"--index 32: .*0 to 31"),
    (["directions", "MODEL", "--index", -1], r"--index -1: .*0 to 31"),
    (["directions", "MODEL", "--index", "1.5"], r"'--index': '1.5' is not a valid integer"),
    (["directions", "MODEL", "--index", 0, "--top", 0], r"'--top': 0 is not in the range x>=1"),
    (
        ["spectroscopy", "MODEL", "--gauge", "free"],
        r"'free' is not one of 'paper', 'centred', 'inv",
    ),
    (["spectroscopy", "MODEL", "--frequencies", "nope"], r"--frequencies 'nope': .*wordfreq"),
    (["spectroscopy", "MODEL", "--frequencies", "FOLDER"], r"--frequencies .*no such file"),
    (["spectroscopy", "MODEL", "--frequencies", "EMPTY"], r"empty\.txt: the file is empty"),
    (["spectroscopy", "MODEL", "--frequencies", "FILE", "--alpha", 0], r"α = 0: .*log 0"),
    (["spectroscopy", "MODEL", "--frequencies", "FILE", "--alpha", -1], r"α = -1: .*at least 0"),
    (
        ["spectroscopy", "MODEL", "--frequencies", "FILE", "--alpha", "nan"],
        r"'nan' is not a finite",
    ),
    (["spectroscopy", "MODEL", "--frequencies", "FILE", "--top", 200], r"top 200: .*2 to 128"),
    (["spectroscopy", "MODEL", "--frequencies", "FILE", "--top", 1], r"top 1: .*2 to 128"),
    (["spectroscopy", "MODEL", "--frequencies", "FILE", "--bands", 33], r"33"),
    (["spectroscopy", "MODEL", "--language", "tlh"], r"language 'tlh': .*it has ar, bg, .*, zh"),
    (
        ["lens", "MODEL", "a", "--language", "de", "--frequencies", "model"],
        r"--language and --frequencies model: only word frequencies have a language",
    ),
    (["pair", "MODEL", "a", "b", "--language", "en,en"], r"en comes twice"),
    (["propose", "MODEL", "--language", "en=0"], r"weight '0' must be a number above 0"),
    (["directions", "MODEL", "--index", 0, "--language", ""], r"'--language': it is empty"),
    (["spectroscopy", "MODEL", "--bands", 0], r"'--bands': 0 is not in the range"),
    (["spectroscopy", "MODEL", "--seed", -1], r"'--seed': -1 is not in the range"),
    (["languages", "MODEL", "--only", "de"], r"language 'de': there are no graded pairs"),
    (["sweep", "MODEL", "demo-xx", "--task", "sts"], r"'demo-xx': .*there are demo, demo-hi,"),
    (["sweep", "MODEL", "demo-hi", "--task", "retrieval"], r"demo-hi: has nothing for the task"),
    (["lens", "MODEL", ""], r"empty"),
    (["lens", "MODEL", " \n\t"], r"empty"),
    (["pair", "MODEL"], r"Missing argument 'TEXT TEXT \[TEXT...\]'"),
    (["pair", "MODEL", "a"], r"two texts are needed, and one was given; give two, each in quotes"),
    (["pair", "MODEL", *"a" * 31], r"from 2 to 30 can be compared; 31 were given"),
    (["pair", "MODEL", "a", " "], r"text 2 of 2 is empty"),
    (["lens", "MODEL", "a", "--relative-to", "no.txt"], r"no\.txt: cannot be read"),
    (["pair", "MODEL", "a", "b", "--relative-to", "no.txt"], r"no\.txt: cannot be read"),
    (["pair", "MODEL", "a", "b", "--top", 0], r"Invalid value for '--top'"),
    (["lens", "MODEL", "a", "--prompt", "poem"], r"'poem' is not one of 'prompteol', 'echo'"),
    (["lens", "MODEL", "a", "--remove", "all"], r"'all' is not one of 'embedfilter'"),
    (["lens", "MODEL", "a", "--tau", 0], r"tau must be a number from 1 to 32.*got 0"),
    (["lens", "MODEL", "a", "--tau", 33], r"tau must be a number from 1 to 32.*got 33"),
    (["lens", "MODEL", "a", "--tau", "abc"], r"tau must be a number from 1 to 32.*got abc"),
    (["lens", "MODEL", "a", "--tau", "nan"], r"tau must be a number.*got nan"),
    (["lens", "MODEL", "a", "--tau", ""], r"'--tau': it is empty; give a value"),
    (["lens", "MODEL", "a", "--tau", "3:9"], r"tau must be a number.*got 3:9"),
    (["lens", "MODEL", "a", "--tau", 2, "--window", "3:9"], r"--tau and --window: both"),
    (["lens", "MODEL", "a", "--window", "9:3"], r"window 9:3: l must be smaller than r; try 3:9"),
    (["lens", "MODEL", "a", "--window", "3:3"], r"window 3:3: l must be smaller than r"),
    (["lens", "MODEL", "a", "--window", "0:33"], r"window 0:33: .*0 … 32"),
    (["lens", "MODEL", "a", "--window=-1:9"], r"window -1:9"),
    (["lens", "MODEL", "a", "--window", "1:2:3"], r"window '1:2:3'"),
    (["lens", "MODEL", "a", "--window", "a:b"], r"window 'a:b'"),
    (["lens", "MODEL", "a", "--window", "2"], r"--window '2': write it as L:R"),
    (["lens", "MODEL", "a", "--window", ""], r"'--window': it is empty; give a value"),
    (["embed", "MODEL", "FILE"], r"Missing option '-o'"),
    (["embed", "MODEL", "no.txt", "-o", "OUT"], r"no\.txt: cannot be read"),
    (["embed", "MODEL", "FOLDER", "-o", "SHARDS"], r"a folder without \.parquet files; give one"),
    (["embed", "MODEL", "BLANK", "-o", "OUT"], r"blank\.txt: line 2 is blank"),
    (["embed", "MODEL", "EMPTY", "-o", "OUT"], r"empty\.txt: the file is empty"),
    (["embed", "MODEL", "BINARY", "-o", "OUT"], r"binary\.txt: .*binary"),
    (["embed", "MODEL", "FILE", "-o", "no/such/out.npy"], r"there is no folder no/such; make it"),
    (["embed", "MODEL", "FILE", "-o", "FOLDER"], r"is a folder; name a file in it"),
    (["embed", "MODEL", "FILE", "-o", "/proc/out.npy"], r"/proc/out.npy: cannot be written"),
    (["embed", "MODEL", "FILE", "-o", "FILE"], r"is read by this very work"),
    (["embed", "MODEL", "FILE", "--raw", "--tau", 2, "-o", "OUT"], r"--raw: leaves nothing to"),
    (["embed", "MODEL", "FILE", "--raw", "--full", "-o", "OUT"], r"--raw: leaves nothing to"),
    (["geometry", "MODEL", "ONE"], r"2"),
    (["export", "MODEL", "--format", "filter"], r"Missing option '-o'"),
    (["export", "MODEL", "-o", "OUT"], r"Missing option '--format'"),
    (["export", "MODEL", "--format", "filter", "-o", "OUT"], r"name it out\.npy\.safetensors"),
    (["export", "MODEL", "--format", "filter", "-o", "no/a.safetensors"], r"there is no folder no"),
    (["export", "MODEL", "--format", "faiss", "--texts", "FILE", "-o", "a.vt"], r"--texts: only"),
    (
        ["export", "MODEL", "--format", "filter", "--method", "z-score", "-o", "a.safetensors"],
        r"--method z-score: it learns from texts; name yours with --calibrate FILE",
    ),
    (
        ["export", "MODEL", "--format", "filter", "--calibrate", "demo", "-o", "a.safetensors"],
        r"--calibrate: embedfilter learns from no texts; drop it",
    ),
    (
        ["export", "MODEL", "--format", "report", "--method", "pca", "-o", "a.html"],
        r"--method: the report is of a window",
    ),
    (
        ["export", "MODEL", "--format", "filter", "--dtype", "bfloat16", "-o", "a.safetensors"],
        r"--dtype bfloat16: only --format report .*, filter is float32",
    ),
    (
        ["export", "MODEL", "--format", "sentence-transformers", "--dtype", "float16", "-o", "OUT"],
        r"--dtype float16: only --format report",
    ),
    (
        ["export", "MODEL", "--format", "sentence-transformers", "-o", "FOLDER"],
        r"no export of ours",
    ),
    (
        ["export", "MODEL", "--format", "sentence-transformers", "--prompt", "echo", "-o", "OUT"],
        r"prompt echo: its mean is over the second time",
    ),
    (
        ["export", "MODEL", "--format", "onnx", "--prompt", "echo", "-o", "OUT"],
        r"prompt echo: .*, which an ONNX folder cannot do",
    ),
    (["app", "--port", "0"], r"'--port': 0 is not in the range"),
]


@pytest.mark.parametrize(
    ("arguments", "words"), BAD, ids=[" ".join(map(str, arguments)) for arguments, _ in BAD]
)
def test_bad_input_is_one_line(
    run: Run, tiny: Path, file: Path, tmp_path: Path, arguments: list[object], words: str
) -> None:
    files = {"BLANK": b"one\n\nthree\n", "EMPTY": b"", "BINARY": bytes(range(256)), "ONE": b"one\n"}
    for name, content in files.items():
        (tmp_path / f"{name.lower()}.txt").write_bytes(content)
    places: dict[str, Path] = {name: tmp_path / f"{name.lower()}.txt" for name in files}
    places |= {"MODEL": tiny, "FILE": file, "FOLDER": tmp_path, "OUT": tmp_path / "out.npy"}
    before = {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
    assert re.search(words, run(*(places.get(str(a), a) for a in arguments)).complaint)
    assert {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before


def test_an_unwritable_folder_is_told_before_the_work(
    run: Run, tiny: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Encoder, "encode_batches", lambda *_, **__: pytest.fail("it worked first"))
    line = run("embed", tiny, file, "--prompt", "last", "-o", "/proc/out.npy").complaint
    assert line.startswith("/proc/out.npy: cannot be written")


def altered(tiny: Path, folder: Path, change: Callable[[np.ndarray], None]) -> Path:
    """The tiny checkpoint with another head."""
    folder.mkdir()
    for path in tiny.iterdir():
        if path.suffix == ".json":
            (folder / path.name).write_bytes(path.read_bytes())
    tensors = load_file(tiny / "model.safetensors")
    head = tensors["lm_head.weight"].copy()
    change(head)
    save_file(tensors | {"lm_head.weight": head}, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_nan_in_a_head_is_one_line_in_every_command(
    run: Run, tiny: Path, file: Path, tmp_path: Path
) -> None:
    def spoil(W: np.ndarray) -> None:
        W[5, 3] = np.nan

    broken = altered(tiny, tmp_path / "nan", spoil)
    for arguments in (
        ["spectrum", broken],
        ["directions", broken, "--index", 0],
        ["spectroscopy", broken, "--top", 5],
        ["lens", broken, "a"],
        ["embed", broken, file, "-o", tmp_path / "out.npy"],
        ["geometry", broken, file],
        ["propose", broken],
    ):
        assert re.search("NaN|finite", run(*arguments).complaint)
    assert not (tmp_path / "out.npy").exists()


def test_nan_in_the_body_is_no_embedding(run: Run, tiny: Path, file: Path, tmp_path: Path) -> None:
    folder = altered(tiny, tmp_path / "body", lambda W: None)
    tensors = load_file(folder / "model.safetensors")
    norm = tensors["model.norm.weight"].copy()
    norm[0] = np.nan
    save_file(tensors | {"model.norm.weight": norm}, folder / "model.safetensors", {"format": "pt"})
    line = run("embed", folder, file, "--raw", "-o", tmp_path / "out.npy").complaint
    assert "NaN" in line
    assert not (tmp_path / "out.npy").exists()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x " * 25_000, id="50,000 characters"),
        pytest.param("a" * 50_000, id="one long word"),
        pytest.param("\U0001f469\u200d\U0001f467 😀", id="emoji"),
        pytest.param("שלום עולם مرحبا", id="right to left"),
        pytest.param("\u202eabc\u202c", id="an override of direction"),
        pytest.param("tab\there\nline", id="lines"),
        pytest.param("<a href='x'>$y$</a>", id="markup"),
        pytest.param("--tau", id="like an option"),
    ],
)
def test_any_text_is_read(run: Run, tiny: Path, text: str) -> None:
    said = run("lens", "--json", "--top", 3, "--", tiny, text).json
    assert len(said["filtered"]) == 3
    assert said["truncated"] == (len(text) > 1000)
    assert run("lens", "--top", 3, "--", tiny, text).status == 0


def test_text_that_is_no_unicode_is_one_line(run: Run, tiny: Path) -> None:
    assert "not valid Unicode" in run("lens", tiny, "\udcff").complaint


def test_a_fault_of_ours_keeps_its_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from embfilter_viz.models.sources import known

    monkeypatch.setattr(known, "known_models", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["models"])


def test_a_cancel_is_no_fault(run: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from embfilter_viz.models.sources import known

    def stopped() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(known, "known_models", stopped)
    said = run("models")
    assert (said.status, said.out) == (130, "")
    assert said.err == "embfilter-viz: stopped; what was finished is kept\n"


# -- help, start-up, pipes --------------------------------------------------------------------


def test_every_command_teaches(run: Run) -> None:
    overview = run("--help")
    assert (overview.status, overview.err) == (0, "")
    assert run().out == overview.out == run("-h").out
    for name, command in commands.cli.commands.items():
        said = run(name, "--help")
        assert (said.status, said.err) == (0, "")
        assert f"embfilter-viz {name}" in said.out
        assert all(option.help for option in command.params if isinstance(option, click.Option)), (
            name
        )
        assert re.search(r"^  (Example|JSON): ", said.out, re.MULTILINE), name
        whole = rf"^  {name} +\w.*[.?]$"  # not cut to fit
        assert re.search(whole, overview.out, re.MULTILINE)
    assert "A first walk:\n" in overview.out


def test_the_examples_of_the_help_can_be_parsed() -> None:
    for name, command in commands.cli.commands.items():
        for line in re.findall(rf"embfilter-viz {name}( .*)", command.epilog or ""):
            command.make_context(name, shlex.split(line))


def test_version(run: Run) -> None:
    from embfilter_viz import __version__

    assert run("--version").out.split()[-1] == __version__


def test_help_is_light() -> None:
    heavy = ["torch", "transformers", "plotly", "streamlit", "numpy", "sklearn", "scipy", "pandas"]
    code = (
        "import sys\nfrom embfilter_viz.cli import main\n"
        "try: main(['lens', '--help'])\nexcept SystemExit: pass\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert said.stdout.splitlines()[-1] == "[]"


def test_the_spectrum_needs_no_torch(tiny: Path) -> None:
    code = (
        "import sys\nfrom embfilter_viz.cli import main\n"
        f"try: main(['spectrum', {str(tiny)!r}])\nexcept SystemExit: pass\n"
        "print([m for m in ['torch', 'transformers', 'plotly', 'pandas'] if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert said.stdout.splitlines()[-1] == "[]"


def test_module_and_console_script_are_one() -> None:
    script = Path(sys.executable).with_name("embfilter-viz")
    said = [
        subprocess.run([*command, "--version"], capture_output=True, text=True, cwd=ROOT)
        for command in ([sys.executable, "-m", "embfilter_viz"], [str(script)])
        if command[0] == sys.executable or script.exists()
    ]
    assert {(one.returncode, one.stderr) for one in said} == {(0, "")}
    assert len({one.stdout for one in said}) == 1


def test_a_reader_who_leaves_early_hears_no_complaint(tiny: Path) -> None:
    child = process("spectrum", tiny, "--json", bufsize=0, text=False)
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    assert child.stderr.read() == b""
    child.stderr.close()
    assert child.wait(60) == 128 + signal.SIGPIPE


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(tiny: Path) -> None:
    with Path("/dev/full").open("w") as full:
        child = process("spectrum", tiny, stdout=full)
        _, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (
        2,
        "embfilter-viz: standard output: No space left on device\n",
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_console_without_unicode_gets_valid_json_and_code_points(
    tiny: Path, file: Path, encoding: str
) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    asked = ["spectroscopy", tiny, "--frequencies", file, "--top", 5]
    child = process(*asked, "--json", env=environment)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, "")
    assert "α = 1" in json.loads(out)["frequencies"]["detail"]
    child = process(*asked, env=environment)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, "")
    assert "α = 1" in out.replace("\n", " ").replace(r"\u03b1", "α")


@pytest.fixture
def long_file(tmp_path: Path) -> Path:
    path = tmp_path / "long.txt"
    path.write_text("".join(f"the cat number {i} sat on the mat\n" for i in range(10_000)))
    return path


def test_ctrl_c_is_one_line_and_keeps_what_was_finished(
    tiny: Path, long_file: Path, tmp_path: Path
) -> None:
    out, cache = tmp_path / "out.npy", tmp_path / "cache"
    environment = {**os.environ, "EMBFILTER_VIZ_CACHE": str(cache)}
    child = process("embed", tiny, long_file, "-o", out, env=environment)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(cache.glob("results/embeddings/*.sqlite")):
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    said, err = child.communicate(timeout=30)
    assert (child.returncode, said) == (130, "")
    lines = [line for line in err.splitlines() if not line.startswith("… ")]
    assert lines == ["embfilter-viz: stopped; what was finished is kept"]
    assert not out.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", "long.txt"]


# -- progress ---------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    from embfilter_viz.cli import reporting

    found = Clock()
    monkeypatch.setattr(reporting.time, "monotonic", found)
    return found


def test_a_log_gets_a_line_every_few_seconds(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    from embfilter_viz.cli.reporting import watched

    with watched() as progress:
        for second in range(13):
            clock.now = 100 + second
            progress("Embedding texts", 1000 * second, 20_000, "texts")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "… Embedding texts: 5,000 of 20,000 texts",
        "… Embedding texts: 10,000 of 20,000 texts",
    ]


@pytest.mark.parametrize("total", [20_000, 0])
def test_a_terminal_gets_a_bar_that_goes_away(
    clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, total: int
) -> None:
    from embfilter_viz.cli.reporting import watched

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with watched() as progress:
        progress("Opening", 0, 0, "")  # over in no time: no bar
        for second in range(3):
            clock.now = 100 + second
            progress("Embedding texts", 1000 * second, total, "texts")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Opening" not in captured.err
    assert "Embedding texts" in captured.err
    assert ("2,000 of 20,000 texts" in captured.err) == bool(total)
    assert captured.err.endswith("\r")
    assert captured.err.rstrip("\r ").count("\n") == 0


def test_the_app_is_handed_to_streamlit(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from streamlit.web import cli as streamlit

    called: list[list[str]] = []
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setattr(streamlit, "main", lambda: called.append(sys.argv))
    assert run("app", "--port", 8600, "--headless").status == 0
    ((_, word, script, *options),) = called
    assert word == "run"
    assert Path(script).name == "app.py"
    here = ["--server.address", "127.0.0.1"]
    assert options == [*here, "--server.port", "8600", "--server.headless", "true"]
    assert run("app", "--address", "0.0.0.0").status == 0
    assert called[-1][3:5] == ["--server.address", "0.0.0.0"]
    assert "is no address" in run("app", "--address", "a b").complaint


# -- the real model ---------------------------------------------------------------------------


@pytest.mark.real_model
def test_the_bundled_model_end_to_end(
    bundled: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "texts.txt", tmp_path / "out.npy"
    file.write_text("A man plays the guitar.\nStocks fell on Monday.\n")

    def said(*arguments: object) -> Any:
        with pytest.raises(SystemExit) as left:
            main([*map(str, arguments), "--json"])
        assert left.value.code == 0
        return json.loads(capsys.readouterr().out)

    spectrum = said("spectrum", "smollm2-135m")
    assert (spectrum["d_vocab"], spectrum["d_model"]) == (49_152, 576)
    assert spectrum["condition_number"] == pytest.approx(91.2, abs=0.1)
    assert said("directions", "smollm2-135m", "--index", 0)["singular_value"] > 500
    shifts = said("spectroscopy", "smollm2-135m")
    assert shifts["edge_to_bulk"]["verdict"] == "both"
    assert len(shifts["shift"]["random"]) == 576
    assert said("embed", "smollm2-135m", file, "--tau", 2, "-o", out)["columns"] == 288
    texts = file.read_text().splitlines()
    expected = EmbedFilter(bundled.spectrum, tau=2).transform(bundled.encode(texts))
    assert np.load(out).tobytes() == expected.tobytes()


def test_sweep_prints_the_contract(run: Run, tiny: Path, tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    rows = [f"{TEXTS[i]} {i},{TEXTS[i]} {i % 5},{i % 4}" for i in range(12)]
    file.write_text("\n".join(["a,b,gold", *rows]), encoding="utf-8")
    named = ("--column", "sentence1=a", "--column", "sentence2=b")
    said = run("sweep", str(tiny), str(file), "--task", "sts", *named, "--prompt", "mean",
               "--grid", "3", "--no-baselines", "--json").json  # fmt: skip
    assert isinstance(said["raw"], float)
    assert [(one["l"], one["r"]) for one in said["windows"]][:3] == [(0, 11), (0, 21), (0, 32)]
    assert len(said["windows"]) == 6
    assert all({"l", "r", "tau", "score", "low", "high"} <= set(one) for one in said["windows"])
    assert said["baselines"] == {}
    assert said["best"]["chosen_on"]["n_units"] + said["best"]["reported_on"]["n_units"] == 12
    assert {one["tau_asked"] for one in said["windows"]} == {None}
    shown = run("sweep", str(tiny), str(file), "--task", "sts", *named, "--prompt", "mean",
                "--taus", "1.25,2", "--no-baselines").out  # fmt: skip
    assert "of 2 windows" in shown
    assert "8:24" in shown
    assert "1.25 (1.2800)" in shown


def test_sweep_echoes_the_taus_asked_for(run: Run, tiny: Path) -> None:
    said = run("sweep", str(tiny), "demo", "--task", "sts", "--prompt", "mean", "--limit", "20",
               "--taus", "1.25,2", "--no-baselines", "--json").json  # fmt: skip
    found = [(one["tau_asked"], one["tau"]) for one in said["windows"]]
    assert found == [(1.25, 32 / 25), (2.0, 2.0)]
    assert said["best"]["tau_asked"] in (1.25, 2.0)
    assert said["highest"]["tau_asked"] in (1.25, 2.0)


def test_export_takes_a_method_away_with_what_it_learnt_from(
    run: Run, tiny: Path, model: Model, tmp_path: Path
) -> None:
    mine, out = tmp_path / "mine.txt", tmp_path / "method.safetensors"
    lines = [f"{i} of {i * i}" for i in range(20)]
    mine.write_text("\n".join([*lines, lines[0]]))
    asked = ("export", tiny, "--format", "filter", "--method", "window+mean-subtraction",
             "--calibrate", mine, "--prompt", "mean", "--window", "3:20", "-o", out)  # fmt: skip
    said = run(*asked, "--json").json
    assert said.items() >= {
        "method": "window+mean-subtraction", "window": [3, 20], "dimensions": 17,
        "calibration": "20 texts of mine.txt",
    }.items()  # fmt: skip
    E = model.encode(TEXTS, "mean").astype(np.float64)
    mean = model.encode(lines, "mean").astype(np.float64).mean(axis=0)
    V = model.spectrum.V[:, 3:20].astype(np.float64)
    np.testing.assert_allclose(load_filter(out).transform(E), (E - mean) @ V, atol=1e-5)
    shown = run(*asked).out
    assert "window+mean-subtraction, 32 numbers in, 17 out, learnt from 20 texts of m" in shown


def test_leaderboard_prints_the_contract(run: Run, tiny: Path, tmp_path: Path) -> None:
    file, mine = tmp_path / "pairs.csv", tmp_path / "mine.txt"
    pairs = [f"the cat {i} sat,a dog {i % 9} ran,{i % 4}" for i in range(30)]
    file.write_text("\n".join(["sentence1,sentence2,score", *pairs]), encoding="utf-8")
    mine.write_text("\n".join([f"{i} of {i * i}" for i in range(20)] + ["the cat 3 sat"]))
    asked = (tiny, file, "--task", "sts", "--prompt", "mean", "--calibrate", mine,
             "--methods", "z-score, whitening,random-subspace")  # fmt: skip
    said = run("leaderboard", *asked, "--json").json
    assert said["calibration"] == "20 texts of mine.txt, 1 more left out because the task has it"
    rows = {one["name"]: one for one in said["methods"]}
    assert set(rows) == {"raw", "embedfilter", "z-score", "whitening", "random-subspace"}
    values = [one["score"]["value"] for one in said["methods"]]
    assert values == sorted(values, reverse=True)
    assert rows["z-score"]["calibration"] == said["calibration"]
    assert rows["random-subspace"]["calibration"] is None
    assert rows["raw"]["to_raw"] is rows["embedfilter"]["to_window"] is None
    gap = rows["z-score"]["score"]["value"] - rows["raw"]["score"]["value"]
    assert rows["z-score"]["to_raw"]["value"] == pytest.approx(gap)
    shown = run("leaderboard", *asked).out
    assert "What learns did so from 20 texts of mine.txt" in shown
    assert "the mean of 20 draws" in shown
    assert re.search(r"^  z-score +32 +", shown, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--methods", "whitenning"), "--methods whitenning: unknown; take some of embedfilter,"),
        (("--tau", "0.5"), "tau must be a number from 1 to 32"),
        (("--calibrate", "no-such.txt"), "no-such.txt: cannot be read"),
    ],
)
def test_leaderboard_refuses_in_one_line(run: Run, tiny: Path, arguments: tuple[str, ...],
                                         words: str) -> None:  # fmt: skip
    said = run("leaderboard", str(tiny), "demo", "--task", "sts", *arguments)
    assert words in said.complaint


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--taus", "1", "--grid", "4"), "--taus and --grid: both choose the windows"),
        (("--taus", "0.5"), "tau must be a number from 1 to 32"),
        (("--column", "score"), "--column 'score': write it as ROLE=NAME"),
    ],
)
def test_sweep_refuses_in_one_line(run: Run, tiny: Path, arguments: tuple[str, ...],
                                   words: str) -> None:  # fmt: skip
    said = run("sweep", str(tiny), "demo", "--task", "sts", "--no-baselines", *arguments)
    assert words in said.complaint


def test_claims_prints_the_contract(run: Run, tiny: Path, tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    rows = [f"the cat {i} sat,a dog {i} ran,{i % 4}" for i in range(20)]
    file.write_text("\n".join(["sentence1,sentence2,score", *rows]), encoding="utf-8")
    said = run("claims", str(tiny), str(file), "--prompt", "mean", "--json")
    assert said.status == 0
    record = json.loads(said.out)
    assert [one["claim"] for one in record["claims"]] == list(range(1, 13))
    assert {one["verdict"] for one in record["claims"]} <= {"holds", "fails", "not decided"}
    assert record["data"][0]["kind"] == "sts"
    by_number = {one["claim"]: one for one in record["claims"]}
    assert by_number[2]["low"] < by_number[2]["value"] < by_number[2]["high"]
    assert by_number[2]["control"]["name"].endswith("97.5 % point")
    assert not by_number[7]["measured"]
    assert by_number[7]["value"] is None
    assert [line for line in said.err.splitlines() if line.startswith("claim ")] == [
        f"claim {number}: {by_number[number]['verdict']}" for number in ORDER
    ]
    shown = run("claims", str(tiny), str(file), "--prompt", "mean").out
    for one in record["claims"]:
        assert f"{one['verdict'].upper()}: {one['title']}" in shown
    assert "Rule: Holds if" in shown


def test_claims_reads_what_a_file_is_for_from_its_columns(
    run: Run, tiny: Path, tmp_path: Path
) -> None:
    file = tmp_path / "topics.csv"
    rows = [f"a text about number {i},{'ab'[i % 2]}" for i in range(12)]
    file.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    record = json.loads(run("claims", str(tiny), str(file), "--prompt", "mean", "--json").out)
    assert record["data"][0]["kind"] == "classification"
    file.write_text("one\ntwo\n", encoding="utf-8")
    said = run("claims", str(tiny), str(file), "--prompt", "mean")
    assert "topics.csv" in said.complaint
    assert "or name what the file is for: sts, retrieval" in said.complaint


def test_early_layers_are_translated(run: Run, tiny: Path) -> None:
    asked = ("lens", tiny, "a cat sat", "--prompt", "mean", "--translate", "demo")
    found = run(*asked, "--json").json
    layers = len(found["translators"]["plain_bits"])
    assert len(found["translated_layers"]["raw"]) == layers + 1
    assert found["translators"]["n_tested"] == 96
    # The last layer is translated by nothing: it reads as the embedding does.
    assert [t["id"] for t in found["translated_layers"]["raw"][-1]][:3] == [
        t["id"] for t in found["raw"]
    ][:3]
    said = run(*asked).out
    assert "Fitted on" in said
    assert "translated" in said
