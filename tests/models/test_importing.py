"""Threads of a fresh server may need transformers at once: each must get the whole of it."""

import subprocess
import sys
from pathlib import Path

CODE = """
import sys, threading, time
from embfilter_viz.models.encoding import loading

def first():  # as opening a model does
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

def second():  # as the warm-up and the first text do
    try:
        loading.quiet_transformers().AutoModelForCausalLM
    except AttributeError as error:
        print(error)

threads = [threading.Thread(target=first)]
threads[0].start()
while "transformers" not in sys.modules:
    time.sleep(0.0005)
for _ in range(3):
    threads.append(threading.Thread(target=second))
    threads[-1].start()
for thread in threads:
    thread.join()
"""


def test_who_waits_for_the_import_gets_the_module_that_it_leaves() -> None:
    root = Path(__file__).parents[2]
    said = subprocess.run([sys.executable, "-c", CODE], cwd=root, capture_output=True, text=True)
    assert (said.returncode, said.stdout) == (0, ""), said.stderr
