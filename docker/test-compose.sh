#!/usr/bin/env bash
# Build the images, run the compose files on a real Docker engine, hurt them, clean up.
#
#   docker/test-compose.sh [pytest arguments]
#
# CI=true               as root on Debian, install and start an engine where none answers, and build
#                       stand-ins for images no registry can be reached for
# REQUIRE_DOCKER=1      no engine is a failure instead of a skip
# COMPOSE_TEST_SECONDS  skip, loudly, what would not fit into this many seconds (default: no limit)
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$repo"
python=${PYTHON:-.venv/bin/python}
# shellcheck source=docker/ci/engine.sh
. docker/ci/engine.sh
# shellcheck source=docker/ci/images.sh
. docker/ci/images.sh
# What the tests need once the images are there.
readonly TESTS_SECONDS=300

skip() {
    if [ "${REQUIRE_DOCKER:-}" = 1 ]; then
        say "FAILED: $*"
        exit 1
    fi
    printf '\n!!! SKIPPED: the compose tests did not run: %s\n\n' "$*" >&2
    exit 0
}

# Docker Desktop, a laptop's engine or hosted CI must be able to pull; only a bare CI machine may not.
fail_or_skip() {
    if engine_may_be_installed; then skip "$*"; fi
    say "FAILED: $*"
    exit 1
}

COMPOSE_TEST_PREFIX=ohlc-test-$$
export COMPOSE_TEST_PREFIX
cleanup() {
    local status=$? project
    trap - EXIT
    for project in $(docker compose ls -a -q 2>/dev/null | grep "^$COMPOSE_TEST_PREFIX" || true); do
        docker compose -p "$project" down -v --remove-orphans --timeout 5 >/dev/null 2>&1 || true
    done
    engine_down
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

mkdir -p "$ENGINE_CACHE"
engine_up || skip "$ENGINE_MISSING_REASON"
python_image docker/ci || fail_or_skip "$ENGINE_MISSING_REASON"
broker_image docker/ci "$repo" "$python" || fail_or_skip "$ENGINE_MISSING_REASON"

say "building the services' images"
export IMAGE_TAG=test DOCKER_BUILDKIT=1
nice -n 5 docker compose --env-file /dev/null -f docker-compose.yml -f docker-compose.simulator.yml --profile backfill build --quiet \
    >"$ENGINE_CACHE/build.log" 2>&1 || { tail -n 30 "$ENGINE_CACHE/build.log" >&2; exit 1; }
docker images --format '{{.Repository}}:{{.Tag}} {{.Size}}' | grep '^ohlc-pipeline/.*:test ' | sort >&2
say "images ready after ${SECONDS} s; broker: $BROKER_KIND"

if [ -n "${COMPOSE_TEST_SECONDS:-}" ] && [ $((SECONDS + TESTS_SECONDS)) -gt "$COMPOSE_TEST_SECONDS" ]; then
    skip "getting the images took ${SECONDS} s of COMPOSE_TEST_SECONDS=$COMPOSE_TEST_SECONDS; the next run finds them"
fi

COMPOSE_TESTS=1 "$python" -m pytest -q tests/compose "$@"
