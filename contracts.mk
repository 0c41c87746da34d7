# Contracts and the Node tools behind them. Included by the Makefile; PYTHON is the virtual environment's.
PYTHON ?= .venv/bin/python

node_modules/.installed: package.json package-lock.json scripts/node.sh
	scripts/node.sh npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

.PHONY: contracts contracts-check forge-test
contracts: node_modules/.installed ## compile the contracts and refresh the committed artifact
	$(PYTHON) scripts/compile_contracts.py

contracts-check: node_modules/.installed ## artifact up to date, sources formatted and free of lint
	$(PYTHON) scripts/compile_contracts.py --check
	scripts/node.sh npx forge fmt --check contracts tests/contracts
	scripts/node.sh npx forge lint --deny warnings

forge-test: node_modules/.installed ## run the Solidity tests, offline
	scripts/node.sh npx forge test --offline
