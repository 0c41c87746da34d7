#!/usr/bin/env bash
# Run participant NAME on its own data until Ctrl-C:  scripts/participant.sh NAME [DATA]
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/settings.sh
name=${1:?"usage: scripts/participant.sh NAME [DATA]"}
data=${2:-$RUN/data/$name.csv}

# A task in a script of your own is run as that script; one in an installed package, by the command.
case $TASK in
*.py:*) command=(python "${TASK%:*}") ;;
*) command=(fedtrust participant --task "$TASK") ;;
esac
exec "${command[@]}" --identity "$RUN/identities/$name" --home "$RUN/$name" \
    --manifest "$RUN/key/manifest.json" --data "$data" --aggregator "$AGGREGATOR"
