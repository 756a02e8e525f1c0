"""The sandbox's two processors: cards, and PayPal agreements that payers approve on its pages."""

from collections.abc import Mapping

from webapp.ports import Front, Holder, NeedsCustomer, RequestRejected, SavingAnswer, Unknown
from webapp.processors.sandbox.base import (
    BAD_RETURN,
    PretendProcessor,
    is_way_back,
    or_down,
    or_false,
)
from webapp.processors.sandbox.card_form import country_names
from webapp.processors.sandbox.records import Agreement, Card, ChallengeKind

DEFAULT_COUNTRY = "US"

NO_CARDS = RequestRejected("Cards cannot be saved with PayPal")


class SandboxProcessor(PretendProcessor):
    """Cards. Implements `webapp.ports.Processor`."""

    name = "sandbox"
    front = Front(form="sandbox/_card_dialog.html", scripts=("card_form",))
    saves = ChallengeKind.CARD

    @or_down
    def open_form(self, holder: Holder) -> Mapping[str, object] | Unknown | RequestRejected:
        return {
            "setup": self._books.vault.form_for(holder.account_id),
            "countries": list(country_names().items()),
            "country": DEFAULT_COUNTRY,
        }

    @or_down
    def save_card(self, account_id: int, token: str, return_to: str) -> SavingAnswer:
        self._take(self._books.latency)
        if not is_way_back(return_to):
            return BAD_RETURN
        return self._books.vault.save(account_id, token, return_to, self._clock.now())

    def link(self, account_id: int, return_to: str) -> NeedsCustomer | Unknown | RequestRejected:
        return RequestRejected("Cards come from the card form")

    @or_false
    def revoke(self, method_reference: str) -> bool:
        self._take(self._books.latency)
        self._books.vault.revoke(method_reference, self._clock.now())
        return True

    def _find(self, reference: str) -> Card | None:
        return self._books.vault.card(reference)


class SandboxPayPal(PretendProcessor):
    """PayPal agreements. Implements `webapp.ports.Processor`."""

    name = "sandbox_paypal"
    front = Front()
    saves = ChallengeKind.AGREEMENT

    def open_form(self, holder: Holder) -> Mapping[str, object] | Unknown | RequestRejected:
        return NO_CARDS

    def save_card(self, account_id: int, token: str, return_to: str) -> SavingAnswer:
        return NO_CARDS

    @or_down
    def link(self, account_id: int, return_to: str) -> NeedsCustomer | Unknown | RequestRejected:
        self._take(self._books.latency)
        if not is_way_back(return_to):
            return BAD_RETURN
        return self._books.agreements.propose(account_id, return_to, self._clock.now()).asks()

    @or_false
    def revoke(self, method_reference: str) -> bool:
        self._take(self._books.latency)
        self._books.agreements.revoke(method_reference, self._clock.now())
        return True

    def _find(self, reference: str) -> Agreement | None:
        return self._books.agreements.find(reference)
