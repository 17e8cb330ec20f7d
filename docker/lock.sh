#!/usr/bin/env bash
# Lock each image's dependencies with hashes, at the versions the tests run with.
#
#   docker/lock.sh            # after a change of pyproject.toml or requirements/dev.txt
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}

lock() {
    local name=$1
    shift
    "$uv" pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
        --python-version 3.12 "$@" pyproject.toml -o "requirements/$name.txt"
}

lock trade-producer --extra producer --constraint requirements/dev.txt
# The replayer's image also reads the store back, to prove a backfill.
lock trade-replayer --extra replayer --extra reader --extra postgres --constraint requirements/dev.txt
lock ohlc-aggregator --extra aggregator --constraint requirements/dev.txt
lock feature-writer --extra writer --extra postgres --constraint requirements/dev.txt
lock exchange-simulator --extra simulator --constraint requirements/dev.txt
# Hopsworks' client asks for an older SQLAlchemy than the tests use, and is large: an image of its own.
lock feature-writer-hopsworks --no-strip-extras --extra writer --extra hopsworks
# What builds the wheel.
"$uv" pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
    --python-version 3.12 --constraint requirements/dev.txt - -o requirements/build.txt <<<"hatchling"
