#!/usr/bin/env bash
# Run the aggregator until Ctrl-C; after the last round it goes on serving artifacts.
# Options of fedtrust aggregator may follow:  scripts/aggregator.sh --rounds 3
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/settings.sh

exec fedtrust aggregator --identity "$RUN/identities/aggregator" --home "$RUN/aggregator" \
    --manifest "$RUN/key/manifest.json" --task "$TASK" --initial-model "$RUN/initial.safetensors" \
    --settings "$FEDERATION" --listen "$LISTEN" "$@"
