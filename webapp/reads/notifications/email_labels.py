"""What each kind and state of a mail is called."""

from collections.abc import Mapping
from enum import StrEnum

from webapp.domain.notifications.outbox import Notice, NoticeKind, NoticeState
from webapp.reads.notifications.settings_page import KIND_NAMES

NAMES: Mapping[NoticeKind, str] = {
    **KIND_NAMES,
    NoticeKind.CONFIRM_EMAIL: "Confirm an e-mail address",
    NoticeKind.RESET_PASSWORD: "Choose a new password",
    NoticeKind.PASSWORD_CHANGED: "Password changed",
    NoticeKind.EMAIL_CHANGED: "E-mail address changed",
    NoticeKind.SECURITY_CHANGED: "Sign-in changed",
    NoticeKind.INVITATION: "Invitation",
    NoticeKind.OWNERSHIP: "Account handed over",
}
"""Those of an account's topics, and those that are a person's own."""


class Shown(StrEnum):
    """A mail's state as people know it."""

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
    Shown.TRIED_AGAIN: "Tried again",
    Shown.SENT: "Sent",
    Shown.KEPT: "Kept here",
    Shown.GIVEN_UP: "Given up",
}


def shown(notice: Notice) -> Shown:
    if notice.state == NoticeState.OWED:
        return Shown.TRIED_AGAIN if notice.last_error else Shown.WAITING
    return next(word for word, state in STATES.items() if state == notice.state)
