#!/usr/bin/env bash
# Writes requirements.txt and requirements-dev.txt, the lock, from the ranges in pyproject.toml.
# Needs uv (`pip install uv`). What is pinned stays as it is while the ranges allow it, so that a
# new dependency does not bring new releases of all others; `tools/lock.sh --upgrade` takes the
# newest. torch is pinned by hand; the CUDA packages that its Linux wheels ask for are left to pip,
# so that a machine with a CPU build of torch does not fetch them.
set -euo pipefail
cd "$(dirname "$0")/.."
upgrade=("$@")

lock() {
    local target=$1
    shift
    grep -v '^-e ' "$target" > "$target.pins"  # uv keeps to the pins it finds in its output file
    uv pip compile pyproject.toml --universal --python-version 3.11 --no-header --no-annotate \
        --constraint <(echo "torch==2.13.0") "$@" "${upgrade[@]}" \
        --output-file "$target.pins" --quiet > /dev/null
    {
        echo "# Made by tools/lock.sh from pyproject.toml; change the ranges there, then run it again."
        grep -vE '^(nvidia-|cuda-|triton)' "$target.pins"
        echo "-e ."
    } > "$target.part"
    mv "$target.part" "$target"
    rm "$target.pins"
}

lock requirements.txt
lock requirements-dev.txt --extra dev
