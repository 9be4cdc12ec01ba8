#!/bin/sh
# What tests/cluster needs: Redis and HAProxy, as Debian has them. As root on Debian.
set -eu
if command -v redis-server >/dev/null && command -v redis-cli >/dev/null && command -v haproxy >/dev/null; then
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "$0: not root on Debian, so that tests/cluster will be skipped" >&2
    exit 0
fi
apt-get update -qq
# The programs alone: nothing is to run on this machine because of a test.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server haproxy
