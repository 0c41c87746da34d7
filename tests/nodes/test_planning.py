"""Before a round opens: settings against the contract, the key against the contract, a plan against the draw."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fedtrust.errors import ConfigurationError, TransactionError
from fedtrust.ledger.types import Role
from fedtrust.nodes.planning import require_published
from fedtrust.nodes.settings import FederationSettings
from fedtrust.protocol.spec import RoundSpec
from tests.ledger.registered import Member, register_members
from tests.nodes.harness import InProcessFederation
from tests.nodes.misbehaving import Misbehaving, Overriding


@pytest.mark.parametrize(
    ("rules", "settings", "message"),
    [
        ({"minimum_quorum": 3}, {"quorum": 2}, "larger quorum"),
        ({"max_round_seconds": 100}, {"commit_seconds": 81}, "longer than the contract lets"),
    ],
)
def test_settings_that_the_contract_would_refuse_are_refused_at_the_start(
    rules: dict[str, int], settings: dict[str, int], message: str
) -> None:
    short = {"commit_seconds": 60, "aggregate_seconds": 10, "finalize_seconds": 10}
    with pytest.raises(ConfigurationError, match=message):
        InProcessFederation(rules=rules, **{**short, **settings})


def test_settings_at_the_contracts_limits_are_fine() -> None:
    rules = {"max_round_seconds": 100, "minimum_quorum": 3}
    federation = InProcessFederation(
        rules=rules, quorum=3, commit_seconds=80, aggregate_seconds=10, finalize_seconds=10
    )
    federation.step()
    assert federation.chain.last_round() == 1


def test_a_key_with_another_modulus_on_chain_is_refused() -> None:
    """Disputes multiply by the modulus whose hash is on chain: with another one every honest aggregate looks wrong."""
    federation = InProcessFederation()
    published = federation.chain.key()
    assert published is not None
    require_published(federation.manifest, published)
    with pytest.raises(ConfigurationError, match="another modulus than the key manifest"):
        require_published(federation.manifest, replace(published, modulus_hash=bytes(32)))
    for other in (None, replace(published, key_id=bytes(32))):
        with pytest.raises(ConfigurationError, match="not the one published on chain"):
            require_published(federation.manifest, other)


def refusing(times: int) -> Any:
    """Let the chain refuse to open a round so often, after something happened in between."""
    left = [times]

    def chain(ledger: Any) -> Any:
        def open_round(number: int, **arguments: Any) -> None:
            if left[0]:
                left[0] -= 1
                raise TransactionError("openRound was refused", got="RoundInvalidSelection")
            ledger.open_round(number, **arguments)

        return Overriding(ledger, open_round=open_round)

    return chain


def planned(federation: InProcessFederation) -> RoundSpec:
    digest = federation.disk("aggregator").state.get("spec", 1)
    assert digest is not None
    return RoundSpec.from_bytes(federation.artifacts.get(digest))


def test_a_plan_is_kept_while_it_is_good_and_made_anew_when_the_draw_changed() -> None:
    federation = Misbehaving(participants=3, chains={"aggregator": refusing(3)})
    federation.aggregator.step()
    first = planned(federation)
    federation.restart("aggregator")
    federation._chains["aggregator"] = refusing(1)
    federation.restart("aggregator")
    federation.aggregator.step()
    assert planned(federation) == first, "a restart plans nothing else"
    member = Member(federation.address("va"), Role.PARTICIPANT)
    register_members(
        InProcessFederation.ledger(federation, "operator"),
        lambda _: InProcessFederation.ledger(federation, "va"),
        [member],
    )
    federation.until(lambda: federation.chain.last_round() == 1)
    second = planned(federation)
    assert second.participants == (*first.participants, member.account)
    assert federation.chain.round(1).spec_hash == second.digest


def test_a_drawn_round_names_the_beacon_and_the_drawn() -> None:
    federation = InProcessFederation(rules={"participants_per_round": 2})
    federation.step()
    spec, state = planned(federation), federation.chain.round(1)
    assert spec.beacon.hash == federation.chain.block(spec.beacon.block).hash
    assert len(spec.participants) == state.selected.bit_count() == 2
    assert spec.payout_rule is federation.chain.config().payout_rule


def test_the_settings_file_knows_nothing_of_the_draw_any_more() -> None:
    with pytest.raises(ConfigurationError, match="unknown setting 'participants_per_round'"):
        FederationSettings().with_values({"participants_per_round": 3}, "settings.toml")
