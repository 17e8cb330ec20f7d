# shellcheck shell=bash
# Find a Docker engine with Compose v2 and BuildKit; on a CI machine without one, bring one up.
#
# Source it, then call `engine_up`. An engine that answers is used as it is: nothing is installed,
# started, stopped or pruned. Only where none answers, and only as root with CI=true or
# REQUIRE_DOCKER=1 on a Debian machine, the distribution's engine is installed and started;
# `engine_down` ends that one and no other.

ENGINE_CACHE="${ENGINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ohlc-pipeline/docker}"
ENGINE_STARTED_PID=""

say() { printf 'compose-test: %s\n' "$*" >&2; }

# Say why no engine can be had; the caller turns it into a skip or, with REQUIRE_DOCKER=1, a failure.
# shellcheck disable=SC2034 # read by the script that sources this
engine_missing() {
    ENGINE_MISSING_REASON="$*"
    return 1
}

engine_may_be_installed() {
    [ "$(id -u)" -eq 0 ] || engine_missing "no Docker engine answers, and installing one needs root" || return 1
    [ "${CI:-}" = true ] || [ "${REQUIRE_DOCKER:-}" = 1 ] ||
        engine_missing "no Docker engine answers; start Docker, or set CI=true to let root install one" || return 1
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
        engine_missing "no Docker engine answers, and this machine has no apt to install one" || return 1
}

engine_install() {
    command -v dockerd >/dev/null && command -v iptables >/dev/null && return 0
    say "installing the distribution's Docker engine"
    mkdir -p "$ENGINE_CACHE"
    {
        apt-get update -q &&
            DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends docker.io iptables
    } >"$ENGINE_CACHE/install.log" 2>&1 ||
        engine_missing "the Docker engine could not be installed, see $ENGINE_CACHE/install.log"
}

engine_start() {
    local log="$ENGINE_CACHE/dockerd.log" pidfile="$ENGINE_CACHE/dockerd.pid"
    mkdir -p "$ENGINE_CACHE/data"
    say "starting a Docker engine of our own, log in $log"
    setsid nohup nice -n 5 dockerd --data-root "$ENGINE_CACHE/data" --pidfile "$pidfile" \
        </dev/null >"$log" 2>&1 &
    local deadline=$((SECONDS + 30))
    until docker info >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] ||
            engine_missing "the Docker engine did not answer within 30 s, see $log" || return 1
        sleep 0.3
    done
    ENGINE_STARTED_PID=$(cat "$pidfile")
}

# Compose v2 and BuildKit's client, from the next Debian release, unpacked beside our own
# client configuration; the machine's apt configuration stays as it is.
plugins_install() {
    local config="$ENGINE_CACHE/config" apt="$ENGINE_CACHE/apt" keyring archive package
    if [ ! -x "$config/cli-plugins/docker-compose" ] || [ ! -x "$config/cli-plugins/docker-buildx" ]; then
        say "fetching Compose v2 and buildx"
        keyring=/usr/share/keyrings/debian-archive-keyring.gpg
        archive=$(sed -n 's/^URIs: *\([^ ]*\/debian\) *$/\1/p;s/^deb [^[]*\(http[^ ]*\/debian\) .*/\1/p' \
            /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | head -n 1)
        mkdir -p "$config/cli-plugins" "$apt/lists/partial" "$apt/archives/partial" "$apt/unpacked"
        echo "deb [signed-by=$keyring] ${archive:-http://deb.debian.org/debian} trixie main" >"$apt/sources.list"
        (
            cd "$apt/archives" &&
                apt-get update -q -o Dir::Etc::SourceList="$apt/sources.list" \
                    -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt" &&
                apt-get download -q -o Dir::Etc::SourceList="$apt/sources.list" \
                    -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt" \
                    -o APT::Sandbox::User=root docker-compose docker-buildx
        ) >"$ENGINE_CACHE/plugins.log" 2>&1 ||
            engine_missing "Compose v2 could not be fetched, see $ENGINE_CACHE/plugins.log" || return 1
        for package in "$apt"/archives/docker-*.deb; do
            dpkg-deb -x "$package" "$apt/unpacked"
        done
        find "$apt/unpacked" -path '*cli-plugins/docker-*' -type f -exec cp {} "$config/cli-plugins/" \;
        rm -rf "$apt"
    fi
    [ -e "$config/config.json" ] || echo '{}' >"$config/config.json"
    export DOCKER_CONFIG="$config"
    docker compose version >/dev/null 2>&1 || engine_missing "the fetched Compose v2 does not run here"
}

engine_up() {
    command -v docker >/dev/null || engine_may_be_installed || return 1
    if ! docker info >/dev/null 2>&1; then
        engine_may_be_installed && engine_install && engine_start || return 1
    fi
    if ! docker compose version >/dev/null 2>&1 || ! docker buildx version >/dev/null 2>&1; then
        engine_may_be_installed || engine_missing "Docker Compose v2 with buildx is not installed" || return 1
        plugins_install || return 1
    fi
}

engine_down() {
    [ -n "$ENGINE_STARTED_PID" ] || return 0
    say "ending the Docker engine this script started"
    kill "$ENGINE_STARTED_PID" 2>/dev/null || true
    local deadline=$((SECONDS + 20))
    while kill -0 "$ENGINE_STARTED_PID" 2>/dev/null && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.2; done
    ENGINE_STARTED_PID=""
}
