"""What we ask of outsiders, and the closed set of answers they may give.

Amounts are integers in millionths of the currency's unit (see `webapp.domain.shared.money`).
Instants are aware datetimes in UTC. A processor never raises for what can happen to a payment:
its own exceptions stop at its file and become one of these answers.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, runtime_checkable


class DeclineClass(StrEnum):
    """What a decline means for the next automatic attempt with the same method."""

    SOFT = "soft"
    CUSTOMER = "customer"
    HARD = "hard"


@dataclass(frozen=True)
class Paid:
    """Money was taken. Settling checks `amount` and `currency` against what was asked (L9)."""

    reference: str
    amount: int
    currency: str
    at: datetime
    method_reference: str = ""
    """What was charged, where the processor says it: that must match too."""


@dataclass(frozen=True)
class Declined:
    """Conclusive: no money was taken. `at` is the processor's own time of the decline (F8)."""

    code: str
    decline_class: DeclineClass
    at: datetime
    reference: str = ""
    again_at: datetime | None = None
    """Before it the network advises no other try; never earlier than our own 48 hours (F1)."""


@dataclass(frozen=True)
class NeedsCustomer:
    """The bank wants the customer present. No money was taken and none will be by itself."""

    reference: str
    at: datetime
    address: str = ""
    """Where the bank asks the customer; empty where nobody is there to be asked.

    For a processor that asks by a script on our page (`Front.question`) it is what that is told.
    """


@dataclass(frozen=True)
class Cancelled:
    """The challenge was given up before the customer answered it. No money was taken (F9)."""

    at: datetime


@dataclass(frozen=True)
class Unknown:
    """Timeout, dropped connection, 5xx: money may or may not have been taken."""

    reason: str


@dataclass(frozen=True)
class RequestRejected:
    """The processor rejected our key, our request or our rate before looking at it (L8)."""

    reason: str


@dataclass(frozen=True)
class MethodGone:
    """The processor has no such method any more: removed there, or its agreement cancelled (M13).

    As the answer to a charge it is conclusive: no money was taken, and none will be.
    """

    method_reference: str
    at: datetime


@dataclass(frozen=True)
class NotKnown:
    """Answer to `ask` only: the processor has no record under this key."""


Answer = Paid | Declined | NeedsCustomer | Cancelled | Unknown | RequestRejected | MethodGone


@dataclass(frozen=True)
class ChargeRequest:
    """One charge. Repeating it under the same `key` never takes money twice."""

    key: str
    amount: int
    currency: str
    method_reference: str
    customer_present: bool
    return_to: str = ""
    """Where a challenge sends the customer back to."""


@dataclass(frozen=True)
class SavedCard:
    """What may be kept of a card (M7)."""

    reference: str
    fingerprint: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    cardholder: str
    address_country: str
    address_line: str
    address_city: str
    address_postcode: str


@dataclass(frozen=True)
class SavedAgreement:
    """What is kept of a PayPal agreement; the fingerprint is the payer's own id there."""

    reference: str
    fingerprint: str
    payer_email: str


@dataclass(frozen=True)
class WrongAccount:
    """The token or setup was made for another account: nothing is saved or changed (M14)."""

    reason: str
    """One line for the operator."""


Saved = SavedCard | SavedAgreement
SavingAnswer = (
    Saved | Declined | NeedsCustomer | Cancelled | Unknown | RequestRejected | WrongAccount
)


@dataclass(frozen=True)
class Verified:
    """The bank vouched for the method without taking money."""

    at: datetime


class TakenBack(StrEnum):
    """How money that was paid went back at the processor (L7)."""

    REFUND = "refund"
    DISPUTE = "dispute"
    REVERSAL = "reversal"


class TakenBackState(StrEnum):
    TAKEN = "taken"
    """It is gone, in a dispute perhaps only for now."""
    LOST = "lost"
    """A dispute that was decided against us: it stays gone."""
    RETURNED = "returned"
    """It is here again: a dispute was won, or a refund did not reach the customer."""


@dataclass(frozen=True)
class Settled:
    """A charge has this outcome."""

    key: str
    answer: Answer


@dataclass(frozen=True)
class Reversed:
    """Money of a charge was taken back, or given back again. The state is the present one."""

    reference: str
    """The refund's, dispute's or reversal's own: each counts once."""
    key: str
    """Of the charge."""
    kind: TakenBack
    state: TakenBackState
    amount: int
    """Micros above zero."""
    currency: str
    at: datetime


@dataclass(frozen=True)
class MethodUpdated:
    """What a saved method looks like there now, under the reference it has with us (M13)."""

    saved: Saved


@dataclass(frozen=True)
class NeedsOperator:
    """What Ballast cannot book by itself: a payment that it never made, or an unclear one (L9)."""

    reference: str
    amount: int
    """Micros; 0, in no currency, where the processor names no amount."""
    currency: str
    at: datetime
    what: str
    """One line for the operator."""


Happening = Settled | Reversed | MethodUpdated | MethodGone | NeedsOperator


@dataclass(frozen=True)
class Event:
    """That something has happened there; what, is asked for anew, for events come in any order."""

    id: str
    """Unique with this processor: a repeated delivery has the same."""
    about: str
    """What `happenings` asks for, in the processor's own words; at most 200 characters."""


@dataclass(frozen=True)
class Listed:
    """What has happened there within a span of time."""

    events: Sequence[Event]
    """Those that are followed, the oldest first."""
    is_whole: bool = True
    """False where the span holds more than is listed at once, and is to be made shorter."""


@dataclass(frozen=True)
class Forged:
    """Not signed by the processor, or signed too long ago."""

    reason: str


@dataclass(frozen=True)
class Front:
    """What our own pages must hold, so that a processor can take a card and ask its customer there.

    Templates are named from `templates/`, scripts from `static/js/` without their ending.
    """

    form: str = ""
    """The template of its card form; empty where it takes no cards."""
    question: str = ""
    """The template in which its script asks the customer; empty: the bank has a page of its own."""
    scripts: tuple[str, ...] = ()
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the content security policy is opened for: directive → hosts."""
    token: str = "token"
    """What the way back from its form calls the token."""
    told: Mapping[str, object] = field(default_factory=dict)
    """What its templates are told besides."""


@dataclass(frozen=True)
class Holder:
    """Whose card is to be saved."""

    account_id: int
    name: str
    references: tuple[str, ...]
    """Of the methods that this processor has saved for them before, the newest first."""


class Processor(Protocol):
    """Whoever moves the money: each adapter passes the tests in `tests/processors/contract.py`."""

    name: str
    front: Front

    def open_form(self, holder: Holder) -> Mapping[str, object] | Unknown | RequestRejected:
        """Make the capture form ready for one card; answers what its template is told."""
        ...

    # M14: `account_id` is the account that asks. `WrongAccount` where the form, the challenge or
    # the agreement was opened for another one.

    def save_card(self, account_id: int, token: str, return_to: str) -> SavingAnswer:
        """Turn a capture form's single-use token into a chargeable reference.

        `NeedsCustomer` where the bank asks first (M6): `saving` then tells how that ended.
        """
        ...

    def link(self, account_id: int, return_to: str) -> NeedsCustomer | Unknown | RequestRejected:
        """Begin an agreement that the customer gives on the processor's own pages."""
        ...

    def saving(self, account_id: int, reference: str) -> SavingAnswer:
        """How did the challenge or the agreement with this reference end?"""
        ...

    def cancel_saving(self, account_id: int, reference: str) -> SavingAnswer:
        """Give it up; answers how it had ended if that came first."""
        ...

    def charge(self, request: ChargeRequest) -> Answer: ...

    def ask(self, key: str) -> Answer | NotKnown:
        """What became of the charge with this key?"""
        ...

    def cancel(self, key: str) -> Answer | NotKnown:
        """Give up an open challenge; answers the outcome if that came first."""
        ...

    def verify(
        self, key: str, method_reference: str
    ) -> Verified | Declined | Unknown | RequestRejected | MethodGone:
        """Ask the bank whether the method would be accepted, for no amount."""
        ...

    def revoke(self, method_reference: str) -> bool:
        """Forget the method there. True when it is gone, also if it already was."""
        ...

    def open_event(
        self, body: bytes, headers: Mapping[str, str]
    ) -> Event | Forged | Unknown | RequestRejected:
        """Whom a delivery comes from, by its signature on the raw body, and what it is about.

        Names of headers are as HTTP has them, in any case.
        """
        ...

    def happenings(self, event: Event) -> Sequence[Happening] | Unknown | RequestRejected:
        """How that stands now, fetched anew; empty for what is of no concern."""
        ...


Processors = Mapping[str, Processor]


@runtime_checkable
class ListsEvents(Processor, Protocol):
    """A processor whose events can be listed, so that a missed webhook is caught up (L17)."""

    keeps_events: timedelta
    """How long it lists them."""

    def list_events(self, since: datetime, until: datetime) -> Listed | Unknown | RequestRejected:
        """Those from `since` on and before `until`, each with the id that its webhook has."""
        ...


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at for the operator."""

    what: str
    """ "keys", "webhook"…"""
    is_right: bool
    said: str
    """What was found; where it is not right, what to do about it."""


@runtime_checkable
class Checked(Protocol):
    """A processor that can tell whether this installation can use it."""

    def check(self, webhook_url: str) -> Iterable[Finding]:
        """It charges nothing and changes nothing."""
        ...


class CannotKeep(Exception):
    """The notebook cannot be read or written just now."""


class Notebook(Protocol):
    """What an adapter must not forget between two calls; it is on disk when `keep` returns."""

    def kept(self, key: str) -> str | None:
        """Raises `CannotKeep`."""
        ...

    def keep(self, key: str, text: str) -> str:
        """Keep it unless something is kept under this key; gives what is kept.

        Raises `CannotKeep`.
        """
        ...


@dataclass(frozen=True)
class Letter:
    """A rendered mail."""

    subject: str
    text: str
    html: str
    language: str


class MailRefused(Exception):
    """The mail server did not accept the mail; worth another try."""


class MailServerUnavailable(MailRefused):
    """It could not be reached, or broke off: that says nothing about this mail, and is so for all.

    str() is a line for the operator.
    """


class Outgoing(Protocol):
    """A connection to the mail server."""

    def send(
        self, letter: Letter, recipients: Sequence[str], message_id: str, *, stop_link: str = ""
    ) -> None:
        """Hand over to the mail server; `message_id` is stable over repeats.

        Raises `MailRefused`; `MailServerUnavailable` where the next mail would fare no better.
        """
        ...


class Mailer(Protocol):
    delivers: bool
    """False where no mail server is set: mails then stay in the outbox, to be read there."""

    def render(self, kind: str, facts: Mapping[str, object], language: str) -> Letter:
        """`language`: that of the sentences among the facts."""
        ...

    def stop_link(self, notice_id: int) -> str:
        """Where this mail's address can be taken off its topic."""
        ...

    def connected(self) -> AbstractContextManager["Outgoing"]:
        """One connection to the mail server, for as many emails as are sent within the block."""
        ...


@dataclass(frozen=True)
class Reply:
    """What came of one webhook."""

    status: int | None
    """None: there was no answer."""
    said: str
    """What a refusal says; without an answer our sentence why, which may name `%(detail)s`."""
    took_ms: int
    detail: str = ""

    @property
    def trouble(self) -> str:
        return self.said % {"detail": self.detail} if self.detail else self.said


class WebhookSender(Protocol):
    """Brings a webhook to its receiver, within bounded time. It never raises for what that does."""

    def deliver(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply: ...


class ProofFiles(Protocol):
    """Keeps proofs of payment where nothing serves or runs them."""

    def keep(self, account_id: int, content: bytes) -> str:
        """Write a new file; returns the name to ask for it by."""
        ...

    def put_back(self, account_id: int, name: str, content: bytes) -> None:
        """Write a file that a backup has kept, under the name it had."""
        ...

    def read(self, account_id: int, name: str) -> bytes: ...

    def discard(self, account_id: int, name: str) -> None:
        """Also where it is not there."""
        ...
