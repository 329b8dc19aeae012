"""Long work: watched, shared, cancelled, restarted, and never the death of its worker."""

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embfilter_viz.errors import Cancelled, InputError
from embfilter_viz.jobs import KEEP_ENDED, Job, Jobs, words_for_seconds
from embfilter_viz.system.progress import Progress
from embfilter_viz.system.turns import Turns, in_a_hurry

SOON = 5.0
"""Seconds after which a test gives up on an event that comes in milliseconds."""


class Steps:
    """Work that takes one step each time it is let go on."""

    def __init__(self, steps: int = 3) -> None:
        self.steps = steps
        self.runs = 0
        self.begun = threading.Event()
        self.reported = threading.Semaphore(0)
        self._go_on = threading.Semaphore(0)

    def __call__(self, progress: Progress) -> str:
        self.runs += 1
        self.begun.set()
        for step in range(self.steps):
            assert self._go_on.acquire(timeout=SOON)
            progress("Stepping", step + 1, self.steps, "steps")
            self.reported.release()
        return "done"

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            self._go_on.release()
            assert self.reported.acquire(timeout=SOON)

    def release(self) -> None:
        """One step, without waiting for its report: it may be the one that is refused."""
        self._go_on.release()


def started(jobs: Jobs, work: Callable[..., Any], owner: str = "me", key: str = "k") -> Job:
    job = jobs.start(key, "Working", work, owner=owner)
    if isinstance(work, Steps):
        assert work.begun.wait(SOON)
    return job


def test_progress_is_seen_while_it_runs() -> None:
    work = Steps(4)
    job = started(Jobs(1), work)
    assert (job.running, job.what, job.share) == (True, "Working", None)
    work.step()
    assert (job.what, job.done, job.total, job.unit, job.share) == ("Stepping", 1, 4, "steps", 0.25)
    work.step(3)
    assert job.wait(SOON) == "done"
    assert (job.running, job.cancelled, job.problem, job.share) == (False, False, None, 1.0)


def test_time_left_is_the_pace_of_this_stage_alone() -> None:
    job = Job("k", "Working")
    job.progress("Reading", 900, 1000, "texts")  # 900 were there from an earlier run
    assert job.seconds_left() is None
    job.progress("Reading", 910, 1000, "texts")
    assert job.seconds_left(job._stage_started + 2) == pytest.approx(18)
    job.progress("Drawing", 0, 10, "steps")
    assert job.seconds_left(job._stage_started + 2) is None
    job.progress("Drawing", 10, 10, "steps")
    assert job.seconds_left(job._stage_started + 2) == 0
    job.progress("Waiting", 3, 0, "")
    assert job.seconds_left() is None


def test_a_second_run_of_the_same_stage_begins_its_clock_anew() -> None:
    job = Job("k", "Working")
    job.progress("Reading", 10, 10, "texts")
    first = job._stage_started
    job._stage_started -= 100
    job.progress("Reading", 1, 10, "texts")
    assert job._stage_started >= first


def test_cancel_is_heard_at_the_next_report() -> None:
    work = Steps()
    jobs = Jobs(1)
    job = started(jobs, work)
    work.step()
    jobs.cancel("me", "k")
    assert job.stopping
    work.release()
    with pytest.raises(Cancelled):
        job.wait(SOON)
    assert (job.running, job.stopping, job.cancelled, job.problem) == (False, False, True, None)
    assert job.done == 1


def test_a_shared_job_goes_on_until_its_last_owner_cancels() -> None:
    work = Steps()
    jobs = Jobs(2)
    job = started(jobs, work, "me")
    assert started(jobs, work, "you") is job
    jobs.cancel("me", "k")
    assert job.quitters == {"me"}  # whose page says so at once
    work.step()
    assert job.running
    assert not job.stopping
    jobs.cancel("you", "k")
    work.release()
    with pytest.raises(Cancelled):
        job.wait(SOON)
    assert work.runs == 1


def test_who_cancelled_can_wait_again() -> None:
    work = Steps()
    jobs = Jobs(1)
    job = started(jobs, work, "me")
    started(jobs, work, "you")
    jobs.cancel("me", "k")
    assert jobs.start("k", "Working", work, owner="me") is job
    assert job.quitters == set()
    jobs.cancel("you", "k")
    work.step(3)
    assert job.wait(SOON) == "done"


def test_what_one_reader_cancelled_stays_so_for_them_when_another_begins_it_again() -> None:
    work, again = Steps(), Steps()
    jobs = Jobs(2)
    started(jobs, work, "me")
    jobs.cancel("me", "k")
    new = started(jobs, again, "you")
    assert (new.owners, new.quitters) == ({"you"}, {"me"})
    work.release()
    again.step(3)
    assert new.wait(SOON) == "done"


def test_a_session_that_ends_stops_nothing() -> None:
    work = Steps()
    jobs = Jobs(2)
    job = started(jobs, work, "me")
    jobs.gone("me")
    work.step()
    assert (job.running, job.stopping, job.owners) == (True, False, set())
    assert started(jobs, work, "next") is job
    jobs.gone("another")
    work.step(2)
    assert job.wait(SOON) == "done"
    assert work.runs == 1


def test_who_is_left_when_the_others_are_gone_can_stop_it() -> None:
    work = Steps()
    jobs = Jobs(1)
    job = started(jobs, work, "me")
    started(jobs, work, "gone")
    jobs.gone("gone")
    jobs.cancel("me", "k")
    assert job.stopping
    work.release()
    with pytest.raises(Cancelled):
        job.wait(SOON)


def test_who_asks_for_other_work_stops_only_what_nobody_else_waits_for() -> None:
    work = Steps()
    jobs = Jobs(1)
    job = started(jobs, work, "me")
    jobs.leave("stranger", "k")
    jobs.leave("me", "another key")
    assert not job.stopping
    jobs.leave("me", "k")
    assert (job.stopping, job.quitters) == (True, set())
    work.release()
    with pytest.raises(Cancelled):
        job.wait(SOON)


def test_failure_is_kept_as_one_line() -> None:
    def faulty(progress: Progress) -> None:
        raise RuntimeError("first line\n  second line")

    def refused(progress: Progress) -> None:
        raise InputError("row 3 is empty; remove it")

    def silent(progress: Progress) -> None:
        raise MemoryError

    def stopped(progress: Progress) -> None:
        Path(__file__, "models").mkdir()

    jobs = Jobs(1)
    for work, line in (
        (faulty, "Working stopped on a fault of ours: RuntimeError: first line second line"),
        (refused, "row 3 is empty; remove it"),
        (silent, "Working stopped on a fault of ours: MemoryError"),
        (
            stopped,
            f"{Path(__file__, 'models')}: Not a directory; a file or link is in the way: move "
            "it, or set EMBFILTER_VIZ_CACHE to another folder",
        ),
    ):
        job = jobs.start("k", "Working", work)
        with pytest.raises((RuntimeError, InputError, MemoryError, OSError)):
            job.wait(SOON)
        assert job.problem == line
        assert not job.cancelled


def test_the_worker_survives_even_an_exit() -> None:
    def leaves(progress: Progress) -> None:
        raise SystemExit(3)

    jobs = Jobs(1)
    with pytest.raises(SystemExit):
        jobs.start("exit", "Leaving", leaves).wait(SOON)
    assert jobs.start("after", "Going on", lambda progress: 7).wait(SOON) == 7


def test_start_after_a_cancel_runs_anew_even_before_the_old_one_has_stopped() -> None:
    work = Steps()
    jobs = Jobs(2)
    old = started(jobs, work)
    jobs.leave("me", "k")
    again = Steps()
    new = started(jobs, again)
    assert new is not old
    assert jobs.find("k") is new
    work.release()
    with pytest.raises(Cancelled):
        old.wait(SOON)
    again.step(3)
    assert new.wait(SOON) == "done"


def test_start_after_a_failure_runs_anew_and_after_success_does_not() -> None:
    calls: list[int] = []

    def fails_once(progress: Progress) -> int:
        calls.append(1)
        if len(calls) == 1:
            raise InputError("not yet")
        return len(calls)

    jobs = Jobs(1)
    with pytest.raises(InputError):
        jobs.start("k", "Trying", fails_once).wait(SOON)
    assert jobs.start("k", "Trying", fails_once).wait(SOON) == 2
    assert jobs.start("k", "Trying", fails_once).wait(SOON) == 2
    jobs.forget("k")
    assert jobs.start("k", "Trying", fails_once).wait(SOON) == 3


def test_work_that_ends_before_it_hears_the_cancel_keeps_its_result() -> None:
    asked, go_on = threading.Event(), threading.Event()

    def deaf(progress: Progress) -> str:
        asked.set()
        assert go_on.wait(SOON)
        return "done"

    jobs = Jobs(1)
    job = jobs.start("k", "Working", deaf, owner="me")
    assert asked.wait(SOON)
    jobs.cancel("me", "k")
    go_on.set()
    assert job.wait(SOON) == "done"
    assert jobs.start("k", "Working", deaf, owner="me") is job


def test_jobs_are_taken_up_in_the_order_of_asking() -> None:
    first = Steps(1)
    order: list[str] = []
    jobs = Jobs(1)
    started(jobs, first, key="first")
    later = [
        jobs.start(name, name, lambda progress, name=name: order.append(name)) for name in "abc"
    ]
    assert [jobs.ahead_of(job) for job in later] == [1, 2, 3]
    assert [job.started for job in later] == [None] * 3
    first.step()
    for job in later:
        job.wait(SOON)
    assert order == ["a", "b", "c"]
    assert jobs.ahead_of(later[2]) == 0


def test_a_job_cancelled_while_it_waits_never_begins() -> None:
    first, second = Steps(1), Steps(1)
    jobs = Jobs(1)
    blocking = started(jobs, first, key="first")
    waiting = jobs.start("second", "Waiting", second, owner="me")
    jobs.leave("me", "second")
    assert waiting.cancelled
    with pytest.raises(Cancelled):
        waiting.wait(0)
    first.step()
    blocking.wait(SOON)
    assert jobs.start("third", "After", lambda progress: 1).wait(SOON) == 1
    assert second.runs == 0


def test_one_long_job_does_not_hold_up_another_worker() -> None:
    work = Steps(1)
    jobs = Jobs(2)
    long = started(jobs, work, key="long")
    assert jobs.start("short", "Short", lambda progress: 5).wait(SOON) == 5
    assert long.running
    work.step()
    long.wait(SOON)


def test_quick_work_waits_for_no_long_work() -> None:
    work = Steps(1)
    jobs = Jobs(1)
    long = started(jobs, work, key="long")
    waiting = jobs.start("longer", "Longer", lambda progress: 1)
    quick = jobs.start("quick", "Quick", lambda progress: 5, owner="you", quick=True)
    assert quick.wait(SOON) == 5
    assert (jobs.ahead_of(quick), jobs.ahead_of(waiting)) == (0, 1)
    assert long.running
    assert waiting.started is None
    work.step()
    assert waiting.wait(SOON) == 1


def test_a_second_long_job_of_one_reader_waits_behind_the_first_of_others() -> None:
    blocking = {name: Steps(1) for name in ("mine", "yours")}
    jobs, order = Jobs(2), []
    for owner, work in blocking.items():
        started(jobs, work, owner, key=owner)
    asked = [("mine", "a"), ("mine", "b"), ("others", "c"), ("yours", "d")]
    later = {
        name: jobs.start(name, name, lambda progress, name=name: order.append(name), owner=owner)
        for owner, name in asked
    }
    assert [jobs.ahead_of(job) for job in later.values()] == [3, 4, 2, 5]
    blocking["yours"].step()  # now only "mine" has a job at work
    for job in later.values():
        job.wait(SOON)
    assert order == ["c", "d", "a", "b"]
    blocking["mine"].step()


def test_a_text_overtakes_a_corpus_at_the_model() -> None:
    turns, order = Turns(), []
    jobs = Jobs(4)
    asked = threading.Semaphore(0)

    def take(name: str) -> Callable[..., None]:
        def work(progress: Progress) -> None:
            asked.release()
            with turns:
                order.append(name)

        return work

    with turns:
        started_jobs = []
        for number, quick in enumerate([False, False, True, True]):
            name = f"{'text' if quick else 'corpus'} {number}"
            started_jobs.append(jobs.start(name, name, take(name), quick=quick))
            assert asked.acquire(timeout=SOON)
            while len(turns._waiting) + len(turns._hurried) <= number:
                time.sleep(0.001)
    for job in started_jobs:
        job.wait(SOON)
    assert order == ["text 2", "text 3", "corpus 0", "corpus 1"]


def test_texts_do_not_starve_a_corpus() -> None:
    turns, order = Turns(), []

    def take(name: str, hurried: bool) -> None:
        with in_a_hurry() if hurried else nullcontext(), turns:
            order.append(name)

    threads = []
    with turns:
        for name in ("corpus", *"abcde"):
            threads.append(threading.Thread(target=take, args=(name, name != "corpus")))
            threads[-1].start()
            while len(turns._waiting) + len(turns._hurried) < len(threads):
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == ["a", "b", "c", "corpus", "d", "e"]


def test_what_was_read_of_a_file_goes_with_the_last_reader_who_gave_it() -> None:
    jobs = Jobs(1)
    for key, personal in (("file", True), ("other", False)):
        for owner in ("me", "you"):
            jobs.start(key, "Working", lambda progress: [1], owner=owner, personal=personal).wait(
                SOON
            )
    jobs.gone("me")
    assert jobs.find("file") is not None
    jobs.gone("you")
    assert jobs.find("file") is None
    assert jobs.find("other") is not None


def test_at_the_end_all_work_is_told_to_stop_and_waited_for() -> None:
    jobs = Jobs(1)
    begun = threading.Event()

    def hears(progress: Progress) -> None:
        while True:
            begun.set()
            progress("Working", 0, 0, "")
            time.sleep(0.01)

    at_work = jobs.start("long", "Working", hears)
    waiting = jobs.start("longer", "Waiting", hears)
    assert begun.wait(SOON)
    assert jobs.stop(SOON)
    assert at_work.cancelled
    assert waiting.cancelled

    deaf = Steps(1)
    job = started(jobs, deaf, key="deaf")
    assert not jobs.stop(0.05)
    deaf.release()
    with pytest.raises(Cancelled):
        job.wait(SOON)


def test_waiting_can_time_out() -> None:
    work = Steps(1)
    job = started(Jobs(1), work)
    with pytest.raises(TimeoutError, match="Working"):
        job.wait(0.01)
    work.step()
    assert job.wait(SOON) == "done"


def test_running_jobs_are_not_forgotten_and_old_results_are() -> None:
    work = Steps(1)
    jobs = Jobs(2)
    long = started(jobs, work, key="long")
    for number in range(KEEP_ENDED + 5):
        jobs.start(number, "Short", lambda progress: 0).wait(SOON)
    jobs.forget("long")
    assert jobs.find("long") is long
    assert jobs.find(0) is None
    assert jobs.find(KEEP_ENDED + 4) is not None
    work.step()
    long.wait(SOON)


def test_large_results_are_forgotten_sooner_those_asked_for_longest_ago_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("embfilter_viz.jobs.KEEP_BYTES", 2000)
    jobs = Jobs(1)
    for number in range(2):
        jobs.start(number, "Large", lambda progress: np.zeros(1000, np.uint8)).wait(SOON)
    assert jobs.find(0) is not None  # asked for again, so 1 is the one to go
    for name in ("new", "newer"):
        jobs.start(name, "Large", lambda progress: np.zeros(1000, np.uint8)).wait(SOON)
    assert [key for key in (0, 1, "new", "newer") if jobs.find(key)] == [0, "new", "newer"]
    huge = jobs.start("huge", "Huge", lambda progress: np.zeros(9000, np.uint8))
    huge.wait(SOON)
    jobs.start("small", "Small", lambda progress: 0).wait(SOON)
    assert jobs.find("huge") is huge  # the newest that has ended stays, whatever its size
    assert jobs.find("new") is None


def test_results_that_only_readers_asked_for_who_left_are_kept_in_less_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("embfilter_viz.jobs.KEEP_UNREAD_BYTES", 1500)
    jobs = Jobs(1)
    for key in ("first", "theirs", "second", "third"):
        jobs.start(key, "Large", lambda progress: np.zeros(1000, np.uint8), owner="me").wait(SOON)
    assert jobs.find("theirs", "another") is not None
    jobs.gone("me")
    assert [key for key in ("first", "second", "third") if jobs.find(key)] == ["third"]
    assert jobs.find("theirs") is not None
    jobs.gone("another")
    assert jobs.find("theirs") is not None  # asked for last
    assert jobs.find("third") is None


def test_a_result_that_nobody_waited_for_is_not_kept_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("embfilter_viz.jobs.KEEP_UNREAD_BYTES", 1500)
    jobs, begun, go = Jobs(1), threading.Event(), threading.Event()

    def work(progress: Progress) -> np.ndarray:
        begun.set()
        go.wait(SOON)
        return np.zeros(2000, np.uint8)

    job = jobs.start("work", "Large", work, owner="me")
    assert begun.wait(SOON)
    jobs.gone("me")
    go.set()
    assert job.wait(SOON).size == 2000
    jobs.start("next", "Small", lambda progress: 0).wait(SOON)  # by the same worker
    assert jobs.find("work") is None


def test_ended_jobs_of_a_model_are_forgotten_with_it() -> None:
    work, jobs = Steps(1), Jobs(2)
    for key in (
        ("lens", "one", "text"),
        ("comparison", ("one", "raw"), ("two", "raw")),
        ("b", "two"),
    ):
        jobs.start(key, "Quick", lambda progress: 0).wait(SOON)
    started(jobs, work, key=("embed", "one"))
    assert jobs.at_work_on("one")
    assert not jobs.at_work_on("two")
    jobs.forget_of("one")
    assert jobs.find(("lens", "one", "text")) is None
    assert jobs.find(("comparison", ("one", "raw"), ("two", "raw"))) is None
    assert jobs.find(("b", "two")) is not None
    assert jobs.find(("embed", "one")) is not None  # it is at work
    work.step()


def test_owners_who_come_and_go_at_once_never_lose_a_wanted_job() -> None:
    """Whoever holds a job that is not stopping when they join gets its result."""
    jobs = Jobs(2)
    lost: list[int] = []

    def work(progress: Progress) -> int:
        for step in range(20):
            progress("Stepping", step, 20, "steps")
        return 1

    def session(number: int) -> None:
        for turn in range(50):
            job = jobs.start("k", "Working", work, owner=f"s{number}")
            if turn % 3 == number % 3:
                jobs.leave(f"s{number}", "k")
                continue
            try:
                assert job.wait(SOON) == 1
            except Cancelled:
                lost.append(turn)
            jobs.forget("k")

    threads = [threading.Thread(target=session, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lost == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (59.4, "59 s"),
        (59.6, "1 min"),
        (3599.6, "1 h"),
        (3540, "59 min"),
        (86_399, "24 h"),
        (120, "2 min"),
    ],
)
def test_durations_are_said_as_a_person_would(seconds: float, words: str) -> None:
    assert words_for_seconds(seconds) == words
