# fedtrust. The two commands that matter: `make demo` and `make test`. Everything they need they set up themselves.
PYTHON := .venv/bin/python
BASE_PYTHON ?= $(shell command -v python3.11 || command -v python3)

.PHONY: help setup demo compare test test-fast test-portable sanitize test-e2e lint format wheel
.PHONY: bench bench-quick bench-million clean
help: ## show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

include contracts.mk

# the constraints pin everything, what builds the package included
.venv/.installed: export PIP_CONSTRAINT := constraints.txt
.venv/.installed: export PIP_DISABLE_PIP_VERSION_CHECK := 1
.venv/.installed: pyproject.toml constraints.txt
	@"$(BASE_PYTHON)" -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "fedtrust needs Python 3.11 or newer")'
	test -x $(PYTHON) || "$(BASE_PYTHON)" -m venv .venv
	$(PYTHON) -m pip install --quiet torch
	$(PYTHON) -m pip install --quiet --editable '.[torch,dev]'
	@touch $@

node_modules/.installed: .venv/.installed

# a native kernel that changed since is built again, in its place; without a C compiler this only warns
.venv/.installed-kernel: .venv/.installed setup.py $(wildcard fedtrust/compute/kernel/*.[ch])
	$(PYTHON) setup.py --quiet build_ext --inplace
	@touch $@

setup: .venv/.installed-kernel node_modules/.installed ## install everything, locked, into this folder

demo: setup contracts ## four hospitals train a model, nobody sees an update, an auditor verifies every round
	.venv/bin/fedtrust demo $(DEMO_OPTIONS)

test: setup contracts-check forge-test test-fast test-portable sanitize test-e2e ## run all tests

test-fast: setup ## unit, property, conformance and attack tests
	$(PYTHON) -m pytest -n 2 -m 'not e2e'

# what computes with the kernel that was selected; the conformance suite, in test-fast, runs on every one there is
test-portable: setup ## the cryptography again, on the portable kernel
	FEDTRUST_KERNEL=portable $(PYTHON) -m pytest -n 2 -m 'not slow' tests/crypto tests/compute/test_selection.py

sanitize: setup ## the native kernel's tests under the address and undefined-behaviour sanitizers
	$(PYTHON) scripts/sanitize_kernel.py -n 2

test-e2e: setup ## real processes, real TLS, real Anvil and Hardhat
	$(PYTHON) -m pytest -n 2 --dist loadgroup -m e2e

lint: setup ## style and types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

format: setup ## rewrite Python and Solidity in the project's style
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .
	scripts/node.sh npx forge fmt contracts tests/contracts

wheel: setup ## build dist/*.whl, with the native kernel if there is a C compiler, and the source distribution
	rm -rf build/lib* build/bdist* # what an earlier build left would be in the wheel
	$(PYTHON) -m build --no-isolation

compare: setup ## federated, pooled and alone over ten seeded splits, for both models
	.venv/bin/fedtrust compare --model logistic
	.venv/bin/fedtrust compare --model mlp

# the peers are measured, not used; make bench names those that could not be installed as skipped
.venv/.installed-bench: export PIP_CONSTRAINT := constraints.txt
.venv/.installed-bench: export PIP_DISABLE_PIP_VERSION_CHECK := 1
.venv/.installed-bench: .venv/.installed
	$(PYTHON) -m pip install --quiet --editable '.[bench]' && touch $@ || echo "not all peers could be installed here"

bench: .venv/.installed-bench ## measure the engine beside its peers; writes docs/benchmarks
	$(PYTHON) -m benchmarks --json docs/benchmarks/engine.json --plot docs/benchmarks/engine.svg --page docs/benchmarks.md $(BENCH_OPTIONS)

bench-quick: .venv/.installed-bench ## the same on short vectors, in about a minute; writes nothing
	$(PYTHON) -m benchmarks --quick $(BENCH_OPTIONS)

bench-million: .venv/.installed ## a whole round of 1 million parameters, each role in its own process, and their memory
	$(PYTHON) -m benchmarks.million --json docs/benchmarks/million.json --page docs/benchmarks.md $(BENCH_OPTIONS)

clean: ## remove what was built and installed
	rm -rf .venv node_modules build dist cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
