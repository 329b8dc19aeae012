"""How long a known spectrum takes to reopen: python benchmarks/reopening.py [MODEL].

Every run is a process of its own that imports what it needs, then times
``open_model(MODEL).spectrum``, with everything known to the store from a run before. Beside it
stands what the same line takes with an empty store, in turns.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from turns import seconds, times_as_long

BOUND = 0.050

TIMED = """
import json, sys, time
import numpy, safetensors.numpy
from embfilter_viz import open_model
from embfilter_viz.models.sources import bundled
from embfilter_viz.models.sources import gguf_conversion
from embfilter_viz.models.sources import locate as sources
from embfilter_viz.spectral import spectrum_of
from embfilter_viz.store import Store
spectrum_of(numpy.eye(2))
before = set(sys.modules)
begun = time.perf_counter()
model = open_model(sys.argv[1])
if len(sys.argv) > 2:
    model.store = Store(sys.argv[2])
opened = time.perf_counter()
spectrum = model.spectrum
ended = time.perf_counter()
print(json.dumps({
    "seconds": ended - begun, "opening": opened - begun,
    "late": sorted(set(sys.modules) - before), "last": spectrum.singular_values[-1],
}))
"""


def run(model: str, *store: str) -> dict[str, object]:
    """One process; the folder of its store if not the usual one."""
    root = str(Path(__file__).parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    said = subprocess.run(
        [sys.executable, "-c", TIMED, model, *store],
        check=True, stdout=subprocess.PIPE, env=environment,
    )  # fmt: skip
    return json.loads(said.stdout)


def main() -> None:
    """Print how long reopening takes, and computing anew."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("model", nargs="?", default="smollm2-135m")
    words.add_argument("--runs", type=int, default=7)
    asked = words.parse_args()
    run(asked.model)
    known, anew = [], []
    for _ in range(asked.runs):
        known.append(run(asked.model))
        with tempfile.TemporaryDirectory() as store:
            anew.append(run(asked.model, store))
    taken = [float(str(one["seconds"])) for one in known]
    print(f"{asked.model}: open_model(…).spectrum in a new process, imports aside")
    print(f"  known         {seconds(taken)}; bound {BOUND:.3f} s")
    print(f"    of it opening {seconds([float(str(one['opening'])) for one in known])}")
    print(f"    imported meanwhile: {', '.join(map(str, known[0]['late'])) or 'nothing'}")
    computed = [float(str(one["seconds"])) for one in anew]
    print(f"  computed anew {seconds(computed)}, {times_as_long(computed, taken)} times as long")
    if {one["last"] for one in known} != {known[0]["last"]}:
        raise SystemExit("the runs read different spectra")


if __name__ == "__main__":
    main()
