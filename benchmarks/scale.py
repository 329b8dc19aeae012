"""The Geometry page with many texts: python benchmarks/scale.py [PART ...] [--texts N].

PARTs are numbers, umap and page; without one, numbers and page.

``numbers``: what a move of the window costs by the definitions and from one rotation, in one
process and in turns, the memory both take at their peak, exact neighbours in chunks beside the
plain n x n product, and how long a large file and its kept embeddings take to read.

``umap``: an aligned UMAP of N texts from beginning to end, once, and the memory of its process.

``page``: N texts in Chromium: time to the first maps, the browser's longest task, time and bytes a
move of the window. The embeddings are put into a store of their own beforehand, with made-up
numbers, so that nobody waits for the encoder; everything after it is the explorer's own.
"""

import argparse
import os
import resource
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from in_browser import PATIENCE, ROOT, chromium, complete, ratios, serving, words
from threadpoolctl import threadpool_limits

from embfilter_viz.analyses.calibration import CalibrationRows
from embfilter_viz.analyses.geometry import GROUPS, RANDOM, TextGeometry, variants_of
from embfilter_viz.analyses.maps import full_forms, pca_maps
from embfilter_viz.embeddings.cosines import cosine_histogram, unit_rows
from embfilter_viz.embeddings.isotropy import isoscore, isotropy, mean_cosine
from embfilter_viz.embeddings.neighbours import neighbour_changes, overlap_at_k
from embfilter_viz.embeddings.ranking import top_k
from embfilter_viz.layout_process import LayoutProcess
from embfilter_viz.model import Model, open_model
from embfilter_viz.spectral.windows import Window
from embfilter_viz.store import Store, text_key
from embfilter_viz.system.paths import CACHE_VARIABLE, cache_folder
from embfilter_viz.texts import read_texts

SUBJECTS = "river engine violin market galaxy recipe harbour election orchid glacier"
OTHERS = "turns rests opens falls above below the old new quiet red narrow window road"
FIGURES = ("isotropy_chart", "histogram_chart", "map_chart")


def made_up_texts(n: int) -> tuple[list[str], list[str]]:
    """N different texts of a dozen words, and the topic of each."""
    rng = np.random.default_rng(0)
    subjects = SUBJECTS.split()
    others = OTHERS.split()
    topics = rng.integers(len(subjects), size=n)
    drawn = rng.integers(len(others), size=(n, 11))
    return (
        [
            f"{i}: the {subjects[t]} {' '.join(others[j] for j in row)}"
            for i, (t, row) in enumerate(zip(topics, drawn, strict=True))
        ],
        [subjects[t] for t in topics],
    )


def made_up_embeddings(model: Model, n: int) -> np.ndarray:
    """(n, d_model) float32 with a common direction, strong edges and ten clusters, as real ones."""
    rng = np.random.default_rng(1)
    d = model.d_model
    centres = rng.normal(size=(10, d)) * np.geomspace(1.0, 0.4, d)
    found = np.empty((n, d), dtype=np.float32)
    for start in range(0, n, 2000):
        size = min(2000, n - start)
        part = rng.normal(size=(size, d)) * np.geomspace(3, 0.5, d)
        part += centres[rng.integers(10, size=size)]
        part[:, 0] += 40
        found[start : start + size] = part @ model.spectrum.V.T
    return found


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_mb(work: Callable[[], object]) -> float:
    """The most memory ``work`` held at once, beyond what was there, in megabytes."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def by_definition(model: Model, E: np.ndarray, window: Window) -> None:
    """What the figures of one window say, each from its definition on all texts."""
    variants = variants_of(model, E, window, others(E))
    isotropy(variants["filtered"][0], groups=GROUPS)
    for rows in variants[RANDOM]:
        mean_cosine(rows)
        isoscore(rows)
    sample = np.arange(min(len(E), 1000))
    cosine_histogram(variants["filtered"][0][sample])
    pca_maps(model, E, window)
    neighbour_changes(variants["raw"][0], variants["filtered"][0], 0, 8)


def others(E: np.ndarray) -> CalibrationRows:
    """Some rows that stand for the embeddings of other texts."""
    return CalibrationRows(E[:80], "others")


def from_one_rotation(ready: TextGeometry, window: Window) -> None:
    ready.quick_report(window)
    ready.histograms(window)
    ready.maps(window)
    ready.neighbours(window, 0, 8)


def numbers(model: Model, most: int, rounds: int) -> None:
    d = model.d_model
    print(f"{model.name}, d = {d}, V = {model.d_vocab:,}; BLAS on one thread, as in the explorer")
    for n in (320, 1000, most):
        E = made_up_embeddings(model, n)
        once = seconds(lambda E=E: TextGeometry(model, E, others(E)))
        ready = TextGeometry(model, E, others(E))
        windows = [Window(d // 4 - i, 3 * d // 4 + i, d) for i in range(1, rounds + 1)]
        ours, theirs, rest = [], [], []
        from_one_rotation(ready, Window.of_tau(2, d))
        for window in windows:
            ours.append(seconds(lambda r=ready, w=window: from_one_rotation(r, w)))
            theirs.append(seconds(lambda E=E, w=window: by_definition(model, E, w)))
            rest.append(seconds(lambda r=ready, w=window: r.report(w)))
        print(
            f"\n{n:,} texts: made ready once in {once:.2f} s, {ready.nbytes / 1e6:.0f} MB held\n"
            f"  a move, all figures        {words([1000 * t for t in ours])}\n"
            f"  the same by definition     {words([1000 * t for t in theirs])}: "
            f"{ratios(ours, theirs)}\n"
            f"  last intervals, at rest    {words([1000 * t for t in rest])}"
        )
        window = Window(d // 3, 3 * d // 4, d)
        making = peak_mb(lambda E=E: TextGeometry(model, E, others(E)))
        print(
            f"  memory at the peak: making ready {making:.0f} MB, a move "
            f"{peak_mb(lambda r=ready, w=window: from_one_rotation(r, w)):.1f} MB, "
            f"by definition {peak_mb(lambda E=E, w=window: by_definition(model, E, w)):.0f} MB"
        )
    neighbours(made_up_embeddings(model, most // 2), rounds)
    files(model, most)


def neighbours(E: np.ndarray, rounds: int) -> None:
    """Ten neighbours of every text before and after a filter, in chunks and from n x n tables."""
    F = E[:, : E.shape[1] // 2].copy()

    def plain() -> None:
        for rows in (E, F):
            U = unit_rows(rows)
            cosines = U @ U.T
            np.fill_diagonal(cosines, -np.inf)
            top_k(cosines, 10)

    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(seconds(lambda: overlap_at_k(E, F, 10)))
        theirs.append(seconds(plain))
    print(
        f"\nneighbours of all of {len(E):,} texts, twice: in chunks {np.median(ours):.1f} s and "
        f"{peak_mb(lambda: overlap_at_k(E, F, 10)):.0f} MB, from the whole table "
        f"{np.median(theirs):.1f} s and {peak_mb(plain):.0f} MB: {ratios(ours, theirs)}"
    )


def files(model: Model, n: int) -> None:
    texts, labels = made_up_texts(100_000)
    lines = "\n".join(f'"{t}",{label}' for t, label in zip(texts, labels, strict=True))
    data = f"text,topic\n{lines}\n".encode()
    taken = seconds(lambda: read_texts(data, "many.csv", limit=20_000))
    print(f"\na CSV of 100,000 rows ({len(data) / 1e6:.0f} MB) is read in {taken:.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        store, before = Store(folder), model.store
        model.store = store
        texts, rows = texts[:n], made_up_embeddings(model, n)
        written = seconds(lambda: put(model, texts, rows))
        known = seconds(lambda: model.is_encoded(texts))
        read = seconds(lambda: model.encode(texts))
        model.store = before
    print(
        f"{n:,} embeddings: written in {written:.2f} s, looked for in {known:.2f} s, read back and "
        f"verified in {read:.2f} s"
    )


def put(model: Model, texts: list[str], rows: np.ndarray, prompt: str = "prompteol") -> None:
    """Keep embeddings as if the encoder had made them, in batches as it does."""
    kept = model._rows(prompt)
    for start in range(0, len(texts), 1000):
        part = slice(start, start + 1000)
        keys = [text_key(text) for text in texts[part]]
        kept.put(dict(zip(keys, rows[part], strict=True)))


WATCH = """() => {
  window.longest = 0;
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
  }).observe({type: "longtask", buffered: true});
  window.watch = (figures, wanted) => {
    window.drawn = new Promise((resolve) => {
      const start = performance.now();
      const look = () => figures.every((key) => document.querySelector(`.st-key-${key} .chart`)
        ?.dataset.stamp?.endsWith(wanted)) ? resolve(performance.now() - start)
        : requestAnimationFrame(look);
      requestAnimationFrame(look);
    });
  };
}"""


def page(name: str, n: int, moves: int, shots: Path | None) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cache = folder / "cache"
        (cache / "results").mkdir(parents=True)
        for part in ("models", "results/spectrum", "results/frequencies"):
            if (cache_folder() / part).is_dir():
                (cache / part).symlink_to(cache_folder() / part)
        os.environ[CACHE_VARIABLE] = str(cache)
        model = open_model(name)
        texts, labels = made_up_texts(n)
        put(model, texts, made_up_embeddings(model, n))
        file = folder / "texts.csv"
        lines = (f'"{t}",{label}' for t, label in zip(texts, labels, strict=True))
        file.write_text("\n".join(["text,topic", *lines]), encoding="utf-8")
        server, _ = stack.enter_context(serving(ROOT / "app.py"))
        browser = stack.enter_context(chromium())
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        reader = context.new_page()
        reader.set_default_timeout(PATIENCE)
        reader.add_init_script(f"({WATCH})()")
        received: list[int] = []
        reader.on(
            "websocket",
            lambda socket: socket.on("framereceived", lambda data: received.append(len(data))),
        )
        d = model.d_model
        left, right = d // 4, 3 * d // 4
        reader.goto(f"{server}/geometry?window={left}:{right}&model={name}&texts=your+file")
        reader.locator("input[type=file]").set_input_files(file)
        start = time.perf_counter()
        reader.locator(".st-key-map_chart .chart[data-drawn]").wait_for()
        complete(reader)
        shown = time.perf_counter() - start
        first = reader.evaluate("longest")
        reader.wait_for_timeout(2000)
        found, sent = [], []
        handle = reader.locator(".grip-l")
        handle.focus()
        reader.evaluate("window.longest = 0")
        for move in range(moves + 3):
            key, step = ("ArrowRight", 1) if move % 3 else ("ArrowLeft", -1)
            left += step
            received.clear()
            reader.evaluate("([f, w]) => watch(f, w)", [list(FIGURES), f"{left}:{right}"])
            reader.keyboard.press(key)
            took = reader.evaluate("drawn")
            if move >= 3:
                found.append(took)
                reader.wait_for_timeout(1200)
            if move >= 3:
                sent.append(sum(received))
        print(
            f"\n{n:,} texts in Chromium, {name}: from the file to the maps {shown:.1f} s, longest "
            f"task of the browser {first:.0f} ms\n"
            f"  a move to all redrawn  {words(found)}\n"
            f"  longest task {reader.evaluate('longest'):.0f} ms, "
            f"{np.median(sent) / 1000:.0f} kB sent a move",
            flush=True,
        )
        if shots is not None:
            shots.mkdir(parents=True, exist_ok=True)
            for scheme in ("light", "dark"):
                for width in (1280, 800):
                    reader.emulate_media(color_scheme=scheme)
                    reader.set_viewport_size({"width": width, "height": 2300})
                    reader.wait_for_timeout(2500)
                    reader.screenshot(path=shots / f"{n}-{scheme}-{width}.png")


def umap(model: Model, n: int) -> None:
    """Lay N made-up texts out, raw and filtered."""
    sets = full_forms(model, made_up_embeddings(model, n), Window.of_tau(2, model.d_model))
    process = LayoutProcess()
    start = time.perf_counter()
    layout = process.aligned_umap(sets)
    took = time.perf_counter() - start
    process.close()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(
        f"\naligned UMAP of {n:,} texts: {took:.0f} s, {peak:.1f} GB in its process, "
        f"trustworthiness {layout.trustworthiness[0]:.2f} and {layout.trustworthiness[1]:.2f}"
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("parts", nargs="*", default=["numbers", "page"])
    arguments.add_argument("--texts", type=int, default=20_000)
    arguments.add_argument("--model", default="smollm2-135m")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--moves", type=int, default=20)
    arguments.add_argument("--shots", type=Path, help="a folder for pictures of the page")
    given = arguments.parse_args()
    if "numbers" in given.parts:
        with threadpool_limits(1, user_api="blas"):
            numbers(open_model(given.model), given.texts, given.rounds)
    if "umap" in given.parts:
        umap(open_model(given.model), given.texts)
    if "page" in given.parts:
        page(given.model, given.texts, given.moves, given.shots)


if __name__ == "__main__":
    main()
