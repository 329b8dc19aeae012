"""What a reader does before the page has answered the move before."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.browser.server import Server

# A key on a handle and, milliseconds later, a click elsewhere, whose request may go out before the
# server has answered the move.
BOTH = """([key, at, wait]) => {
  document.querySelector(".grip-l").dispatchEvent(
    new KeyboardEvent("keydown", { key, bubbles: true }));
  setTimeout(() => document.querySelector(at).click(), wait);
}"""


def moves_and_clicks(reader: Any, waits: Iterable[int], rest: int, *figures: str) -> None:
    """Move the left handle up and down, each time with a click a few milliseconds later.

    Whatever undoes a move has come ``rest`` milliseconds after it.
    """
    left, right = map(int, reader.window.split(":"))
    for turn, wait in enumerate(waits):
        key, by = ("PageUp", 29) if turn % 2 == 0 else ("PageDown", -29)
        left += by
        window = f"{left}:{right}"
        reader.page.locator(".grip-l").focus()
        reader.page.evaluate(BOTH, [key, ".st-key-fold_code summary", wait])
        reader.page.wait_for_timeout(rest)
        reader.complete()
        assert reader.window == window, f"{wait} ms after the move"
        reader.await_typed(window)
        reader.await_window(window, *figures)
    reader.well()


def test_a_click_right_after_a_move_does_not_undo_it(visit: Any) -> None:
    reader = visit("spectrum?window=100:480")
    moves_and_clicks(reader, 3 * (0, 10, 20, 35, 50), 700, "spectrum_chart", "energy_chart")


def test_nor_does_the_slider_of_tau_as_it_was_before(visit: Any) -> None:
    reader = visit("filter_and_lens?window=150:420")
    reader.page.wait_for_selector(".st-key-fold_code summary")
    # Either move changes the τ nearest to the window, and with it the slider.
    moves_and_clicks(reader, 4 * (10, 20, 35), 900, "ranks_chart")


def test_the_window_of_before_can_be_typed_again_and_gone_back_to(visit: Any) -> None:
    reader = visit("spectrum?window=100:480")
    moved = reader.move_handle("l", "PageUp")
    reader.await_window(moved, "spectrum_chart", "energy_chart")
    reader.page.go_back()  # at once: the browser's history is not a field that is behind
    reader.await_window("100:480", "spectrum_chart")
    moved = reader.move_handle("l", "PageDown")
    reader.await_window(moved, "spectrum_chart", "energy_chart")
    reader.typed.fill("100:480")
    reader.typed.press("Enter")
    reader.await_window("100:480", "spectrum_chart", "energy_chart")
    assert reader.window == "100:480"
    reader.well()


def test_one_drag_is_one_entry_of_the_history_and_back_returns_to_what_was_seen(visit: Any) -> None:
    reader = visit("spectrum?window=100:480")
    entries = "history.length"
    before = reader.page.evaluate(entries)
    dragged = reader.drag_handle("l", -60)
    reader.await_window(dragged, "spectrum_chart", "energy_chart")
    assert reader.page.evaluate(entries) == before + 1
    reader.go("Average token")
    reader.await_link(f"window={dragged.replace(':', '%3A')}")
    assert reader.page.evaluate(entries) == before + 2
    moved = reader.move_handle("r", "PageDown")
    reader.await_window(moved, "shift_chart")
    for page, window, figure in (
        ("average_token", dragged, "shift_chart"),
        ("spectrum", dragged, "spectrum_chart"),
        ("spectrum", "100:480", "spectrum_chart"),
    ):
        reader.page.go_back()
        reader.page.wait_for_url(f"**/{page}?**")
        reader.await_window(window, figure)
        reader.await_typed(window)
        reader.await_strip(window)
    assert reader.page.evaluate(entries) == before + 3
    reader.page.go_forward()
    reader.await_window(dragged, "spectrum_chart")
    reader.well()


def test_moves_are_undone_and_done_again_by_the_keyboard(visit: Any) -> None:
    reader = visit("spectrum?window=100:480")
    moved = reader.drag_handle("l", -60)
    reader.await_window(moved, "spectrum_chart")
    reader.page.locator(".window-tau input").focus()
    reader.page.keyboard.press("End")
    reader.await_window("270:306", "spectrum_chart")  # τ = 16
    for keys, window in (
        ("Control+z", moved),
        ("Control+z", "100:480"),
        ("Control+z", "100:480"),
        ("Control+Shift+z", moved),
    ):
        reader.page.keyboard.press(keys)
        reader.await_window(window, "spectrum_chart", "energy_chart")
        reader.await_typed(window)
    reader.await_link(f"window={moved.replace(':', '%3A')}")
    # In a field that is being typed in, the keys are the field's own.
    reader.typed.click()
    reader.page.keyboard.type("7")
    reader.page.keyboard.press("Control+z")
    assert reader.window == moved
    reader.well()


def test_a_server_that_was_started_again_takes_the_window_and_the_text_that_are_seen(
    visit: Any, cache: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    first = Server(cache, tmp_path)
    link = f"filter_and_lens?model={tiny_folder}&window=3:20&text=The+tide"
    reader = visit(link, at=first.address)
    moved = reader.move_handle("l", "PageUp")
    reader.await_window(moved, "ranks_chart")
    first.stop()
    reader.page.locator("[data-test-connection-state=CONNECTED]").wait_for(state="detached")
    second = Server(cache, tmp_path, port=first.port)
    try:
        reader.page.locator("[data-test-connection-state=CONNECTED]").wait_for()
        reader.await_window(moved, "ranks_chart", "layers_chart_filtered")
        reader.await_typed(moved)
        reader.await_value("text", "The tide")
        assert reader.window == moved
        reader.await_link(f"window={moved.replace(':', '%3A')}", "text=The+tide")
        # Streamlit asks for a run of its own accord only where one was just under way: without
        # our asking, a server that never ran the page drops what is moved on it.
        moved = reader.move_handle("l", "PageDown")
        reader.await_window(moved, "ranks_chart", "layers_chart_filtered")
        assert reader.page.locator("[data-testid=stException]").count() == 0
    finally:
        second.stop()
