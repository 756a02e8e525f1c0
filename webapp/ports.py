"""Interfaces to external systems (processors, mail server, webhook receivers, file storage).

Amounts are integers in millionths of the currency's unit (see `webapp.domain.shared.money`).
Instants are aware datetimes in UTC. A processor adapter does not raise for the outcome of a
payment: it converts every exception of its client into one of the answers defined here.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, runtime_checkable


class DeclineClass(StrEnum):
    """Effect of a decline on the next automatic attempt with the same method."""

    SOFT = "soft"
    CUSTOMER = "customer"
    HARD = "hard"


@dataclass(frozen=True)
class Paid:
    """Money was taken. Settling compares `amount` and `currency` with the request (L9)."""

    reference: str
    amount: int
    currency: str
    at: datetime
    method_reference: str = ""
    """Reference of the charged method, if the processor reports it; it must match too."""


@dataclass(frozen=True)
class Declined:
    """A conclusive decline: no money was taken. `at` is the processor's time of it (F8)."""

    code: str
    decline_class: DeclineClass
    at: datetime
    reference: str = ""
    again_at: datetime | None = None
    """Earliest retry that the card network advises. The 48-hour suspension (F1) also applies."""


@dataclass(frozen=True)
class NeedsCustomer:
    """The bank requires the customer's authentication. No money is taken until it succeeds."""

    reference: str
    at: datetime
    address: str = ""
    """URL of the bank's challenge; empty for off-session charges.

    If the processor shows the challenge with a script on our page (`Front.question`), this is
    the value passed to that script.
    """


@dataclass(frozen=True)
class Cancelled:
    """The challenge was cancelled before the customer answered it. No money was taken (F9)."""

    at: datetime


@dataclass(frozen=True)
class Unknown:
    """Timeout, dropped connection or 5xx: money may or may not have been taken."""

    reason: str


@dataclass(frozen=True)
class RequestRejected:
    """The processor rejected the API key, request or rate without processing the request (L8)."""

    reason: str


@dataclass(frozen=True)
class MethodGone:
    """The method no longer exists at the processor: removed or cancelled there (M13).

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
    """URL that a challenge returns the customer to."""


@dataclass(frozen=True)
class SavedCard:
    """The card details that may be stored (M7)."""

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
    """The stored details of a PayPal agreement. The fingerprint is PayPal's id of the payer."""

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
    """The bank verified the method without taking money."""

    at: datetime


class ReversalKind(StrEnum):
    """How the processor returned a payment to the customer (L7)."""

    REFUND = "refund"
    DISPUTE = "dispute"
    REVERSAL = "reversal"


class ReversalState(StrEnum):
    """Current state of a reversal's amount."""

    TAKEN = "taken"
    """The amount was withdrawn; a dispute may still be won."""
    LOST = "lost"
    """The dispute was lost: the withdrawal is final."""
    RETURNED = "returned"
    """The amount was given back: a dispute was won, or a refund failed."""


@dataclass(frozen=True)
class Settled:
    """The outcome of a charge."""

    key: str
    answer: Answer


@dataclass(frozen=True)
class Reversed:
    """A refund, dispute or reversal of a charge, in its current state."""

    reference: str
    """The processor's id of the refund, dispute or reversal; each is booked once."""
    key: str
    """The charge's idempotency key."""
    kind: ReversalKind
    state: ReversalState
    amount: int
    """Micros above zero."""
    currency: str
    at: datetime


@dataclass(frozen=True)
class MethodUpdated:
    """Current details of a saved method at the processor, under its stored reference (M13)."""

    saved: Saved


@dataclass(frozen=True)
class NeedsOperator:
    """A payment that needs an operator's decision: unclear, or not made by Ballast (L9)."""

    reference: str
    amount: int
    """Micros; 0 with an empty currency if the processor reports no amount."""
    currency: str
    at: datetime
    what: str
    """One line for the operator."""


Happening = Settled | Reversed | MethodUpdated | MethodGone | NeedsOperator


@dataclass(frozen=True)
class Event:
    """Notice of a change at the processor.

    It carries no data: `happenings` fetches the current state, because events arrive in any order.
    """

    id: str
    """Unique per processor; repeated deliveries carry the same id."""
    about: str
    """The processor's id of the changed object, for `happenings`; at most 200 characters."""


@dataclass(frozen=True)
class Listed:
    """The processor's events within a time span."""

    events: Sequence[Event]
    """Events of the types that Ballast handles, oldest first."""
    is_whole: bool = True
    """False if the span has more events than one listing holds; the caller must shorten it."""


@dataclass(frozen=True)
class Forged:
    """The delivery's signature is invalid or too old."""

    reason: str


@dataclass(frozen=True)
class Front:
    """The templates and scripts that a processor needs on our pages.

    Template paths are relative to `templates/`, script names to `static/js/`, without suffix.
    """

    form: str = ""
    """Template of the card form; empty if the processor takes no cards."""
    question: str = ""
    """Template of the challenge script; empty if the bank shows the challenge on its own page."""
    scripts: tuple[str, ...] = ()
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Hosts to add to the content security policy, by directive."""
    token: str = "token"
    """Name of the form field or query argument that returns the card token."""
    variables: Mapping[str, object] = field(default_factory=dict)
    """Additional template variables."""


@dataclass(frozen=True)
class Holder:
    """The account that saves a card."""

    account_id: int
    name: str
    references: tuple[str, ...]
    """The account's earlier method references at this processor, newest first."""


class Processor(Protocol):
    """A payment processor. Every adapter passes the tests in `tests/processors/contract.py`."""

    name: str
    front: Front

    def open_form(self, holder: Holder) -> Mapping[str, object] | Unknown | RequestRejected:
        """Prepare the capture form for one card; returns its template variables."""
        ...

    # M14: the methods below return `WrongAccount` if the form, challenge or agreement was opened
    # for an account other than `account_id`.

    def save_card(self, account_id: int, token: str, return_to: str) -> SavingAnswer:
        """Exchange a capture form's single-use token for a chargeable reference.

        Returns `NeedsCustomer` if the bank requires a challenge (M6); `saving` then returns its
        outcome.
        """
        ...

    def link(self, account_id: int, return_to: str) -> NeedsCustomer | Unknown | RequestRejected:
        """Start an agreement, which the customer approves on the processor's pages."""
        ...

    def saving(self, account_id: int, reference: str) -> SavingAnswer:
        """Return the outcome of the challenge or agreement with this reference."""
        ...

    def cancel_saving(self, account_id: int, reference: str) -> SavingAnswer:
        """Cancel a challenge or agreement; returns its outcome if it has already ended."""
        ...

    def charge(self, request: ChargeRequest) -> Answer: ...

    def ask(self, key: str) -> Answer | NotKnown:
        """Return the outcome of the charge with this key."""
        ...

    def cancel(self, key: str) -> Answer | NotKnown:
        """Cancel an open challenge; returns the charge's outcome if it has already ended."""
        ...

    def verify(
        self, key: str, method_reference: str
    ) -> Verified | Declined | Unknown | RequestRejected | MethodGone:
        """Ask the bank to verify the method without charging it."""
        ...

    def revoke(self, method_reference: str) -> bool:
        """Delete the method at the processor. True if it no longer exists there."""
        ...

    def open_event(
        self, body: bytes, headers: Mapping[str, str]
    ) -> Event | Forged | Unknown | RequestRejected:
        """Verify the signature of a webhook delivery on its raw body, and parse it.

        Header names are compared without regard to case.
        """
        ...

    def happenings(self, event: Event) -> Sequence[Happening] | Unknown | RequestRejected:
        """Fetch the current state of an event's object; empty if Ballast does not use it."""
        ...


Processors = Mapping[str, Processor]


@runtime_checkable
class ListsEvents(Processor, Protocol):
    """A processor whose events can be listed, to catch up on missed webhooks (L17)."""

    keeps_events: timedelta
    """How long the processor keeps events available."""

    def list_events(self, since: datetime, until: datetime) -> Listed | Unknown | RequestRejected:
        """List events from `since` (inclusive) to `until` (exclusive), with their webhook ids."""
        ...


@dataclass(frozen=True)
class Finding:
    """One result of a configuration check, for the operator."""

    what: str
    """Checked item, such as "keys" or "webhook"."""
    is_right: bool
    result: str
    """The result and, if it is a problem, the remedy."""


@runtime_checkable
class Checked(Protocol):
    """A processor that can check this installation's configuration."""

    def check(self, webhook_url: str) -> Iterable[Finding]:
        """Check keys and webhooks without charging or changing anything."""
        ...


class CannotKeep(Exception):
    """The notebook cannot be read or written at the moment."""


class Notebook(Protocol):
    """Durable key-value storage for an adapter; values are on disk when `keep` returns."""

    def kept(self, key: str) -> str | None:
        """Return the value of a key, or None. Raises `CannotKeep`."""
        ...

    def keep(self, key: str, text: str) -> str:
        """Store the text unless the key has a value; returns the stored value.

        Raises `CannotKeep`.
        """
        ...


@dataclass(frozen=True)
class Letter:
    """A rendered email."""

    subject: str
    text: str
    html: str
    language: str


class MailRefused(Exception):
    """The mail server did not accept the email; it can be sent again later."""


class MailServerUnavailable(MailRefused):
    """The mail server could not be reached, or dropped the connection.

    The failure affects all emails, not this one. `str()` is a line for the operator.
    """


class Outgoing(Protocol):
    """A connection to the mail server."""

    def send(
        self, letter: Letter, recipients: Sequence[str], message_id: str, *, stop_link: str = ""
    ) -> None:
        """Send an email; `message_id` is the same when it is sent again.

        Raises `MailRefused`, or `MailServerUnavailable` if other emails would fail as well.
        """
        ...


class Mailer(Protocol):
    """Renders and sends emails."""

    delivers: bool
    """False if no mail server is configured: emails can then only be read in the outbox."""

    def render(self, kind: str, facts: Mapping[str, object], language: str) -> Letter:
        """Render an email in `language`, which is also that of the sentences in `facts`."""
        ...

    def stop_link(self, notice_id: int) -> str:
        """URL that unsubscribes this email's recipient from its topic."""
        ...

    def connected(self) -> AbstractContextManager["Outgoing"]:
        """Open one connection to the mail server for all emails sent within the block."""
        ...


@dataclass(frozen=True)
class Reply:
    """The result of one webhook delivery."""

    status: int | None
    """HTTP status; None if there was no response."""
    text: str
    """Body of an error response; without a response, our reason, which may use `%(detail)s`."""
    took_ms: int
    detail: str = ""

    @property
    def trouble(self) -> str:
        return self.text % {"detail": self.detail} if self.detail else self.text


class WebhookSender(Protocol):
    """Delivers webhooks within a bounded time. Failures are returned as a `Reply`, not raised."""

    def deliver(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply: ...


class ProofFiles(Protocol):
    """Stores proofs of payment outside any folder that is served or executed."""

    def keep(self, account_id: int, content: bytes) -> str:
        """Write a new file; returns its generated name."""
        ...

    def put_back(self, account_id: int, name: str, content: bytes) -> None:
        """Write a file from a backup under its original name."""
        ...

    def read(self, account_id: int, name: str) -> bytes: ...

    def discard(self, account_id: int, name: str) -> None:
        """Delete a file, if it exists."""
        ...
