"""Users, and their roles and rights in accounts (P1, P3)."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, String, bindparam, delete, select
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship, selectinload

from webapp.database.base import Base
from webapp.database.transactions import begin_writing
from webapp.database.vault import Sealed
from webapp.domain.accounts.account import Account
from webapp.domain.shared.email_address import LENGTH, is_address
from webapp.domain.shared.errors import NotFound
from webapp.domain.shared.i18n import ENGLISH, N_, Translator
from webapp.domain.shared.texts import NAME_LENGTH


class Right(StrEnum):
    BILLING = "billing"
    """Payment methods, funds, low-balance settings, documents."""
    TECHNICAL = "technical"
    """API keys and webhooks."""
    USERS = "users"
    """Members of the account and their roles."""
    AUDIT = "audit"
    """Reading the audit log (P2)."""
    OWNERSHIP = "ownership"
    """Transferring the account to another owner."""


class Role(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    COMMERCIAL = "commercial"
    BILLING = "billing"
    TECHNICAL = "technical"


ROLE_NAMES = {
    Role.OWNER: N_("Owner"),
    Role.ADMIN: N_("Admin"),
    Role.COMMERCIAL: N_("Commercial"),
    Role.BILLING: N_("Billing"),
    Role.TECHNICAL: N_("Technical"),
}

RIGHTS: dict[Role, frozenset[Right]] = {
    Role.OWNER: frozenset(Right),
    Role.ADMIN: frozenset(Right) - {Right.OWNERSHIP},
    Role.COMMERCIAL: frozenset({Right.BILLING}),
    Role.BILLING: frozenset({Right.BILLING}),
    Role.TECHNICAL: frozenset({Right.TECHNICAL}),
}

ABILITIES = {
    Right.BILLING: "see and change billing",
    Right.TECHNICAL: "manage API keys and webhooks",
    Right.USERS: "manage users",
    Right.AUDIT: "read the audit log",
    Right.OWNERSHIP: "transfer the account",
}


def not_allowed(right: Right, action: str = "") -> str:
    """ "Your role does not allow this. Owner and Admin can manage users."."""
    *others, last = (str(ROLE_NAMES[role]) for role in Role if right in RIGHTS[role])
    who = f"{', '.join(others)} and {last}" if others else last
    return f"Your role does not allow this. {who} can {action or ABILITIES[right]}."


PORTAL_DOMAIN = "@portal.invalid"
"""Of the addresses of people whom only the provider's portal knows. No email is sent to them."""


class User(Base):
    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    """Stored in lower case, so that sign-in is not case-sensitive."""
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    password_hash: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    unconfirmed_since: Mapped[datetime | None]
    """Time of the sign-up; NULL once the email address is confirmed."""
    pending_email: Mapped[str | None] = mapped_column(String(LENGTH))
    """New email address that is not confirmed yet."""
    session_version: Mapped[int] = mapped_column(default=0)
    """Incremented when sessions end; links in emails of earlier versions no longer work."""
    totp_secret: Mapped[str | None] = mapped_column(Sealed("user.totp_secret", 64))
    """Base32 secret of the authenticator app; NULL while the second factor is off."""
    totp_step: Mapped[int | None] = mapped_column(BigInteger)
    """The last 30-second step whose code was used."""
    totp_since: Mapped[datetime | None]

    memberships: Mapped[list["Membership"]] = relationship(back_populates="user")

    @staticmethod
    def with_accounts(session: Session, user_id: int) -> "User | None":
        """Return the user with their accounts, in one query."""
        return session.scalars(_WITH_ACCOUNTS, {"user_id": user_id}).unique().one_or_none()

    @staticmethod
    def locked(session: Session, user_id: int) -> "User":
        """Start a write transaction and lock the user."""
        begin_writing(session)
        return session.get_one(User, user_id, with_for_update=True, populate_existing=True)

    @staticmethod
    def by_email(session: Session, email: str) -> "User | None":
        email = email.strip().lower()
        return (
            session.scalar(select(User).where(User.email == email)) if is_address(email) else None
        )

    @property
    def initials(self) -> str:
        words = self.name.split()
        return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper() if words else "?"

    @property
    def is_of_portal(self) -> bool:
        """Whether only the provider's portal signs this person in (V8)."""
        return self.email.endswith(PORTAL_DOMAIN)

    def erase(self) -> None:
        """Leave nothing by which the person is known or signs in; records still name the id."""
        self.email, self.name = f"erased-{self.id}@erased.invalid", "Erased person"
        self.password_hash = ""
        self.pending_email = self.unconfirmed_since = None
        self.totp_secret = self.totp_step = self.totp_since = None
        self.session_version += 1

    def roles_in(self, account_id: int) -> set[Role]:
        return {m.role for m in self.memberships if m.account_id == account_id}

    @property
    def has_second_factor(self) -> bool:
        return self.totp_secret is not None

    @property
    def is_confirmed(self) -> bool:
        return self.unconfirmed_since is None

    def confirm(self) -> None:
        self.unconfirmed_since = None

    @property
    def accounts(self) -> list[Account]:
        """The user's accounts, by name (P3)."""
        accounts = {m.account_id: m.account for m in self.memberships}
        return sorted(accounts.values(), key=lambda account: (account.name.lower(), account.id))

    @property
    def translator(self) -> Translator:
        """Translator for personal emails: that of the first account."""
        return next((account.translator for account in self.accounts), ENGLISH)

    def owns(self, account_id: int) -> bool:
        return Role.OWNER in self.roles_in(account_id)

    def rights_in(self, account_id: int) -> frozenset[Right]:
        """Return the union of the rights of the user's roles in the account (P1)."""
        return frozenset().union(*(RIGHTS[role] for role in self.roles_in(account_id)))

    def may(self, right: Right, account_id: int) -> bool:
        return right in self.rights_in(account_id)


class Membership(Base):
    """A role of a user in an account."""

    __tablename__ = "membership"

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True, index=True)
    role: Mapped[Role] = mapped_column(String(20), primary_key=True)

    user: Mapped[User] = relationship(back_populates="memberships")
    account: Mapped[Account] = relationship()


def members(session: Session, account_id: int) -> list[User]:
    """Return the members of the account, the owner first, then by name."""
    query = (
        select(User)
        .where(User.memberships.any(Membership.account_id == account_id))
        .options(selectinload(User.memberships).joinedload(Membership.account))
    )
    return sorted(
        session.scalars(query).unique(),
        key=lambda user: (not user.owns(account_id), user.name.lower(), user.id),
    )


def owner_of(session: Session, account_id: int) -> User | None:
    """Return the account's owner; None until an invited owner has joined."""
    query = select(User).join(Membership).where(Membership.account_id == account_id)
    return session.scalar(query.where(Membership.role == Role.OWNER))


def member(session: Session, account_id: int, user_id: int) -> User:
    """Return a member of the account. Raises `NotFound` for other users."""
    found = session.scalar(
        select(User).where(
            User.id == user_id, User.memberships.any(Membership.account_id == account_id)
        )
    )
    if found is None:
        raise NotFound("That person")
    return found


def set_roles(session: Session, account_id: int, user_id: int, roles: Iterable[Role]) -> None:
    """Replace the user's roles in the account; without roles, the user is no member."""
    mine = (Membership.account_id == account_id, Membership.user_id == user_id)
    session.execute(delete(Membership).where(*mine))
    session.add_all(Membership(account_id=account_id, user_id=user_id, role=role) for role in roles)


_WITH_ACCOUNTS = (
    select(User)
    .where(User.id == bindparam("user_id"))
    .options(
        joinedload(User.memberships).joinedload(Membership.account).joinedload(Account.settings)
    )
)
