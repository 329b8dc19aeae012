"""A share of the bad invocations, and what a run counts as a fault."""

import socket
from collections import Counter
from dataclasses import replace
from pathlib import Path

import click
import pytest

from embfilter_viz.cli.commands import cli
from tests.invocations.cases import Case, all_cases, cases_of, share
from tests.invocations.trying import (
    SECONDS,
    Outcome,
    Tried,
    faults_of,
    places,
    tried_here,
    tried_in_a_process,
)

SLOW = ("replicate", "fill")
"""Commands that import libraries for seconds; the whole run has them."""
OURS = Case("", ("lens", "x", "--tau", "nan"), named=("tau",))
GOOD = Outcome(2, b"", "embfilter-viz: tau must be a number; got nan\n", 0.1)


def test_every_parameter_of_every_command_is_tried() -> None:
    cases = all_cases()
    assert len(cases) == len(set(cases)) > 2000
    tried = [" ".join(case.arguments) for case in cases]
    for name, command in cli.commands.items():
        of_command = [line for line in tried if line.split(" ")[0] == name]
        for one in command.params:
            if isinstance(one, click.Option):
                long = one.opts[0]
                assert any(f" {long}" in line for line in of_command), (name, long)
    kinds = Counter(case.kind for case in cases)
    assert len(kinds) >= 18
    assert sum(kinds.values()) == len(cases)


def test_a_new_option_is_tried_without_an_entry() -> None:
    @click.command()
    @click.argument("novel")
    @click.option("--fresh", metavar="WORD")
    @click.option("--many", type=click.IntRange(3, 9))
    def grow(novel: str, fresh: str, many: int) -> None: ...

    lines = [" ".join(case.arguments) for case in cases_of({"grow": grow})]
    assert {f"grow --many={n} -- x" for n in ("2", "10", "nan", "x", "")} <= set(lines)
    assert {f"grow --fresh={word} -- x" for word in ("", "no-such-thing", "\x1b[31mred")} <= set(
        lines
    )
    assert {"grow", "grow x --bogus", "grow x --fresh"} <= set(lines)


def test_a_share_of_the_cases_is_answered_in_one_line() -> None:
    cases = [case for case in share(all_cases(), 60) if case.arguments[0] not in SLOW]
    here = [case for case in cases if not case.variables and "--ray" not in str(case)]
    alone = next(case for case in all_cases() if case.variables)
    assert len(here) > 40
    with places(few_libraries=True) as folder:
        found = [Tried(case, tried_here(case, folder)) for case in here]
        # On a machine that runs all tests at once the start of a process takes long.
        found.append(Tried(alone, tried_in_a_process(alone, folder, 4 * SECONDS)))
    assert {str(one.case): (one.faults, one.outcome.err) for one in found if one.faults} == {}


@pytest.mark.parametrize(
    ("outcome", "fault"),
    [
        (replace(GOOD, status=0), "answered"),
        (replace(GOOD, status=1), "ended with 1"),
        (replace(GOOD, status="ValueError"), "ended with ValueError"),
        (replace(GOOD, err="Traceback (most recent call last):\nx\n"), "a traceback"),
        (replace(GOOD, err=GOOD.err * 2), "2 lines"),
        (replace(GOOD, err=""), "0 lines"),
        (replace(GOOD, out=b"{}"), "words on standard output"),
        (replace(GOOD, seconds=11.0), "more than 10 s"),
        (replace(GOOD, left=("made.npy",)), "files left or changed: made.npy"),
        (replace(GOOD, err="embfilter-viz: wrong tau\n"), "no way out"),
        (replace(GOOD, err="embfilter-viz: wrong; give another\n"), "the input is not named"),
        (replace(GOOD, err=f"embfilter-viz: tau {'9' * 2000}; give less\n"), "a line too long"),
        (replace(GOOD, err="embfilter-viz: tau \x1b[2J; x\n"), "a line that cannot be printed"),
    ],
)
def test_what_is_a_fault(outcome: Outcome, fault: str) -> None:
    assert faults_of(OURS, GOOD) == ()
    assert faults_of(OURS, replace(GOOD, err=f"… Embedding: 1 of 2\n{GOOD.err}")) == ()
    assert fault in faults_of(OURS, outcome)


def test_a_file_that_is_made_or_changed_is_seen(tmp_path: Path) -> None:
    with places(few_libraries=True) as folder:
        made = tried_here(Case("", ("spectrum", "model", "--json")), folder)
        assert (made.status, made.left) == (0, ())
        export = ("export", "model", "--format", "filter", "-o", "new.safetensors")
        assert tried_here(Case("", export), folder).left == ("new.safetensors",)


def test_an_address_that_is_taken_is_told_before_the_server_starts() -> None:
    with places(few_libraries=True) as folder, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        case = Case("", ("app", "--headless", "--port", port), named=("--port",))
        assert faults_of(case, tried_here(case, folder)) == ()
