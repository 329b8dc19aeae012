"""The command that puts texts side by side."""

import click

from embfilter_viz.cli.inputs import frequencies_of, opened_model, texts_of, window_of
from embfilter_viz.cli.options import (
    COUNT,
    alpha_option,
    encodes,
    frequencies_option,
    json_option,
    language_option,
    model_argument,
    prompt_option,
    reference_option,
    tau_option,
    window_option,
)
from embfilter_viz.cli.output import print_record
from embfilter_viz.cli.reporting import watched
from embfilter_viz.errors import InputError

__all__ = ["pair"]


@click.command(
    short_help="Show why two texts are alike, raw and filtered.",
    epilog="""Example: embfilter-viz pair smollm2-135m "A man plays guitar." "A cat sleeps." --tau 2

    JSON: {"window": [l, r], "cosine": {"raw", "filtered", "mean_removed",
    "filtered_mean_removed"}, "percentile": {the same}, "contributions": [d],
    "shared": [token, …], "first_only": […], "second_only": […], "filtered_words": {the same
    three}, "reference": {"name", "n_texts", "left_out"}, "bands": […], "ends": {…}, …}, and of
    three or more texts "matrix": {the four cosines of each with each}""",
)
@model_argument
@click.argument("texts", nargs=-1, required=True, metavar="TEXT TEXT [TEXT...]")
@prompt_option
@tau_option
@window_option
@reference_option(default="demo")
@click.option(
    "--top",
    type=COUNT,
    default=10,
    show_default=True,
    help="How many words of each kind are shown.",
)
@frequencies_option
@language_option
@alpha_option
@encodes
@json_option
def pair(model: str, texts: tuple[str, ...], prompt: str, tau: str | None, window: str | None,
         relative_to: str, top: int, source: str, alpha: float, as_json: bool) -> None:  # fmt: skip
    """Show why two texts are alike: where their cosine comes from, and which words they share.

    The cosine is compared with those of all pairs of reference texts: raw, filtered, with the mean
    of the reference texts removed, and with both. With that mean removed, the words that the two
    share are decoded from the sum of their unit vectors, and the words that tell them apart from
    the difference. For three or more texts all cosines are given, and the rest is about the first
    two.
    """
    from embfilter_viz.analyses.pair import pair as compare
    from embfilter_viz.analyses.reference import reference_of
    from embfilter_viz.cli.pair_tables import pair_words

    if len(texts) < 2:
        raise InputError("pair: two texts are needed, and one was given; give two, each in quotes")
    reference, corpus = reference_of(relative_to), texts_of(source)
    opened = opened_model(model)
    chosen = window_of(opened, tau, window)
    with watched() as progress:
        opened.spectrum_of_head(progress=progress)
        opened.encode(texts, prompt, progress=progress)
    frequencies = frequencies_of(opened, source, corpus, alpha)
    with watched() as progress:
        report = compare(
            opened, texts, prompt, chosen,
            reference=reference, frequencies=frequencies, top=top, progress=progress,
        )  # fmt: skip
    longest = opened.longest(prompt)
    print_record(report.to_json(), as_json, lambda: pair_words(report, longest))
