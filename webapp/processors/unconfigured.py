"""Stub for a processor that is no longer configured but still referenced by methods and charges.

After a change from the sandbox to a real processor, the sandbox's methods remain. They are treated
as gone (M13), so the next method is charged; an unknown outcome stays unknown until the processor
is configured again.
"""

from collections.abc import Mapping, Sequence

from webapp.clock import Clock
from webapp.ports import (
    Answer,
    ChargeRequest,
    Declined,
    Event,
    Forged,
    Front,
    Happening,
    Holder,
    MethodGone,
    NeedsCustomer,
    NotKnown,
    Processor,
    RequestRejected,
    SavingAnswer,
    Unknown,
    Verified,
)

NOT_HERE = "This processor is no longer configured"


class Present(dict[str, Processor]):
    """The configured processors by name; any other name returns an `Unconfigured` stub."""

    def __init__(self, clock: Clock, processors: Sequence[Processor]) -> None:
        super().__init__({one.name: one for one in processors})
        self._clock = clock

    def __missing__(self, name: str) -> Processor:
        return Unconfigured(name, self._clock)


class Unconfigured:
    """Implements `webapp.ports.Processor`."""

    front = Front()

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self._clock = clock

    def open_form(self, holder: Holder) -> Mapping[str, object] | Unknown | RequestRejected:
        return RequestRejected(NOT_HERE)

    def save_card(self, account_id: int, token: str, return_to: str) -> SavingAnswer:
        return RequestRejected(NOT_HERE)

    def link(self, account_id: int, return_to: str) -> NeedsCustomer | Unknown | RequestRejected:
        return RequestRejected(NOT_HERE)

    def saving(self, account_id: int, reference: str) -> SavingAnswer:
        return RequestRejected(NOT_HERE)

    def cancel_saving(self, account_id: int, reference: str) -> SavingAnswer:
        return RequestRejected(NOT_HERE)

    def charge(self, request: ChargeRequest) -> Answer:
        """Conclusive: no request is sent, so no money is taken."""
        return MethodGone(request.method_reference, self._clock.now())

    def ask(self, key: str) -> Answer | NotKnown:
        return Unknown(NOT_HERE)

    def cancel(self, key: str) -> Answer | NotKnown:
        return Unknown(NOT_HERE)

    def verify(
        self, key: str, method_reference: str
    ) -> Verified | Declined | Unknown | RequestRejected | MethodGone:
        return MethodGone(method_reference, self._clock.now())

    def revoke(self, method_reference: str) -> bool:
        return False

    def open_event(
        self, body: bytes, headers: Mapping[str, str]
    ) -> Event | Forged | Unknown | RequestRejected:
        return Forged(NOT_HERE)

    def happenings(self, event: Event) -> Sequence[Happening] | Unknown | RequestRejected:
        return ()
