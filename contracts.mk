# Contracts and the Node tools behind them. Included by the Makefile; PYTHON is the virtual environment's.
PYTHON ?= .venv/bin/python

# `npm ci` refuses the lock file: a registry that carries only some of the optional packages for other platforms leaves
# them out of it. `npm install --no-save` installs by the lock file, checks its digests and does not rewrite it.
node_modules/.installed: package.json package-lock.json scripts/node.sh
	scripts/node.sh npm install --no-save --ignore-scripts --no-audit --no-fund --fetch-retries=2 --fetch-timeout=60000
	@touch $@

.PHONY: contracts contracts-check forge-test
contracts: node_modules/.installed ## compile the contracts and refresh the committed artifact
	$(PYTHON) scripts/compile_contracts.py

contracts-check: node_modules/.installed ## artifact up to date, sources formatted and free of lint
	$(PYTHON) scripts/compile_contracts.py --check
	scripts/node.sh npx forge fmt --check contracts tests/contracts
	scripts/node.sh npx forge lint --deny warnings contracts

# --force: forge's cache after a run with a filter can leave test contracts out of the next run, silently
forge-test: node_modules/.installed ## run the Solidity tests, offline
	scripts/node.sh npx forge test --offline --force
