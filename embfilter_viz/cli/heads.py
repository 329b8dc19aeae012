"""The commands about models and their heads: what is here, the spectrum, its directions."""

from typing import TYPE_CHECKING, Any

import click

from embfilter_viz.cli.inputs import (
    frequencies_of,
    opened_model,
    texts_of,
    word_frequencies_of,
)
from embfilter_viz.cli.options import (
    COUNT,
    GAUGES,
    SEED,
    alpha_option,
    encodes,
    frequencies_option,
    json_option,
    language_option,
    model_argument,
)
from embfilter_viz.cli.output import print_record
from embfilter_viz.cli.reporting import watched
from embfilter_viz.errors import InputError

if TYPE_CHECKING:
    from embfilter_viz.model import Model

__all__ = ["directions", "models", "spectroscopy", "spectrum"]


@click.command(epilog='JSON: {"models": [{"name", "source", "bytes", "present"}, …]}')
@json_option
def models(as_json: bool) -> None:
    """List the models that can be picked, and which are on this machine."""
    from embfilter_viz.cli.tables import columns
    from embfilter_viz.models.sources.known import known_models

    found = known_models()

    def words() -> str:
        rows = [
            [m.name, f"{m.n_bytes / 1e6:,.0f} MB", "here" if m.present else "to fetch", m.source]
            for m in found
        ]
        more = "MODEL can also be a hub id (org/name[@revision]), a folder, or a .gguf file."
        return f"{columns(rows, '<><<')}\n\n{more}"

    record = [
        {"name": m.name, "source": m.source, "bytes": m.n_bytes, "present": m.present}
        for m in found
    ]
    print_record({"models": record}, as_json, words)


@click.command(
    short_help="Show the singular values of the head and their accuracy.",
    epilog="""Example: embfilter-viz spectrum smollm2-135m --centre

    JSON: {"d_vocab", "d_model", "singular_values": [d], "condition_number", "relative_error": [d],
    "degenerate_groups": [[start, stop], …], "loaded": {"sentence", "head_bytes",
    "checkpoint_bytes"}, …}""",
)
@model_argument
@click.option("--centre", is_flag=True, help="Subtract the mean row of W_U first.")
@json_option
def spectrum(model: str, centre: bool, as_json: bool) -> None:
    """Show the singular values of the head, how accurate they are, and which cannot be told apart.

    Directions are numbered from 0, the strongest. Only the head is opened, not the whole model.
    """
    from embfilter_viz.analyses.spectrum import describe_spectrum
    from embfilter_viz.cli.tables import paragraph, spectrum_table

    opened = opened_model(model)
    with watched() as progress:
        report = describe_spectrum(opened, centre=centre, progress=progress)

    def words() -> str:
        size = f"{opened.d_vocab:,} × {opened.d_model}"
        head = f"{model}, a head of {size}{', centred' if centre else ''}: {report.sentence}"
        table = spectrum_table(report.spectrum)
        return f"{paragraph(head)}\n{paragraph(_loaded(opened))}\n\n{table}"

    print_record(report.to_json() | _read_of(opened), as_json, words)


@click.command(
    short_help="Show the tokens at both ends of one direction.",
    epilog="""Example: embfilter-viz directions smollm2-135m --index 0 --top 10

    JSON: {"index", "singular_value", "positive": [token, …], "negative": [token, …], …} with token
    {"id", "text", "logit", "frequency_rank"}""",
)
@model_argument
@click.option("--index", type=int, required=True, help="Which direction; 0 is the strongest.")
@click.option(
    "--top",
    type=COUNT,
    default=20,
    show_default=True,
    help="How many tokens are shown at each end.",
)
@click.option(
    "--centre", is_flag=True, help="Take the direction of the head with its mean row subtracted."
)
@language_option
@json_option
def directions(model: str, index: int, top: int, centre: bool, as_json: bool) -> None:
    """Show the tokens at both ends of one direction: those that it raises and those that it lowers.

    The sign of a singular vector is arbitrary, so it is arbitrary too which end is called raised.
    Frequency ranks are by wordfreq; the most frequent token has rank 0.
    """
    from embfilter_viz.analyses.spectrum import describe_direction
    from embfilter_viz.cli.tables import direction_table, number, paragraph

    opened = opened_model(model)
    if not 0 <= index < opened.d_model:  # before word frequencies are counted for nothing
        raise InputError(
            f"--index {index}: {model} has directions 0 to {opened.d_model - 1}; take one of those"
        )
    frequencies = word_frequencies_of(opened)
    with watched() as progress:
        opened.spectrum_of_head(centre=centre, progress=progress)
    found = describe_direction(opened, index, top=top, centre=centre, frequencies=frequencies)

    def words() -> str:
        head = f"direction {index} of {model}: sigma {number(found.singular_value)}"
        if found.group:
            a, b = found.group
            head += (
                f", too close to its neighbours to tell {a} to {b - 1} apart: it has no "
                "meaning alone"
            )
        return f"{paragraph(head)}\n{paragraph(_loaded(opened))}\n\n{direction_table(found)}"

    print_record(found.to_json() | _read_of(opened), as_json, words)


@click.command(
    short_help="Show which directions carry the frequent tokens.",
    epilog="""Example: embfilter-viz spectroscopy smollm2-135m --bands 20

    JSON: {"shift": {"frequent": [d or N], "infrequent": […], "random": […]}, relative to the
    tokens' own logits, "absolute_shift": the same in logits, "permuted_shift": {"low", "median",
    "high"}, "edge_to_bulk": {"ratio", "low", "high", "strong": {"ratio", "permuted", "p_value", …},
    "weak": {…}, "verdict": "both", "strong", "weak" or "absent", …}, "contrast": {"random":
    {"ratio", "low", "high", …}, "infrequent": {…}}, "left_out", "frequent_tokens": [token, …],
    "scripts": [{"script", "n_tokens", "vocabulary", "frequency"}, …], …}""",
)
@model_argument
@frequencies_option
@language_option
@click.option("--gauge", type=click.Choice(GAUGES), default="centred", show_default=True,
              help="The choice of the constant that softmax ignores. In the paper's gauge the "
                  "constant stays in, and the shift at the strong end comes from it: permuted "
                  "token frequencies give a larger shift.")  # fmt: skip
@click.option(
    "--top", type=COUNT, default=100, show_default=True, help="How many tokens each set has, k."
)
@click.option("--bands", "n_bands", type=COUNT, metavar="N",
              help="Remove N whole bands instead of single directions.")  # fmt: skip
@click.option("--spacing", type=click.Choice(["linear", "log"]), default="linear",
              show_default=True, help="Widths of the bands.")  # fmt: skip
@alpha_option
@click.option("--seed", type=SEED, default=0, show_default=True,
              help="Seed of the random tokens, the permutations and the resampling.")  # fmt: skip
@encodes
@json_option
def spectroscopy(model: str, source: str, gauge: str, top: int, n_bands: int | None, spacing: str,
                 alpha: float, seed: int, as_json: bool) -> None:  # fmt: skip
    """Measure the logit shifts of the average token: which directions carry the frequent tokens?

    The average token is the hidden state whose logits come nearest to the log token frequencies.
    Each direction is removed from it in turn, and the shift of its logits is measured over the most
    frequent tokens and, as controls, over infrequent and random tokens. Whether the shifts at both
    ends of the spectrum are larger than chance (the U) is decided by 999 permutations of the token
    frequencies. At the end stand the shares of the scripts in the token frequencies and in the
    vocabulary; a token's script is the Unicode property Script of its letters.
    """
    from embfilter_viz.analyses.scripts import script_shares
    from embfilter_viz.analyses.spectroscopy import spectroscopy as measure
    from embfilter_viz.cli.tables import paragraph, script_table, shift_table

    texts = texts_of(source)
    opened = opened_model(model)
    frequencies = frequencies_of(opened, source, texts, alpha)
    with watched() as progress:
        result = measure(
            opened, frequencies, gauge=gauge, top=top, n_bands=n_bands, spacing=spacing, seed=seed,
            progress=progress,
        )  # fmt: skip
        scripts = script_shares(opened, frequencies, progress=progress)

    def words() -> str:
        answers = (result.u_sentence, result.control_sentence, result.gauge_sentence)
        about = (
            f"Mean absolute shift of the logits. Token frequencies: {frequencies.detail}.",
            result.ordinary.sentence,
            _loaded(opened),
        )
        said = ["\n".join(paragraph(one) for one in part) for part in (answers, about)]
        return (
            f"{said[0]}\n\n{said[1]}\n\n{shift_table(result)}\n\n"
            f"{paragraph(scripts.sentence)}\n\n{script_table(scripts)}"
        )

    record = result.to_json() | {"scripts": scripts.to_json()} | _read_of(opened)
    print_record(record, as_json, words)


def _loaded(model: "Model") -> str:
    why = model.card.only_head
    more = f" Texts cannot be encoded with it: {why}." if why is not None else ""
    return f"Loaded {model.loaded}.{more}"


def _read_of(model: "Model") -> dict[str, Any]:
    """Return what was read of the checkpoint and what was left, for a program."""
    card = model.card
    return {
        "loaded": {
            "sentence": model.loaded,
            "head_bytes": card.head_bytes,
            "checkpoint_bytes": card.n_bytes,
        },
        **({} if card.only_head is None else {"only_head": card.only_head}),
    }
