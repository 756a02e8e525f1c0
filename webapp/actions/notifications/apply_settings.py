"""Apply the changes of the Notifications page, all or none (N3, N5, P4)."""

from collections.abc import Mapping
from types import MappingProxyType

from webapp.actions.top_ups.check_balance import check_balance, confirmed_or_due
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.notifications import NotificationSettingsApplied
from webapp.domain.notifications.settings import ACCOUNT_FIELDS, FIELDS, NotificationSettings
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Invalid, Stale
from webapp.domain.shared.field_tables import changes
from webapp.domain.top_ups.settings import LowBalanceSettings


def apply_notification_settings(
    ctx: Context,
    account_id: int,
    requested: NotificationSettings,
    seen: str,
    *,
    unreadable: Mapping[str, str] = MappingProxyType({}),
    confirmed: int | None = None,
) -> None:
    """Save the settings of a form whose seal was `seen`.

    `unreadable`: errors of fields that could not be parsed; they are reported with the others.

    Raises `Invalid` with an error for each invalid field, `Stale` if the settings have changed
    since the form was opened, or `ChargeUnconfirmed` like `check_balance`: a new time zone can
    start a new day, for which the daily limit is not used up.
    """
    account = Account.locked(ctx.session, account_id)
    settings = LowBalanceSettings.of(ctx.session, account_id)
    before = NotificationSettings.of(account, settings)
    faults = requested.faults(settings, account) | dict(unreadable)
    if faults:
        ctx.session.rollback()
        raise Invalid(faults)
    if requested == before:
        ctx.session.rollback()
        return
    if seen != before.seal:
        ctx.session.rollback()
        raise Stale(
            "These settings have changed since you opened this page. Your changes were not applied."
        )
    confirmed = confirmed_or_due(ctx, account, confirmed)
    account.set_recipients(requested.recipients)
    for name in ACCOUNT_FIELDS:
        setattr(account, name, getattr(requested, name))
    settings.set_steps(requested.steps, account.balance)
    changed = changes(FIELDS, before, requested)
    events.record(ctx, account_id, NotificationSettingsApplied(changed))
    check_balance(ctx, account, "settings applied", routine=True, confirmed=confirmed)
    ctx.session.commit()
