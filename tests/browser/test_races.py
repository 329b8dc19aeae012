"""What a reader does before the page has answered the move before."""

from typing import Any

import pytest

from embfilter_viz.ui.choices import BEHIND

# A key on a handle and, milliseconds later, a click elsewhere: the click's request goes out with
# the field beside the strip as it was before the move, of which the server knows already.
BOTH = """([key, at, wait]) => {
  document.querySelector(".grip-l").dispatchEvent(
    new KeyboardEvent("keydown", { key, bubbles: true }));
  setTimeout(() => document.querySelector(at).click(), wait);
}"""


@pytest.mark.parametrize("wait", [0, 10, 20, 35, 50])
def test_a_click_right_after_a_move_does_not_undo_it(visit: Any, wait: int) -> None:
    reader = visit("spectrum?window=100:480")
    before = 100
    for turn in range(3):
        key, by = ("PageUp", 29) if turn % 2 == 0 else ("PageDown", -29)
        before += by
        window = f"{before}:480"
        reader.page.locator(".grip-l").focus()
        reader.page.evaluate(BOTH, [key, ".st-key-fold_code summary", wait])
        reader.page.wait_for_timeout(700)
        reader.complete()
        assert reader.window == window
        assert reader.key("window").locator("input").input_value() == window
        reader.await_window(window, "spectrum_chart", "energy_chart")
    reader.well()


@pytest.mark.parametrize("wait", [10, 20, 35])
def test_nor_does_the_slider_of_tau_as_it_was_before(visit: Any, wait: int) -> None:
    reader = visit("filter_and_lens?window=150:420")
    reader.page.wait_for_selector(".st-key-fold_code summary")
    # Either move changes the τ nearest to the window, and with it the slider.
    before = 150
    for turn in range(4):
        key, by = ("PageUp", 29) if turn % 2 == 0 else ("PageDown", -29)
        before += by
        window = f"{before}:420"
        reader.page.locator(".grip-l").focus()
        reader.page.evaluate(BOTH, [key, ".st-key-fold_code summary", wait])
        reader.page.wait_for_timeout(900)
        reader.complete()
        assert reader.window == window
        assert reader.key("window").locator("input").input_value() == window
    reader.well()


def test_the_window_of_before_can_be_typed_again_and_gone_back_to(visit: Any) -> None:
    reader = visit("spectrum?window=100:480")
    moved = reader.move_handle("l", "PageUp")
    reader.await_window(moved, "spectrum_chart", "energy_chart")
    reader.page.go_back()  # at once: the browser's history is not a field that is behind
    reader.await_window("100:480", "spectrum_chart")
    moved = reader.move_handle("l", "PageDown")
    reader.await_window(moved, "spectrum_chart", "energy_chart")
    reader.page.wait_for_timeout(1000 * BEHIND)
    field = reader.key("window").locator("input")
    field.fill("100:480")
    field.press("Enter")
    reader.await_window("100:480", "spectrum_chart", "energy_chart")
    assert reader.window == "100:480"
    reader.well()
