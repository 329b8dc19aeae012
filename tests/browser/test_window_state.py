"""The script in the browser does what its model in Python does, whatever comes."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import expect

from embfilter_viz.ui.assets import component_file
from embfilter_viz.ui.window_state import DEFAULT_WINDOW
from tests.ui.window_model import Browser

WORDS = st.sampled_from(["2", "4", "10:20", "10:30"])
FEW = st.integers(0, 3)
ANSWERS = st.fixed_dictionaries(
    {"session": st.sampled_from("ab"), "epoch": FEW, "heard": FEW, "words": WORDS}
    | {"d": st.sampled_from([32, 64])}
)
CALLS = st.one_of(
    st.tuples(st.just("moves"), st.fixed_dictionaries({"words": WORDS, "d": st.just(64)})),
    st.tuples(st.just("settles")),
    st.tuples(st.just("steps"), st.booleans()),
    st.tuples(st.just("travels"), WORDS),
    st.tuples(st.just("answered"), ANSWERS),
)

RUN = """(calls) => {
  const s = fresh(), ways = { true: ["past", "future"], false: ["future", "past"] };
  return calls.map(([name, given]) => {
    const said = name === "steps" ? steps(s, ...ways[given]) : scripts[name](s, given);
    return JSON.parse(JSON.stringify([said ?? null, s]));
  });
}"""


def in_python(calls: list[tuple[Any, ...]]) -> list[list[Any]]:
    """What the model answers to each call, and its state after it, named as in the script."""
    browser, seen = Browser(), []
    for name, *rest in calls:
        said = getattr(browser, name)(*rest)
        state = asdict(browser)
        state["answered"] = state.pop("answered_last")
        seen.append([said, state])
    return seen


def test_the_script_does_what_its_model_does(browser: Any) -> None:
    page = browser.new_page()
    page.add_script_tag(
        content=f'const USUAL = "{DEFAULT_WINDOW}";\n{component_file("window_state.js")}\n'
        "const scripts = { moves, settles, travels, answered };"
    )

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ANSWERS, st.lists(CALLS, min_size=1, max_size=15))
    def same(first: dict[str, Any], calls: list[tuple[Any, ...]]) -> None:
        calls = [("answered", first), *calls]
        assert page.evaluate(RUN, calls) == in_python(calls)

    same()
    page.close()


def test_a_long_text_leaves_the_link_and_a_short_one_is_in_it_again_with_all_else(
    visit: Any, tiny_folder: Path
) -> None:
    reader = visit(f"filter_and_lens?model={tiny_folder}&text=A+cat.&top=7")
    box = reader.key("text").locator("textarea")

    reader.type_text("A dog barks. " * 200)
    reader.page.get_by_text("This text is longer than 1,500 characters").wait_for()
    reader.complete()
    expect(reader.page).not_to_have_url(re.compile("[?&]text="))
    reader.await_link("top=7")
    # A short one and, before the server has answered, another control.
    box.fill("A short one.")
    box.press("Control+Enter")
    reader.key("top").locator("button").last.click()
    reader.page.get_by_text("This text is longer than").wait_for(state="detached")
    reader.await_value("top", "8")
    reader.complete()
    reader.await_link("text=A+short+one.", "top=8")
    assert parse_qs(urlsplit(reader.page.url).query)["model"] == [str(tiny_folder)]
    # A page without the box and back: it is still there, and so is a long one.
    reader.go("Spectrum").go("Filter and lens")
    reader.await_value("text", "A short one.")
    reader.await_link("text=A+short+one.")
    long = "A dog barks. " * 200
    reader.type_text(long)
    reader.page.get_by_text("This text is longer than 1,500 characters").wait_for()
    reader.go("Spectrum").go("Filter and lens")
    reader.await_value("text", long)
    expect(reader.page).not_to_have_url(re.compile("[?&]text="))
    reader.well()
