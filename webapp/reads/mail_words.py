"""What each kind and state of a mail is called."""

from collections.abc import Mapping

from webapp.domain.notices import NoticeKind, NoticeState
from webapp.reads.notifications import KIND_NAMES

NAMES: Mapping[NoticeKind, str] = {
    **KIND_NAMES,
    NoticeKind.CONFIRM_EMAIL: "Confirm an e-mail address",
    NoticeKind.RESET_PASSWORD: "Choose a new password",
    NoticeKind.PASSWORD_CHANGED: "Password changed",
    NoticeKind.EMAIL_CHANGED: "E-mail address changed",
    NoticeKind.INVITATION: "Invitation",
    NoticeKind.OWNERSHIP: "Account handed over",
}
"""Those of an account's topics, and those that are a person's own."""

STATES: Mapping[NoticeState, str] = {
    NoticeState.OWED: "Waiting",
    NoticeState.SENT: "Sent",
    NoticeState.KEPT: "Kept here",
    NoticeState.FAILED: "Given up",
}
