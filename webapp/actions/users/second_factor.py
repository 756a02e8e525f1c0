"""Turn the second factor on, off or back to unset, and renew its recovery codes."""

from webapp.database.transactions import begin_writing
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.users import (
    RecoveryCodes,
    SecondFactorOff,
    SecondFactorOn,
    SecondFactorRequired,
    SecondFactorReset,
)
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, Invalid, NotFound, Refusal
from webapp.domain.users import second_factor
from webapp.domain.users.sessions import end_sessions
from webapp.domain.users.user import User

WRONG_CODE = "Wrong code. Enter the code that your app shows now"


def turn_on(
    ctx: Context, user_id: int, secret: str, code: str, *, keep: int | None = None
) -> list[str]:
    """Turn it on, end all sessions but `keep`, and return the recovery codes, shown once.

    Raises `Invalid` for a wrong code, or `Conflict` if it is already on.
    """
    step = second_factor.step_of(secret, code, ctx.clock.wall())
    if step is None:
        raise Invalid({"code": WRONG_CODE})
    user = User.locked(ctx.session, user_id)
    if user.totp_secret is not None:
        ctx.session.rollback()
        raise Conflict("Two-step sign-in is already on.")
    user.totp_secret, user.totp_step, user.totp_since = secret, step, ctx.now
    codes = second_factor.issue_recovery_codes(ctx, user_id)
    end_sessions(ctx.session, user, keep=keep)
    events.record_for(ctx, user, SecondFactorOn())
    ctx.session.commit()
    return codes


def turn_off(ctx: Context, user_id: int, *, keep: int | None = None) -> None:
    """Turn it off and end all sessions but `keep`. Raises `Refusal` if an account requires it."""
    user = User.locked(ctx.session, user_id)
    requiring = [account.name for account in user.accounts if account.second_factor_required]
    if requiring:
        ctx.session.rollback()
        raise Refusal(f"{requiring[0]} requires two-step sign-in, so it cannot be turned off.")
    if user.totp_secret is not None:
        user.totp_secret = user.totp_since = None
        second_factor.forget_recovery_codes(ctx.session, user_id)
        end_sessions(ctx.session, user, keep=keep)
        events.record_for(ctx, user, SecondFactorOff())
    ctx.session.commit()


def reset_second_factor(ctx: Context, email: str, reason: str) -> None:
    """Turn it off as an operator, for a user who has lost both phone and recovery codes.

    Raises `NotFound`, or `Refusal` without a reason.
    """
    if not reason.strip():
        raise Refusal("Enter a reason. It is recorded in the audit log.")
    begin_writing(ctx.session)
    user = User.by_email(ctx.session, email)
    if user is None or user.totp_secret is None:
        ctx.session.rollback()
        raise NotFound(f"A second factor of {email}")
    user.totp_secret = user.totp_since = None
    end_sessions(ctx.session, user)
    second_factor.forget_recovery_codes(ctx.session, user.id)
    events.record_for(ctx, user, SecondFactorReset(user.name, reason.strip()))
    ctx.session.commit()


def renew_recovery_codes(ctx: Context, user_id: int) -> list[str]:
    """Replace the recovery codes; old codes stop working. Raises `Refusal` if it is off."""
    user = User.locked(ctx.session, user_id)
    if user.totp_secret is None:
        ctx.session.rollback()
        raise Refusal("Turn on two-step sign-in first.")
    codes = second_factor.issue_recovery_codes(ctx, user_id)
    events.record_for(ctx, user, RecoveryCodes())
    ctx.session.commit()
    return codes


def require_second_factor(ctx: Context, account_id: int, on: bool) -> None:
    """Set whether all users of the account must have a second factor; idempotent."""
    account = Account.locked(ctx.session, account_id)
    if account.second_factor_required != on:
        account.second_factor_required = on
        events.record(ctx, account_id, SecondFactorRequired(on))
    ctx.session.commit()
