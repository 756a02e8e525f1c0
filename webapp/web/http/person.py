"""The signed-in person, as handlers and templates see them."""

from dataclasses import dataclass
from datetime import datetime

from flask import request
from flask_login import UserMixin

from webapp.domain.accounts.audit import Actor
from webapp.domain.shared.texts import NAME_LENGTH
from webapp.domain.users.user import Right

NO_ACCOUNT = 0
"""The account id of an operator who views no account."""


@dataclass(frozen=True)
class Person(UserMixin):
    """The signed-in person, in the account they are working for."""

    id: int
    session_id: int
    proved_at: datetime
    """When the person last authenticated, by the wall clock."""
    name: str
    email: str
    account_id: int
    rights: frozenset[Right]
    is_confirmed: bool
    """Whoever holds the address has opened the link that we sent there."""
    has_second_factor: bool
    owes_second_factor: bool
    """The account asks for one, and they have not set it up yet."""

    is_operator: bool = False
    """One of the provider's staff."""

    @property
    def is_view_only(self) -> bool:
        """An operator who sees an account as its customer does."""
        return self.is_operator and self.account_id != NO_ACCOUNT

    @property
    def who(self) -> str:
        """The person and the account that a page is for."""
        return f"{self.id}-{self.account_id}"

    def may(self, right: Right) -> bool:
        return right in self.rights

    @property
    def actor(self) -> Actor:
        name = f"{self.name}, your provider" if self.is_operator else self.name
        return Actor(self.id, name[:NAME_LENGTH], request.remote_addr or "")
