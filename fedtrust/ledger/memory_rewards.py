"""The pool, the credits, and what leaves the contract; as ``contracts/rewards``."""

from __future__ import annotations

from dataclasses import replace

from fedtrust.ledger import events as ev
from fedtrust.ledger.memory_state import Call, Credit, Revert, Storage
from fedtrust.ledger.types import Address


class MemoryRewards(Storage):
    """A pool that anyone may fill, and credits that their owners withdraw themselves."""

    def fund_rewards(self, call: Call, amount: int) -> None:
        """Anyone: add to the pool."""
        self._take(call, amount)
        self.state.pool += amount
        call.emit(ev.RewardsFunded, sender=call.sender, amount=amount)

    def claim(self, call: Call) -> None:
        """Pay the sender all it was credited."""
        credit = self.credit_of(call.sender)
        amount = credit.deposits + credit.rewards
        if amount == 0:
            return
        self.state.credits[call.sender] = Credit()
        call.emit(ev.RewardClaimed, account=call.sender, amount=amount)
        call.paid += amount

    def expire_reward(self, call: Call, account: Address) -> None:
        """Anyone: return what ``account`` did not claim in time to the pool."""
        credit = self.credit_of(account)
        if credit.rewards == 0 or call.timestamp < credit.expires_at:
            raise Revert("RewardNotExpired", account, credit.expires_at)
        self.state.credits[account] = replace(credit, rewards=0, expires_at=0)
        self.state.pool += credit.rewards
        call.emit(ev.RewardExpired, account=account, amount=credit.rewards)

    def credit_of(self, account: Address) -> Credit:
        """Return what ``account`` may withdraw."""
        return self.state.credits.get(account, Credit())

    @staticmethod
    def _take(call: Call, amount: int) -> None:
        """Check that the transaction brings ``amount``."""
        if call.value != amount:
            raise Revert("PaymentWrong", amount, call.value)

    def _credit_reward(self, call: Call, number: int, account: Address, amount: int) -> None:
        if amount == 0:
            return
        credit = self.credit_of(account)
        expires = call.timestamp + self.settings.claim_seconds
        self.state.credits[account] = replace(credit, rewards=credit.rewards + amount, expires_at=expires)
        call.emit(ev.RewardCredited, round=number, account=account, amount=amount)

    def _credit_deposit(self, call: Call, account: Address, amount: int) -> None:
        if amount == 0:
            return
        credit = self.credit_of(account)
        self.state.credits[account] = replace(credit, deposits=credit.deposits + amount)
        call.emit(ev.DepositCredited, account=account, amount=amount)
