"""What opens: a tiny random checkpoint of every family of transformers, through the real door.

    python tools/what_opens.py                           # every family, rows to what_opens.json
    python tools/what_opens.py llama gemma2              # some
    python tools/what_opens.py --page docs/models.md     # and the page that lists them

Each family is built, saved as hub checkpoints are, opened by ``open_model`` and held against the
model that was saved (``tests/models/family_checks.py``); so are the other forms in which models
are handed on. Whatever happens is a row. Ends with 1 where a row is wrong.
"""

import argparse
import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 300
"""A family that takes longer is stopped, and is a row that says so."""
OTHERS = {"other forms": "form", "GGUF": "gguf"}
"""What is surveyed besides families, to the kind of its rows."""


def work() -> None:
    """Answer model types on standard input with a line of JSON each."""
    import torch

    from tests.models.family_checks import rows_of_family
    from tests.models.other_forms import rows_of_forms, rows_of_gguf

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    os.nice(10)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever is printed goes to standard error
    others = {"other forms": rows_of_forms, "GGUF": rows_of_gguf}
    for line in sys.stdin:
        asked = line.strip()
        with tempfile.TemporaryDirectory() as folder:
            os.environ["EMBFILTER_VIZ_CACHE"] = f"{folder}/cache"
            place = Path(folder) / "m"
            try:
                found = others[asked](place) if asked in others else rows_of_family(asked, place)
                rows = list(found)
            except Exception as error:  # of the survey itself
                rows = [stopped(asked, repr(error)[:300])]
            print(json.dumps(rows), file=answers, flush=True)


def stopped(asked: str, said: str) -> dict[str, Any]:
    """The row of what could not be surveyed."""
    return {"model_type": asked, "form": "-", "stage": "stopped", "said": said}


class Worker:
    """A process that surveys one family after another, and may die of one."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, model_type: str) -> list[dict[str, Any]]:
        """The rows of a family; one that says so where it took the process down, or too long."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, __file__, "--worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{model_type}\n".encode())
        self.process.stdin.flush()
        seconds = SECONDS * (10 if model_type in OTHERS else 1)
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        line = self.process.stdout.readline() if ready else b""
        if line:
            return json.loads(line)
        self.end()
        return [stopped(model_type, "its process ended" if ready else f"over {seconds} s")]

    def end(self) -> None:
        """Stop the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", help="model types; all and more if none is given")
    parser.add_argument("--rows", type=Path, help="a file for all that was found, as JSON")
    parser.add_argument("--page", type=Path, help="a file for the page that lists what opens")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if asked.worker:
        work()
        return
    from models_page import page, wrong

    from tests.models.family_checks import verdict
    from tests.models.tiny_families import families

    worker, rows = Worker(), []
    for name in asked.families or [*families(), *OTHERS]:
        started = time.monotonic()
        found = worker.ask(name)
        for row in found:
            row |= {"kind": OTHERS.get(name, "family"), "verdict": verdict(row)}
            print(f"{row.get('model_type', '')} ({row['form']}): {row['verdict']}", flush=True)
        rows += found
        print(f"    {time.monotonic() - started:.1f} s", file=sys.stderr)
        if asked.rows:
            asked.rows.write_text(json.dumps(rows, indent=1))
    worker.end()
    if asked.page:
        asked.page.write_text(page(rows))
    sys.exit(any(wrong(row) for row in rows))


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
