"""The command that asks a folder or a running server, and compares its vectors with ours."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from embfilter_viz.cli.inputs import lines_of, opened_model, window_of
from embfilter_viz.cli.options import (
    encodes,
    json_option,
    prompt_option_with,
    tau_option,
    window_option,
)
from embfilter_viz.cli.output import print_record
from embfilter_viz.cli.reporting import watched
from embfilter_viz.errors import InputError
from embfilter_viz.models.formats.schemas import Card, read_json

if TYPE_CHECKING:
    from embfilter_viz.model import Model
    from embfilter_viz.spectral.affine import AffineMap

__all__ = ["verify_command"]


@click.command(
    "verify",
    short_help="Check that a folder or a server gives our vectors.",
    epilog="""Example: embfilter-viz verify http://localhost:8000 --with texts.txt
    --model smollm2-135m --tau 2

    JSON: {"where", "texts", "width", "expected_width", "cosine", "same", "normalised", "faults",
    "explained_cosine", "sentence"}""",
)
@click.argument("where", metavar="FOLDER|URL")
@click.option("--with", "file", metavar="TEXTS", required=True,
              help="Texts to compare on, one on each line; the first 64 are taken.")  # fmt: skip
@click.option("--model", "name", metavar="MODEL",
              help="The model of the export; a folder of ours says it.")  # fmt: skip
@prompt_option_with("prompteol", "a folder of ours says that of its export itself")
@tau_option
@window_option
@click.option("--filter", "filter_file", metavar="FILE",
              help="A filter file that should be applied, of a window or any other method; a "
                   "folder of ours says what it applies.")  # fmt: skip
@click.option("--messages", is_flag=True, help="Ask a server with chat messages.")
@encodes
@json_option
def verify_command(where: str, file: str, name: str | None, prompt: str, tau: str | None,
                   window: str | None, filter_file: str | None, messages: bool,
                   as_json: bool) -> None:  # fmt: skip
    """Embed TEXTS with a folder or a running server, and compare the vectors with ours.

    A folder is read by the sentence-transformers that is installed here, an ONNX folder by
    onnxruntime. A server is asked at
    /v1/embeddings, as OpenAI's interface has it; where it serves several models, name one with
    URL#NAME. A key, if it needs one, is read from the environment variable EMBFILTER_VIZ_API_KEY.

    Where they differ, our own vectors are made wrong in the ways that are known: projection not
    applied, other pooling, prompt not applied, other scaling of positions. The way that gives its
    vectors is named. Of a folder that holds another method than the window, the method's numbers
    are read from the folder itself, or from --filter.

    The exit code is 0 where the vectors are ours, 1 where they are not, and 2 where nothing could
    be compared.
    """
    from embfilter_viz.export.served import is_address, served_vectors
    from embfilter_viz.export.verifying import MOST_TEXTS, verify
    from embfilter_viz.models.engines.names import address_of
    from embfilter_viz.system.outputs import CARD

    card: dict[str, Any] = {}
    if is_address(where):
        address_of(where.partition("#")[0])  # refused before a model is opened
        if name is None:
            raise InputError("--model: a server does not say what it was made from; name the model")
    elif "://" in where or where.startswith(("http:", "https:")):
        raise InputError(f"{where}: is no address; a server's begins with http:// or https://")
    elif messages:
        raise InputError("--messages: only a server is asked with them; drop it")
    else:
        card = _card(Path(where) / CARD)
    texts = lines_of(file)[:MOST_TEXTS]
    asked = _prompt(prompt, card)
    if name is None and not card.get("checkpoint"):
        raise InputError(f"--model: {where} does not say what it was made from; name the model")
    opened = opened_model(name or card["checkpoint"])
    if filter_file is not None and (tau is not None or window is not None):
        raise InputError("--filter: the file says what is applied; drop --tau and --window, or it")
    map = _expected(opened, where, card, tau, window, filter_file)
    with watched() as progress:
        served = served_vectors(where, texts, messages=messages, progress=progress)
        verdict = verify(opened, map, asked, texts, served, where, progress=progress)

    def words() -> str:
        from embfilter_viz.cli.tables import paragraph

        return paragraph(verdict.sentence)

    print_record(verdict.to_json(), as_json, words)
    if not verdict.same:
        click.get_current_context().exit(1)


def _expected(
    model: "Model",
    where: str,
    card: dict[str, Any],
    tau: str | None,
    window: str | None,
    filter_file: str | None,
) -> "AffineMap":
    """The map that should have been applied: of the options, else of the folder.

    Args:
        model: the opened model.
        where: the folder or address.
        card: what a folder of ours says of itself.
        tau: of the option.
        window: of the option.
        filter_file: of the option.

    Returns:
        the map.
    """
    from embfilter_viz.analyses.methods import WINDOW
    from embfilter_viz.export.folder_map import map_in_file, map_in_folder
    from embfilter_viz.export.refinement import map_of

    if filter_file is not None:
        return map_in_file(filter_file, model)
    if tau is None and window is None and card:
        if card.get("method", WINDOW) != WINDOW:
            return map_in_folder(Path(where), model)
        window = f"{card.get('l')}:{card.get('r')}"
    return map_of(model, window_of(model, tau, window))


def _prompt(given: str, card: dict[str, Any]) -> str:
    """Return the prompt that the options say, or without any that of the folder."""
    context = click.get_current_context()
    sources = map(
        context.get_parameter_source, ("prompt", "prompt_template", "prompt_file", "layer")
    )
    if ParameterSource.COMMANDLINE in sources or not card.get("prompt"):
        return given
    context.params["prompt"] = str(card["prompt"])  # what is said of the reading is of this one
    return context.params["prompt"]


def _card(path: Path) -> dict[str, Any]:
    """Read the note that a folder of ours has of itself; empty for another."""
    if not path.is_file():
        return {}
    found: dict[str, Any] = read_json(path, Card, str(path.parent), "export the folder anew")
    return found
