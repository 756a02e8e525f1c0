"""Who is not configured any more, and has saved methods and begun charges here before.

An installation that turns from the sandbox to a real processor keeps both: such a method cannot be
charged, so the next one is; what is not known of a charge stays so until it is configured again.
"""

from collections.abc import Mapping, Sequence

from webapp.clock import Clock
from webapp.domain import declines
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
    RefusedToLook,
    SavingAnswer,
    Unknown,
    Verified,
)

NOT_HERE = "This processor is not configured any more"

GONE = "invalid_account"


class Present(dict[str, Processor]):
    """Those who are configured, by name; any other name has an absent one."""

    def __init__(self, clock: Clock, processors: Sequence[Processor]) -> None:
        super().__init__({one.name: one for one in processors})
        self._clock = clock

    def __missing__(self, name: str) -> Processor:
        return Absent(name, self._clock)


class Absent:
    """Implements `webapp.ports.Processor`."""

    front = Front()

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self._clock = clock

    def open_form(self, holder: Holder) -> Mapping[str, object] | Unknown | RefusedToLook:
        return RefusedToLook(NOT_HERE)

    def save_card(self, account_id: int, token: str, return_to: str) -> SavingAnswer:
        return RefusedToLook(NOT_HERE)

    def link(self, account_id: int, return_to: str) -> NeedsCustomer | Unknown | RefusedToLook:
        return RefusedToLook(NOT_HERE)

    def saving(self, account_id: int, reference: str) -> SavingAnswer:
        return RefusedToLook(NOT_HERE)

    def cancel_saving(self, account_id: int, reference: str) -> SavingAnswer:
        return RefusedToLook(NOT_HERE)

    def charge(self, request: ChargeRequest) -> Answer:
        """Conclusive: nothing is sent, so nothing is taken."""
        return self._gone()

    def ask(self, key: str) -> Answer | NotKnown:
        return Unknown(NOT_HERE)

    def cancel(self, key: str) -> Answer | NotKnown:
        return Unknown(NOT_HERE)

    def verify(
        self, key: str, method_reference: str
    ) -> Verified | Declined | Unknown | RefusedToLook | MethodGone:
        return self._gone()

    def revoke(self, method_reference: str) -> bool:
        return False

    def open_event(
        self, body: bytes, headers: Mapping[str, str]
    ) -> Event | Forged | Unknown | RefusedToLook:
        return Forged(NOT_HERE)

    def happenings(self, event: Event) -> Sequence[Happening] | Unknown | RefusedToLook:
        return ()

    def _gone(self) -> Declined:
        return Declined(GONE, declines.class_of(GONE), self._clock.now())
