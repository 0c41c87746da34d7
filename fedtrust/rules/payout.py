"""What a settled round pays, as the contract computes it: a pure function of facts on chain, exact to the unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fedtrust.errors import RoundError, SpecError
from fedtrust.ledger.types import Address, PayoutRule, Reputation, Role

BASIS_POINTS = 10_000
"""The whole of a reward, in basis points."""

RELIABILITY_SCALE = 1_000
"""What somebody weighs who broke nothing yet."""


class RewardShares(Protocol):
    """How a round's reward is divided; a FederationConfig is one. Shares are in basis points."""

    @property
    def participant_basis_points(self) -> int:
        """The share of all accepted participants together."""

    @property
    def trustee_basis_points(self) -> int:
        """The share of all trustees that attested together."""

    @property
    def aggregator_basis_points(self) -> int:
        """The aggregator's share."""

    @property
    def payout_rule(self) -> PayoutRule:
        """How a share is divided among those who earned a part of it."""


@dataclass(frozen=True, slots=True)
class Earner:
    """Somebody who earned a part, with its counters before the round was settled."""

    account: Address
    reputation: Reputation


@dataclass(frozen=True, slots=True)
class Payout:
    """``amount`` for ``account``, earned in ``role``, in units of the federation's asset."""

    account: Address
    role: Role
    amount: int


def reliability(reputation: Reputation) -> int:
    """Return what an identity weighs under RELIABILITY, in thousandths: 1000 (1 + kept) / (1 + kept + broken)."""
    kept = 1 + reputation.accepted + reputation.attested
    return RELIABILITY_SCALE * kept // (kept + reputation.late + reputation.missed)


def round_payouts(
    reward: int,
    shares: RewardShares,
    accepted: Sequence[Earner],
    attested: Sequence[Earner],
    aggregator: Address,
) -> tuple[Payout, ...]:
    """Return the credits of a settled round: participants, trustees, aggregator, none of zero.

    ``reward`` is what the round reserved; ``accepted`` are the participants in the aggregate and ``attested`` the
    trustees who attested, each in the order (by index) in which the contract credits them. A role's pot is
    floor(reward * basis points / 10000); each member gets floor(pot * weight / sum of weights), where all weigh the
    same under EQUAL and by :func:`reliability` under RELIABILITY. What the floors leave goes back to the pool. Raises
    SpecError on shares above the whole, RoundError on a negative reward or an account listed twice in a role.
    """
    points = (shares.participant_basis_points, shares.trustee_basis_points, shares.aggregator_basis_points)
    if min(points) < 0 or sum(points) > BASIS_POINTS:
        raise SpecError(
            "the reward shares are malformed", expected=f"none negative, at most {BASIS_POINTS}", got=points
        )
    if reward < 0:
        raise RoundError("a reward cannot be negative", got=reward)
    payouts: list[Payout] = []
    for role, earners, basis_points in (
        (Role.PARTICIPANT, accepted, points[0]),
        (Role.TRUSTEE, attested, points[1]),
    ):
        if len({earner.account for earner in earners}) != len(earners):
            names = [earner.account for earner in earners]
            raise RoundError(f"an account is listed twice as {role.name.lower()}", got=names)
        payouts.extend(_divide(reward * basis_points // BASIS_POINTS, role, earners, shares.payout_rule))
    payouts.append(Payout(aggregator, Role.AGGREGATOR, reward * points[2] // BASIS_POINTS))
    return tuple(payout for payout in payouts if payout.amount > 0)


def _divide(pot: int, role: Role, earners: Sequence[Earner], rule: PayoutRule) -> list[Payout]:
    weights = [1 if rule is PayoutRule.EQUAL else reliability(earner.reputation) for earner in earners]
    whole = sum(weights)  # no weight is zero while the counters have 32 bits, but then nobody gets anything
    return [
        Payout(earner.account, role, pot * weight // whole if whole else 0)
        for earner, weight in zip(earners, weights, strict=True)
    ]
