#!/bin/sh
# Installs what the tests of this folder need: a C compiler and libolm from
# Debian's packages, and the npm packages of node/ by their lockfile. Run as
# root, or with sudo at hand.
set -eu
cd "$(dirname "$0")"

root=
[ "$(id -u)" = 0 ] || root=sudo

if ! echo '#include <olm/olm.h>' | cc -E -x c - >/dev/null 2>&1; then
    $root apt-get update
    $root apt-get install -y --no-install-recommends gcc libc6-dev libolm-dev
fi

if ! command -v npm >/dev/null; then
    $root apt-get update
    $root apt-get install -y --no-install-recommends nodejs npm
fi
cd node
npm ci --no-audit --no-fund
