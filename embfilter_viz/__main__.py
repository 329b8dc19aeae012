"""``python -m embfilter_viz``: the command line."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Python looks for libraries in the working folder first, which may be a stranger's checkpoint.
    first = Path(sys.path[0]).resolve()
    if first == Path.cwd() and first != Path(__file__).parents[1]:
        del sys.path[0]

    from embfilter_viz.cli import main

    main()
