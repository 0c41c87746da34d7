"""The aggregator never has the secret key or a share: everything it holds is searched, and tried.

The same search finds the share at a trustee, so it is known to bite.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import gmpy2
import pytest

from fedtrust.crypto.ceremony import open_share
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.paillier import CiphertextVector
from fedtrust.crypto.threshold import KeyShare, combine, partial_roots
from fedtrust.errors import FedtrustError
from fedtrust.ledger.devnet import Devnet
from fedtrust.protocol.partial import ProvenPartial
from fedtrust.protocol.result import RoundResult
from fedtrust.protocol.spec import RoundSpec
from fedtrust.protocol.update import EncryptedUpdate
from tests.e2e.federation import Federation, federation
from tests.e2e.holdings import Holdings, find, gather, memory, shares_in
from tests.e2e.people import KEY_BITS, PASSPHRASE, People
from tests.fixtures.keys import test_primes


@dataclass(frozen=True)
class Observed:
    """A federation that ran two rounds, and what was found at its nodes while it ran."""

    made: Federation
    manifest: KeyManifest
    shares: tuple[KeyShare, ...]
    secrets: dict[str, int]
    in_aggregator: dict[str, set[str]]
    in_trustee: set[str]

    def holdings(self, name: str) -> Holdings:
        """Everything ``name`` has, and everything public: the manifest and all sealed shares."""
        made = self.made
        return gather(
            [made.folder / name, made.key, made.folder / "initial.safetensors"],
            made.people.identity(name), PASSPHRASE, self.manifest,
        )  # fmt: skip


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory, anvil: Devnet, people: People) -> Iterator[Observed]:
    manifest = people.manifest(2, 3)
    shares = tuple(
        open_share(
            manifest,
            index,
            (people.committee(2, 3) / f"share-{index}.sealed").read_bytes(),
            people.open(f"trustee-{index}").sealing,
        )
        for index in (1, 2, 3)
    )
    secrets = _secrets(manifest, shares)
    with federation(tmp_path_factory.mktemp("secrets"), anvil, people) as made:
        made.start("aggregator", "trustee-1", *made.hospitals)
        # one partial decryption has arrived, the aggregate and all updates are in its hands
        made.await_event("aggregator", "PartialAccepted")
        aggregator, trustee = made.nodes["aggregator"].pid, made.nodes["trustee-1"].pid
        found = {"decrypting": find(secrets, memory(aggregator))}
        in_trustee = find(secrets, memory(trustee))
        made.start("trustee-2", "trustee-3")
        made.await_done()
        found["done"] = find(secrets, memory(aggregator))
        made.rest()
        yield Observed(made, manifest, shares, secrets, found, in_trustee)


def _secrets(manifest: KeyManifest, shares: tuple[KeyShare, ...]) -> dict[str, int]:
    p, q = test_primes(KEY_BITS)
    order = (p - 1) // 2 * ((q - 1) // 2)
    delta = int(manifest.delta)
    named = {"p": p, "q": q, "p'": (p - 1) // 2, "q'": (q - 1) // 2, "p'q'": order, "phi(n)": 4 * order}
    named["e"] = int(gmpy2.invert(manifest.public_key.n, order))
    for share in shares:
        named[f"share {share.index}"] = int(share.value)
        named[f"exponent of share {share.index}"] = 2 * delta * int(share.value)
    return named


def test_the_secrets_searched_for_are_the_keys(observed: Observed) -> None:
    n = int(observed.manifest.public_key.n)
    assert observed.secrets["p"] * observed.secrets["q"] == n
    assert n * observed.secrets["e"] % observed.secrets["p'q'"] == 1


@pytest.mark.parametrize("when", ["decrypting", "done"])
def test_no_secret_is_in_the_aggregators_memory(observed: Observed, when: str) -> None:
    assert observed.in_aggregator[when] == set()


def test_the_same_search_finds_its_share_in_a_trustees_memory(observed: Observed) -> None:
    assert "share 1" in observed.in_trustee
    # its own and nobody else's
    assert observed.in_trustee <= {"share 1", "exponent of share 1"}


def test_no_secret_is_on_the_aggregators_disk(observed: Observed) -> None:
    held = observed.holdings("aggregator")
    assert find(observed.secrets, held.everything.items()) == set()
    own = {"passphrase", "account key", "sealing key", "TLS key", "password of the TLS key"}
    assert set(held.secrets) == own, "its keys open a share"


def test_the_same_search_finds_its_share_with_a_trustees_passphrase(observed: Observed) -> None:
    held = observed.holdings("trustee-1")
    assert find(observed.secrets, held.everything.items()) == {"share 1"}
    # without the passphrase, the disk says nothing
    assert find(observed.secrets, held.files.items()) == set()


def test_nothing_the_aggregator_holds_serves_as_a_share(observed: Observed) -> None:
    held = observed.holdings("aggregator").everything
    # a database's log repeats its pages; "all pages" is the same once
    tried = {where: data for where, data in held.items() if not where.endswith((".sqlite", "-wal", "-shm"))}
    assert any(where.endswith("(all pages)") for where in tried)
    streams = b"\0".join(tried.values())
    assert shares_in(observed.manifest, streams) == set()


def test_the_same_trial_finds_a_trustees_share(observed: Observed) -> None:
    held = observed.holdings("trustee-1")
    assert shares_in(observed.manifest, b"\0".join(held.secrets.values())) == {1}
    share = int(observed.shares[1].value)
    for hidden in (share.to_bytes(256, "big"), share.to_bytes(256, "little"), f"{share:0512x}".encode()):
        assert shares_in(observed.manifest, b"before" + hidden + b"after") == {2}


def test_what_the_aggregator_holds_decrypts_no_single_update(observed: Observed) -> None:
    made, manifest = observed.made, observed.manifest
    for state in made.states():
        result = RoundResult.from_bytes(made.store.get(state.result_hash))
        stored = [made.store.get(digest) for digest in result.partials.values()]
        partials = [ProvenPartial.from_bytes(data, manifest.public_key).partial for data in stored]
        assert len(partials) >= manifest.threshold
        for account in result.updates:
            update = _update(made, manifest, result.updates[account])
            with pytest.raises(FedtrustError):
                combine(manifest, update, {p.index: p for p in partials})


def test_two_shares_would_decrypt_it(observed: Observed) -> None:
    """So what failed above failed for want of shares and of nothing else."""
    made, manifest = observed.made, observed.manifest
    result = RoundResult.from_bytes(made.store.get(made.states()[0].result_hash))
    update = _update(made, manifest, next(iter(result.updates.values())))
    partials = {s.index: partial_roots(manifest, s, update) for s in observed.shares[:2]}
    assert len(combine(manifest, update, partials).plaintexts) == len(update.values)


def _update(made: Federation, manifest: KeyManifest, digest: bytes) -> CiphertextVector:
    key = manifest.public_key
    spec = RoundSpec.from_bytes(made.store.get(made.states()[0].spec_hash))
    count = spec.layout.ciphertexts(key.bits)
    return EncryptedUpdate.from_bytes(made.store.get(digest), key, expected_count=count).ciphertexts
