#!/usr/bin/env bash
# Build a stand-in for the official Python image, for CI machines that reach Debian's and PyPI's
# mirrors but no container registry: a minimal Debian with this machine's own CPython in /usr/local
# and this machine's certificates and package indexes, so that apt and pip work inside builds.
#
#   docker/ci/python/build.sh standin/python:3.12
set -euo pipefail

image=${1:?usage: build.sh IMAGE}
suite=bookworm
work=$(mktemp -d)
root=$work/root
trap 'rm -rf "$work"' EXIT

python=$(command -v python3.12 2>/dev/null || true)
for candidate in "$python" "$HOME"/.pyenv/versions/3.12*/bin/python3.12 /usr/local/bin/python3.12; do
    if [ -x "$candidate" ] && prefix=$("$candidate" -c 'import sys; print(sys.base_prefix)' 2>/dev/null); then
        break
    fi
    prefix=""
done
[ -n "$prefix" ] || { echo "build.sh: no CPython 3.12 on this machine to build the image from" >&2; exit 1; }

if ! command -v debootstrap >/dev/null; then
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends debootstrap >&2
fi
mirror=$(sed -n 's/^URIs: *\([^ ]*\/debian\) *$/\1/p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
debootstrap --variant=minbase \
    --include=ca-certificates,libssl3,libsqlite3-0,libffi8,libbz2-1.0,liblzma5,zlib1g,libncursesw6,libreadline8,libuuid1,netbase,tzdata \
    "$suite" "$root" "${mirror:-http://deb.debian.org/debian}" >&2

# CPython, without what no service runs. The library folder keeps its layout: only the prefix moves.
mkdir -p "$root/usr/local/bin" "$root/usr/local/lib"
tar -C "$prefix/lib" -cf - --exclude=test --exclude=tests --exclude=idlelib --exclude=tkinter \
    --exclude=turtledemo --exclude='config-3.12*' --exclude='*.a' --exclude=__pycache__ \
    --exclude='python3.12/site-packages/*' python3.12 | tar -C "$root/usr/local/lib" -xf -
cp -a "$prefix"/lib/libpython3*.so* "$root/usr/local/lib/" 2>/dev/null || true # a static build has none
cp "$prefix/bin/python3.12" "$root/usr/local/bin/"
ln -s python3.12 "$root/usr/local/bin/python3"
ln -s python3.12 "$root/usr/local/bin/python"
find "$root/usr/local" -name '*.so*' -type f -exec strip --strip-unneeded {} + 2>/dev/null || true
strip --strip-unneeded "$root/usr/local/bin/python3.12" 2>/dev/null || true
sed -i "s#$prefix#/usr/local#g" "$root"/usr/local/lib/python3.12/_sysconfigdata_*.py
chroot "$root" ldconfig

# This machine's way to its package indexes.
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
if [ -d /usr/local/share/ca-certificates ]; then
    cp -r /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
fi
for file in /etc/pip.conf /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
    [ ! -f "$file" ] || install -D -m 644 "$file" "$root$file"
done
[ ! -f "$root/etc/apt/sources.list.d/debian.sources" ] || : >"$root/etc/apt/sources.list"
echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/80snapshot"
chroot "$root" env PYTHONDONTWRITEBYTECODE=1 python3.12 -m ensurepip --altinstall >&2
ln -sf pip3.12 "$root/usr/local/bin/pip3"
ln -sf pip3.12 "$root/usr/local/bin/pip"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/* \
    "$root"/usr/share/man/* "$root"/usr/share/locale/*

tar -C "$root" -cf - . | docker import \
    --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' \
    --change 'ENV LANG=C.UTF-8' \
    --change 'ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt' \
    --change 'LABEL standin="for the official Python image, on CI machines without a registry"' \
    --change 'CMD ["python3"]' - "$image" >/dev/null
