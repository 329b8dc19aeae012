"""Long work on a page: progress, cancel, continue; and two readers who do not get mixed up."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from embfilter_viz import layout_process
from embfilter_viz.errors import Cancelled
from embfilter_viz.models.encoder import Encoder
from embfilter_viz.paths import CACHE_VARIABLE
from embfilter_viz.ui import services
from tests.models.tiny_checkpoints import write_checkpoint
from tests.pages.explorer import Explorer


class Brake:
    """An encoder that stops after so many texts and goes on when it is told."""

    def __init__(self) -> None:
        self.after = 16
        self.encoded = 0
        self.reached = threading.Event()
        self.released = threading.Event()

    def batches(self, encoder: Encoder, texts, prompt="prompteol", *, progress) -> Iterator:
        for start in range(0, len(texts), 16):
            if start >= self.after and not self.released.is_set():
                self.reached.set()
                while not self.released.wait(0.02):
                    progress("Encoding", start, len(texts), "texts")  # hears of a cancel
            for rows, vectors in REAL(encoder, texts[start : start + 16], prompt):
                self.encoded += len(rows)
                yield rows + start, vectors
            progress("Encoding", min(start + 16, len(texts)), len(texts), "texts")


REAL = Encoder.encode_batches


@pytest.fixture
def brake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Brake]:
    brake = Brake()
    monkeypatch.setattr(
        Encoder, "encode_batches", lambda self, *rest, **more: brake.batches(self, *rest, **more)
    )
    yield brake
    brake.released.set()


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
    assert brake.encoded == 320, "the first 16 were not encoded again"


def test_cancelling_one_readers_wait_leaves_the_other_readers_job(own: Path, brake: Brake) -> None:
    # All AppTests share one session id, so the second reader is a second owner of the job.
    explorer = Explorer("geometry", model=str(own))
    explorer.button("Embed 320").click()
    explorer.run()
    assert brake.reached.wait(20)
    (job,) = [job for job in services.jobs()._jobs.values() if job.title == "Embedding 320 texts"]
    services.jobs().start(job.key, job.title, lambda progress: None, owner="somebody else")
    services.jobs().leave("somebody else", job.key)
    assert not job.stopping
    brake.released.set()
    explorer.settle()
    assert "map_chart" in explorer.figures


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
