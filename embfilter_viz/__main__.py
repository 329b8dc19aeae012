"""``python -m embfilter_viz``: the command line."""

from embfilter_viz.cli import main

if __name__ == "__main__":
    main()
