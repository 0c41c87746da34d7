"""The fuzzing targets: for every decoder valid files to start from, how to call it, and how to write again."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import rlp  # type: ignore[import-untyped]

from fedtrust.cli import head
from fedtrust.crypto.aggregation import Aggregation
from fedtrust.crypto.decryption_proof import DecryptionProof, prove_decryption
from fedtrust.crypto.encoding import canonical_json, from_hex, parse_canonical_json, to_hex
from fedtrust.crypto.fixed_base import FixedBaseTable
from fedtrust.crypto.key_file import KeyFileHeader
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.packing import SlotLayout
from fedtrust.crypto.paillier import CiphertextVector
from fedtrust.crypto.partial_proof import PartialProof
from fedtrust.crypto.plaintext_proof import PlaintextProof
from fedtrust.crypto.plaintexts import PlaintextVector
from fedtrust.crypto.threshold import PartialVector
from fedtrust.crypto.vector_codec import decode_vector, encode_vector
from fedtrust.ledger.decoding import decode_revert
from fedtrust.ledger.merkle_patricia import decode_item, decode_list
from fedtrust.ledger.storage_proof import BlockHeader
from fedtrust.nodes.identity import PublicIdentity
from fedtrust.nodes.settings import FederationSettings
from fedtrust.protocol.dispute import ShownUpdate, shown_leaves
from fedtrust.protocol.fields import Fields
from fedtrust.protocol.partial import ProvenPartial
from fedtrust.protocol.receipt import Receipt
from fedtrust.protocol.result import RoundResult, decryption_statement
from fedtrust.protocol.spec import FederationId, RoundSpec
from fedtrust.protocol.update import EncryptedUpdate
from fedtrust.rules.model import Model, TensorSchema
from tests.fuzz.chain_answers import (
    altered_logs,
    blocks,
    contract_answers,
    damaged_head,
    decode_dispute,
    decode_json_rpc_error,
    decode_packed_log,
    decode_round,
    disputes,
    encode_head,
    head_files,
    headers,
    json_rpc_errors,
    life_of_members,
    logs,
    read_contract,
    read_roster,
    read_round,
    read_storage_proof,
    reverts,
    round_logs,
    rounds,
    storage_proofs,
    verify_head,
)
from tests.fuzz.mutations import mutate
from tests.fuzz.other_sources import (
    FIELDS_DOCUMENT,
    every_field,
    from_file,
    from_value,
    identities,
    node_states,
    outboxes,
    read_node_state,
    read_outbox,
)
from tests.fuzz.round_files import (
    aggregate,
    aggregations,
    decode_sums,
    fixed_base_tables,
    key,
    model_header,
    models,
    one_update,
    opening,
    pack_leaves,
    pack_values,
    partial_proof,
    partials,
    plaintext_seeds,
    receipts,
    resealed,
    result,
    sums,
    unpack_file,
    update_header,
    update_seeds,
)
from tests.fuzz.secret_files import (
    key_files,
    open_first_share,
    open_for_recipient,
    open_key_file,
    open_single_holder,
    sealed,
    single_holders,
)
from tests.protocol.protocol_fixtures import FEDERATION, LAYOUT, ceremony, honest_round, make_spec


@dataclass(frozen=True)
class Target:
    """One decoder. ``encode`` writes what was decoded again and must give the very bytes; None where many spellings
    are legal, for the reason in ``spellings``. ``special`` mutates with knowledge of the format.
    """

    seeds: Callable[[], Sequence[bytes]]
    decode: Callable[[bytes], object]
    encode: Callable[[Any], bytes] | None
    inputs: int = 400
    special: Callable[[random.Random, bytes], bytes] | None = None
    spellings: str = ""

    def mutant(self, rng: random.Random) -> bytes:
        """Return a damaged file."""
        seeds = self.seeds()
        if self.special is not None and rng.random() < 0.5:
            return self.special(rng, rng.choice(seeds))
        return mutate(rng, seeds)


def once(make: Callable[[], Sequence[bytes]]) -> Callable[[], Sequence[bytes]]:
    return cache(make)


TARGETS: dict[str, Target] = {
    "fedtrust.cli.head.decode": Target(once(head_files), head.decode, encode_head, inputs=1000),
    "fedtrust.crypto.aggregation.Aggregation.from_bytes": Target(
        once(aggregations), lambda data: Aggregation.from_bytes(data, key()), Aggregation.to_bytes, special=resealed
    ),
    "fedtrust.crypto.ceremony.open_share": Target(lambda: ceremony().sealed_shares[:1], open_first_share, None),
    "fedtrust.crypto.decryption_proof.DecryptionProof.from_bytes": Target(
        once(
            lambda: [
                prove_decryption(
                    key(), aggregate(), opening(), decryption_statement(honest_round().spec, aggregate())
                ).to_bytes()
            ]
        ),
        lambda data: DecryptionProof.from_bytes(data, key()),
        DecryptionProof.to_bytes,
    ),
    "fedtrust.crypto.encoding.parse_canonical_json": Target(
        once(lambda: [honest_round().spec.to_bytes(), b'{"a":[1,-2.5,"\\u0000",true,null]}', b'"text"', b"[]"]),
        lambda data: parse_canonical_json(data, "document"),
        canonical_json,
        inputs=2000,
    ),
    "fedtrust.crypto.encoding.from_hex": Target(
        lambda: [b"0x", b"0x00", b"0x" + b"ab" * 32],
        lambda data: from_hex(data.decode("latin-1"), None, "field"),
        lambda value: to_hex(value).encode(),
    ),
    "fedtrust.crypto.fixed_base.FixedBaseTable.from_bytes": Target(
        once(fixed_base_tables), FixedBaseTable.from_bytes, FixedBaseTable.to_bytes, special=resealed
    ),
    "fedtrust.crypto.key_file.KeyFileHeader.read": Target(
        key_files, KeyFileHeader.read, None, spellings="the header only; whole files are opened below"
    ),
    "fedtrust.crypto.key_file.open_with_passphrase": Target(key_files, open_key_file, None, inputs=60),
    "fedtrust.crypto.manifest.KeyManifest.from_bytes": Target(
        once(lambda: [ceremony().manifest.to_bytes()]), KeyManifest.from_bytes, KeyManifest.to_bytes, inputs=200
    ),
    "fedtrust.crypto.packing.unpack": Target(once(plaintext_seeds), unpack_file, pack_values),
    "fedtrust.crypto.packing.SlotLayout.from_json": Target(
        once(lambda: [canonical_json(LAYOUT.slots.to_json())]),
        from_value(SlotLayout.from_json),
        lambda layout: canonical_json(layout.to_json()),
    ),
    "fedtrust.crypto.paillier.CiphertextVector.from_bytes": Target(
        once(lambda: [aggregate().to_bytes(), one_update().ciphertexts.to_bytes()]),
        lambda data: CiphertextVector.from_bytes(data, key()),
        CiphertextVector.to_bytes,
    ),
    "fedtrust.crypto.partial_proof.PartialProof.from_bytes": Target(
        once(lambda: [partial_proof().to_bytes()]),
        lambda data: PartialProof.from_bytes(data, key()),
        PartialProof.to_bytes,
    ),
    "fedtrust.crypto.plaintext_proof.PlaintextProof.from_bytes": Target(
        once(lambda: [one_update().proof.to_bytes()]),
        lambda data: PlaintextProof.from_bytes(data, key()),
        PlaintextProof.to_bytes,
    ),
    "fedtrust.crypto.plaintexts.PlaintextVector.from_bytes": Target(
        once(lambda: [PlaintextVector(key(), opening().plaintexts).to_bytes()]),
        lambda data: PlaintextVector.from_bytes(data, key()),
        PlaintextVector.to_bytes,
    ),
    "fedtrust.crypto.sealing.open_sealed": Target(sealed, open_for_recipient, None),
    "fedtrust.crypto.single_holder.SingleHolderKey.from_bytes": Target(
        single_holders, open_single_holder, None, inputs=40
    ),
    "fedtrust.crypto.threshold.PartialVector.from_bytes": Target(
        once(lambda: [p.to_bytes() for p in partials().values()]),
        lambda data: PartialVector.from_bytes(data, key()),
        PartialVector.to_bytes,
    ),
    "fedtrust.crypto.vector_codec.decode_vector": Target(
        lambda: [encode_vector(b"TEST", [1, 2, 3], 5, b"hh"), encode_vector(b"TEST", [0], 5, b"hh")],
        lambda data: decode_vector(b"TEST", data, 5, what="vector", header_bytes=2),
        lambda found: encode_vector(b"TEST", found[1], 5, found[0]),
        inputs=2000,
    ),
    "fedtrust.ledger.decoding.decode_log": Target(
        once(logs), decode_packed_log, None, inputs=1500, spellings="the ABI allows trailing data and other offsets"
    ),
    "fedtrust.ledger.decoding.decode_revert": Target(
        once(reverts), decode_revert, None, inputs=1000, spellings="text for a person"
    ),
    "fedtrust.ledger.decoding.revert_data": Target(
        once(json_rpc_errors), decode_json_rpc_error, None, inputs=600, spellings="nodes disagree on the form"
    ),
    "fedtrust.ledger.decoding.stored_dispute": Target(
        once(disputes), decode_dispute, None, inputs=600, spellings="decoded by web3 before"
    ),
    "fedtrust.ledger.decoding.stored_round": Target(
        once(rounds), decode_round, None, inputs=600, spellings="decoded by web3 before"
    ),
    "fedtrust.ledger.head_proof.HeadProof": Target(
        once(head_files),
        verify_head,
        None,
        inputs=600,
        special=damaged_head,
        spellings="a proof may name any chain id",
    ),
    "fedtrust.ledger.merkle_patricia.decode_list": Target(
        once(headers), lambda data: decode_list(data, "list"), rlp.encode, inputs=1000
    ),
    "fedtrust.ledger.merkle_patricia.decode_item": Target(
        once(headers), lambda data: decode_item(data, "item"), rlp.encode, inputs=1000
    ),
    "fedtrust.ledger.outbox.Outbox": Target(
        once(outboxes), from_file(read_outbox), None, inputs=60, spellings="SQLite's own format"
    ),
    "fedtrust.ledger.roster.roster": Target(
        once(life_of_members),
        read_roster,
        None,
        inputs=600,
        special=altered_logs,
        spellings="logs, as decode_log reads them",
    ),
    "fedtrust.ledger.round_events.complete_round": Target(
        once(round_logs), read_round, None, inputs=600, special=altered_logs, spellings="logs, as decode_log reads them"
    ),
    "fedtrust.ledger.storage_proof.BlockHeader.decode": Target(
        once(headers), BlockHeader.decode, BlockHeader.encode, inputs=1000
    ),
    "fedtrust.ledger.storage_proof.BlockHeader.from_json": Target(
        once(blocks), from_value(BlockHeader.from_json), None, inputs=1000, spellings="a node adds fields as it likes"
    ),
    "fedtrust.ledger.storage_proof.StorageProof.from_json": Target(
        once(storage_proofs), read_storage_proof, None, inputs=1000, spellings="a node adds fields as it likes"
    ),
    "fedtrust.ledger.web3_reader.Web3LedgerReader": Target(
        once(contract_answers), read_contract, None, inputs=24, special=altered_logs, spellings="web3 reads the ABI"
    ),
    "fedtrust.nodes.identity.PublicIdentity.read": Target(
        once(identities),
        from_file(PublicIdentity.read),
        lambda identity: identity.to_bytes(),
        spellings="white space around the document is allowed",
    ),
    "fedtrust.nodes.settings.FederationSettings.read": Target(
        once(lambda: [FederationSettings().to_toml().encode()]),
        from_file(FederationSettings.read),
        None,
        spellings="TOML, written by a person",
    ),
    "fedtrust.protocol.contribution.decode": Target(once(sums), decode_sums, None, spellings="an array, not a file"),
    "fedtrust.protocol.dispute.ShownUpdate.from_bytes": Target(
        once(update_seeds),
        ShownUpdate.from_bytes,
        None,
        inputs=1000,
        special=update_header,
        spellings="lenient: what EncryptedUpdate refuses may be evidence",
    ),
    "fedtrust.protocol.dispute.shown_leaves": Target(
        once(lambda: [aggregate().to_bytes(), one_update().ciphertexts.to_bytes()]), shown_leaves, pack_leaves
    ),
    "fedtrust.protocol.fields.Fields": Target(
        once(lambda: [canonical_json(FIELDS_DOCUMENT)]),
        from_value(every_field),
        None,
        inputs=1500,
        spellings="the documents that are read with it are targets of their own",
    ),
    "fedtrust.protocol.partial.ProvenPartial.from_bytes": Target(
        once(lambda: [ProvenPartial(partials()[1], partial_proof()).to_bytes()]),
        lambda data: ProvenPartial.from_bytes(data, key()),
        ProvenPartial.to_bytes,
    ),
    "fedtrust.protocol.receipt.Receipt.from_bytes": Target(
        once(receipts), Receipt.from_bytes, Receipt.to_bytes, inputs=1000
    ),
    "fedtrust.protocol.result.RoundResult.from_bytes": Target(
        once(lambda: [result().to_bytes()]), RoundResult.from_bytes, RoundResult.to_bytes, inputs=1500
    ),
    "fedtrust.protocol.spec.FederationId.from_fields": Target(
        once(lambda: [canonical_json(FEDERATION.to_json())]),
        from_value(lambda value: FederationId.from_fields(Fields(value, "federation"))),
        lambda federation: canonical_json(federation.to_json()),
    ),
    "fedtrust.protocol.spec.RoundSpec.from_bytes": Target(
        once(lambda: [honest_round().spec.to_bytes(), make_spec(quorum=3).to_bytes()]),
        RoundSpec.from_bytes,
        RoundSpec.to_bytes,
        inputs=1500,
    ),
    "fedtrust.protocol.update.EncryptedUpdate.from_bytes": Target(
        once(update_seeds),
        lambda data: EncryptedUpdate.from_bytes(data, key(), expected_count=2),
        EncryptedUpdate.to_bytes,
        inputs=1000,
        special=update_header,
    ),
    "fedtrust.rules.model.Model.from_bytes": Target(
        once(models), Model.from_bytes, Model.to_bytes, inputs=1500, special=model_header
    ),
    "fedtrust.rules.model.TensorSchema.from_json": Target(
        once(lambda: [canonical_json(TensorSchema("w", "float32", (2, 3)).to_json())]),
        from_value(TensorSchema.from_json),
        lambda schema: canonical_json(schema.to_json()),
    ),
    "fedtrust.store.state.NodeState": Target(
        once(node_states), from_file(read_node_state), None, inputs=60, spellings="SQLite's own format"
    ),
}
