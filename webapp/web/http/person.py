"""The signed-in person, as handlers and templates see them."""

from dataclasses import dataclass
from datetime import datetime

from flask import request
from flask_login import UserMixin

from webapp.domain.shared.context import Actor
from webapp.domain.shared.texts import NAME_LENGTH
from webapp.domain.users.user import PORTAL_DOMAIN, Right, Role

NO_ACCOUNT = 0
"""The account id of an operator who views no account."""


@dataclass(frozen=True)
class Person(UserMixin):
    """The signed-in person in their current account."""

    id: int
    session_id: int
    proved_at: datetime
    """When the person last authenticated, by the wall clock."""
    name: str
    email: str
    account_id: int
    rights: frozenset[Right]
    is_confirmed: bool
    """The link that was sent to the email address has been opened."""
    has_second_factor: bool
    must_set_up_second_factor: bool
    """The account requires two-step sign-in, and the person has not set it up."""

    is_closed: bool = False
    """The account is closed (V4)."""
    portal_url: str = ""
    """Of a portal session, the page from which the person came (V8); empty otherwise."""
    role: Role | None = None
    """Of a portal session, the most that it may do."""
    is_operator: bool = False
    """One of the provider's staff."""

    @property
    def is_view_only(self) -> bool:
        """Whether this is an operator who views an account as its customer."""
        return self.is_operator and self.account_id != NO_ACCOUNT

    @property
    def shown_email(self) -> str:
        """The email address; empty for a person whom only the provider's portal knows."""
        return "" if self.email.endswith(PORTAL_DOMAIN) else self.email

    @property
    def is_from_portal(self) -> bool:
        return self.role is not None

    @property
    def who(self) -> str:
        """Identifies the person and the account that a page belongs to."""
        return f"{self.id}-{self.account_id}"

    def may(self, right: Right) -> bool:
        return right in self.rights

    @property
    def actor(self) -> Actor:
        name = f"{self.name}, your provider" if self.is_operator else self.name
        return Actor(self.id, name[:NAME_LENGTH], request.remote_addr or "")
