#!/usr/bin/env bash
# Run a development chain until Ctrl-C. Writes $RUN/devnet/operator.key, an account that anybody knows.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/settings.sh

exec fedtrust devnet --kind "$CHAIN" --port "$RPC_PORT" --out "$RUN/devnet"
