# Read by the scripts beside it; each line can be set from outside: RUN=/tmp/run scripts/devnet.sh
: "${RUN:=run}"                                      # everything a run makes
: "${CHAIN:=anvil}"                                  # or hardhat
: "${RPC_PORT:=8545}"                                # the devnet listens here, on 127.0.0.1
: "${LISTEN:=127.0.0.1:8443}"                        # the aggregator listens here
: "${TASK:=scripts/participant.py:MyTask}"           # what is trained: path/to/file.py:Class or package.module:Class
: "${FEDERATION:=scripts/federation.toml}"           # rounds, quorum, deadlines, hyper-parameters
: "${PARTICIPANTS:=cleveland hungary switzerland va}"
: "${TRUSTEES:=5}"
: "${THRESHOLD:=3}"
: "${KEY_BITS:=3072}"
: "${CHALLENGE_WINDOW:=2}"                             # seconds between a round's result and its payouts
: "${TEST_KEY:=}"                                    # a file of known primes, for tests only: anybody can decrypt

export FEDTRUST_RPC="${FEDTRUST_RPC:-http://127.0.0.1:$RPC_PORT}"
export FEDTRUST_PASSPHRASE_FILE="${FEDTRUST_PASSPHRASE_FILE:-$RUN/passphrase}"
if [ -z "${FEDTRUST_CONTRACT:-}" ] && [ -f "$RUN/contract" ]; then
    FEDTRUST_CONTRACT=$(cat "$RUN/contract")
    export FEDTRUST_CONTRACT
fi
PATH="$PWD/.venv/bin:$PATH"
AGGREGATOR="https://$LISTEN"
