#!/usr/bin/env bash
# Lock every dependency with hashes: `make lock`. Versions already locked stay unless
# pyproject.toml rules them out; `UPGRADE=1 make lock` takes the newest of all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
uv=${UV:-.venv/bin/uv}
upgrade=()
[ -z "${UPGRADE:-}" ] || upgrade=(--upgrade)

# lock NAME PYTHON [OPTION...]: no index address goes into a lock file.
lock() {
    local name=$1 python=$2
    shift 2
    "$uv" pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
        "${upgrade[@]}" --python-version "$python" "$@" -o "requirements/$name.txt"
}

same=(--constraint requirements/dev.txt)
# This machine: what tests, what runs, and the Hopsworks client, which pins older releases.
lock dev 3.11 --extra dev pyproject.toml
printf 'hatchling\neditables\n' | lock run 3.11 --extra all "${same[@]}" pyproject.toml -
printf 'hatchling==1.33.0\neditables\n' | lock hopsworks 3.11 --no-strip-extras \
    --extra writer --extra reader --extra replayer --extra hopsworks pyproject.toml -
lock supply-chain 3.11 requirements/supply-chain.in
lock bench 3.11 requirements/bench.in
lock prefect 3.11 requirements/prefect.in
lock docs 3.11 requirements/docs.in
# One file per image, at the versions that the tests run with, and one for what builds the wheels.
lock trade-producer 3.12 --extra producer "${same[@]}" pyproject.toml
# The replayer's image also reads the store back, to prove a backfill.
lock trade-replayer 3.12 --extra replayer --extra reader --extra postgres "${same[@]}" pyproject.toml
lock ohlc-aggregator 3.12 --extra aggregator "${same[@]}" pyproject.toml
lock feature-writer 3.12 --extra writer --extra postgres --extra redis "${same[@]}" pyproject.toml
# The dashboard reads the store and writes Parquet files of it.
lock dashboard 3.12 --extra dashboard --extra reader --extra postgres "${same[@]}" pyproject.toml
lock exchange-simulator 3.12 --extra simulator "${same[@]}" pyproject.toml
printf 'hatchling\n' | lock build 3.12 "${same[@]}" -
