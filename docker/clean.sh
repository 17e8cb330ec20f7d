#!/usr/bin/env bash
# Remove the containers' volumes (broker, feature store, metrics) and data/, after asking.
#
# Nothing is removed without a typed "yes": not with an empty answer, not without a terminal.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compose=()
if docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1; then
    compose=(docker compose -f docker-compose.yml -f docker-compose.simulator.yml -f docker-compose.three-brokers.yml)
fi
found=()
[ ! -d data ] || found+=("data/ ($(du -sh data | cut -f 1))")
if ((${#compose[@]})); then
    project=$("${compose[@]}" config --format json | sed -n 's/^  "name": "\(.*\)",$/\1/p')
    while read -r volume; do
        found+=("Docker volume $volume")
    done < <(docker volume ls -q --filter "label=com.docker.compose.project=$project")
fi
if ((${#found[@]} == 0)); then
    exit 0
fi

printf 'This removes, for good:\n' >&2
printf '  %s\n' "${found[@]}" >&2
if [ ! -t 0 ]; then
    printf 'Nothing was removed: no terminal to ask at. Run it from one, or remove them yourself.\n' >&2
    exit 0
fi
read -r -p 'Remove them? Type yes: ' answer
if [ "$answer" != yes ]; then
    printf 'Nothing was removed.\n' >&2
    exit 0
fi
if ((${#compose[@]})); then
    "${compose[@]}" --profile '*' down --volumes --remove-orphans
fi
rm -rf data
