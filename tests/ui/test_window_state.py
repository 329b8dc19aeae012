"""Whatever happens between browser and server: both come to show what the reader chose last."""

from typing import Any

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from embfilter_viz.ui.window_state import WindowState
from tests.ui.window_model import ClockWorld, World

WORDS = st.sampled_from(["2", "4", "10:20", "10:30", "1:60", "0:64", "9:3"])
STEPS = st.one_of(
    st.tuples(st.just("move"), WORDS),
    st.tuples(st.just("use"), WORDS),
    st.tuples(st.just("travel"), st.sampled_from([-2, -1, 1])),
    st.tuples(st.sampled_from(["click", "change_page", "lose", "tire", "restart", "undo", "redo"])),
    st.tuples(st.just("drag"), WORDS),
    st.tuples(st.sampled_from(["arrive", "answer", "arrive", "answer", "drop_history_bit"])),
)
"""What a reader and a network do with one model; the first arrival and answer weigh more."""

HAND_ALONE = st.one_of(
    st.tuples(st.sampled_from(["move", "drag"]), WORDS),
    st.tuples(st.sampled_from(["click", "change_page", "lose", "tire", "arrive", "answer"])),
)
"""The reader alone moves the window."""


def do(world: Any, step: tuple[Any, ...]) -> None:
    name, *rest = step
    if name == "drag":
        world.move(*rest, ends=False)
    elif name in ("undo", "redo"):
        world.step(back=name == "undo")
    else:
        getattr(world, name)(*rest)


@settings(max_examples=400, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_all_come_to_show_what_the_reader_chose_last(steps: list[tuple[Any, ...]]) -> None:
    world = World()
    for step in steps:
        do(world, step)
    world.settle()
    world.agree()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(STEPS, st.tuples(st.just("choose_model"), st.sampled_from([32, 64])))))
def test_and_agree_where_the_model_changes_too(steps: list[tuple[Any, ...]]) -> None:
    world = World()
    for step in steps:
        do(world, step)
    world.settle()
    world.agree()
    assert world.server.d == world.d


@settings(max_examples=200, deadline=None)
@given(st.lists(HAND_ALONE, max_size=25))
def test_no_answer_moves_the_handle_under_the_readers_hand(steps: list[tuple[Any, ...]]) -> None:
    world = World()
    for step in steps:
        before = world.browser.shown
        do(world, step)
        if step[0] not in ("move", "drag"):
            assert before is not None
            assert world.browser.shown is not None
            assert world.browser.shown["words"] == before["words"]


@given(st.lists(WORDS, min_size=1, max_size=8))
def test_every_move_can_be_undone_and_done_again(words: list[str]) -> None:
    world = World()
    seen = ["2"]
    for one in words:
        world.move(one)
        world.settle()
        seen += [one] * (one != seen[-1])
    for back, trail in ((True, seen[-2::-1]), (False, seen[1:])):
        for one in trail:
            world.step(back=back)
            world.settle()
            assert world.server.words == one
            world.agree()


@given(st.lists(st.tuples(st.just("drag"), WORDS), max_size=48), WORDS)
def test_one_drag_is_one_entry_of_the_history(drag: list[tuple[Any, ...]], last: str) -> None:
    world = World()
    for step in drag:
        do(world, step)
        world.arrive()
        world.answer()
    world.move(last)
    world.settle()
    assert world.entries == ["2"] + [last] * (last != "2")


def clock_disagrees(steps: list[tuple[Any, ...]]) -> bool:
    world = ClockWorld()
    for step in steps:
        do(world, step)
    world.settle()
    try:
        world.agree()
    except AssertionError:
        return True
    return False


def clock_steps(*names: str) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """Moves and answers, with time going by."""
    return st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["move", *names]), st.sampled_from(["4", "8"])),
            st.tuples(st.sampled_from(["click", "arrive", "answer"])),
            st.tuples(st.just("wait"), st.sampled_from([0.3, 1.2])),
        ),
        max_size=8,
    )


def test_the_property_fails_where_a_clock_decides() -> None:
    find(clock_steps(), clock_disagrees)
    # A click that reached the server a second after the move brought the field of before it.
    late = [("move", "4"), ("arrive",), ("click",), ("wait", 1.2)]
    assert clock_disagrees(late)
    assert not clock_disagrees(late[:-1])
    # Words of before, typed again within the second, were taken for a field that is behind.
    again = [("move", "4"), ("arrive",), ("answer",), ("type", "2")]
    assert clock_disagrees(again)
    assert not clock_disagrees([*again[:-1], ("wait", 1.2), again[-1]])


def test_without_its_numbers_the_protocol_would_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """The property sees what numbers and epochs are for."""

    def fails(steps: list[tuple[Any, ...]]) -> bool:
        try:
            test_all_come_to_show_what_the_reader_chose_last.hypothesis.inner_test(steps)
        except AssertionError:
            return True
        return False

    with pytest.raises(NoSuchExample):
        find(st.lists(STEPS, max_size=12), fails, settings=settings(max_examples=100))
    real = WindowState.hears
    monkeypatch.setattr(
        WindowState, "hears",
        lambda self, said: self if said is None else real(self, {**said, "number": 10**9}),
    )  # fmt: skip
    assert find(st.lists(STEPS, max_size=12), fails)


def test_what_is_no_word_of_ours_is_left_out() -> None:
    state = WindowState("3:20").of_width(32)
    said = {"number": 1, "words": "1:2", "d": 32}
    for bad in (None, "1:2", 7, [said], {}, {**said, "number": "1"}, {**said, "words": 12}):
        assert state.hears(bad) == state
    assert len(state.hears({**said, "words": "1" * 10_000}).words) == 100
    assert state.hears(said).words == "1:2"
    assert state.hears({**said, "d": -4}).words == "1:2"
