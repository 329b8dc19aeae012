"""Where a reader is in the lesson, and what was guessed: kept in the session and in the link.

The link is the truth where it names a step; else the session is, which remembers across pages.
"""

from typing import Any

import streamlit as st

from embfilter_viz.analyses.lesson_steps import STEPS, Choice, Number, Step
from embfilter_viz.ui.links import whole_number

__all__ = ["SKIPPED", "ask_guess", "current_step", "go_to", "guess_of", "made", "steps_row"]

SKIPPED = "none"
"""What stands for looking at the figure without a guess."""

_STEP = "_lesson_step"
_GUESSES = "_lesson_guesses"


def current_step() -> int:
    """The step that is shown, from 1."""
    linked = whole_number(st.query_params.get("step", ""))
    known = st.session_state.get(_STEP, 1)
    step = linked if linked is not None and 1 <= linked <= len(STEPS) else known
    st.session_state[_STEP] = step
    _write("step", str(step))
    for number, guess in _guesses().items():
        _write(f"guess_{number}", str(guess))
    return step


def go_to(step: int) -> None:
    """Show another step; for buttons."""
    st.session_state[_STEP] = step
    _write("step", str(step))


def guess_of(step: int) -> float | str | None:
    """Return what was guessed at a step; ``SKIPPED`` where its figure was asked for without."""
    return _guesses().get(step)


def made() -> int:
    """Say how many guesses were made."""
    return sum(guess != SKIPPED for guess in _guesses().values())


def steps_row(step: int) -> None:
    """The steps as buttons, those that are done with a tick: the progress mark."""
    with st.container(horizontal=True, key="lesson_steps", gap="small"):
        for number, one in enumerate(STEPS, start=1):
            done = guess_of(number) is not None
            st.button(
                f"{number}", key=f"lesson_go_{number}", on_click=go_to, args=(number,),
                type="primary" if number == step else "secondary",
                icon=":material/check:" if done else None,
                help=f"Step {number}: {one.title}",
            )  # fmt: skip
        st.caption(f"{made()} of {len(STEPS)} guesses made")


def ask_guess(number: int, step: Step) -> float | str | None:
    """The control for the guess of a step, and the guess; None while there is none."""
    # A guess from the link is the control's own beginning: what we set in the session, a request
    # that the browser sent before it had it would take away again.
    key, guess = f"lesson_guess_{number}", guess_of(number)
    begin: Any = None if guess == SKIPPED else guess
    if isinstance(step.guess, Number):
        form = step.guess
        whole = form.digits == 0
        least, greatest = float(form.least), float(form.greatest)
        st.number_input(
            f"{step.ask} Your guess:", least, greatest, begin, float(form.step), key=key,
            format=f"%.{0 if whole else max(form.digits, 1)}f", on_change=_guessed, args=(number,),
            placeholder=f"a number from {form.least:,g} to {form.greatest:,g}, then Enter",
            width=520,
        )  # fmt: skip
    else:
        answers = step.guess.answers
        st.radio(
            f"{step.ask} Your guess:", list(answers),
            None if begin is None else list(answers).index(begin), key=key,
            format_func=lambda name: answers[name], on_change=_guessed, args=(number,),
        )  # fmt: skip
    guess = guess_of(number)
    if guess is None:
        st.button(
            "Show the figure without a guess", key=f"lesson_skip_{number}", type="tertiary",
            on_click=_keep, args=(number, SKIPPED),
        )  # fmt: skip
    return guess


def _guessed(number: int) -> None:
    _keep(number, st.session_state[f"lesson_guess_{number}"])


def _keep(number: int, guess: float | str | None) -> None:
    if guess is not None:  # a guess can be changed, not taken back
        _guesses()[number] = guess
        _write(f"guess_{number}", str(guess))


def _guesses() -> dict[int, Any]:
    """The guesses by step, read from the link where the session has none."""
    if _GUESSES not in st.session_state:
        read = {n: _read(n, step) for n, step in enumerate(STEPS, start=1)}
        st.session_state[_GUESSES] = {n: guess for n, guess in read.items() if guess is not None}
    return st.session_state[_GUESSES]


def _read(number: int, step: Step) -> float | str | None:
    """A guess as the link has it; None where it has none or something else."""
    said = st.query_params.get(f"guess_{number}", "")
    if said == SKIPPED:
        return SKIPPED
    if isinstance(step.guess, Choice):
        return said if said in step.guess.answers else None
    try:
        value = float(said)
    except ValueError:
        return None
    return value if step.guess.least <= value <= step.guess.greatest else None


def _write(name: str, value: str) -> None:
    if st.query_params.get(name) != value:
        st.query_params[name] = value
