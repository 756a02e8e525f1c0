"""Customers' prepaid accounts."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    BigInteger,
    Index,
    Select,
    String,
    bindparam,
    false,
    inspect,
    select,
    true,
    update,
)
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from webapp.database.base import Base, partial_index
from webapp.database.transactions import begin_writing
from webapp.domain.notifications import topics
from webapp.domain.notifications.topics import Recipient, Topic
from webapp.domain.shared import datetimes, i18n, money
from webapp.domain.shared.errors import Denied, NotFound
from webapp.domain.shared.i18n import Language, Translator
from webapp.domain.shared.money import AmountFormat
from webapp.domain.shared.texts import NAME_LENGTH
from webapp.domain.top_ups.settings import LowBalanceSettings, falls_below

ADDRESS_LENGTH = 400
TAX_NUMBER_LENGTH = 40
EXTERNAL_ID_LENGTH = 120


class AccountState(StrEnum):
    """What the provider allows an account."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    """No holds and no automatic charges. Usage is posted, and people can add funds."""
    CLOSED = "closed"
    """Nothing is posted, held, charged or added. The records stay readable."""


class Account(Base):
    __tablename__ = "account"
    __table_args__ = (
        partial_index("ix_account_is_low", "id", where="balance < alert_threshold"),
        Index("uq_account_external_id", "external_id", unique=True),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    external_id: Mapped[str | None] = mapped_column(String(EXTERNAL_ID_LENGTH))
    """The account's id in the provider's own systems (V2)."""
    creation_hash: Mapped[str | None] = mapped_column(String(64))
    """Hash of the request that created the account, if it had an external id or a form's key: the
    same again has no second effect (V4)."""
    details: Mapped[dict[str, str]] = mapped_column(
        "metadata", JSON, default=dict, server_default="{}"
    )
    """The provider's own facts, which Ballast only stores (V4)."""
    state: Mapped[AccountState] = mapped_column(
        String(10), default=AccountState.ACTIVE, server_default=AccountState.ACTIVE
    )
    credit_limit: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """Micros: how far below zero holds may take the balance (V5)."""
    max_open_holds: Mapped[int | None]
    """Maximum number of open holds; None: no limit (V4)."""
    own_metering: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether the account's own keys may post usage and open holds (V3)."""
    is_exhausted: Mapped[bool] = mapped_column(default=True, server_default=true())
    """Whether the balance was at or below minus the credit limit at the last event about it, or at
    the account's creation (V7)."""
    currency: Mapped[str] = mapped_column(String(3), default="USD")
    locale: Mapped[str] = mapped_column(String(20), default="en_US")
    time_zone: Mapped[str] = mapped_column(String(60), default="UTC")
    language: Mapped[Language] = mapped_column(String(2), default=Language.ENGLISH)
    """Language of the account's emails; pages are in English."""
    billing_emails: Mapped[list[str]] = mapped_column(JSON, default=list)
    """Recipients of the account's emails (N3)."""
    mail_opt_outs: Mapped[dict[str, list[str]]] = mapped_column(JSON, default=dict)
    """Topics that an address does not receive; see `webapp.domain.notifications.topics`."""
    balance: Mapped[int] = mapped_column(BigInteger, default=0)
    """Micros. Always the sum of the ledger; the database refuses any other value (L2)."""
    alert_threshold: Mapped[int | None] = mapped_column(BigInteger)
    """Micros: the highest threshold that is switched on. A database trigger maintains it from the
    settings; it indexes the accounts below a threshold."""
    open_holds: Mapped[int] = mapped_column(default=0, server_default="0")
    """Number of open holds, so that usage of an account without holds needs no query. An expired
    hold counts until a job has recorded it."""
    billing_name: Mapped[str] = mapped_column(String(NAME_LENGTH), default="")
    """Customer's name on receipts; if empty, the account's name."""
    billing_address: Mapped[str] = mapped_column(String(ADDRESS_LENGTH), default="")
    """Up to five lines."""
    billing_tax_number: Mapped[str] = mapped_column(String(TAX_NUMBER_LENGTH), default="")
    receipts: Mapped[int] = mapped_column(default=0)
    """Number of receipts issued; the next receipt has the next number (L6)."""
    low_balance_announced: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether the last balance event was `balance.low`."""
    paypal_allowed: Mapped[bool] = mapped_column(default=False)
    """Whether the operator offers PayPal to this account (M11)."""
    second_factor_required: Mapped[bool] = mapped_column(default=False)
    """Members must set up a second factor to use the account."""
    revision: Mapped[int] = mapped_column(default=0)
    """Incremented by every change that open pages should show."""
    created_at: Mapped[datetime]

    settings: Mapped["LowBalanceSettings"] = relationship(viewonly=True)

    @property
    def is_low(self) -> bool:
        """Whether the balance is below a threshold that is switched on."""
        return self.alert_threshold is not None and falls_below(self.balance, self.alert_threshold)

    @property
    def is_closed(self) -> bool:
        return self.state == AccountState.CLOSED

    def require_not_closed(self) -> None:
        """Raise `Denied` if the account is closed (V4)."""
        if self.is_closed:
            raise Denied("This account is closed.", code="account_closed")

    def require_own_metering(self) -> None:
        """Raise `Denied` unless the operator allows the account its own metering (V3)."""
        if not self.own_metering:
            raise Denied("Your provider meters this account.", code="metered_by_provider")

    @classmethod
    def locked(cls, session: Session, account_id: int) -> "Account":
        """Start a write transaction and lock the account: the first line of an action.

        The lock serialises the account's writers. Raises `NotFound`.
        """
        begin_writing(session)
        return cls.lock(session, account_id)

    @staticmethod
    def lock(session: Session, account_id: int) -> "Account":
        """Lock the account in the current write transaction.

        Several accounts must be locked in the order of their ids, to avoid deadlocks. Raises
        `NotFound`.
        """
        account = session.scalar(_LOCK, {"account_id": account_id})
        if account is None:
            raise NotFound("The account")
        return account

    @staticmethod
    def with_settings(session: Session, account_id: int) -> "Account":
        """Return the account, loaded with its settings in one statement unless already loaded."""
        known = session.identity_map.get(session.identity_key(Account, account_id))
        if isinstance(known, Account) and not inspect(known).expired:
            return known
        return session.scalars(_WITH_SETTINGS, {"account_id": account_id}).one()

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        return topics.recipients(self.billing_emails, self.mail_opt_outs)

    def set_recipients(self, recipients: Sequence[Recipient]) -> None:
        self.billing_emails = [it.address for it in recipients]
        self.mail_opt_outs = topics.opt_outs(recipients)

    def addresses_for(self, topic: Topic) -> list[str]:
        return [it.address for it in self.recipients if topic in it.topics]

    @property
    def amounts(self) -> AmountFormat:
        """Format in which the account's amounts are shown and entered."""
        return AmountFormat(self.currency, self.locale)

    def show(self, micros: int) -> str:
        """Format an amount in the account's currency and number format."""
        return money.show(micros, self.currency, self.locale)

    @property
    def translator(self) -> Translator:
        """Translator into the language of the account's emails."""
        return i18n.translator(self.language)

    def mailed(self, instant: datetime, now: datetime) -> str:
        """Format an instant for the account's emails."""
        return datetimes.mailed(instant, self.time_zone, now, self.translator.language)

    def mailed_date(self, day: date, now: datetime) -> str:
        """Format a date for the account's emails: "30 April"."""
        today = datetimes.local(now, self.time_zone).date()
        return datetimes.day_in_words(day, today, self.translator.language)

    def billing_details(self) -> dict[str, str]:
        """Return the billing details for a receipt."""
        return {
            "name": self.billing_name or self.name,
            "address": self.billing_address,
            "tax_number": self.billing_tax_number,
        }


class BalanceSnapshot(NamedTuple):
    """The columns of an account that posting usage needs; cheaper than loading the record."""

    id: int
    state: AccountState
    currency: str
    balance: int
    alert_threshold: int | None
    open_holds: int
    low_balance_announced: bool
    credit_limit: int
    is_exhausted: bool

    @classmethod
    def lock(cls, session: Session, account_ids: Collection[int]) -> "dict[int, BalanceSnapshot]":
        """Lock accounts in the order of their ids; returns the snapshots by id.

        Part of the current write transaction. Raises `NotFound`.
        """
        return {row.id: cls(*row) for row in rows_of(session, _SNAPSHOTS, account_ids)}

    def is_quiet_at(self, balance: int) -> bool:
        """Return whether this balance requires no refill check, hold update or webhook event."""
        is_low = self.alert_threshold is not None and falls_below(balance, self.alert_threshold)
        return (
            not (is_low or self.open_holds or self.low_balance_announced)
            and exhausts(balance, self.credit_limit) == self.is_exhausted
        )


def by_ids(*columns: Any) -> Select[Any]:
    """Return a query of these columns of several accounts, for `rows_of`."""
    return (
        select(*columns)
        .where(Account.id.in_(bindparam("ids", expanding=True)))
        .order_by(Account.id)
    )


def locking(query: Select[Any]) -> Select[Any]:
    """Return the query that also locks its accounts, in the current write transaction.

    Like `Account.lock`, it does not make inserts wait that only reference the account.
    """
    return query.with_for_update(key_share=True)


def rows_of(session: Session, query: Select[Any], account_ids: Collection[int]) -> Sequence[Any]:
    """Return the rows of several accounts, in the order of their ids. Raises `NotFound`."""
    rows = session.connection().execute(query, {"ids": sorted(account_ids)}).all()
    if len(rows) < len(account_ids):
        raise NotFound("The account")
    return rows


def exhausts(balance: int, credit_limit: int) -> bool:
    """Return whether nothing more can be authorised: the balance is at minus the limit, or below
    (V7).
    """
    return balance <= -credit_limit


_WITH_SETTINGS = (
    select(Account)
    .where(Account.id == bindparam("account_id"))
    .options(joinedload(Account.settings))
)
# Incrementing the revision also locks the row, on both databases. Inserts that only reference the
# account, such as audit entries, do not wait for this lock.
_LOCK = (
    update(Account)
    .where(Account.id == bindparam("account_id"))
    .values(revision=Account.revision + 1)
    .returning(Account)
    .execution_options(populate_existing=True, synchronize_session=False)
)
# In the order of `BalanceSnapshot`.
_SNAPSHOTS = locking(
    by_ids(
        Account.id,
        Account.state,
        Account.currency,
        Account.balance,
        Account.alert_threshold,
        Account.open_holds,
        Account.low_balance_announced,
        Account.credit_limit,
        Account.is_exhausted,
    )
)
