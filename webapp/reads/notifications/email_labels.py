"""Labels of email kinds and delivery states."""

from collections.abc import Mapping
from enum import StrEnum

from webapp.domain.notifications.outbox import Notice, NoticeState


class Shown(StrEnum):
    """An email's delivery state in the user interface."""

    WAITING = "waiting"
    TRIED_AGAIN = "tried-again"
    SENT = "sent"
    KEPT = "kept"
    GIVEN_UP = "given-up"


STATES: Mapping[Shown, NoticeState] = {
    Shown.WAITING: NoticeState.OWED,
    Shown.TRIED_AGAIN: NoticeState.OWED,
    Shown.SENT: NoticeState.SENT,
    Shown.KEPT: NoticeState.KEPT,
    Shown.GIVEN_UP: NoticeState.FAILED,
}

STATE_NAMES: Mapping[Shown, str] = {
    Shown.WAITING: "Waiting",
    Shown.TRIED_AGAIN: "Retrying",
    Shown.SENT: "Sent",
    Shown.KEPT: "Not sent",
    Shown.GIVEN_UP: "Failed",
}


def state_label(notice: Notice) -> str:
    """Return the state in words; for an email that was never sent, with the cause."""
    state = shown(notice)
    if state is not Shown.KEPT:
        return STATE_NAMES[state]
    return f"Not sent ({'no mail server' if notice.recipient else 'no address'})"


def shown(notice: Notice) -> Shown:
    if notice.state == NoticeState.OWED:
        return Shown.TRIED_AGAIN if notice.last_error else Shown.WAITING
    return next(word for word, state in STATES.items() if state == notice.state)
