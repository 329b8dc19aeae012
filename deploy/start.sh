#!/bin/sh
# Serve the explorer at $PORT, below the path $PREFIX where one is set.
set -eu
# The C library keeps freed memory by thread; with two pools most of it goes back to the machine.
export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-2}"
exec embfilter-viz app --headless --address 0.0.0.0 --port "${PORT:-8501}" ${PREFIX:+--prefix "$PREFIX"}
