"""Sign up: create an account and its owner, whose address is not confirmed yet."""

from datetime import timedelta
from typing import cast

from webapp.actions.accounts.create_account import open_account
from webapp.database.transactions import begin_writing
from webapp.domain.accounts.choice import AccountChoice, is_time_zone
from webapp.domain.events import recording as events
from webapp.domain.events.users import ConfirmationRequested
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared.context import Actor, Context
from webapp.domain.users.owner import OwnerChoice
from webapp.domain.users.user import User

AGAIN_AFTER = timedelta(minutes=1)
"""Minimum time between two confirmation emails."""


def sign_up(
    ctx: Context,
    *,
    company: str,
    name: str,
    email: str,
    password: str,
    time_zone: str,
    address: str,
) -> int:
    """Create account and owner and return the owner's id.

    `time_zone` is reported by the browser; an unknown one is replaced by UTC. Raises `Invalid` with
    an error for each invalid field.
    """
    begin_writing(ctx.session)
    _, user = open_account(
        ctx.by(Actor(name=name.strip()[:120], address=address)),
        AccountChoice(company, time_zone=time_zone if is_time_zone(time_zone) else "UTC"),
        OwnerChoice(email, name, password),
        signs_up=True,
    )
    user = cast(User, user)  # an owner with a password is added at once
    user.unconfirmed_since = ctx.now
    events.record_for(ctx, user, ConfirmationRequested(user.email))
    user_id = user.id
    ctx.session.commit()
    return user_id


def send_confirmation_again(ctx: Context, user_id: int) -> None:
    """Resend the confirmation of the user's address, or of a requested new one."""
    begin_writing(ctx.session)
    user = ctx.session.get_one(User, user_id)
    email = user.pending_email or ("" if user.is_confirmed else user.email)
    last = outbox.last_enqueued(ctx.session, user_id, NoticeKind.CONFIRM_EMAIL)
    if email and (last is None or abs(ctx.now - last) >= AGAIN_AFTER):
        events.record_for(ctx, user, ConfirmationRequested(email), address=email)
    ctx.session.commit()
