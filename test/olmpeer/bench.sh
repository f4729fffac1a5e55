#!/bin/sh
# Measures e2ee/olm beside libolm; arguments go to the program (-update writes
# e2ee/olm/BENCH.md, -rounds 31 for a quiet machine).
set -eu
cd "$(dirname "$0")/../.."
exec go run ./test/olmpeer/bench "$@"
