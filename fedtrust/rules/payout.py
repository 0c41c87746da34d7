"""What a settled round pays, as the contract computes it: a pure function of facts on chain, to the wei."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fedtrust.errors import RoundError, SpecError
from fedtrust.ledger.types import Address, Role

BASIS_POINTS = 10_000
"""The whole of a reward, in basis points."""


class RewardShares(Protocol):
    """How a round's reward is divided, in basis points; a FederationConfig is one."""

    @property
    def participant_basis_points(self) -> int:
        """The share that all accepted participants divide equally."""

    @property
    def trustee_basis_points(self) -> int:
        """The share that all trustees who attested divide equally."""

    @property
    def aggregator_basis_points(self) -> int:
        """The aggregator's share."""


@dataclass(frozen=True, slots=True)
class Payout:
    """``amount`` wei for ``account``, earned in ``role``."""

    account: Address
    role: Role
    amount: int


def round_payouts(
    reward: int,
    shares: RewardShares,
    accepted: Sequence[Address],
    attested: Sequence[Address],
    aggregator: Address,
) -> tuple[Payout, ...]:
    """Return the credits of a settled round: participants, trustees, aggregator, none of zero.

    ``reward`` is what the round reserved, in wei; ``accepted`` are the participants in the aggregate and
    ``attested`` the trustees who attested, each in the order (by index) in which the contract credits them.
    Each role's pot is floor(reward * basis points / 10000), each member gets floor(pot / members); what the
    floors leave goes back to the pool. Raises SpecError on shares above the whole, RoundError on a negative
    reward or an account listed twice in a role.
    """
    points = (shares.participant_basis_points, shares.trustee_basis_points, shares.aggregator_basis_points)
    if min(points) < 0 or sum(points) > BASIS_POINTS:
        raise SpecError(
            "the reward shares are malformed", expected=f"none negative, at most {BASIS_POINTS}", got=points
        )
    if reward < 0:
        raise RoundError("a reward cannot be negative", got=reward)
    payouts: list[Payout] = []
    for role, members, basis_points in (
        (Role.PARTICIPANT, accepted, points[0]),
        (Role.TRUSTEE, attested, points[1]),
        (Role.AGGREGATOR, (aggregator,), points[2]),
    ):
        if len(set(members)) != len(members):
            raise RoundError(f"an account is listed twice as {role.name.lower()}", got=list(members))
        if not members:
            continue
        amount = reward * basis_points // BASIS_POINTS // len(members)
        if amount > 0:
            payouts.extend(Payout(account, role, amount) for account in members)
    return tuple(payouts)
