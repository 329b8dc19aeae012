"""The options that say how texts are read: a prompt of ours or the reader's, and a layer."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from embfilter_viz.cli.inputs import lines_of
from embfilter_viz.errors import InputError

if TYPE_CHECKING:
    from embfilter_viz.models.encoding.prompts import Prompt

__all__ = ["POOLINGS", "PROMPTS", "other_prompts_option", "prompt_option", "prompt_option_with"]

# Spelled out, so that --help imports nothing; a test holds them to the library's own names.
PROMPTS = ("prompteol", "echo", "mean", "last", "metaeol", "geneol", "published")
POOLINGS = ("last", "mean")


class _Name(click.Choice):
    """One of our prompts, or a name that says a template or a layer, as in ``prompteol@20``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The name as it is; what is in it is read with the model."""
        whole = isinstance(value, str) and (":" in value or "@" in value)
        return value if whole else super().convert(value, param, ctx)


def prompt_option_with(
    default: str,
    why: str = "metaeol averages over eight tasks, geneol over eight rewritings by the model "
    "itself, published is an embedder's way",
) -> Callable[..., Any]:
    """Options that give a command its argument ``prompt``, a prompt; ``default`` if none is given.

    Args:
        default: one of our prompts.
        why: stands in the help of ``--prompt``.
    """
    options = (
        click.option(
            "--prompt", type=_Name(PROMPTS),
            help=f"How a text is put to the model, and what is pooled; {why}.  "
            f"[default: {default}]",
        ),
        click.option(
            "--prompt-template", metavar="TEMPLATE",
            help="Your own template instead, with {text} in it once, such as 'Summarise \"{text}\" "
                "as:'; \\n is a new line.",
        ),
        click.option(
            "--prompt-file", metavar="FILE",
            help="Your own templates, one on each line; the embedding is the mean over them.",
        ),
        click.option(
            "--pooling", type=click.Choice(POOLINGS),
            help="Pooling of your own template: the last token's state, or the mean from the text "
                "on.  [default: last]",
        ),
        click.option(
            "--layer", type=click.IntRange(min=0), metavar="L",
            help="Read the state after L layers, through the final norm.  [default: after all]",
        ),
    )  # fmt: skip

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_prompt(
            *args: Any,
            prompt: str | None,
            prompt_template: str | None,
            prompt_file: str | None,
            pooling: str | None,
            layer: int | None,
            **more: Any,
        ) -> Any:
            asked = _asked(prompt, prompt_template, prompt_file, pooling, default)
            if layer is not None:
                asked = asked.at(layer)
            click.get_current_context().params["prompt"] = asked
            return command(*args, prompt=asked, **more)

        for option in reversed(options):
            with_prompt = option(with_prompt)
        return with_prompt

    return decorated


prompt_option = prompt_option_with("prompteol")

other_prompts_option = click.option(
    "--beside", multiple=True, type=_Name(PROMPTS), metavar="PROMPT",
    help="Another prompt, such as metaeol or geneol, raw and with the window. May be repeated.",
)  # fmt: skip


def _asked(
    name: str | None, template: str | None, file: str | None, pooling: str | None, default: str
) -> "Prompt":
    """The prompt that the options say.

    Args:
        name: of a known prompt.
        template: the reader's own words.
        file: a file of templates.
        pooling: how the states are pooled under a template.
        default: the prompt without any option.

    Returns:
        the prompt.

    Raises:
        InputError: two of them say one, or a pooling without a template.
    """
    from embfilter_viz.models.encoding.prompts import find_prompt

    said = {"--prompt": name, "--prompt-template": template, "--prompt-file": file}
    given = [option for option, value in said.items() if value is not None]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)}: each says how a text is read; give one of them")
    if pooling is not None and template is None and file is None:
        raise InputError(
            f"--pooling {pooling}: goes with --prompt-template or --prompt-file; the prompt "
            f"{name or default} has a pooling of its own"
        )
    if template is not None:
        return find_prompt(f"{pooling or 'last'}:" + template.replace("\n", "\\n"))
    if file is not None:
        templates = lines_of(file)
        try:
            return find_prompt(f"{pooling or 'last'}:" + "\n".join(templates))
        except InputError as error:
            raise InputError(f"--prompt-file {file}: {error}") from error
    return find_prompt(name or default)
