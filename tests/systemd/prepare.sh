#!/bin/sh
# What tests/systemd needs: systemd-nspawn, and a small Debian to boot in it. As root on Debian; about half a minute.
set -eu
root=${XDG_CACHE_HOME:-$HOME/.cache}/opusagent/systemd-root
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "$0: not root on Debian, so that tests/systemd will be skipped" >&2
    exit 0
fi
if ! command -v systemd-nspawn >/dev/null || ! command -v mmdebstrap >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends systemd-container mmdebstrap
fi
if [ ! -e "$root/usr/lib/systemd/systemd" ]; then
    mkdir -p "$(dirname "$root")"
    mmdebstrap --quiet --variant=apt --include=systemd,systemd-sysv,dbus,procps bookworm "$root.new"
    rm -rf "$root"
    mv "$root.new" "$root"
fi
