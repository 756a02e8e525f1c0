"""The sandbox PayPal: payers approve and cancel agreements on its pages."""

from collections.abc import Mapping, Sequence

from webapp.ports import (
    Front,
    Happening,
    Holder,
    MethodGone,
    MethodUpdated,
    NeedsCustomer,
    RequestRejected,
    SavedAgreement,
    SavingAnswer,
    Unknown,
)
from webapp.processors.sandbox.base import (
    BAD_RETURN,
    DOWN,
    PretendProcessor,
    is_way_back,
    or_else,
    outcome_of,
)
from webapp.processors.sandbox.challenges import ChallengeKind
from webapp.processors.sandbox.charges import Outcome

NO_CARDS = RequestRejected("Cards cannot be saved with PayPal")


class SandboxPayPal(PretendProcessor):
    """Implements `webapp.ports.Processor`."""

    name = "sandbox_paypal"
    front = Front()
    saves = ChallengeKind.AGREEMENT

    def open_form(self, holder: Holder) -> Mapping[str, object] | Unknown | RequestRejected:
        return NO_CARDS

    def save_card(self, account_id: int, token: str, return_to: str) -> SavingAnswer:
        return NO_CARDS

    @or_else(DOWN)
    def link(self, account_id: int, return_to: str) -> NeedsCustomer | Unknown | RequestRejected:
        self._take(self._books.latency)
        if not is_way_back(return_to):
            return BAD_RETURN
        return self._books.agreements.propose(account_id, return_to, self._clock.now()).asks()

    @or_else(False)
    def revoke(self, method_reference: str) -> bool:
        self._take(self._books.latency)
        self._books.agreements.revoke(method_reference, self._clock.now())
        return True

    def _method(self, reference: str) -> Sequence[Happening]:
        agreement = self._books.agreements.find(reference)
        if agreement is None:
            return ()
        if not agreement.stands:
            return (MethodGone(reference, self._clock.now()),)
        return (MethodUpdated(agreement.saved),)

    def _saved(self, reference: str) -> SavedAgreement:
        agreement = self._books.agreements.find(reference)
        if agreement is None:
            raise LookupError(f"no agreement {reference} behind its completed challenge")
        return agreement.saved

    def _bound_to(self, method_reference: str) -> str:
        agreement = self._books.agreements.find(method_reference)
        return agreement.saved.payer_email if agreement else ""

    def _bank(self, method_reference: str, *, customer_present: bool) -> Outcome | None:
        agreement = self._books.agreements.find(method_reference)
        if agreement is None or not agreement.stands:
            return None
        return outcome_of(agreement.behaviour, customer_present=customer_present)
