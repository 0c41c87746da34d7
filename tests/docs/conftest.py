"""What a test changes in a document's commands: its ports, and what takes long."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedtrust.ledger.devnet import free_port
from tests.docs.session import Session


@pytest.fixture
def session(tmp_path: Path) -> Session:
    rpc, service = free_port(), free_port()
    return Session(
        tmp_path,
        {
            "8545": str(rpc),
            "8443": str(service),
            "--bits 3072": "--test-key tests/fixtures/test_key_2048.json",
            "--rounds 10": "--rounds 2",
        },
        {"FEDTRUST_RPC": f"http://127.0.0.1:{rpc}"},
    )
