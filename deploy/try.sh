#!/bin/sh
# Build the image, start it as docs/deploy.md says, and look at it: try.sh [podman|docker]
# Where there is no builder, or its base image cannot be fetched, it says so and ends with 0.
set -eu
cd "$(dirname "$0")/.."
builder=${1:-$(command -v podman || command -v docker || true)}
if [ -z "$builder" ]; then
    echo "image: not built, for neither podman nor docker is here"
    exit 0
fi
base=$(sed -n 's/^FROM //p' deploy/Containerfile)
if ! timeout 120 "$builder" pull -q "$base" > /dev/null 2>&1; then
    echo "image: not built, for $base cannot be fetched here"
    exit 0
fi
name=embfilter-viz-tried-$$
trap '"$builder" rm -f "$name" > /dev/null 2>&1 || true
      "$builder" volume rm "$name" > /dev/null 2>&1 || true
      "$builder" rmi "$name" > /dev/null 2>&1 || true' EXIT
case $builder in
    *podman) format="--format docker" ;; # the other format has no health checks
    *) format= ;;
esac
# shellcheck disable=SC2086
"$builder" build $format -f deploy/Containerfile -t "$name" .
"$builder" run -d --name "$name" --read-only --tmpfs /tmp -v "$name:/data" "$name" > /dev/null

inside() {
    "$builder" exec "$name" "$@"
}
fail() {
    echo "image: $1" >&2
    "$builder" logs "$name" >&2
    exit 1
}
tries=0
until inside python deploy/healthy.py; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || fail "not well after a minute"
    sleep 1
done
[ "$(inside id -u)" = 1000 ] || fail "runs as another user than 1000"
inside sh -c '! touch /app/written 2> /dev/null' || fail "its root can be written to"
inside sh -c 'touch /data/written && rm /data/written' || fail "its volume cannot be written to"
inside sh -c 'PIP_INDEX_URL=http://127.0.0.1:9/ embfilter-viz spectrum smollm2-135m > /dev/null' \
    || fail "the model was not fetched when it was built"
"$builder" stop -t 10 "$name" > /dev/null
echo "image: built, started and well"
