"""All commands, put together in the order one meets them."""

import click

import embfilter_viz
from embfilter_viz.cli.applying import apply_command
from embfilter_viz.cli.choosing import compare_command, propose, sweep_command
from embfilter_viz.cli.claiming import claims_command
from embfilter_viz.cli.comparing import pair
from embfilter_viz.cli.embedding import embed, geometry, lens
from embfilter_viz.cli.explorer import app
from embfilter_viz.cli.exporting import export
from embfilter_viz.cli.filling import fill_command
from embfilter_viz.cli.heads import directions, models, spectroscopy, spectrum
from embfilter_viz.cli.languages import languages_command
from embfilter_viz.cli.options import refuse_empty
from embfilter_viz.cli.ranking import leaderboard_command
from embfilter_viz.cli.replicating import replicate_command
from embfilter_viz.cli.rewriting import rewritings
from embfilter_viz.cli.teaching import lesson
from embfilter_viz.cli.verifying import verify_command

__all__ = ["cli"]


class _Commands(click.Group):
    """Commands in the order one meets them, not in the alphabet's."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(embfilter_viz.__version__, prog_name="embfilter-viz")
def cli() -> None:
    """See what a model's head writes into its text embeddings, and filter it out.

    A language model's head W_U (the unembedding) turns hidden states into logits. Its strongest and
    weakest singular directions write frequent, empty tokens into every embedding; EmbedFilter keeps
    the middle of the spectrum.

    MODEL is smollm2-135m (bundled, fetched once), a Hugging Face id as org/name or
    org/name@revision, a folder with safetensors, or a .gguf file. FILE holds one text on each line.
    An id or a folder may also be a PEFT adapter, which is opened together with its base. An
    embedder that was saved without a head takes the head of the model it was made from
    (--head-from). With engine:URL#NAME a served engine (vLLM, llama.cpp, Ollama, or another with
    OpenAI's /v1/embeddings) reads the texts, and the head is read from NAME, which is one of the
    other forms: engine:http://localhost:8000#smollm2-135m, or engine:URL#SERVED=NAME where the
    engine calls the model otherwise. It is tested before its first use; a key is taken from the
    environment variable EMBFILTER_VIZ_API_KEY.

    \b
    A first walk:
      embfilter-viz spectrum smollm2-135m
      embfilter-viz directions smollm2-135m --index 0
      embfilter-viz spectroscopy smollm2-135m
      embfilter-viz lens smollm2-135m "A man plays the guitar." --tau 2
      embfilter-viz pair smollm2-135m "A man plays the guitar." "The judge dismissed the case."
      embfilter-viz lesson smollm2-135m "A man plays the guitar." "The judge dismissed the case."
      embfilter-viz embed smollm2-135m texts.txt --window 58:432 -o out.npy
      embfilter-viz geometry smollm2-135m texts.txt
      embfilter-viz claims smollm2-135m
      embfilter-viz sweep smollm2-135m demo --task sts --grid 20
      embfilter-viz leaderboard smollm2-135m demo --task sts
      embfilter-viz replicate smollm2-135m --tasks STSBenchmark,SciFact
      embfilter-viz export smollm2-135m --tau 2 --format filter -o window.safetensors
      embfilter-viz verify folder --with texts.txt
      embfilter-viz apply window.safetensors raw.npy -o filtered.npy
      embfilter-viz fill window.safetensors duckdb:books.duckdb#items.raw
      embfilter-viz app

    Each command has --help, and --json for programs; in JSON, null stands for a number that is
    infinite or undefined. Models and results are kept in the folder that the environment variable
    EMBFILTER_VIZ_CACHE names, or in the platform's cache folder.
    """  # noqa: D301 - click's mark for lines to keep


for command in (
    models,
    spectrum,
    directions,
    spectroscopy,
    lens,
    pair,
    lesson,
    embed,
    rewritings,
    geometry,
    claims_command,
    sweep_command,
    leaderboard_command,
    compare_command,
    replicate_command,
    propose,
    languages_command,
    export,
    verify_command,
    apply_command,
    fill_command,
    app,
):
    refuse_empty(command)
    cli.add_command(command)
