"""A customer's prepaid account."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import (
    JSON,
    BigInteger,
    Index,
    String,
    bindparam,
    false,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from webapp.database.base import Base, begin_writing
from webapp.domain.notifications import topics
from webapp.domain.notifications.topics import Recipient, Topic
from webapp.domain.shared import datetimes, i18n, money
from webapp.domain.shared.errors import NotFound
from webapp.domain.shared.i18n import Language, Translator
from webapp.domain.shared.texts import NAME_LENGTH
from webapp.domain.top_ups.settings import LowBalanceSettings, falls_below

ADDRESS_LENGTH = 400
TAX_NUMBER_LENGTH = 40


class Account(Base):
    __tablename__ = "account"
    __table_args__ = (
        Index(
            "ix_account_is_low",
            "id",
            sqlite_where=text("balance < attention_below"),
            postgresql_where=text("balance < attention_below"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    currency: Mapped[str] = mapped_column(String(3), default="USD")
    locale: Mapped[str] = mapped_column(String(20), default="en_US")
    time_zone: Mapped[str] = mapped_column(String(60), default="UTC")
    language: Mapped[Language] = mapped_column(String(2), default=Language.ENGLISH)
    """Of its mails. Its pages are English."""
    billing_emails: Mapped[list[str]] = mapped_column(JSON, default=list)
    """Where notices go (N3); several are allowed."""
    mail_opt_outs: Mapped[dict[str, list[str]]] = mapped_column(JSON, default=dict)
    """Topics that an address does not get; see `webapp.domain.notifications.topics`."""
    balance: Mapped[int] = mapped_column(BigInteger, default=0)
    """Micros. Always the ledger's sum: the database refuses any other value (L2)."""
    attention_below: Mapped[int | None] = mapped_column(BigInteger)
    """Micros: below it the settings ask for a refill or a notification. Kept by the database, from
    the settings; with it the few accounts that are low are found among a million."""
    open_holds: Mapped[int] = mapped_column(default=0, server_default="0")
    """How many of its holds are open, so that usage of an account without any asks for none. One
    that has expired counts until a job has recorded it."""
    billing_name: Mapped[str] = mapped_column(String(NAME_LENGTH), default="")
    """Whom receipts are made out to; the account's name where it is empty."""
    billing_address: Mapped[str] = mapped_column(String(ADDRESS_LENGTH), default="")
    """Up to five lines."""
    billing_tax_number: Mapped[str] = mapped_column(String(TAX_NUMBER_LENGTH), default="")
    receipts: Mapped[int] = mapped_column(default=0)
    """How many have been issued; the next one's number is one more (L6)."""
    has_webhooks: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Some endpoint listens, so events are written; elsewhere nothing is asked or written."""
    told_low: Mapped[bool] = mapped_column(default=False, server_default=false())
    """The last that its webhooks have heard of the balance."""
    paypal_allowed: Mapped[bool] = mapped_column(default=False)
    """The operator offers PayPal to this account (M11)."""
    paused_at: Mapped[datetime | None]
    """Automatic payments wait for a person to resume them (T10, L7)."""
    paused_by_operator: Mapped[bool] = mapped_column(default=False)
    """Only the operator resumes them."""
    paused_by_dispute: Mapped[bool] = mapped_column(default=False)
    """A lost dispute has paused them, and not the burst breaker."""
    low_by_reversal: Mapped[bool] = mapped_column(default=False)
    """A refund or dispute took it below the threshold: that alone starts no refill (L7)."""
    refill_held: Mapped[bool] = mapped_column(default=False, server_default=false())
    """A debit or a saved method would have started a refill, and it was held: nothing is charged
    until something else changes the account (T18)."""
    resumed_at: Mapped[datetime | None]
    """The burst breaker counts from here: Resume starts an empty window (T10)."""
    all_failed_mailed: Mapped[bool] = mapped_column(default=False)
    """The mail that all methods failed has gone out; a success arms it again (F11)."""
    second_factor_required: Mapped[bool] = mapped_column(default=False)
    """Its people must have a second factor before they go on."""
    revision: Mapped[int] = mapped_column(default=0)
    """Grows with every change an open page should show."""
    created_at: Mapped[datetime]

    settings: Mapped["LowBalanceSettings"] = relationship(viewonly=True)

    @property
    def is_low(self) -> bool:
        """Below a threshold that is switched on: there is something to look at."""
        return self.attention_below is not None and falls_below(self.balance, self.attention_below)

    @classmethod
    def locked(cls, session: Session, account_id: int) -> "Account":
        """The account, its row locked in a fresh write transaction: the first line of an action.

        One account's writers take turns by it. Raises `NotFound`.
        """
        begin_writing(session)
        return cls.lock(session, account_id)

    @staticmethod
    def lock(session: Session, account_id: int) -> "Account":
        """The account, its row locked in the write transaction that is under way.

        Who locks several does it in the order of their ids, so that none can deadlock. Raises
        `NotFound`.
        """
        account = session.scalar(_LOCK, {"account_id": account_id})
        if account is None:
            raise NotFound("The account")
        return account

    @staticmethod
    def with_settings(session: Session, account_id: int) -> "Account":
        """The account, and its settings in the same statement unless it has been read before."""
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

    def show(self, micros: int) -> str:
        """An amount as this account's people read it."""
        return money.show(micros, self.currency, self.locale)

    @property
    def translator(self) -> Translator:
        """What its mails are written in."""
        return i18n.translator(self.language)

    def mailed(self, instant: datetime, now: datetime) -> str:
        """An instant as its mails write it."""
        return datetimes.mailed(instant, self.time_zone, now, self.translator.language)

    def mailed_date(self, day: date, now: datetime) -> str:
        """A date as its mails write it: "30 April"."""
        today = datetimes.local(now, self.time_zone).date()
        return datetimes.day_in_words(day, today, self.translator.language)

    def billing_details(self) -> dict[str, str]:
        """As receipts freeze them."""
        return {
            "name": self.billing_name or self.name,
            "address": self.billing_address,
            "tax_number": self.billing_tax_number,
        }

    def pause(self, now: datetime, *, by_dispute: bool = False) -> None:
        if self.paused_at is None:
            self.paused_at = now
            self.paused_by_dispute = by_dispute

    def pause_by_operator(self, now: datetime) -> None:
        self.pause(now)
        self.paused_by_operator = True

    def resume(self, now: datetime) -> None:
        if self.paused_at is not None:
            self.paused_at = None
            self.paused_by_dispute = self.paused_by_operator = False
            self.resumed_at = now


class BalanceSnapshot(NamedTuple):
    """What usage must know of an account, by columns: nearly always nothing follows from it, and
    its whole record would cost as much as the usage.
    """

    id: int
    balance: int
    attention_below: int | None
    open_holds: int
    has_webhooks: bool
    told_low: bool

    @classmethod
    def lock(cls, session: Session, account_ids: Iterable[int]) -> "dict[int, BalanceSnapshot]":
        """By their ids; all are locked in the write transaction that is under way, in that order.

        Raises `NotFound`.
        """
        ids = sorted(account_ids)
        found = {
            row.id: cls(*row) for row in session.connection().execute(_STANDINGS, {"ids": ids})
        }
        if len(found) < len(ids):
            raise NotFound("The account")
        return found

    def is_quiet_at(self, balance: int) -> bool:
        """Nothing follows from that balance: no threshold, no hold, nothing to tell."""
        is_low = self.attention_below is not None and falls_below(balance, self.attention_below)
        return not (is_low or self.open_holds or (self.has_webhooks and self.told_low))


_WITH_SETTINGS = (
    select(Account)
    .where(Account.id == bindparam("account_id"))
    .options(joinedload(Account.settings))
)
# The change that every action makes also takes the lock, on either database. What only names the
# account, such as a line of the audit log, need not wait for it.
_LOCK = (
    update(Account)
    .where(Account.id == bindparam("account_id"))
    .values(revision=Account.revision + 1)
    .returning(Account)
    .execution_options(populate_existing=True, synchronize_session=False)
)
_STANDINGS = (
    select(
        Account.id,
        Account.balance,
        Account.attention_below,
        Account.open_holds,
        Account.has_webhooks,
        Account.told_low,
    )
    .where(Account.id.in_(bindparam("ids", expanding=True)))
    .order_by(Account.id)
    .with_for_update(key_share=True)
)
