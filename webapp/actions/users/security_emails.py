"""Email users about changes to their sign-in and API keys, so that no change goes unnoticed."""

from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.shared.i18n import N_
from webapp.domain.users.user import User

SECOND_FACTOR_ON = N_("Two-step sign-in was turned on")
SECOND_FACTOR_OFF = N_("Two-step sign-in was turned off")
RECOVERY_CODES = N_("New recovery codes were created")
EMAIL_CHANGE_REQUESTED = N_("A change of your email address was requested")
KEY_CREATED = N_("An API key was created")
KEY_ROTATED = N_("An API key was rotated")
KEY_REVOKED = N_("An API key was revoked")
PASSKEY_ADDED = N_("A passkey was added")
PASSKEY_REMOVED = N_("A passkey was removed")


def enqueue_security_email(ctx: Context, user_id: int | None, what: str, detail: str = "") -> None:
    """Queue an email to the user's current address; none for the command line, which has no user.

    `what` is one of the sentences above; the template translates it. `detail` names the changed
    object, such as a key.
    """
    user = ctx.session.get(User, user_id) if user_id is not None else None
    if user is None:
        return
    translator = user.translator
    facts = {
        "name": user.name,
        "what": what,
        "detail": detail,
        "at": datetimes.mailed(ctx.now, "UTC", ctx.now, translator.language),
        "address": ctx.actor.address,
    }
    kind = NoticeKind.SECURITY_CHANGED
    outbox.enqueue_personal(ctx, user.id, user.email, kind, facts, translator.language)
