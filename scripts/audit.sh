#!/usr/bin/env bash
# Verify every round with nothing but three addresses: RPC, contract, artifacts.
# Options of fedtrust audit may follow:  scripts/audit.sh --verbose
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/settings.sh

exec fedtrust audit --artifacts "$AGGREGATOR" "$@"
