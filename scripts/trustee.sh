#!/usr/bin/env bash
# Run trustee NUMBER until Ctrl-C:  scripts/trustee.sh NUMBER
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/settings.sh
number=${1:?"usage: scripts/trustee.sh NUMBER"}

exec fedtrust trustee --identity "$RUN/identities/trustee-$number" --home "$RUN/trustee-$number" \
    --manifest "$RUN/key/manifest.json" --share "$RUN/key/share-$number.sealed" --aggregator "$AGGREGATOR"
