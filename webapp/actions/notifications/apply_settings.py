"""Apply the changes of the Notifications page, all or none (N3, N5, P4)."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from sqlalchemy.orm import Session

from webapp.actions.top_ups.check_balance import check_balance, confirmed_or_due
from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.notifications.settings import ACCOUNT_FIELDS, FIELDS, NotificationSettings
from webapp.domain.shared.errors import Invalid, Stale
from webapp.domain.shared.field_tables import changes
from webapp.domain.shared.policy import Policy
from webapp.domain.top_ups.settings import LowBalanceSettings


def apply_notification_settings(
    session: Session,
    account_id: int,
    requested: NotificationSettings,
    seen: str,
    actor: Actor,
    now: datetime,
    policy: Policy,
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
    account = Account.locked(session, account_id)
    settings = LowBalanceSettings.of(session, account_id)
    before = NotificationSettings.of(account, settings)
    faults = requested.faults(settings, account) | dict(unreadable)
    if faults:
        session.rollback()
        raise Invalid(faults)
    if requested == before:
        session.rollback()
        return
    if seen != before.seal:
        session.rollback()
        raise Stale(
            "These settings have changed since you opened this page. Your changes were not applied."
        )
    confirmed = confirmed_or_due(session, account, confirmed, now, policy)
    account.set_recipients(requested.recipients)
    for name in ACCOUNT_FIELDS:
        setattr(account, name, getattr(requested, name))
    settings.set_steps(requested.steps, account.balance)
    changed = changes(FIELDS, before, requested)
    audit.record(session, account_id, actor, "notifications", now, changed=changed)
    # A new time zone moves the limit windows, and the balance may be below a new alert threshold.
    around = (now, policy)
    check_balance(session, account, "settings applied", *around, routine=True, confirmed=confirmed)
    session.commit()
