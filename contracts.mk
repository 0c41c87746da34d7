# Contracts and the Node tools behind them. Included by the Makefile; PYTHON is the virtual environment's.
PYTHON ?= .venv/bin/python

# `npm ci` refuses the lock file: a registry that carries only some of the optional packages for other platforms leaves
# them out of it. `npm install --no-save` installs by the lock file, checks its digests and does not rewrite it.
node_modules/.installed: package.json package-lock.json scripts/node.sh
	scripts/node.sh npm install --no-save --ignore-scripts --no-audit --no-fund --fetch-retries=2 --fetch-timeout=60000
	@touch $@

# newer than the sources, the artifacts and the compiler: they were compiled and found equal since they last changed
CONTRACTS_COMPARED := build/contracts/.compared
$(CONTRACTS_COMPARED): $(shell find contracts -name '*.sol') $(wildcard fedtrust/ledger/artifacts/*.json) \
		scripts/compile_contracts.py scripts/solc.js node_modules/.installed
	$(PYTHON) scripts/compile_contracts.py $(COMPILE_OPTIONS)
	@mkdir -p $(@D)
	@touch $@

.PHONY: contracts contracts-check forge-test
contracts: $(CONTRACTS_COMPARED) ## compile the contracts and refresh the committed artifact

contracts-check: COMPILE_OPTIONS := --check
contracts-check: $(CONTRACTS_COMPARED) ## artifact up to date, sources formatted and free of lint
	scripts/node.sh npx forge fmt --check contracts tests/contracts
	scripts/node.sh npx forge lint --deny warnings contracts

# --force: forge's cache after a run with a filter can leave test contracts out of the next run, silently
forge-test: node_modules/.installed ## run the Solidity tests, offline, on the committed contracts
	FOUNDRY_PROFILE=tests scripts/node.sh npx forge test --offline --force

# 4,096 runs of 256 calls: 64 times as many as above
.PHONY: forge-test-deep contracts-coverage
forge-test-deep: node_modules/.installed ## the stateful test for much longer
	FOUNDRY_PROFILE=deep scripts/node.sh npx forge test --offline --force --match-path 'tests/contracts/Federation.invariant.t.sol'

contracts-coverage: node_modules/.installed ## lines and branches of contracts/ that the Solidity tests reach
	$(PYTHON) scripts/contracts_coverage.py

# Slither wants an older web3 than ours, so it has an environment of its own.
build/slither/venv/.installed: export PIP_DISABLE_PIP_VERSION_CHECK := 1
build/slither/venv/.installed: constraints-slither.txt node_modules/.installed
	$(PYTHON) -m venv build/slither/venv
	build/slither/venv/bin/python -m pip install --quiet --constraint constraints-slither.txt slither-analyzer
	@touch $@

# what a failed run left cannot pass for a measurement; an own cache, for the reason at forge-test
.PHONY: contracts-static gas-measure gas-check gas-snapshot gas-table
contracts-static: build/slither/venv/.installed ## analyse the contracts with Slither: every finding is explained
	$(PYTHON) scripts/check_static.py

gas-measure: node_modules/.installed
	rm -rf build/foundry/snapshots
	FOUNDRY_PROFILE=tests FOUNDRY_OUT=build/gas/out FOUNDRY_CACHE_PATH=build/gas/cache \
		scripts/node.sh npx forge test --offline --force --match-path 'tests/contracts/*Gas.t.sol'

gas-check: gas-measure ## measure what each call costs; fails on a missed bar or a rise of more than 2 %
	$(PYTHON) scripts/check_gas.py

gas-snapshot: gas-measure ## the same, and make it the committed snapshot
	$(PYTHON) scripts/check_gas.py --write

gas-table: ## write and print the tables of docs/gas.md, ours beside the closest peer's
	$(PYTHON) scripts/gas_table.py
