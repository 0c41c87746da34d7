#!/usr/bin/env bash
# Once, while the devnet runs: identities, key ceremony, contract, members, the model to start from, example data.
# Here one person plays everybody under one passphrase; docs/how-to/ says who does what in a real federation.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/settings.sh

mkdir -p "$RUN/data"
if [ ! -f "$FEDTRUST_PASSPHRASE_FILE" ]; then
    (umask 077 && python -c 'import secrets; print(secrets.token_urlsafe(24))' > "$FEDTRUST_PASSPHRASE_FILE")
fi

# 1. Everybody makes an identity; identity.json in it is public.
fedtrust identity --role operator --private-key "$RUN/devnet/operator.key" --out "$RUN/identities/operator"
fedtrust identity --role aggregator --out "$RUN/identities/aggregator"
committee=()
for number in $(seq "$TRUSTEES"); do
    fedtrust identity --role trustee --out "$RUN/identities/trustee-$number"
    committee+=("$RUN/identities/trustee-$number")
done
members=()
for name in $PARTICIPANTS; do
    fedtrust identity --role participant --out "$RUN/identities/$name"
    members+=("$RUN/identities/$name")
done

# 2. The dealer makes the key, seals a share to each trustee, and forgets.
key=(--bits "$KEY_BITS")
if [ -n "$TEST_KEY" ]; then key=(--test-key "$TEST_KEY"); fi
fedtrust ceremony --threshold "$THRESHOLD" --out "$RUN/key" "${key[@]}" "${committee[@]}"

# 3. The operator deploys the contract, publishes the key, fills the reward pool, admits everybody; each then registers
#    itself and stakes.
fedtrust deploy --identity "$RUN/identities/operator" --manifest "$RUN/key/manifest.json" --fund 10 \
    --challenge-window "$CHALLENGE_WINDOW" --out "$RUN/deployment.json"
sed -n 's/.*"contract": "\(0x[0-9a-fA-F]*\)".*/\1/p' "$RUN/deployment.json" > "$RUN/contract"
FEDTRUST_CONTRACT=$(cat "$RUN/contract")
export FEDTRUST_CONTRACT
fedtrust admit --identity "$RUN/identities/operator" --gas-money 1 --stake-money \
    "$RUN/identities/aggregator" "${committee[@]}" "${members[@]}"
for path in "$RUN/identities/aggregator" "${committee[@]}" "${members[@]}"; do
    fedtrust register --identity "$path" --home "$RUN/$(basename "$path")"
done

# 4. The model that round 1 starts from.
fedtrust model --task "$TASK" --out "$RUN/initial.safetensors"

# 5. In place of data of your own: each hospital's records of the example, where its participant looks for them.
for name in $PARTICIPANTS; do
    if [ ! -f "$RUN/data/$name.csv" ]; then
        awk -F, -v name="$name" 'NR == 1 || $2 == name' fedtrust/learning/data/heart_disease.csv > "$RUN/data/$name.csv"
    fi
done
echo "ready: scripts/trustee.sh, scripts/participant.sh and scripts/aggregator.sh, each in a terminal of its own"
