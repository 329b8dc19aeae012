"""The command line: everything the pages compute, without a browser.

Results go to standard output, as tables or with ``--json``; progress and notes go to standard
error. The exit code is 0, or 2 with one clear line that names what was wrong; 1 is for ``verify``,
where vectors differ; a signal gives 128 and its number.
"""

from embfilter_viz.cli.entry import main

__all__ = ["main"]
