"""What all sessions share: the opened models and the long work, each made once."""

import atexit
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import streamlit as st

from embfilter_viz.jobs import Job, Jobs, words_for_seconds
from embfilter_viz.model import Model, open_model
from embfilter_viz.models.head.unembedding import NoHeadError
from embfilter_viz.models.sources.bundled import BUNDLED
from embfilter_viz.models.sources.known import known_models
from embfilter_viz.system.memory import give_back, in_words, memory_free
from embfilter_viz.ui.access import access
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.streamlit_internals import (
    SESSIONS_KEPT_FOR,
    is_served,
    let_go_of_left_sessions,
    session_id,
)
from embfilter_viz.wording import counted

__all__ = [
    "jobs",
    "lacks_head",
    "lend",
    "lender_of",
    "model_of",
    "models_offered",
    "opened",
    "outcome",
    "refused",
    "warm_up",
]

T = TypeVar("T")

MODELS_KEPT = 2
"""Opened models kept for the next visitor; those in use live on through their users."""

STOPPED = "Stopped. What was finished is kept."
STOPPED_FOR_YOU = (
    "Stopped for you. The work goes on, because another reader waits for it too. To wait for it "
    "again, press Continue."
)

AT_THE_END = 3.0
"""Seconds that work has to stop in when the server ends; it hears that within one layer."""

MODEL_AT_REST = 600.0
"""Seconds for which nobody has asked for a model, after which it is let go, unless it was the last
that anybody asked for."""

AFTER_LEAVING = (10.0, SESSIONS_KEPT_FOR + 5.0)
"""Seconds after a visitor has left at which memory is given back: soon, and once its tab cannot
come back."""

ON_ITS_THREAD = 1.0
"""Seconds in which the server's own thread has dropped the sessions that it was asked to drop."""

QUICK = 0.3
"""Seconds to wait for a job before a progress bar is worth showing."""


class _Shelf:
    """The models opened last; room is made before the next one is opened, not after.

    One that goes takes along the results of its jobs, which would hold it. The model asked for last
    stays for the next visitor; another one goes when its readers have left, or after a while.
    """

    def __init__(self) -> None:
        self._models: OrderedDict[Hashable, Model] = OrderedDict()
        self._asked: dict[Hashable, float] = {}
        self._readers: dict[Hashable, set[str]] = {}
        self._lock = threading.Lock()

    def get(self, name: Hashable, reader: str = "") -> Model | None:
        with self._lock:
            if name in self._models:
                self._models.move_to_end(name)
                self._asked[name] = time.monotonic()
                self._readers[name].add(reader)
            found = self._models.get(name)
        self._let_go(lambda one: time.monotonic() - self._asked[one] > MODEL_AT_REST)
        return found

    def make_room(self, kept: int = MODELS_KEPT - 1) -> None:
        """Let go of the models that were asked for longest ago, all but ``kept``."""
        gone = []
        with self._lock:
            while len(self._models) > kept:
                gone.append(self._pop(next(iter(self._models))))
        self._forget(gone)

    def put(self, name: Hashable, model: Model) -> None:
        with self._lock:
            self._models[name] = model
            self._asked[name], self._readers[name] = time.monotonic(), set()

    def gone(self, reader: str) -> None:
        """Forget a reader whose session ended."""
        with self._lock:
            for readers in self._readers.values():
                readers.discard(reader)

    def let_go_of_unread(self) -> None:
        """Let go of models that nobody who is left has asked for, but for the last."""
        self._let_go(lambda one: not self._readers[one])

    def _let_go(self, which: Callable[[Hashable], bool]) -> None:
        with self._lock:
            names = [name for name in list(self._models)[:-1] if which(name)]
            gone = [self._pop(n) for n in names if not jobs().at_work_on(self._models[n].identity)]
        self._forget(gone)

    def _pop(self, name: Hashable) -> Model:
        self._asked.pop(name)
        self._readers.pop(name)
        return self._models.pop(name)

    def _forget(self, gone: list[Model]) -> None:
        identities = [model.identity for model in gone]
        gone.clear()
        for identity in identities:
            jobs().forget_of(identity)
        if identities:
            give_back()


@st.cache_resource(show_spinner=False)
def jobs() -> Jobs:
    """The workers every session shares; they stop when the server ends."""
    rules = access()
    made = Jobs(keep_bytes=rules.bytes_of_results if rules.public else None)
    atexit.register(made.stop, AT_THE_END)
    return made


@st.cache_resource(show_spinner=False)
def _shelf() -> _Shelf:
    return _Shelf()


class _Tidying:
    """Clocks that tidy up after visitors have left, however many: once soon, and once for good."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead: set[float] = set()
        self._again: set[float] = set()

    def begin(self) -> None:
        """Have it done so many seconds from now as ``AFTER_LEAVING`` says, or a little later."""
        for seconds in AFTER_LEAVING:
            with self._lock:
                # A clock that runs already would ring too soon for who leaves now.
                known = self._again if seconds in self._ahead else self._ahead
                known.add(seconds)
            if known is self._ahead:
                self._wind_up(seconds)

    def _wind_up(self, seconds: float) -> None:
        clock = threading.Timer(seconds, self._tidy, (seconds,))
        clock.name, clock.daemon = "embfilter-tidy", True
        clock.start()

    def _tidy(self, seconds: float) -> None:
        with self._lock:
            again = seconds in self._again
            self._again.discard(seconds)
            if not again:
                self._ahead.remove(seconds)
        if again:
            self._wind_up(seconds)
        let_go_of_left_sessions()
        _shelf().let_go_of_unread()
        time.sleep(ON_ITS_THREAD)
        give_back()


@st.cache_resource(show_spinner=False)
def _tidying() -> _Tidying:
    return _Tidying()


def _gone(owner: str) -> None:
    jobs().gone(owner)
    _shelf().gone(owner)
    if is_served():
        _tidying().begin()


@st.cache_resource(scope="session", show_spinner=False, on_release=_gone)
def _session() -> str:
    """This session's name; when it ends, nobody waits for it, and its work goes on."""
    return session_id()


@st.cache_resource(show_spinner=False)
def warm_up() -> None:
    """Import what the first embedding needs while the reader still reads; once a server."""

    def work() -> None:
        time.sleep(1.0)  # the first page comes first
        from threadpoolctl import threadpool_limits

        from embfilter_viz.models.encoding import loading
        from embfilter_viz.spectral import filters  # noqa: F401 - brings scikit-learn

        loading.warm_up()
        # As for torch: a thread on every core makes each small eigenproblem wait for the browser.
        threadpool_limits(max(1, (os.cpu_count() or 1) - 1), user_api="blas")

    threading.Thread(target=work, name="embfilter-warm-up", daemon=True).start()


def opened(name: str) -> Model | None:
    """The model of that name, to run as this session chose, if it is open already."""
    return _shelf().get(_place(name), session_id())


def model_of(name: str) -> Model | None:
    """The opened model, or ``None`` while it is being fetched and opened, or cannot be."""
    place = _place(name)
    _, head_from, device, dtype = place
    if refused(name, head_from):
        return None
    known = opened(name)
    if known is not None:
        return known

    def work(progress: Callable[..., None]) -> bool:
        _shelf().make_room()
        model = open_model(
            name, head_from=head_from or None, progress=progress, device=device, dtype=dtype
        )
        model.spectrum_of_head(progress=progress)
        _ = model.vocabulary  # every page names tokens
        _shelf().put(place, model)
        return True  # not the model: the shelf alone holds it, and may let go of it

    # Again where the shelf has let go of it since the job ended, of which no page took note.
    while known is None and outcome(("open", *place), f"Opening {name}", work, quick=True):
        known = opened(name)
        jobs().forget(("open", *place))
    return known


def models_offered() -> list[str]:
    """Return the names of models to pick from: those that are here, or that visitors may open."""
    rules = access()
    here = rules.models if rules.public else (BUNDLED, *(one.name for one in known_models()))
    return list(dict.fromkeys([*here, *rules.offered]))


def refused(*names: str) -> bool:
    """Tell whether visitors may not open one of these models; then the page says so."""
    why = access().refuses_model(*names)
    if why:
        st.error(escaped(why), icon=":material/block:")
    return bool(why)


def lend(name: str, head_from: str) -> None:
    """Have the model of that name read with the head of another in this session; "" for its own."""
    st.session_state.setdefault(_LENDERS, {})[name] = head_from.strip()


def lender_of(name: str) -> str:
    """The model that lends its head to the one of that name in this session; "" for none."""
    return st.session_state.get(_LENDERS, {}).get(name, "")


def lacks_head(name: str) -> bool:
    """Tell whether the model of that name was found to have no head of its own."""
    device, dtype = _running()
    job = jobs().find(("open", name, "", device, dtype))
    return job is not None and isinstance(job.error, NoHeadError)


_LENDERS = "_lenders"
"""In the session: models by name, and those that lend them a head."""


def _place(name: str) -> tuple[str, str, str, str]:
    """Return what tells the opened models of all sessions apart."""
    return name, lender_of(name), *_running()


def _running() -> tuple[str, str]:
    """The device and the precision that this session chose."""
    return st.session_state.get("_running", ("auto", "float32"))


def outcome(
    key: Hashable,
    title: str,
    function: Callable[..., T],
    *,
    button: str | None = None,
    note: str = "",
    slot: str | None = None,
    quick: bool = False,
    personal: bool = False,
) -> T | None:
    """The result of a job, or ``None`` while there is none; then its state is on the page.

    Args:
        key: what makes two requests the same, for all sessions.
        title: what the reader is told is happening.
        function: called as ``function(progress=...)`` on a worker thread.
        button: if given, the job waits for the reader to press a button with these words.
        note: a line beside the button: how long it will take and what it does.
        slot: a place that holds one job of this session: a new key leaves the job before it.
        quick: whether it takes a moment, so that it need not wait for others' long work.
        personal: whether the result holds a file of the reader's, and goes with their session.

    Returns:
        the result, or None.
    """
    me = _session()
    if slot is not None:
        before = st.session_state.get(f"_slot_{slot}")
        if before is not None and before != key:
            jobs().leave(me, before)
        st.session_state[f"_slot_{slot}"] = key
    job = jobs().find(key, me)
    quit_it = job is not None and me in job.quitters
    # What another reader stopped, or has stopped being made, was not stopped for this one.
    nothing = job is None or job.stopping or job.cancelled
    if not quit_it and (_at_work(job) or (nothing and button is None)):
        if not _at_work(job) and _says_no_room(key, me, quick):
            return None
        job = jobs().start(key, title, function, owner=me, quick=quick, personal=personal)
        _wait_a_moment(job)
    if _at_work(job) and not quit_it:
        _watch(key)
        return None
    if job is not None and not job.running and job.error is None:
        return job.result
    words, begun = button or title, quit_it
    if st.session_state.pop(f"_no_room_{hash(key)}", None):
        _says_no_room(key, me, quick)
        return None
    if job is not None and job.problem:
        st.error(escaped(access().without_paths(job.problem)), icon=":material/error:")
        words, begun = "Try again", True
    elif quit_it:
        st.info(STOPPED_FOR_YOU if _at_work(job) else STOPPED, icon=":material/pause_circle:")
        words = "Continue"
    st.button(
        escaped(words),
        key=f"start-{abs(hash(key))}",
        type="secondary" if begun else "primary",
        on_click=_start,
        args=(key, title, function, me, quick),
    )
    if note and not begun:
        st.caption(escaped(note))
    return None


def _at_work(job: Job | None) -> bool:
    """Tell whether waiting for it makes sense: not once it was told to stop, ended or not yet."""
    return job is not None and job.running and not job.stopping


def _start(
    key: Hashable, title: str, function: Callable[..., Any], owner: str, quick: bool
) -> None:
    if _no_room(owner, quick):
        st.session_state[f"_no_room_{hash(key)}"] = True  # the run that follows says why
    else:
        jobs().start(key, title, function, owner=owner, quick=quick)


def _says_no_room(key: Hashable, owner: str, quick: bool) -> bool:
    """Tell whether nothing new is begun for this visitor now; then the page says why."""
    why = _no_room(owner, quick)
    if why:
        st.warning(escaped(why), icon=":material/hourglass_empty:")
        st.button("Try again", key=f"again-{abs(hash(key))}")
    return bool(why)


def _no_room(owner: str, quick: bool) -> str:
    """Say why a public server begins nothing new for this visitor now; empty where it does."""
    rules = access()
    if not rules.public:
        return ""
    mine, all_of_them = jobs().long_jobs(owner), jobs().long_jobs()
    if not quick and mine >= rules.long_jobs_each:
        return (
            f"You have {counted(mine, 'long job')} at work or waiting, and this public explorer "
            f"takes no more than {rules.long_jobs_each:,} of one visitor. Wait until one has "
            "ended, or cancel one, and try again."
        )
    if not quick and all_of_them >= rules.long_jobs:
        return (
            f"All visitors have {counted(all_of_them, 'long job')} at work or waiting, and this "
            f"public explorer takes no more than {rules.long_jobs:,}. Try again in some minutes."
        )
    if memory_free() < rules.memory_kept_free:
        _shelf().make_room(kept=1)
        jobs().forget_results()
        give_back()
        if memory_free() < rules.memory_kept_free:
            return (
                f"The server has {in_words(memory_free())} of memory left and begins nothing new "
                f"below {in_words(rules.memory_kept_free)}. Try again in some minutes."
            )
    return ""


def _wait_a_moment(job: Job) -> None:
    end = time.monotonic() + QUICK
    while job.running and time.monotonic() < end:
        time.sleep(0.01)


@st.fragment(run_every=0.5)
def _watch(key: Hashable) -> None:
    """A job's progress, the time left, and the button that stops it."""
    job = jobs().find(key)
    if job is None or not _at_work(job) or _session() in job.quitters:
        st.rerun()
    assert job is not None
    _progress_bar(job)
    st.button(
        "Cancel",
        key=f"cancel-{abs(hash(key))}",
        icon=":material/close:",
        on_click=lambda: jobs().cancel(_session(), key),
    )


def _progress_bar(job: Job) -> None:
    words = [job.what or job.title]
    if job.started is None:
        ahead = jobs().ahead_of(job)
        words = [f"{job.title}: waiting behind {ahead} other job{'s' if ahead != 1 else ''}"]
    elif job.share is not None:
        amount = ".1f" if job.unit == "MB" else ",.0f"
        words.append(f"{job.done:{amount}} of {job.total:{amount}} {job.unit}")
        left = job.seconds_left()
        if left is not None:
            words.append(f"about {words_for_seconds(left)} left")
    else:
        words.append(f"{words_for_seconds(time.monotonic() - job.created)} so far")
    st.progress(job.share or 0.0, text=escaped(" · ".join(words)))
