#!/bin/sh
# Serve the explorer at $PORT, below the path $PREFIX where one is set.
set -eu
exec embfilter-viz app --headless --address 0.0.0.0 --port "${PORT:-8501}" ${PREFIX:+--prefix "$PREFIX"}
