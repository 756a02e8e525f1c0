"""Billing details: the name, address and tax number on receipts (L6)."""

from collections.abc import Mapping
from dataclasses import dataclass

from webapp.domain.accounts.account import ADDRESS_LENGTH, TAX_NUMBER_LENGTH, Account
from webapp.domain.shared.field_tables import Text, table_of
from webapp.domain.shared.texts import NAME_LENGTH


@dataclass(frozen=True)
class BillingDetails:
    """What the customer enters: the field table. The account's columns begin with "billing_"."""

    name: str = Text.field(label="Name", longest=NAME_LENGTH)
    """Legal name; if empty, receipts show the account's name."""
    address: str = Text.field(label="Address", longest=ADDRESS_LENGTH, lines=5)
    tax_number: str = Text.field(label="Tax number", longest=TAX_NUMBER_LENGTH)

    @classmethod
    def of(cls, account: Account) -> "BillingDetails":
        return cls(**{name: getattr(account, f"billing_{name}") for name in FIELDS})

    def faults(self) -> dict[str, str]:
        """Return an error for each invalid field."""
        faults = {name: field.fault(getattr(self, name)) for name, field in FIELDS.items()}
        return {name: fault for name, fault in faults.items() if fault}

    def apply_to(self, account: Account) -> None:
        for name in FIELDS:
            setattr(account, f"billing_{name}", getattr(self, name))


FIELDS: Mapping[str, Text] = table_of(BillingDetails)
