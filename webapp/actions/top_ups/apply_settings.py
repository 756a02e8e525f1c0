"""Apply changes to the low-balance settings, all or none (T1, T2, N5)."""

from collections.abc import Mapping
from types import MappingProxyType

from webapp.actions.payment_methods.withdrawals import record_withdrawal
from webapp.actions.top_ups.check_balance import check_balance, confirmed_or_due
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.top_ups import SettingsApplied
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Invalid, Stale
from webapp.domain.shared.field_tables import changes
from webapp.domain.top_ups.default_limit import with_default_limit
from webapp.domain.top_ups.settings import FIELDS, Choice, LowBalanceSettings
from webapp.domain.webhooks import payloads


def apply_settings(
    ctx: Context,
    account_id: int,
    choice: Choice,
    seen_version: int,
    *,
    unreadable: Mapping[str, str] = MappingProxyType({}),
    confirmed: int | None = None,
) -> LowBalanceSettings:
    """Save the choice of a form that showed `seen_version`.

    Refill without a daily limit gets the default limit, unless "No daily limit" is chosen (T10).

    `unreadable`: errors of fields that could not be parsed; they are reported with the others.

    Raises `Invalid` with an error for each invalid field, `Stale` if the settings have changed
    since the form was opened, or `ChargeUnconfirmed` like `check_balance`.
    """
    account = Account.locked(ctx.session, account_id)
    account.require_not_closed()
    settings = LowBalanceSettings.of(ctx.session, account_id)
    faults = choice.faults(ctx.policy.bounds(account.currency), account.show) | dict(unreadable)
    has_consent = settings.refill_on or _has_consent(ctx, account_id)
    faults |= choice.consent_faults(has_consent=has_consent)
    if faults:
        ctx.session.rollback()
        raise Invalid(faults)
    choice = with_default_limit(ctx, account, choice)
    if choice == settings.chosen():
        ctx.session.rollback()
        return settings
    if seen_version != settings.version:
        ctx.session.rollback()
        raise Stale(
            "These settings have changed since you opened this page. Your changes were not applied."
        )
    confirmed = confirmed_or_due(ctx, account, confirmed)
    save_settings(ctx, account, settings, choice)
    check_balance(ctx, account, "settings applied", confirmed=confirmed)
    ctx.session.commit()
    return settings


def save_settings(
    ctx: Context, account: Account, settings: LowBalanceSettings, choice: Choice
) -> None:
    """Save with an audit-log line and a webhook event, in the caller's transaction."""
    before = settings.chosen()
    settings.apply(choice, ctx.actor.user_id, ctx.now)
    changed = changes(FIELDS, before, choice)
    event = SettingsApplied(settings.version, changed, choice.exact())
    events.record(ctx, account.id, event)
    ctx.session.flush()
    # A database trigger updates it from the settings.
    ctx.session.refresh(account, ["alert_threshold"])
    payloads.balance(ctx, account)
    if before.refill_on and not choice.refill_on:
        record_withdrawal(ctx, account, "Automatic refill was switched off")
    elif choice.changes_refill(before):
        record_withdrawal(ctx, account, "The refill settings were changed")


def _has_consent(ctx: Context, account_id: int) -> bool:
    return any(method.auto_charge for method in payment_methods.listed(ctx.session, account_id))
