#!/bin/sh
# Fetch models and compute what the first page shows, so that the first visitor hardly waits:
# fetch.sh MODEL…
set -eu
for model in "$@"; do
    embfilter-viz spectrum "$model" > /dev/null
    # It reads the demo texts. A model whose head alone is read here is there all the same.
    embfilter-viz lesson "$model" "The cat sleeps." "Prices rose again." > /dev/null \
        || echo "$model: the first page is computed at the first visit"
    echo "fetched $model"
done
