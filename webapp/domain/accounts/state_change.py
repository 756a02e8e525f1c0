"""A change of an account's state by the provider (V4), as a person or a program enters it."""

from dataclasses import dataclass
from enum import StrEnum

from webapp.domain.accounts.account import Account, AccountState
from webapp.domain.shared import texts
from webapp.domain.shared.errors import Invalid


class ClosingBalance(StrEnum):
    """What happens to the balance of an account that is closed."""

    PAYOUT = "payout"
    """The provider pays it out to the customer, outside Ballast."""
    WRITE_OFF = "write_off"
    """It is given up: a debt of the customer's, or a rest that nobody claims."""


WORDS = {
    ClosingBalance.PAYOUT: "Balance paid out on closing",
    ClosingBalance.WRITE_OFF: "Balance written off on closing",
}
"""Description on the statement."""


@dataclass(frozen=True)
class StateChange:
    state: AccountState
    reason: str | None = ""
    """Shown to the customer. None: a program states none; a person must."""
    balance: ClosingBalance | None = None
    """Required to close an account whose balance is not zero."""
    reopens: bool = False
    """Whether a closed account may become another state; only an operator decides that."""
    confirmed: int | None = None
    """Micros that the person who ends a suspension has agreed to charge; None: any amount."""

    def checked_reason(self) -> str:
        """Return the reason as one line, empty if it is None. Raises `Invalid` for a bad one."""
        return "" if self.reason is None else texts.reason(self.reason)

    def require_balance(self, account: Account) -> None:
        """Raise `Invalid` unless it says what happens to the account's balance."""
        if account.balance and self.balance is None:
            shown = account.show(account.balance)
            raise Invalid(
                {"closing_balance": f"The balance is {shown}: choose payout or write_off"}
            )
        if account.balance < 0 and self.balance is ClosingBalance.PAYOUT:
            raise Invalid({"closing_balance": "A debt cannot be paid out: choose write_off"})
