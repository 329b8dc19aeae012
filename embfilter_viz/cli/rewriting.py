"""The command that shows what a model writes of texts for the prompt ``geneol``."""

import click

from embfilter_viz.cli.inputs import lines_of, opened_model
from embfilter_viz.cli.options import encodes, json_option, model_argument
from embfilter_viz.cli.output import print_record
from embfilter_viz.cli.reporting import watched

__all__ = ["rewritings"]


@click.command(
    short_help="Show the rewritings that the prompt geneol averages over.",
    epilog="""Example: embfilter-viz rewritings smollm2-135m texts.txt

    JSON: {"model", "sampling": {"seed", "temperature", "top_p", …}, "texts": [{"text",
    "rewritings": [{"kind", "said", "tokens", "text", "fallback"}, …]}, …],
    "generated_tokens_per_text", "rewritings": {"count", "empty", "same"}, "sentence"}""",
)
@model_argument
@click.argument("file")
@encodes
@json_option
def rewritings(model: str, file: str, as_json: bool) -> None:
    """Show eight rewritings of each text in FILE, one on each line, written by MODEL itself.

    The prompt geneol averages the embeddings of a text and of these. A text has the same rewritings
    whatever else is in FILE. One that is empty, or has the words of the text, is replaced by the
    text. After Ctrl-C, rewritings that are finished are kept and not written again.
    """
    from embfilter_viz.analyses.rewritten import rewritten
    from embfilter_viz.cli.tables import paragraph

    texts = lines_of(file)
    opened = opened_model(model)
    with watched() as progress:
        found = rewritten(opened, texts, progress=progress)

    def words() -> str:
        said = [paragraph(found.sentence)]
        for one in found.texts:
            lines = [
                f"  {made.kind:<13} {made.said}" + (f"  ({made.fallback})" if made.fallback else "")
                for made in one.rewritings
            ]
            said.append("\n".join([one.text, *lines]))
        return "\n\n".join(said)

    print_record(found.to_json(), as_json, words)
