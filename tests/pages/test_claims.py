"""Claims: verdicts while the job runs, what a stopped job keeps, two runs, what to take away."""

import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest

from embfilter_viz.analyses import claims as analysis
from embfilter_viz.analyses.claim_record import Claim
from embfilter_viz.analyses.claim_rules import RULES
from embfilter_viz.analyses.claims import ORDER, claims
from embfilter_viz.errors import InputError
from embfilter_viz.evaluation.tasks import read_tasks
from embfilter_viz.export.session import claims_section
from embfilter_viz.figures.claims import claims_table
from embfilter_viz.figures.report import report
from embfilter_viz.model import open_model
from embfilter_viz.ui import claims as ui
from embfilter_viz.ui.services import jobs
from tests.pages.explorer import Explorer
from tests.pages.test_jobs import waiting

OPEN = "not measured yet"
LINK = {"prompt": "mean", "sets": "Similarity"}


class Brake:
    """The measuring of one claim that waits until it is told to go on."""

    def __init__(self, number: int, patch: pytest.MonkeyPatch) -> None:
        self.reached, self.released = threading.Event(), threading.Event()
        self.measured: list[int] = []
        real = dict(analysis._MEASURES)

        def slowed(evidence, which: int) -> Claim:
            self.measured.append(which)
            if which == number:
                self.reached.set()
                while not self.released.wait(0.02):
                    evidence.progress("Waiting", 0, 0, "")  # hears of a cancel
            return real[which](evidence)

        patch.setattr(
            analysis,
            "_MEASURES",
            {which: lambda one, which=which: slowed(one, which) for which in real},
        )


@pytest.fixture
def brake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Brake]:
    found = Brake(12, monkeypatch)  # the third
    yield found
    found.released.set()


def shown(explorer: Explorer) -> dict[str, int]:
    """How many verdicts of each kind stand in the table."""
    kinds = ("holds", "fails", "not-decided", "open")
    return {kind: explorer.words.count(f'class="verdict {kind}"') for kind in kinds}


def test_rules_stand_there_before_anything_is_measured(tiny: Path) -> None:
    explorer = Explorer("claims", model=str(tiny), **LINK)
    assert shown(explorer) == {"holds": 0, "fails": 0, "not-decided": 0, "open": 12}
    for rule in RULES:
        assert rule.claim.replace("'", "&#x27;") in explorer.words
    assert explorer.answers == []
    assert explorer.figures == set()
    assert explorer.button("Decide the claims")


def test_verdicts_are_shown_while_the_rest_runs_and_kept_when_it_is_stopped(
    tiny: Path, brake: Brake
) -> None:
    explorer = Explorer("claims", model=str(tiny), **LINK)
    explorer.button("Decide the claims").click()
    explorer.run()
    assert brake.reached.wait(60)
    waiting(explorer, "Waiting")
    assert shown(explorer)["open"] == 10
    assert explorer.answers[0].endswith(("(2 and 3).", "(3).", "(2)."))
    assert [b for b in explorer.at.get("download_button") if b.proto.label == "Table as CSV"]

    explorer.button("Cancel").click()
    explorer.run()
    waiting(explorer, "Stopped. What was finished is kept.")
    assert shown(explorer)["open"] == 10
    (job,) = [job for job in jobs()._jobs.values() if job.title.startswith("Deciding")]
    assert job._over.wait(20)

    brake.released.set()
    explorer.press("Continue")
    assert explorer.errors == []
    assert shown(explorer)["open"] == 0
    assert brake.measured == [2, 3, 12, *ORDER[2:]], "what was known is not measured again"
    # The same as the library says.
    model = open_model(str(tiny))
    found = claims(model, read_tasks("demo", ["sts"]), "mean")
    assert explorer.answers == [found.sentence]
    assert explorer.figures == {"claims_chart_0"}
    for one in found.claims:
        assert one.sentence.replace("'", "&#x27;") in explorer.words
    compile(explorer.python, "claims", "exec")
    assert explorer.command.endswith("demo --prompt mean --task sts")

    # Taken away: a table, and a section of the report.
    frame = claims_table([found])
    again = pd.read_csv(BytesIO(frame.to_csv(index=False).encode()))
    assert again["verdict"].tolist() == [one.verdict for one in found.claims]
    assert again["holds_if"].tolist() == [rule.holds for rule in RULES]
    page = report("x", [claims_section(found)])
    assert "Which of the paper&#x27;s claims hold?" in page
    assert str(tiny.parent) not in page, "a report does not say where a model lies"

    # A second prompt beside it, with a table of its own.
    explorer.change("beside", f"{tiny} · last")
    assert shown(explorer)["open"] == 12
    explorer.press(f"Decide the claims on {tiny} · last")
    assert shown(explorer)["open"] == 0
    assert explorer.words.count('class="verdict ') == 24
    assert explorer.figures == {"claims_chart_0", "claims_chart_1"}


def test_each_verdict_links_to_its_page_with_the_view(tiny: Path) -> None:
    model = open_model(str(tiny))
    chosen = (ui.ChosenTask(read_tasks("demo", ["sts"])[0], ("demo", "sts"), "demo", {}),)
    run = ui.ClaimRun(model, "mean", chosen)
    pages = set()
    for rule in RULES:
        link = ui._link(run, Claim(rule, "holds", ""))
        address = urlsplit(link.split('"')[1].replace("&amp;", "&"))
        query = parse_qs(address.query)
        assert query["model"] == [str(tiny)]
        assert (query["prompt"], query["window"]) == (["mean"], ["2"])
        pages.add(address.path)
        if address.path == "window_lab":
            assert query["task"] == ["Similarity"]
    root = Path(__file__).parents[2]
    assert all((root / "pages" / f"{page}.py").is_file() for page in pages)


def test_a_run_beside_it_that_is_none_is_one_line(tiny: Path) -> None:
    explorer = Explorer("claims", model=str(tiny), **LINK)
    explorer.change("beside", "something")
    (error,) = explorer.errors
    assert "must be model · prompt" in error


def test_what_could_not_be_measured_can_be_tried_again(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise InputError("the disk is full")

    few = {n: one for n, one in analysis._MEASURES.items() if n in (3, 6)}
    every = {n: few.get(n, lambda _, n=n: Claim(RULES[n - 1], "holds", "")) for n in ORDER}
    monkeypatch.setattr(analysis, "_MEASURES", every)  # the others take their time elsewhere
    with monkeypatch.context() as patch:
        patch.setattr(analysis, "compare_forms", refuses)
        explorer = Explorer("claims", model=str(tiny), **LINK).press("Decide the claims")
    assert "It could not be measured: the disk is full." in explorer.words
    explorer.press("Forget what could not be measured")
    assert shown(explorer)["open"] == 1
    explorer.press("Decide the claims")
    assert shown(explorer)["open"] == 0
    assert "could not be measured" not in explorer.words


def test_the_sets_of_another_language_are_offered_as_far_as_there_are_any(tiny: Path) -> None:
    link = {"model": str(tiny), "prompt": "mean", "sets": "Retrieval"}
    explorer = Explorer("claims", wait=False, **link)
    assert "our demo passages" in explorer.words
    explorer.control("data").set_value("demo-hi")
    explorer.run()
    assert explorer.errors == []
    assert "similarity (72 pairs), classification (60 texts)" in explorer.words.lower()
    linked = Explorer("claims", wait=False, data="demo-hi", **link)
    assert linked.errors == []
    assert "retrieval" not in linked.command
