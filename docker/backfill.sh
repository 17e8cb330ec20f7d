#!/usr/bin/env bash
# A backfill in containers, beside whatever runs: starts it, shows its progress, ends by itself.
# FROM_DAY and TO_DAY name the days. Exit code 0 only when every candle is in the store.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${FROM_DAY:?FROM_DAY is not set; e.g. from_day=2023-08-01 make docker-backfill}"
services=(backfill-replayer backfill-aggregator backfill-writer)
compose=(docker compose --profile backfill)

finish() {
    kill "$followers" 2>/dev/null || true
    "${compose[@]}" rm --force --stop "${services[@]}" >/dev/null 2>&1 || true
}
followers=""
trap finish EXIT
trap 'exit 130' INT TERM

state() { docker inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$1"; }

"${compose[@]}" up --detach --build "${services[@]}"
"${compose[@]}" logs --follow --no-log-prefix backfill-replayer &
followers=$!
replayer=$("${compose[@]}" ps --all --quiet backfill-replayer)
while true; do
    read -r status code <<<"$(state "$replayer")"
    [ "$status" != exited ] || exit "$code"
    sleep 1
done
