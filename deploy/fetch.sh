#!/bin/sh
# Fetch models and compute their spectra, so that the first visitor need not wait: fetch.sh MODEL…
set -eu
for model in "$@"; do
    embfilter-viz spectrum "$model" > /dev/null
    echo "fetched $model"
done
