"""Long work off the page's own thread: started once, watched, cancelled, never repeated.

A :class:`Job` runs one function that takes ``progress``. Whoever asks for a job with the same key
while it runs gets the same job. It is stopped when the last of those who wait for it cancels it, or
asks for other work in its place. A reader who cancels while others wait only stops waiting, and one
whose tab is closed stops nothing.

Quick jobs (one text, one window) have workers of their own and come first at the model, so a reader
waits for no other reader's corpus. Of long jobs that wait, the next is one of the owner who has the
fewest at work.
"""

import itertools
import threading
import time
from collections.abc import Callable, Hashable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from embfilter_viz.errors import Cancelled, InputError, line_of_disk
from embfilter_viz.system.turns import in_a_hurry

__all__ = ["Job", "Jobs", "words_for_seconds"]

KEEP_ENDED = 64
"""How many ended jobs are remembered, so that a page coming back finds its result."""

KEEP_BYTES = 1e9
"""How many bytes their results may hold together, beyond the newest; see ``nbytes``."""

KEEP_UNREAD_BYTES = 64e6
"""The same for those of jobs that none of the sessions that are left has asked for."""


@dataclass(eq=False)
class Job:
    """One piece of long work: where it is, how long it may take, what came of it."""

    key: Hashable
    """What makes two requests the same."""
    title: str
    """What the reader is told is happening."""
    quick: bool = False
    """Whether it takes a moment, so that it need not wait for long ones."""
    personal: bool = False
    """Whether its result holds a reader's own file, and goes with the last who asked for it."""
    what: str = ""
    """The present stage, in words."""
    done: float = 0.0
    """How much of the stage is done, in ``unit``."""
    total: float = 0.0
    """How much the stage is in all, 0 where that is not known."""
    unit: str = ""
    """What is counted."""
    created: float = field(default_factory=time.monotonic)
    """When it was asked for, on the clock of ``time.monotonic``."""
    started: float | None = None
    """When a worker took it up."""
    ended: float | None = None
    """When it was through, for better or worse."""
    result: Any = None
    """What the function returned."""
    error: BaseException | None = None
    """What it raised; ``Cancelled`` if its owners stopped it."""
    owners: set[str] = field(default_factory=set)
    """Who waits for it."""
    readers: set[str] = field(default_factory=set)
    """Who asked for it and is still here."""
    quitters: set[str] = field(default_factory=set)
    """Who cancelled it for themselves and has not asked for it again."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _ending: threading.Lock = field(default_factory=threading.Lock)
    _stage_started: float = 0.0
    _stage_done: float = 0.0

    @property
    def running(self) -> bool:
        """Tell whether it waits for a worker or is at work."""
        return self.ended is None

    @property
    def stopping(self) -> bool:
        """Tell whether it was told to stop and is still on its way to doing so."""
        return self.running and self._stop.is_set()

    @property
    def cancelled(self) -> bool:
        """Tell whether its owners stopped it."""
        return isinstance(self.error, Cancelled)

    @property
    def problem(self) -> str | None:
        """The one line to show if it failed, ``None`` otherwise."""
        if self.error is None or self.cancelled:
            return None
        said = " ".join(str(self.error).split())
        if isinstance(self.error, InputError):
            return said
        if isinstance(self.error, OSError) and (line := line_of_disk(self.error, self.title)):
            return line
        kind = type(self.error).__name__
        return f"{self.title} stopped on a fault of ours: {kind}{': ' if said else ''}{said}"

    @property
    def share(self) -> float | None:
        """Say how much of this stage is done, 0 to 1; ``None`` if its length is unknown."""
        return min(1.0, self.done / self.total) if self.total > 0 else None

    def seconds_left(self, now: float | None = None) -> float | None:
        """Seconds the present stage will still take at the pace so far; ``None`` if unknown.

        What was finished before the stage began (kept from an earlier run) says nothing of its
        pace and does not count.
        """
        share = self.share
        if share is None:
            return None
        advanced = self.done - self._stage_done
        if advanced < 0.02 * (self.total - self._stage_done) or advanced <= 0:
            return None
        elapsed = (time.monotonic() if now is None else now) - self._stage_started
        return max(0.0, elapsed * (self.total - self.done) / advanced)

    def progress(self, what: str, done: float, total: float, unit: str) -> None:
        """Take note of where the work is; raises ``Cancelled`` once its owners have left.

        Args:
            what: what is being done.
            done: how much of it is done.
            total: how much there is, 0 if unknown.
            unit: what is counted.
        """
        if self._stop.is_set():
            raise Cancelled(self.title)
        if (what, total, unit) != (self.what, self.total, self.unit) or done < self.done:
            self._stage_started, self._stage_done = time.monotonic(), done
        self.what, self.done, self.total, self.unit = what, done, total, unit

    def cancel(self) -> None:
        """Ask the work to stop at its next report; a job that has not begun never begins."""
        self._stop.set()
        with self._ending:
            if self.started is None and self.running:
                self._end(error=Cancelled(self.title))

    def wait(self, timeout: float | None = None) -> Any:
        """Block until it has ended and return its result, raising what it raised.

        Raises:
            TimeoutError: it has not ended after ``timeout`` seconds.
        """
        if not self._over.wait(timeout):
            raise TimeoutError(f"{self.title}: not done after {timeout:g} s")
        if self.error is not None:
            raise self.error
        return self.result

    def _run(self, function: Callable[..., Any]) -> None:
        with self._ending:
            if not self.running:
                return  # cancelled while it waited
            self.started = self._stage_started = time.monotonic()
        try:
            self.progress(self.title, 0, 0, "")
            with in_a_hurry() if self.quick else nullcontext():
                self._end(result=function(progress=self.progress))
        except BaseException as error:  # kept for whoever waits; a worker must not die of it
            self._end(error=error)

    def _end(self, *, result: Any = None, error: BaseException | None = None) -> None:
        self.result, self.error = result, error
        self.ended = time.monotonic()  # after the result: who sees it ended may take that
        self._over.set()


class Jobs:
    """A few workers for long jobs, as many for quick ones, and the jobs given to them.

    Results are kept for whoever asks again: ``KEEP_ENDED`` of them, in as many bytes as are said
    here, and those that only sessions asked for which have ended in ``KEEP_UNREAD_BYTES``.

    Args:
        workers: of each kind.
        keep_bytes: that results may hold together, ``KEEP_BYTES`` if not given.

    >>> jobs = Jobs(workers=1)
    >>> job = jobs.start("sum", "Adding", lambda progress: 2 + 2, owner="me")
    >>> job.wait()
    4
    >>> jobs.start("sum", "Adding", lambda progress: 2 + 2, owner="you") is job
    True
    """

    def __init__(self, workers: int = 4, *, keep_bytes: float | None = None) -> None:
        self._keep_bytes = keep_bytes
        self._jobs: dict[Hashable, Job] = {}
        self._lock = threading.RLock()
        self._given = threading.Condition(self._lock)
        self._waiting: dict[Job, Callable[..., Any]] = {}
        self._at_work: list[Job] = []
        for number, quick in itertools.product(range(workers), (False, True)):
            # Daemons, unlike a ThreadPoolExecutor's: Ctrl-C on the server must not wait for them.
            name = f"embfilter-{'quick-' if quick else ''}job-{number}"
            threading.Thread(target=self._work, args=(quick,), name=name, daemon=True).start()

    def start(
        self,
        key: Hashable,
        title: str,
        function: Callable[..., Any],
        *,
        owner: str = "",
        quick: bool = False,
        personal: bool = False,
    ) -> Job:
        """Return the job of that key, started if there is none or if it was cancelled or failed.

        ``function`` is called as ``function(progress=...)`` on a worker thread.

        Args:
            key: what the job is known by.
            title: what a reader sees.
            function: the work, called with ``progress``.
            owner: who asks for it.
            quick: whether it takes a moment: one text, one window.
            personal: whether its result holds a reader's own file.

        Returns:
            the job.
        """
        with self._lock:
            job = self._jobs.get(key)
            if job is None or job.stopping or job.error is not None:
                quitters = set() if job is None else job.quitters
                job = Job(key, title, quick, personal, quitters=quitters)
                self._jobs.pop(key, None)
                self._jobs[key] = job
                self._forget_old()
                self._waiting[job] = function
                self._given.notify_all()
            job.owners.add(owner)
            job.readers.add(owner)
            job.quitters.discard(owner)
            return job

    def find(self, key: Hashable, reader: str | None = None) -> Job | None:
        """Return the job of that key, running or ended, if it is still remembered.

        It is kept for ``reader`` until :meth:`gone`.
        """
        with self._lock:
            job = self._jobs.pop(key, None)
            if job is not None:
                self._jobs[key] = job  # asked for last, so forgotten last
                if reader is not None:
                    job.readers.add(reader)
            return job

    def forget(self, key: Hashable) -> None:
        """Drop an ended job, so that its result is freed and the next start runs anew."""
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and not job.running:
                del self._jobs[key]

    def cancel(self, owner: str, key: Hashable) -> None:
        """Have ``owner`` wait no longer because they said so; stop the job if nobody waits then."""
        # Under the lock to the end: an owner who joins meanwhile gets a job that goes on.
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and job.running:
                job.quitters.add(owner)
                self._leave(job, owner)

    def leave(self, owner: str, key: Hashable) -> None:
        """Have ``owner`` wait no longer because they ask for other work in its place; as above."""
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and owner in job.owners:
                self._leave(job, owner)

    def gone(self, owner: str) -> None:
        """Forget an owner whose session ended; the work that they began goes on.

        What was read of their own files is let go, where nobody else asked for it; of the rest that
        nobody else asked for some is kept for the next one.
        """
        with self._lock:
            for key, job in list(self._jobs.items()):
                job.quitters.discard(owner)
                job.readers.discard(owner)
                if owner in job.owners:
                    job.owners.discard(owner)
                    if job.personal and not (job.running or job.owners):
                        del self._jobs[key]
            self._forget_old()

    def ahead_of(self, job: Job) -> int:
        """Say how many jobs of its kind are at work or are to be taken up before this one."""
        with self._lock:
            at_work = sum(one.quick == job.quick for one in self._at_work)
            waiting = sorted(self._of_kind(job.quick), key=self._turn)
            return at_work + (waiting.index(job) if job in waiting else 0)

    def stop(self, seconds: float) -> bool:
        """Cancel all jobs and wait so long for those at work to hear it; tell whether all did.

        A process that ends while a worker is inside a library's native code is aborted by it.
        """
        end = time.monotonic() + seconds
        with self._lock:
            running = [job for job in self._jobs.values() if job.running]
        for job in running:
            job.cancel()
        return all(job._over.wait(max(0.0, end - time.monotonic())) for job in running)

    def long_jobs(self, owner: str | None = None) -> int:
        """Count long jobs at work or waiting: an owner's, or all."""
        with self._lock:
            return sum(
                job.running and not job.quick and (owner is None or owner in job.owners)
                for job in self._jobs.values()
            )

    def forget_results(self) -> None:
        """Drop all ended jobs, to free what they hold; those that ask again start anew."""
        with self._lock:
            for key in [key for key, job in self._jobs.items() if not job.running]:
                del self._jobs[key]

    def at_work_on(self, part: Hashable) -> bool:
        """Tell whether a job is at work or waiting whose key has that part."""
        with self._lock:
            return any(job.running and _has(key, part) for key, job in self._jobs.items())

    def forget_of(self, part: Hashable) -> None:
        """Drop the ended jobs whose key has that part, such as a model's identity.

        What they hold may hold more: a text made ready for the lens holds its model.
        """
        with self._lock:
            for key, job in list(self._jobs.items()):
                if not job.running and _has(key, part):
                    del self._jobs[key]

    def _leave(self, job: Job, owner: str) -> None:
        job.owners.discard(owner)
        if job.running and not job.owners:
            job.cancel()
            if not job.running:
                self._waiting.pop(job, None)  # it never began, and never will

    def _of_kind(self, quick: bool) -> list[Job]:
        return [job for job in self._waiting if job.quick == quick]

    def _turn(self, job: Job) -> tuple[int, float]:
        """Return what orders waiting jobs: its owner's jobs at work, then when it was asked for."""
        at_work = (
            sum(owner in one.owners and not one.quick for one in self._at_work)
            for owner in job.owners
        )
        return min(at_work, default=0), job.created

    def _work(self, quick: bool) -> None:
        while True:
            with self._given:
                while not (waiting := self._of_kind(quick)):
                    self._given.wait()
                job = min(waiting, key=self._turn)
                function = self._waiting.pop(job)
                self._at_work.append(job)
            job._run(function)
            with self._lock:
                self._at_work.remove(job)
                if not job.readers:
                    self._forget_old()  # those who asked for it have left meanwhile
            del job, function, waiting  # an idle worker holds on to no result

    def _forget_old(self) -> None:
        most = KEEP_BYTES if self._keep_bytes is None else self._keep_bytes
        ended = [key for key, job in self._jobs.items() if not job.running]
        spare, held, unread = len(ended) - KEEP_ENDED, 0.0, 0.0
        for number, key in reversed(list(enumerate(ended))):
            job = self._jobs[key]
            held += _size(job)
            unread += 0 if job.readers else _size(job)
            newest = number == len(ended) - 1
            if (
                number < spare
                or (held > most and not newest)
                or (unread > KEEP_UNREAD_BYTES and not job.readers)
            ):
                del self._jobs[key]


def _has(key: Hashable, part: Hashable) -> bool:
    """Tell whether a key is that, or has it in it."""
    return key == part or (isinstance(key, tuple) and any(_has(one, part) for one in key))


def _size(job: Job) -> float:
    """Bytes that the result says it holds; 0 where it does not say."""
    return getattr(job.result, "nbytes", 0)


def words_for_seconds(seconds: float) -> str:
    """Say a duration the way a person would.

    >>> [words_for_seconds(s) for s in (0.4, 12.3, 75, 4000)]
    ['a second', '12 s', '1 min 15 s', '1 h 7 min']
    """
    if seconds < 1.5:
        return "a second"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    if seconds < 3599.5:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
