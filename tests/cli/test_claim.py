"""Claiming: everything that was credited is paid, whenever it was credited, and once."""

from __future__ import annotations

from fedtrust.cli.rewards import claim_rewards
from fedtrust.ledger.types import Phase
from tests.nodes.harness import InProcessFederation


def test_a_claim_between_two_settlements_does_not_block_the_next_one() -> None:
    federation = InProcessFederation(rounds=2, challenge_window=30)
    ledger, account = federation.ledger("cleveland"), federation.address("cleveland")
    # the rounds end 10 seconds apart, so that one settlement comes before the other
    while ledger.last_round() < 2:
        assert federation.step()
    federation.chain.advance(10)
    while not ledger.claimable(account):
        if not federation.step():
            federation.chain.advance(1)
            federation.chain.mine()
    # round 1 is settled, round 2 is open or finalised, and no further round will ever be opened
    assert (ledger.last_round(), ledger.round(1).phase) == (2, Phase.SETTLED)
    assert ledger.round(2).phase is not Phase.SETTLED
    first = claim_rewards(ledger)
    assert first > 0
    assert claim_rewards(ledger) == 0
    federation.run()
    credited = ledger.claimable(account)
    assert credited > 0
    assert claim_rewards(ledger) == credited
    assert (ledger.claimable(account), claim_rewards(ledger)) == (0, 0)
