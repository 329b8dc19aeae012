"""The twelve claims as a job whose verdicts are shown while it runs, and as a table with links."""

import html
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from embfilter_viz.analyses.claim_record import Claim, Claims, Figure
from embfilter_viz.analyses.claim_rules import RULES, TAUS, Rule
from embfilter_viz.analyses.claims import claims, summed_up
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress
from embfilter_viz.ui.choices import View, passes_words
from embfilter_viz.ui.markdown import escaped
from embfilter_viz.ui.prompt_choice import prompt_parameters
from embfilter_viz.ui.runs import filtered_run
from embfilter_viz.ui.services import jobs, models_offered, outcome
from embfilter_viz.ui.sources import about_texts, begin_page
from embfilter_viz.ui.task_inputs import NAMES, ChosenTask
from embfilter_viz.wording import counted, legible, listed

__all__ = ["ClaimRun", "chosen_beside", "drawn_while_running", "table"]

NOT_YET = "not measured yet"
"""What stands where a claim is still to come."""

_DOT = " · "

_PAGES: Mapping[int, tuple[str, str, Mapping[str, str]]] = {
    **dict.fromkeys((1, 4, 6), ("filter_and_lens", "Filter and lens", {})),
    **dict.fromkeys((2, 3), ("average_token", "Average token", {"gauge": "centred"})),
    5: ("geometry", "Geometry", {}),
    **dict.fromkeys(range(7, 12), ("window_lab", "Window laboratory", {"windows": "τ curve"})),
    12: ("average_token", "Average token", {"gauge": "paper"}),
}
"""By claim: the page that shows it, its name, and what else its link says."""


@dataclass(frozen=True)
class ClaimRun:
    """One model under one prompt, and what its claims are decided on."""

    model: Model
    """The opened model."""
    prompt: str
    """How texts are put to it."""
    chosen: tuple[ChosenTask, ...]
    """What claims 7 to 11 are scored on."""

    @property
    def name(self) -> str:
        """The run as it is listed."""
        return _DOT.join((self.model.name, self.prompt))

    @cached_property
    def key(self) -> Hashable:
        """Return what makes two runs the same."""
        return ("claims", self.model.identity, self.prompt, *(one.key for one in self.chosen))

    @property
    def known(self) -> dict[int, Claim]:
        """The claims that are decided, by number; filled while the job runs."""
        return _known(repr(self.key))

    @property
    def running(self) -> bool:
        """Tell whether the job is at work, so that more claims will come."""
        job = jobs().find(self.key)
        return job is not None and job.running and not job.stopping

    @property
    def so_far(self) -> Claims:
        """The record of the claims that are known."""
        tasks = [one.task for one in self.chosen]
        return summed_up(self.model.name, tasks, self.prompt, dict(self.known))

    def name_figures(self) -> None:
        """Have the figures from here on say that they are of this run, and of τ = 2."""
        begin_page(self.model.name, self.prompt, Window.of_tau(TAUS[0], self.model.d_model))
        about_texts(listed([one.task.describe() for one in self.chosen]))

    def ask(self) -> None:
        """A button that has the claims decided, or the progress of the job that decides them.

        What was known when it was stopped is not measured again.
        """
        model, prompt, known = self.model, self.prompt, self.known
        tasks = [one.task for one in self.chosen]
        n_texts = len({text for task in tasks for text in task.texts})

        def work(progress: Progress) -> Claims:
            def tell(one: Claim) -> None:
                known[one.number] = one

            return claims(model, tasks, prompt, known=known, tell=tell, progress=progress)

        if len(known) < len(RULES):
            outcome(
                self.key,
                f"Deciding the claims on {self.name}",
                work,
                button=f"Decide the claims on {self.name}",
                note=f"Reads {counted(n_texts, 'text')} once, and also the texts that token "
                "frequencies and controls are learnt from. This takes minutes the first time, "
                "and seconds when the embeddings are stored. Each verdict is shown as soon as "
                "it is known." + passes_words(self.prompt),
            )
        if len(known) == len(RULES):
            self._offer_another_try()

    def _offer_another_try(self) -> None:
        """A button that forgets the claims that could not be measured, if there are any."""
        failed = [number for number, one in self.known.items() if not one.measured]
        if failed:
            st.button(
                escaped(f"Forget what could not be measured on {self.name}"),
                key=f"again-{abs(hash(self.key))}",
                on_click=self._forget,
                args=(failed,),
                help="When the cause is repaired, press this and decide those claims again.",
            )

    def _forget(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self.known.pop(number, None)
        jobs().forget(self.key)


@st.cache_resource(show_spinner=False, max_entries=64)
def _known(key: str) -> dict[int, Claim]:
    """The claims of a run, shared by all sessions as its job is."""
    return {}


def chosen_beside(view: View) -> tuple[Model, str] | None:
    """A second model or prompt to stand beside the first; ``None`` for none, or while it opens.

    Raises:
        InputError: not a model and a prompt.
    """
    model, prompt = view.model, view.prompt
    names = [_DOT.join((model.name, other)) for other in model.prompts if other != prompt]
    names += [_DOT.join((other, prompt)) for other in models_offered() if other != model.name]
    name = st.selectbox(
        "Compare with",
        list(dict.fromkeys(names)),
        index=None,
        key="beside",
        bind="query-params",
        accept_new_options=True,
        placeholder="nothing",
        help="A second run to compare with this one: model · prompt. Pick a run, or type one.",
    )
    if not name:
        return None
    first, dot, rest = name.partition(_DOT.strip())
    if not dot:
        raise InputError(
            f"run {name!r}: must be model · prompt, such as {_DOT.join((model.name, prompt))}"
        )
    run = filtered_run(first.strip(), rest.strip(), "raw")
    return None if run is None else (run.model, run.prompt)


def drawn_while_running(runs: Sequence[ClaimRun], draw: Callable[[], None]) -> None:
    """Draw what the runs know; anew every second while one of them is at work."""
    if any(run.running for run in runs):
        st.fragment(draw, run_every=1.0)()
    else:
        draw()


def table(runs: Sequence[ClaimRun]) -> None:
    """Every claim with its rule, and each run's verdict with its numbers and its link."""
    heads = "".join(f'<th scope="col">{_html(run.name)}</th>' for run in runs)
    rows = "".join(_row(rule, runs) for rule in RULES)
    st.html(
        '<table class="claims"><caption class="unseen">The verdicts on the twelve claims</caption>'
        f'<thead><tr><th scope="col">Claim and rule</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _row(rule: Rule, runs: Sequence[ClaimRun]) -> str:
    said = (
        f"<b>{rule.number}. {html.escape(rule.claim)}</b><p>Measured: "
        f"{html.escape(rule.statistic)}. Control: "
        f"{html.escape(rule.control)}.</p><p>{html.escape(rule.text)}</p>"
    )
    cells = "".join(_cell(run, rule.number, several=len(runs) > 1) for run in runs)
    return f'<tr><th scope="row">{said}</th>{cells}</tr>'


def _cell(run: ClaimRun, number: int, *, several: bool) -> str:
    named = f'<div class="run">{_html(run.name)}</div>' if several else ""
    claim = run.known.get(number)
    if claim is None:
        return f'<td>{named}<span class="verdict open">{NOT_YET}</span></td>'
    kind = claim.verdict.replace(" ", "-")
    parts = [
        f'<span class="verdict {kind}">{html.escape(claim.verdict)}</span> {_link(run, claim)}',
        _numbers(claim.figures, ""),
        _numbers(claim.controls, " class='beside'"),
        f"<p>{_html(claim.sentence)}</p>",
    ]
    if claim.details:
        parts.append(
            f"<details><summary>More numbers</summary>{_numbers(claim.details, '')}</details>"
        )
    return f"<td>{named}{''.join(parts)}</td>"


def _numbers(figures: Sequence[Figure], kind: str) -> str:
    rows = "".join(f"<dt>{_html(one.name)}</dt><dd>{_html(one.words)}</dd>" for one in figures)
    return f"<dl{kind}>{rows}</dl>" if rows else ""


def _link(run: ClaimRun, claim: Claim) -> str:
    """A link to the page that shows the claim, on the same model, prompt and window."""
    page, name, more = _PAGES[claim.number]
    query: dict[str, Any] = {"model": run.model.name, "window": "2", **more}
    query = {**query, **prompt_parameters(run.prompt)}
    if run.model.head_from is not None:
        query["head_from"] = run.model.head_from
    if run.model.dtype != "float32":
        query["dtype"] = run.model.dtype
    if page == "window_lab" and len(run.chosen) == 1:
        query["task"] = NAMES[run.chosen[0].task.kind]
    address = html.escape(f"{page}?{urlencode(query)}")
    return f'<a href="{address}">See it on {_html(name)}</a>'


def _html(text: str) -> str:
    """Text of unknown origin in HTML."""
    return html.escape(legible(text))
