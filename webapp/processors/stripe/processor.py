"""Stripe as a processor."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from urllib.parse import urlsplit

from webapp.clock import Clock
from webapp.ports import (
    Answer,
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
    NotKnown,
    RequestRejected,
    SavingAnswer,
    Unknown,
    Verified,
)
from webapp.processors.stripe.cards import Cards
from webapp.processors.stripe.charges import Charges
from webapp.processors.stripe.check import check
from webapp.processors.stripe.client import answered, connect
from webapp.processors.stripe.events import KEEPS, Events

# Stripe, "Content Security Policy": hosts of its script, frames and API.
SOURCES = {
    "script-src": ("https://js.stripe.com", "https://*.js.stripe.com"),
    "frame-src": (
        "https://js.stripe.com",
        "https://*.js.stripe.com",
        "https://hooks.stripe.com",
    ),
    "connect-src": ("https://api.stripe.com",),
}


class StripeProcessor:
    """Implements `webapp.ports.ListsEvents`."""

    name = "stripe"
    keeps_events = KEEPS

    def __init__(
        self,
        clock: Clock,
        *,
        secret_key: str,
        publishable_key: str,
        webhook_secret: str,
        api_base: str,
        js_url: str,
    ) -> None:
        self.client = connect(secret_key, api_base)
        self._clock = clock
        self._cards = Cards(self.client, clock)
        self._charges = Charges(self.client, clock, self._cards)
        self._events = Events(self.client, clock, webhook_secret, self._charges, self._cards)
        self.front = Front(
            form="stripe/_card_dialog.html",
            question="stripe/_question.html",
            scripts=("stripe",),
            sources=sources(js_url),
            variables={"publishable_key": publishable_key, "script": js_url},
            token="setup_intent",
        )

    @answered
    def open_form(self, holder: Holder) -> Mapping[str, object] | Unknown | RequestRejected:
        return self._cards.open_form(holder)

    @answered
    def save_card(self, account_id: int, token: str, return_to: str) -> SavingAnswer:
        return self._cards.saving(account_id, token)

    def link(self, account_id: int, return_to: str) -> NeedsCustomer | Unknown | RequestRejected:
        return RequestRejected("Cards come from the card form")

    @answered
    def saving(self, account_id: int, reference: str) -> SavingAnswer:
        return self._cards.saving(account_id, reference)

    @answered
    def cancel_saving(self, account_id: int, reference: str) -> SavingAnswer:
        return self._cards.cancel_saving(account_id, reference)

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
        return self._cards.verify(key, method_reference)

    def revoke(self, method_reference: str) -> bool:
        return self._cards.revoke(method_reference)

    def check(self, webhook_url: str) -> Iterable[Finding]:
        return check(self.client, self._clock, webhook_url)

    def open_event(self, body: bytes, headers: Mapping[str, str]) -> Event | Forged:
        return self._events.open(body, headers)

    @answered
    def happenings(self, event: Event) -> Sequence[Happening] | Unknown | RequestRejected:
        return self._events.happenings(event)

    @answered
    def list_events(self, since: datetime, until: datetime) -> Listed | Unknown | RequestRejected:
        return self._events.list_events(since, until)


def sources(js_url: str) -> Mapping[str, tuple[str, ...]]:
    """CSP sources: Stripe's hosts, or only the script's host if it is not Stripe's."""
    parts = urlsplit(js_url)
    if parts.hostname == "js.stripe.com":
        return SOURCES
    origin = f"{parts.scheme}://{parts.netloc}"
    return dict.fromkeys(SOURCES, (origin,))
