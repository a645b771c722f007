#!/bin/sh
# Builds prometheus and promtool, 3.x, with Go: what tests/oracles/make_golden.py asks.
#
#     tools/build_prometheus.sh FOLDER [MODULE_VERSION]
#
# FOLDER gets both programs. The module's version v0.316.0 is Prometheus 3.16.0. The web UI is left
# out, so that neither Node nor its packages are needed. It takes about 5 minutes and 2 GB of Go's
# caches; GOFLAGS=-p=1 spares a machine that others use.
set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: $0 FOLDER [MODULE_VERSION]" >&2
    exit 2
fi
if ! command -v go >/dev/null; then
    echo "$0: needs Go on the PATH" >&2
    exit 1
fi
module=github.com/prometheus/prometheus
module_version=${2:-v0.316.0}
mkdir -p "$1"
folder=$(cd "$1" && pwd)

# A module counts 3.16.0 as v0.316.0; the programs must say the former, the oracle reads it.
minor=${module_version#v0.}
patch=${minor#*.}
minor=${minor%%.*}
release="$((minor / 100)).$((minor % 100)).$patch"
stamp="-X github.com/prometheus/common/version.Version=$release"

GOBIN="$folder" nice go install -ldflags "$stamp" \
    "$module/cmd/prometheus@$module_version" "$module/cmd/promtool@$module_version"
"$folder/prometheus" --version
"$folder/promtool" --version
