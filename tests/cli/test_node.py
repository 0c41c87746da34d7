"""What every node checks of the committee's key before it starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fedtrust.cli.node import require_published
from fedtrust.errors import KeyFileError
from fedtrust.ledger.types import PublishedKey
from tests.e2e.people import People


def test_the_contract_must_have_the_manifests_id_and_its_modulus(people: People) -> None:
    key, path = people.manifest(2, 3), Path("manifest.json")
    good = PublishedKey(key.key_id, key.threshold, len(key.trustees), key.public_key.modulus_hash)
    require_published(key, good, path)
    for published, words in (
        (None, "not the key manifest published"),
        (replace(good, key_id=bytes(32)), "not the key manifest published"),
        (replace(good, modulus_hash=bytes(32)), "another modulus"),
    ):
        with pytest.raises(KeyFileError, match=words):
            require_published(key, published, path)
