"""Verifies a federation from the ledger and the stored artifacts alone."""
