"""Long work on a page: progress, cancel, continue; and two readers who do not get mixed up."""

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from embfilter_viz import layout_process
from embfilter_viz.errors import Cancelled
from embfilter_viz.model import Model
from embfilter_viz.models.encoding.encoder import Encoder
from embfilter_viz.system.paths import CACHE_VARIABLE
from embfilter_viz.system.progress import Progress
from embfilter_viz.ui import services
from tests.models.tiny_checkpoints import write_checkpoint
from tests.pages.brake import Brake
from tests.pages.explorer import Explorer


@pytest.fixture
def own(tmp_path: Path, fresh_server: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model none of whose embeddings is known."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return write_checkpoint(tmp_path / "own", hidden_size=40).folder


def waiting(explorer: Explorer, words: str, seconds: float = 20) -> None:
    """Run the page until it says so."""
    end = time.monotonic() + seconds
    while words not in explorer.words + " ".join(explorer.progress):
        assert time.monotonic() < end, f"{words!r} did not come: {explorer.words}"
        time.sleep(0.05)
        explorer.run()


def test_a_cancelled_job_says_so_keeps_what_is_finished_and_goes_on(
    own: Path, brake: Brake
) -> None:
    explorer = Explorer("geometry", model=str(own))
    explorer.button("Embed 320").click()
    explorer.run()
    assert brake.reached.wait(20)
    waiting(explorer, "16 of 320 texts")
    assert explorer.figures == set()

    explorer.button("Cancel").click()
    explorer.run()
    waiting(explorer, "Stopped. What was finished is kept.")
    assert explorer.progress == []
    assert explorer.errors == []
    assert explorer.at.info[0].value.startswith("Stopped")

    # The page says so at once; let the worker hear of it too before it may go on.
    for job in list(services.jobs()._jobs.values()):
        with suppress(Cancelled):
            job.wait(20)
    brake.released.set()
    explorer.press("Continue")
    assert explorer.figures == {"isotropy_chart", "histogram_chart", "map_chart"}
    assert brake.encoded == 320 + 80, "the first 16 not again, and 80 texts of the control"


def test_cancel_answers_where_another_reader_waits_and_the_work_goes_on(
    own: Path, brake: Brake
) -> None:
    # All AppTests share one session id, so the second reader is a second owner of the job.
    explorer = Explorer("geometry", model=str(own))
    explorer.button("Embed 320").click()
    explorer.run()
    assert brake.reached.wait(20)
    (job,) = [job for job in services.jobs()._jobs.values() if job.title == "Embedding 320 texts"]
    services.jobs().start(job.key, job.title, lambda progress: None, owner="somebody else")
    explorer.button("Cancel").click()
    explorer.run()
    waiting(explorer, "Stopped for you.")
    assert explorer.progress == []
    assert job.running
    assert not job.stopping
    explorer.button("Continue").click()
    explorer.run()
    waiting(explorer, "of 320 texts")
    brake.released.set()
    explorer.settle()
    assert "map_chart" in explorer.figures


def test_what_another_reader_cancelled_begins_again_by_itself(own: Path) -> None:
    key = ("open", str(own), "", "cpu", "float32")
    begun = threading.Event()

    def work(progress: Progress) -> None:
        while True:
            begun.set()
            progress("Opening", 1, 2, "MB")  # hears of a cancel

    job = services.jobs().start(key, "Opening", work, owner="somebody else")
    assert begun.wait(20)
    services.jobs().cancel("somebody else", key)
    with suppress(Cancelled):
        job.wait(20)
    explorer = Explorer("spectrum", model=str(own))
    assert "spectrum_chart" in explorer.figures


def test_the_page_can_be_left_and_found_again_while_a_job_runs(own: Path, brake: Brake) -> None:
    explorer = Explorer("geometry", model=str(own))
    explorer.button("Embed 320").click()
    explorer.run()
    assert brake.reached.wait(20)
    explorer.at.switch_page("pages/spectrum.py")
    explorer.settle()
    assert "spectrum_chart" in explorer.figures
    explorer.at.switch_page("pages/geometry.py")
    explorer.run()
    waiting(explorer, "16 of 320 texts")
    brake.released.set()
    explorer.settle()
    assert "map_chart" in explorer.figures


def test_a_job_that_fails_says_why_and_offers_another_try(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(self, *rest, **more):
        raise MemoryError("no room for <b>this</b> $x$")

    with monkeypatch.context() as patch:
        patch.setattr(Encoder, "encode_batches", breaks)
        explorer = Explorer("geometry", model=str(own)).press("Embed 320")
        (error,) = explorer.errors
        assert "fault of ours: MemoryError: no room for <b>this</b> $x$" in error
        assert r"\$x\$" in explorer.at.error[0].value
    explorer.press("Try again")
    assert explorer.errors == []
    assert "map_chart" in explorer.figures


def shown_tokens(explorer: Explorer) -> str:
    """The rows of tokens that a page shows, with their colours, and where those come from."""
    return "".join(html.proto.body for html in explorer.at.get("html"))


@pytest.mark.parametrize("page", ["filter_and_lens", "start"])
def test_word_frequencies_stand_in_while_the_models_own_are_counted(
    page: str, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, real = threading.Event(), Model.frequencies

    def slow(self: Model, source: str = "model", *rest: Any, **more: Any) -> Any:
        if source == "model":
            assert counted.wait(60)
        return real(self, source, *rest, **more)

    monkeypatch.setattr(Model, "frequencies", slow)
    explorer = Explorer(page, wait=False, model=str(tiny))
    legend = "colour: frequency rank, frequent to rare"
    end = time.monotonic() + 60
    while legend not in shown_tokens(explorer):
        assert time.monotonic() < end
        explorer.run()
    assert "Until then **word frequencies stand in** for the model's own" in explorer.words
    shown = shown_tokens(explorer)
    counted.set()
    explorer.settle()
    assert "stand in" not in explorer.words
    assert shown_tokens(explorer) != shown, "colours and their source are the model's own"
    assert explorer.errors == []


def test_umap_draws_both_maps_and_says_how_far_to_trust_them(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from embfilter_viz.embeddings.layouts import Layout

    seen = []

    def quick(embeddings, *, n_neighbors, min_dist, seed, progress, **more) -> Layout:
        progress("Laying out", 1, 2, "steps")
        seen.append((n_neighbors, min_dist, seed))
        return real_layout(embeddings)

    def real_layout(embeddings) -> Layout:
        from embfilter_viz.embeddings.layouts import pca_in_one_frame

        points = pca_in_one_frame(list(embeddings)).points
        said = {"n_neighbors": 8, "trustworthiness_texts": len(points[0])}
        return Layout("umap", points, trustworthiness=(0.9, 0.8), seed=5, parameters=said)

    monkeypatch.setattr(layout_process, "aligned_umap", quick)
    monkeypatch.setattr(layout_process, "warm_up", lambda: None)
    explorer = Explorer("geometry", model=str(tiny), layout="UMAP")
    if explorer.at.button[0].label.startswith("Embed"):
        explorer.press("Embed")
    explorer.change("seed", 5).change("n_neighbors", 8)
    explorer.press("Lay out")
    assert seen == [(8, 0.1, 5)]
    assert "map_chart" in explorer.figures
    assert explorer.errors == []
    before = explorer.figure("map_chart")["data"]
    assert {trace["marker"]["opacity"] for trace in before if "opacity" in trace["marker"]} == {0.8}

    # The window moves: the map stays, pale and named, until there is another.
    explorer.move("3:20")
    after = explorer.figure("map_chart")["data"]
    assert [trace["x"] for trace in after] == [trace["x"] for trace in before]
    assert {trace["marker"]["opacity"] for trace in after if "opacity" in trace["marker"]} == {0.25}
    assert "This is still the earlier map of 8:24" in explorer.words
    explorer.press("Lay out")
    assert "still the earlier map" not in explorer.words
    assert explorer.figure("map_chart")["data"] != before


def test_two_readers_with_two_models_do_not_mix(tiny: Path, tmp_path: Path) -> None:
    own = write_checkpoint(tmp_path / "own", hidden_size=40).folder
    first = Explorer("spectrum", model=str(tiny), window="3:20")
    second = Explorer("spectrum", model=str(own), window="1:39")
    for explorer in (first, second, first, second):
        explorer.change("direction", explorer.control("direction").value + 1)
    assert first.strip["d"] == 32
    assert second.strip["d"] == 40
    assert (first.window, second.window) == ("3:20", "1:39")
    assert str(tiny) in first.command
    assert str(own) in second.command
    alone = Explorer("spectrum", model=str(own), window="1:39", direction="2")
    assert alone.figure("spectrum_chart") == second.figure("spectrum_chart")
    assert alone.answers == second.answers != first.answers


def test_three_models_are_more_than_are_kept_and_all_still_work(tiny: Path, tmp_path: Path) -> None:
    folders = [tiny] + [
        write_checkpoint(tmp_path / f"m{size}", hidden_size=size).folder for size in (48, 64)
    ]
    readers = [Explorer("filter_and_lens", model=str(folder)) for folder in folders]
    for explorer in readers:
        explorer.change("text", "the dog")
    assert [explorer.strip["d"] for explorer in readers] == [32, 48, 64]
    assert all(explorer.errors == [] for explorer in readers)


def test_what_opened_a_model_does_not_hold_it(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "QUICK", 0.0)  # a bar is shown first, as for a large model
    explorer = Explorer("compare", model=str(own))
    assert explorer.strip["d"] == 40
    held = [job.result for job in services.jobs()._jobs.values() if job.key[0] == "open"]
    assert not any(isinstance(result, Model) for result in held)
