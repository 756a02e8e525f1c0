"""Find accounts, for the API, commands and pages."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, or_, select

from webapp.domain.accounts.account import Account, AccountState
from webapp.domain.users.invitations import Invitation, InvitationState
from webapp.domain.users.user import Membership, User


@dataclass(frozen=True)
class AccountFilter:
    search: str = ""
    """Part of a name, external id or member's email address, or an id."""
    state: AccountState | None = None
    external_id: str | None = None

    def query(self) -> "Select[Account]":
        query = select(Account)
        if search := self.search.strip():
            query = query.where(_matches(search))
        if self.state is not None:
            query = query.where(Account.state == self.state)
        if self.external_id is not None:
            query = query.where(Account.external_id == self.external_id)
        return query


def _matches(search: str) -> ColumnElement[bool]:
    members = (
        select(Membership.account_id)
        .join(User)
        .where(User.email.icontains(search, autoescape=True))
    )
    invited = select(Invitation.account_id).where(
        Invitation.state == InvitationState.OPEN,
        Invitation.email.icontains(search, autoescape=True),
    )
    fits: list[ColumnElement[bool]] = [
        Account.name.icontains(search, autoescape=True),
        Account.external_id.icontains(search, autoescape=True),
        Account.id.in_(members),
        Account.id.in_(invited),
    ]
    if search.isascii() and search.isdigit() and len(search) <= 9:
        fits.append(Account.id == int(search))
    return or_(*fits)
