"""Trusted federated learning: signed, encrypted updates; threshold decryption; a history anyone can verify."""

__version__ = "0.1.0"
