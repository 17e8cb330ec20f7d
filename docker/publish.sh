#!/usr/bin/env bash
# Build the services' images, push them by version, and write their digests to build/image-digests.txt.
#
#   IMAGE_REGISTRY=registry.example/team docker/publish.sh 0.2.0
#
# REGISTRY_USER, REGISTRY_TOKEN  log in to the registry with these first
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=${1:?the version, e.g. 0.2.0}
: "${IMAGE_REGISTRY:?the registry and folder to push to, e.g. registry.example/team}"
services=(trade-producer trade-replayer ohlc-aggregator feature-writer dashboard)

if [ -n "${REGISTRY_TOKEN:-}" ]; then
    docker login --username "${REGISTRY_USER:?}" --password-stdin "${IMAGE_REGISTRY%%/*}" <<<"$REGISTRY_TOKEN"
fi
IMAGE_TAG=$version docker compose --env-file /dev/null --profile backfill build
mkdir -p build
: >build/image-digests.txt
for service in "${services[@]}"; do
    image=$IMAGE_REGISTRY/ohlc-pipeline-$service:$version
    docker tag "ohlc-pipeline/$service:$version" "$image"
    docker push "$image"
    docker image inspect --format '{{index .RepoDigests 0}}' "$image" >>build/image-digests.txt
done
cat build/image-digests.txt
