"""The sandbox card processor."""

from collections.abc import Mapping, Sequence

from webapp.ports import (
    Front,
    Happening,
    Holder,
    MethodGone,
    MethodUpdated,
    NeedsCustomer,
    RequestRejected,
    SavedCard,
    SavingAnswer,
    Unknown,
    WrongAccount,
)
from webapp.processors.sandbox import countries
from webapp.processors.sandbox.base import (
    BAD_RETURN,
    DOWN,
    PretendProcessor,
    is_way_back,
    or_else,
    outcome_of,
)
from webapp.processors.sandbox.challenges import Challenge, ChallengeKind
from webapp.processors.sandbox.charges import Outcome, Status, declined

DEFAULT_COUNTRY = "US"


class SandboxProcessor(PretendProcessor):
    """Implements `webapp.ports.Processor`."""

    name = "sandbox"
    front = Front(form="sandbox/_card_dialog.html", scripts=("card_form",))
    saves = ChallengeKind.CARD

    @or_else(DOWN)
    def open_form(self, holder: Holder) -> Mapping[str, object] | Unknown | RequestRejected:
        return {
            "setup": self._books.vault.form_for(holder.account_id),
            "countries": list(countries.names().items()),
            "country": DEFAULT_COUNTRY,
        }

    @or_else(DOWN)
    def save_card(self, account_id: int, token: str, return_to: str) -> SavingAnswer:
        self._take(self._books.latency)
        if not is_way_back(return_to):
            return BAD_RETURN
        now = self._clock.now()
        saved = self._books.vault.save(account_id, token, return_to, now)
        if saved is None:
            return RequestRejected("This card token is unknown, was used, or has expired")
        if isinstance(saved, WrongAccount):
            return saved
        if isinstance(saved, Challenge):
            return saved.asks()
        # A card refused by the bank has no reference.
        return saved.card if saved.card.reference else declined(saved.behaviour.code, now)

    def link(self, account_id: int, return_to: str) -> NeedsCustomer | Unknown | RequestRejected:
        return RequestRejected("Cards come from the card form")

    @or_else(False)
    def revoke(self, method_reference: str) -> bool:
        self._take(self._books.latency)
        self._books.vault.revoke(method_reference, self._clock.now())
        return True

    def _method(self, reference: str) -> Sequence[Happening]:
        card = self._books.vault.card(reference)
        if card is None:
            return ()
        if card.revoked:
            return (MethodGone(reference, self._clock.now()),)
        return (MethodUpdated(card.card),)

    def _saved(self, reference: str) -> SavedCard:
        card = self._books.vault.card(reference)
        if card is None:
            raise LookupError(f"no card {reference} behind its completed challenge")
        return card.card

    def _bound_to(self, method_reference: str) -> str:
        card = self._books.vault.card(method_reference)
        return card.card.last4 if card else ""

    def _bank(self, method_reference: str, *, customer_present: bool) -> Outcome | None:
        card = self._books.vault.card(method_reference)
        if card is None or card.revoked:
            return None
        if card.has_expired(self._clock.now()):
            return Outcome(Status.DECLINED, "expired_card")
        return outcome_of(card.behaviour, customer_present=customer_present)
