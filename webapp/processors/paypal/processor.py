"""PayPal as a processor: converts the adapter's exceptions into answers."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from urllib.parse import urlsplit

from webapp.clock import Clock
from webapp.ports import (
    Answer,
    CannotKeep,
    ChargeRequest,
    Declined,
    Event,
    Finding,
    Forged,
    Front,
    Happening,
    Holder,
    Listed,
    MethodGone,
    NeedsCustomer,
    Notebook,
    NotKnown,
    RequestRejected,
    SavingAnswer,
    Unknown,
    Verified,
)
from webapp.processors.errors import converts
from webapp.processors.paypal.agreements import Agreements
from webapp.processors.paypal.charges import Charges
from webapp.processors.paypal.check import check
from webapp.processors.paypal.client import CONNECT, READ, Client, NoAnswer, NotSent
from webapp.processors.paypal.events import KEEPS, Events
from webapp.processors.paypal.notes import Notes

PEOPLE = {
    "https://api-m.paypal.com": "https://www.paypal.com",
    "https://api-m.sandbox.paypal.com": "https://www.sandbox.paypal.com",
}
"""Hosts of PayPal's pages for payers, by API address."""

NO_CARDS = RequestRejected("Cards cannot be saved with PayPal")


def _answer_to(error: NoAnswer | CannotKeep) -> Unknown | RequestRejected:
    if isinstance(error, CannotKeep):
        return Unknown(f"PayPal's answer could not be stored: {error}")
    return RequestRejected(str(error)) if isinstance(error, NotSent) else Unknown(str(error))


answered = converts((NoAnswer, CannotKeep), _answer_to)


class PayPal:
    """Implements `webapp.ports.ListsEvents`."""

    name = "paypal"
    keeps_events = KEEPS

    front: Front

    def __init__(
        self,
        notebook: Notebook,
        clock: Clock,
        *,
        base: str,
        client_id: str,
        secret: str,
        base_url: str,
        webhook_id: str = "",
        timeout: tuple[float, float] = (CONNECT, READ),
    ) -> None:
        """`base` is PayPal's API address, `base_url` ours, to which PayPal returns payers."""
        self.front = Front(sources={"form-action": (people_of(base),)})
        self._clock, self._base, self._webhook_id = clock, base, webhook_id
        self._client = Client(base, client_id, secret, clock, timeout)
        notes = Notes(notebook)
        self._agreements = Agreements(self._client, notes, base_url)
        self._charges = Charges(self._client, notes, base_url)
        self._events = Events(self._client, self._charges, clock, webhook_id)

    def open_form(self, holder: Holder) -> Mapping[str, object] | Unknown | RequestRejected:
        return NO_CARDS

    def save_card(self, account_id: int, token: str, return_to: str) -> SavingAnswer:
        return NO_CARDS

    @answered
    def link(self, account_id: int, return_to: str) -> NeedsCustomer | Unknown | RequestRejected:
        return self._agreements.link(account_id, return_to)

    @answered
    def saving(self, account_id: int, reference: str) -> SavingAnswer:
        return self._agreements.saving(account_id, reference)

    @answered
    def cancel_saving(self, account_id: int, reference: str) -> SavingAnswer:
        return self._agreements.cancel_saving(account_id, reference)

    @answered
    def charge(self, request: ChargeRequest) -> Answer:
        return self._charges.charge(request)

    @answered
    def ask(self, key: str) -> Answer | NotKnown:
        return self._charges.ask(key)

    @answered
    def cancel(self, key: str) -> Answer | NotKnown:
        return self._charges.cancel(key)

    @answered
    def verify(
        self, key: str, method_reference: str
    ) -> Verified | Declined | Unknown | RequestRejected | MethodGone:
        return self._agreements.verify(key, method_reference)

    @answered
    def open_event(
        self, body: bytes, headers: Mapping[str, str]
    ) -> Event | Forged | Unknown | RequestRejected:
        return self._events.open(body, headers)

    @answered
    def happenings(self, event: Event) -> Sequence[Happening] | Unknown | RequestRejected:
        return self._events.happenings(event)

    @answered
    def list_events(self, since: datetime, until: datetime) -> Listed | Unknown | RequestRejected:
        return self._events.list_events(since, until)

    def check(self, webhook_url: str) -> Iterable[Finding]:
        return check(self._client, self._clock, self._base, self._webhook_id, webhook_url)

    def revoke(self, method_reference: str) -> bool:
        try:
            return self._agreements.revoke(method_reference)
        except NoAnswer:
            return False


def people_of(base: str) -> str:
    """The origin to which our forms may redirect a browser (CSP `form-action`)."""
    parts = urlsplit(base)
    return PEOPLE.get(base, f"{parts.scheme}://{parts.netloc}")
