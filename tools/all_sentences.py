"""Write every sentence of pages and commands for 60 combinations into one file, and check them.

``python -m tools.all_sentences sentences.md`` takes some minutes and ends with 1 and the lines at
fault if a sentence breaks one of the rules of ``tools/sentences/rules.py``: a "-0.00", "1 texts",
"falls" beside numbers that rise, "beyond noise" beside an interval with zero in it, a number that
its record does not hold, a page that contradicts itself or the command of the same question.
"""

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.sentences.combinations import BUNDLED, FEW, Combination, combinations, write_models
from tools.sentences.rules import faults_between, faults_of
from tools.sentences.said import Files, Said, commands, pages

__all__ = ["Told", "main", "tell"]


@dataclass(frozen=True)
class Told:
    """All that was said for one combination, and what is wrong with it."""

    combination: Combination
    """Of model, prompt and window."""
    said: tuple[Said, ...]
    """In the order of commands and pages."""
    faults: tuple[tuple[str, str, str], ...]
    """Where, which words, why."""

    @property
    def markdown(self) -> str:
        """The sentences, each beside its figures; what is at fault first."""
        lines = [f"## {self.combination.name}", ""]
        lines += [f"- **FAULT** {where}: “{words}”: {why}" for where, words, why in self.faults]
        place = ""
        for one in self.said:
            if one.where != place:
                place = one.where
                lines += ["", f"### {place}", ""]
            if one.kind != "words":
                lines.append(f"- {one.kind}: {' '.join(one.text.split())}")
            if one.kind == "sentence" and one.record:
                lines.append(f"  - `{json.dumps(_short(one.record), ensure_ascii=False)}`")
        return "\n".join([*lines, ""])


def tell(one: Combination, models: dict[str, str], files: Files) -> Told:
    """Have commands and pages say all they say for a combination, and check it."""
    model = models.get(one.model, one.model)
    said = tuple(
        Said(s.where, s.kind, s.text.replace(model, one.model), s.record)
        for s in [*commands(one, model, files), *pages(one, model)]
    )
    return Told(one, said, tuple(_faults(one, said)))


def _faults(combination: Combination, said: Sequence[Said]) -> Iterator[tuple[str, str, str]]:
    known = set()
    for one in said:
        for words, why in faults_of(one):
            if (words, one.text) not in known:  # a page often says what a command has said
                known.add((words, one.text))
                yield one.where, words, f"{why}; in: {' '.join(one.text.split())[:300]}"
    yield from faults_between(said, combination.ends)


def _short(value: Any) -> Any:
    """A record without its long lists, and without the sentence that stands above it."""
    if isinstance(value, dict):
        return {
            name: _short(part) for name, part in value.items() if name not in ("sentence", "why")
        }
    if isinstance(value, list):
        return [_short(part) for part in value] if len(value) <= 4 else f"{len(value)} items"
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file; 1 if anything is at fault."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("out", type=Path, help="the Markdown file to write")
    parser.add_argument("--few", action="store_true", help="only those that the tests make")
    parser.add_argument("--tiny", action="store_true", help="without the bundled model")
    given = parser.parse_args(arguments)
    from tests.pages.explorer import as_served

    logging.disable(logging.WARNING)  # AppTest has no browser, and says so at every run
    every = FEW if given.few else combinations()
    chosen = [one for one in every if not (given.tiny and one.model == BUNDLED)]
    told = []
    with tempfile.TemporaryDirectory() as folder, as_served():
        models, files = write_models(Path(folder)), Files(Path(folder))
        for i, one in enumerate(chosen, 1):
            began = time.monotonic()
            told.append(tell(one, models, files))
            print(f"{i} of {len(chosen)}, {time.monotonic() - began:.0f} s, "
                  f"{len(told[-1].faults)} faults: {one.name}", file=sys.stderr)  # fmt: skip
    n = sum(one.kind == "sentence" for all_said in told for one in all_said.said)
    faults = [(one.combination.name, *fault) for one in told for fault in one.faults]
    head = f"# {n} sentences of {len(told)} combinations, {len(faults)} faults\n\n"
    given.out.write_text(head + "\n".join(one.markdown for one in told), encoding="utf-8")
    for name, where, words, why in faults:
        print(f"{name}\n  {where}: “{words}”: {why}")
    print(f"{n} sentences of {len(told)} combinations in {given.out}, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
