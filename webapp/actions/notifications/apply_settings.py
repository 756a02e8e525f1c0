"""Apply Changes on the Notifications page: saved together or not at all (N3, N5, P4)."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from sqlalchemy.orm import Session

from webapp.actions.top_ups.check_balance import check_balance, confirmed_or_due
from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.notifications.settings import NotificationSettings
from webapp.domain.shared.errors import Invalid, Stale
from webapp.domain.shared.i18n import Language
from webapp.domain.shared.policy import Policy
from webapp.domain.top_ups.settings import LowBalanceSettings


def apply_notification_settings(
    session: Session,
    account_id: int,
    wished: NotificationSettings,
    seen: str,
    actor: Actor,
    now: datetime,
    policy: Policy,
    *,
    unreadable: Mapping[str, str] = MappingProxyType({}),
    confirmed: int | None = None,
) -> None:
    """Save what was chosen on a form whose seal was `seen`.

    `unreadable`: errors of fields that were no amounts, so that one press tells all there is.

    Raises `Invalid` with an error for each bad field, `Stale` when other settings have
    been applied since, or `ChargeUnconfirmed` as `check_balance` does: in another time zone a new
    day may have begun after the daily limit was reached.
    """
    account = Account.locked(session, account_id)
    settings = LowBalanceSettings.of(session, account_id)
    before = NotificationSettings.of(account, settings)
    faults = wished.faults(settings, account) | dict(unreadable)
    if faults:
        session.rollback()
        raise Invalid(faults)
    if wished == before:
        session.rollback()
        return
    if seen != before.seal:
        session.rollback()
        raise Stale(
            "These settings have changed since you opened this page. Nothing of yours was applied."
        )
    confirmed = confirmed_or_due(session, account, confirmed, now, policy)
    account.set_recipients(wished.recipients)
    account.time_zone, account.locale = wished.time_zone, wished.locale
    account.language = Language(wished.language)
    settings.set_steps(wished.steps, account.balance)
    audit.record(session, account_id, actor, "notifications", now, changed=_changes(before, wished))
    # Another time zone has other days and months, and a new step may be crossed already.
    around = (now, policy)
    check_balance(session, account, "settings applied", *around, routine=True, confirmed=confirmed)
    session.commit()


def _changes(before: NotificationSettings, after: NotificationSettings) -> dict[str, object]:
    pairs = {
        "recipients": (_named(before), _named(after)),
        "steps": (list(before.steps), list(after.steps)),
        "time_zone": (before.time_zone, after.time_zone),
        "locale": (before.locale, after.locale),
        "language": (before.language, after.language),
    }
    return {name: list(pair) for name, pair in pairs.items() if pair[0] != pair[1]}


def _named(settings: NotificationSettings) -> dict[str, list[str]]:
    return {it.address: sorted(it.topics) for it in settings.recipients}
