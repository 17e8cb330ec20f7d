# shellcheck shell=bash
# The two images the compose tests start from: present, else pulled, else, only as root with
# CI=true or REQUIRE_DOCKER=1, built here under a standin/ name. Sourced after engine.sh.

image_pulls() {
    docker image inspect "$1" >/dev/null 2>&1 && return 0
    say "pulling $1"
    timeout 300 docker pull -q "$1" >/dev/null 2>"$ENGINE_CACHE/pull.log"
}

# A stand-in's tag changes with what it is built from.
fingerprint() { cat "$@" | sha256sum | cut -c 1-12; }

# Sets PYTHON_IMAGE.
python_image() {
    local here=$1
    PYTHON_IMAGE=${PYTHON_IMAGE:-python:3.12-slim-bookworm}
    export PYTHON_IMAGE
    image_pulls "$PYTHON_IMAGE" && return 0
    engine_may_be_installed || engine_missing "$PYTHON_IMAGE cannot be pulled: $(tail -n 1 "$ENGINE_CACHE/pull.log")" || return 1
    PYTHON_IMAGE=standin/python:3.12-$(fingerprint "$here/python/build.sh")
    docker image inspect "$PYTHON_IMAGE" >/dev/null 2>&1 && return 0
    say "no registry: building $PYTHON_IMAGE from Debian and this machine's CPython (about a minute)"
    nice -n 5 "$here/python/build.sh" "$PYTHON_IMAGE" >"$ENGINE_CACHE/python-image.log" 2>&1 ||
        engine_missing "the stand-in for the Python image could not be built, see $ENGINE_CACHE/python-image.log"
}

# Sets BROKER_KIND to redpanda or kafka, and STANDIN_BROKER_IMAGE for the latter.
# shellcheck disable=SC2034 # BROKER_KIND is read by the script that sources this
broker_image() {
    local here=$1 repo=$2 python=$3 image jars context
    image=${REDPANDA_IMAGE:-$(sed -n 's/.*REDPANDA_IMAGE:-\([^}]*\)}.*/\1/p' "$repo/docker-compose.yml" | head -n 1)}
    BROKER_KIND=redpanda
    image_pulls "$image" && return 0
    engine_may_be_installed || engine_missing "$image cannot be pulled: $(tail -n 1 "$ENGINE_CACHE/pull.log")" || return 1
    BROKER_KIND=kafka
    STANDIN_BROKER_IMAGE=standin/kafka:$(fingerprint "$here/kafka/Dockerfile" "$here/kafka/start.sh" "$here/python/build.sh" "$repo/tools/local_stack/kafka/pom.xml")
    export STANDIN_BROKER_IMAGE
    docker image inspect "$STANDIN_BROKER_IMAGE" >/dev/null 2>&1 && return 0
    say "no registry: building $STANDIN_BROKER_IMAGE, Apache Kafka from Maven Central"
    jars=$(PYTHONPATH="$repo/tools" "$python" -c 'from local_stack.brokers.kafka_jars import ensure_jars; print(ensure_jars())') ||
        engine_missing "Kafka's jars, for the stand-in broker, could not be retrieved" || return 1
    context=$(mktemp -d)
    cp "$jars"/*.jar "$here/kafka/start.sh" "$context/"
    nice -n 5 docker buildx build --load --progress plain --build-arg PYTHON_IMAGE="$PYTHON_IMAGE" \
        -f "$here/kafka/Dockerfile" -t "$STANDIN_BROKER_IMAGE" "$context" >"$ENGINE_CACHE/broker-image.log" 2>&1 ||
        { rm -rf "$context"; engine_missing "the stand-in broker could not be built, see $ENGINE_CACHE/broker-image.log"; return 1; }
    rm -rf "$context"
}
