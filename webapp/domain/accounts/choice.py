"""What the provider decides about an account (V4), as a person or a program enters it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from json import dumps
from typing import Any
from zoneinfo import ZoneInfo

from webapp.domain.accounts.account import Account
from webapp.domain.accounts.lookup import fault_of_external_id
from webapp.domain.shared import money, texts
from webapp.domain.shared.i18n import Language
from webapp.domain.shared.policy import Policy
from webapp.domain.shared.texts import NAME_LENGTH

MOST_DETAILS = 50
DETAIL_NAME_LENGTH = 40
DETAIL_LENGTH = 500
MOST_HOLDS = 1_000_000


@dataclass(frozen=True)
class AccountChoice:
    """The facts of an account that the provider sets. `credit_limit` is in micros."""

    name: str
    currency: str = ""
    """Empty: the default of the installation (L1)."""
    time_zone: str = "UTC"
    language: Language = Language.ENGLISH
    external_id: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    """The provider's metadata."""
    credit_limit: int = 0
    max_open_holds: int | None = None
    """None: no limit."""
    own_metering: bool = False

    @classmethod
    def of(cls, account: Account) -> "AccountChoice":
        return cls(**{name: getattr(account, name) for name in cls.__dataclass_fields__})

    def faults(self, policy: Policy) -> dict[str, str]:
        """Return an error for each invalid field."""
        name = self.name.strip()
        faults = {
            "name": texts.fault(name, NAME_LENGTH) if name else "Enter a name",
            "currency": policy.currency_fault(self.currency),
            "metadata": _fault_of_details(self.details),
        }
        if not is_time_zone(self.time_zone):
            faults["time_zone"] = "Must be a time zone such as Europe/Dublin"
        if self.external_id is not None:
            faults["external_id"] = fault_of_external_id(self.external_id)
        if not 0 <= self.credit_limit <= money.LARGEST:
            faults["credit_limit"] = "Must be zero or above"
        if not 0 <= (self.max_open_holds or 0) <= MOST_HOLDS:
            faults["max_open_holds"] = f"Must be a whole number from 0 to {MOST_HOLDS:,}"
        return {name: fault for name, fault in faults.items() if fault}

    def opened(self, now: datetime) -> Account:
        """Return a new account with a zero balance."""
        return Account(**self.values(), balance=0, created_at=now)

    def values(self) -> dict[str, Any]:
        """Return the values of the account's columns."""
        return vars(self) | {"name": self.name.strip(), "details": dict(self.details)}

    def fingerprint(self, *more: str) -> str:
        """Return a hash of the facts and `more`; the same again is the same request (V4)."""
        facts = dumps([self.values(), more], sort_keys=True, ensure_ascii=False)
        return sha256(facts.encode()).hexdigest()


def is_time_zone(name: str) -> bool:
    """Return whether the installed time zone database knows `name`."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _fault_of_details(details: Mapping[str, str]) -> str:
    if len(details) > MOST_DETAILS:
        return f"At most {MOST_DETAILS} entries"
    for name, text in details.items():
        if not name or texts.fault(name, DETAIL_NAME_LENGTH):
            return f"A name has 1 to {DETAIL_NAME_LENGTH} characters, without control characters"
        if fault := texts.fault(text, DETAIL_LENGTH):
            return f"{name}: {fault}"
    return ""
