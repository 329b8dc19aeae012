"""How long a page takes to answer the window strip: python benchmarks/sliders.py [PAGE ...].

PAGE is start, spectrum, average-token, lens or geometry (1,000 texts, PCA). Measured in Chromium
is the time from a key press on a handle, or from the last move of a quick drag, to the animation
frame at which every figure that depends on the window shows it: first as a reader has it, with no
debugger attached (``mover.js``). Then beside each page stands the plain one: the same figures in
``st.plotly_chart``, driven by ``st.slider``, in an app written for it. The two take turns, several
rounds each, both servers warm, steered by Playwright and slowed down by its debugger. Between them
the handle is dragged quickly, and no figure may show an older window afterwards.
"""

import argparse
import json
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from in_browser import (
    COMPLETE,
    PATIENCE,
    READY,
    ROOT,
    chromium,
    complete,
    ratios,
    serving,
    words,
)
from unwatched import unwatched

from embfilter_viz.data import demo_texts

TEXT = "The violinist tuned her strings while the orchestra waited in the dark hall."
LEFT, RIGHT = 100, 480
"""Where the handles stand at first."""


@dataclass(frozen=True)
class Case:
    """A page, the figures on it that depend on the window, and the plain page's code for them."""

    path: str
    figures: tuple[str, ...]
    plain: str


CASES = {
    "start": Case(
        "",
        ("start_alike", "start_anatomy", "start_worth"),
        """
two = model.encode(UNRELATED_PAIR, "mean")
others = reference_of("demo")
ready = ReferenceTexts(model, others, model.encode(others.texts, "mean"))
task = demo_task("sts")
rows, ours = model.encode(task.texts, "mean"), embedded_reference(model, task.texts, "mean")
def figures():
    report = TextPair(model, two, ready, p).report(window)
    yield alike.alike_figure(report, ready)
    yield anatomy.anatomy_figure(report.anatomy, window)
    yield worth.worth_figure(PairTexts(model, task, rows, ours).report(window))
""",
    ),
    "spectrum": Case(
        "spectrum",
        ("spectrum_chart", "energy_chart"),
        """
def figures():
    yield spectrum.spectrum_figure([(model.name, model.spectrum)], window)
    yield spectrum.energy_figure(model.spectrum, window)
""",
    ),
    "average-token": Case(
        "average_token",
        ("shift_chart",),
        """
found = spectroscopy(model, p)
def figures():
    yield average_token.shift_figure(found, window)
""",
    ),
    "lens": Case(
        "filter_and_lens",
        ("ranks_chart", "layers_chart_filtered"),
        """
def figures():
    report = lens_of(model, states[-1:], window, text=TEXT, frequencies=p)
    yield lens.ranks_figure(report, model.d_vocab)
    layers = lens_by_layer(model, states, window, frequencies=p)
    for side in (0, 1):
        yield lens.layers_figure(layers, model.d_vocab, side=side)
""",
    ),
    "geometry": Case(
        "geometry",
        ("isotropy_chart", "histogram_chart", "map_chart"),
        """
texts = tuple(Path(FILE).read_text().splitlines())
embeddings = model.encode(texts, "prompteol")
others = embedded_reference(model, texts, "prompteol")
def figures():
    kept = EmbedFilter(model.spectrum, window=window).transform(embeddings)
    yield geometry.isotropy_figure(geometry_of(model, embeddings, window, others))
    yield geometry.histogram_figure(*(cosine_histogram(rows) for rows in (embeddings, kept)))
    yield geometry.map_figure(named_maps(pca_maps(model, embeddings, window)), texts, None)
""",
    ),
}

PLAIN = """
from pathlib import Path
import streamlit as st
from embfilter_viz import EmbedFilter, Window, open_model
from embfilter_viz.analyses.calibration import embedded_reference
from embfilter_viz.analyses.geometry import geometry_of
from embfilter_viz.analyses.lens import lens_by_layer, lens_of
from embfilter_viz.analyses.maps import named_maps, pca_maps
from embfilter_viz.analyses.pair import TextPair
from embfilter_viz.analyses.reference import ReferenceTexts, reference_of
from embfilter_viz.analyses.spectroscopy import spectroscopy
from embfilter_viz.analyses.worth import PairTexts
from embfilter_viz.data import UNRELATED_PAIR
from embfilter_viz.evaluation.tasks import demo_task
from embfilter_viz.embeddings.cosines import cosine_histogram
from embfilter_viz.figures import (
    alike, anatomy, average_token, geometry, lens, spectrum, worth,
)

TEXT, FILE = {text!r}, {file!r}
model = st.cache_resource(open_model)({model!r})

@st.cache_resource
def read():
    return model.frequencies("model"), model.layers(TEXT, "prompteol")

p, states = read()
l, r = st.slider("Window", 0, model.d_model, ({left}, {right}))
window = Window(l, r, model.d_model)
{cached}
for number, figure in enumerate(figures()):
    figure.update_layout(meta=f"{{l}}:{{r}}")
    st.plotly_chart(figure, key=f"figure-{{number}}")
"""

# Waits, frame by frame, until every figure shows a window; since which event, the page notes.
CLOCK = """() => {
  window.moved = 0;
  for (const kind of ["keydown", "pointermove"])
    addEventListener(kind, () => { window.moved = performance.now(); }, true);
  window.watch = (figures, wanted) => {
    window.drawn = new Promise((resolve) => {
      const look = (now) => {
        const shown = figures.length
          ? figures.map((key) => document.querySelector(`.st-key-${key} .chart`)?.dataset.stamp)
          : [...document.querySelectorAll(".js-plotly-plot")].map((p) => p._fullLayout?.meta);
        if (shown.length && shown.every((w) => w?.endsWith(wanted)))
          resolve(performance.now() - window.moved);
        else requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    });
  };
}"""


class Ours:
    """The explorer's page, moved by its strip."""

    def __init__(self, browser: Any, server: str, case: Case, model: str, file: Path) -> None:
        self.page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        self.page.set_default_timeout(PATIENCE)
        self.figures = list(case.figures)
        self.page.goto(_address(server, case, model))
        if case.path == "geometry":
            self.page.locator("input[type=file]").set_input_files(file)
            button = self.page.get_by_role("button", name="Embed")
            chart = self.page.locator(".st-key-map_chart .chart[data-drawn]")
            button.or_(chart).first.wait_for()
            if button.count():
                button.click()
                chart.wait_for()
        complete(self.page)
        self.page.evaluate(CLOCK)
        self.window = [LEFT, RIGHT]
        self.handle = self.page.locator(".grip-l")

    def ready(self) -> None:
        """Put the keyboard on the left handle."""
        self.handle.focus()

    def step(self, by: int) -> float:
        """Move the left handle by one with the keyboard; milliseconds until all shows it."""
        by = by if self.window[0] + by >= 0 else 1
        self.window[0] += by
        self.page.evaluate("([f, w]) => watch(f, w)", [self.figures, f"{self.window[0]}:{RIGHT}"])
        self.page.keyboard.press("ArrowRight" if by > 0 else "ArrowLeft")
        return self.page.evaluate("drawn")

    def drag(self, pixels: int) -> None:
        """Drag the left handle quickly; every figure must come to the last window and stay there.

        Not timed: where the handle ended is known only after a frame or two.
        """
        box = self.handle.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        for step in range(1, 25):
            self.page.mouse.move(x + pixels * step / 24, y)
            self.page.wait_for_timeout(8)
        # The browser handles the last moves with its next frame; until then the handle is behind.
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        self.window[0] = int(self.handle.get_attribute("aria-valuenow"))
        last = f"{self.window[0]}:{RIGHT}"
        self.page.evaluate("([f, w]) => watch(f, w)", [self.figures, last])
        self.page.evaluate("drawn")
        self.page.mouse.up()
        self.page.wait_for_timeout(400)  # would an older window still be drawn over it?
        for key in self.figures:
            stamp = self.page.locator(f".st-key-{key} .chart").get_attribute("data-stamp")
            assert stamp.endswith(last), f"{key} shows {stamp} after a drag to {last}"


class Plain(Ours):
    """The same figures, each in ``st.plotly_chart``, moved by ``st.slider``."""

    def __init__(self, browser: Any, server: str) -> None:
        self.page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        self.page.set_default_timeout(PATIENCE)
        self.figures = []
        self.page.goto(server)
        self.page.locator(".js-plotly-plot .main-svg").first.wait_for()
        self.page.wait_for_selector(READY)
        self.page.evaluate(CLOCK)
        self.window = [LEFT, RIGHT]
        self.handle = self.page.locator("input[type=range], [role=slider]").first


def _address(server: str, case: Case, model: str) -> str:
    link = f"?window={LEFT}:{RIGHT}&model={model}&text={TEXT}"
    if case.path == "geometry":
        link += "&texts=your+file"
    return f"{server}/{case.path}{link}"


def _as_a_reader(server: str, case: Case, model: str, file: Path, moves: int, drags: int) -> Any:
    """Milliseconds of key presses and of quick drags where no debugger is attached."""
    plan = {
        "ready": READY,
        "figures": case.figures,
        "texts": file.read_text(encoding="utf-8") if case.path == "geometry" else None,
        "right": RIGHT,
        "moves": moves,
        "drags": drags,
    }
    script = f"const PLAN = {{ ...{json.dumps(plan)}, complete: {COMPLETE} }};\n" + Path(
        __file__
    ).with_name("mover.js").read_text(encoding="utf-8")
    with unwatched(script) as reader:
        found = reader.visit(_address(server, case, model), patience=900)
    if "failed" in found:
        raise SystemExit(f"{case.path}: {found['failed']}")
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("pages", nargs="*", default=["spectrum", "lens", "geometry"])
    arguments.add_argument("--model", default="smollm2-135m")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--moves", type=int, default=8, help="key presses a round")
    arguments.add_argument("--drags", type=int, default=3, help="quick drags a round")
    arguments.add_argument("--ours-only", action="store_true", help="no plain page beside it")
    given = arguments.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = folder / "texts.txt"
        file.write_text("\n".join(_thousand_texts()), encoding="utf-8")
        explorer, _ = stack.enter_context(serving(ROOT / "app.py"))
        browser = stack.enter_context(chromium())
        for name in given.pages:
            with ExitStack() as one_page:
                _compare(one_page, name, given, browser, explorer, folder, file)


def _compare(
    stack: ExitStack, name: str, given: Any, browser: Any, explorer: str, folder: Path, file: Path
) -> None:
    case = CASES[name]
    print(f"\n{name}: {', '.join(case.figures)}; {given.model}")
    found = _as_a_reader(
        explorer, case, given.model, file, given.rounds * given.moves, given.rounds * given.drags
    )
    print(f"  as a reader  key press to all redrawn  {words(found['presses'])}")
    print(f"  as a reader  end of drag to redrawn    {words(found['drags'])}", flush=True)
    sides = {"explorer": Ours(browser, explorer, case, given.model, file)}
    if not given.ours_only:
        script = folder / f"plain_{name.replace('-', '_')}.py"
        script.write_text(
            PLAIN.format(
                text=TEXT, file=str(file), model=given.model, left=LEFT, right=RIGHT,
                cached=case.plain,
            ),
            encoding="utf-8",
        )  # fmt: skip
        server, _ = stack.enter_context(serving(script, folder=folder))
        sides["plain"] = Plain(browser, server)
    steps: dict[str, list[list[float]]] = {side: [] for side in sides}
    dragged = 0
    random = np.random.default_rng(0)
    for number in range(given.rounds + 1):
        for side, reader in sides.items():
            reader.page.bring_to_front()
            reader.ready()
            found = []
            for move in range(given.moves if number else 3):
                found.append(reader.step(1 if (move + number) % 3 else -1))
                time.sleep(random.uniform(0.15, 0.35))
            if number:  # the first round warms up
                steps[side].append(found)
        if number:
            sides["explorer"].page.bring_to_front()
            for pixels in random.choice([-90, -45, 60, 75], given.drags):
                sides["explorer"].drag(pixels)
                dragged += 1
    for side, found in steps.items():
        print(f"  {side:11}  key press to all redrawn  {words(np.concatenate(found))}")
    print(f"  explorer     {dragged} quick drags, no stale frame after any", flush=True)
    if "plain" in steps:
        medians = {side: [float(np.median(one)) for one in found] for side, found in steps.items()}
        print(f"  plain / explorer, by round  {ratios(medians['explorer'], medians['plain'])}")
    for reader in sides.values():
        reader.page.context.close()


def _thousand_texts() -> list[str]:
    """1,000 different texts made from the demo texts."""
    texts = demo_texts().texts
    n = len(texts)
    return [
        texts[i % n] if i < n else f"{texts[i % n]} {texts[(i * 7 + i // n) % n]}"
        for i in range(1000)
    ]


if __name__ == "__main__":
    main()
