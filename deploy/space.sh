#!/bin/sh
# Write what a Docker Space needs into an empty folder: space.sh FOLDER
set -eu
folder=$1
cd "$(dirname "$0")/.."
if [ -e "$folder" ] && [ -n "$(ls -A "$folder" 2> /dev/null)" ]; then
    echo "space.sh: $folder: there are files in it; name a new or an empty folder" >&2
    exit 2
fi
mkdir -p "$folder"
for part in app.py embfilter_viz pages static .streamlit deploy requirements.txt pyproject.toml LICENSE; do
    cp -R "$part" "$folder/"
done
find "$folder" -name __pycache__ -prune -exec rm -r {} +
cp deploy/Containerfile "$folder/Dockerfile"
cp deploy/space/README.md "$folder/README.md"
echo "$folder: commit all of it to the Space's repository"
