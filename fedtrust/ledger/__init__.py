"""The chain from Python: types, the ``Ledger`` interface, its web3 client and its in-memory twin."""
