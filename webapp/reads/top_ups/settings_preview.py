"""What settings would do that are being typed and not applied (T13), and where they disappoint."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain.accounts.account import Account
from webapp.domain.shared.errors import Invalid
from webapp.domain.shared.policy import Policy
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.burn_rate import warnings
from webapp.domain.top_ups.charge_now import charged_by
from webapp.domain.top_ups.default_limit import with_default_limit
from webapp.domain.top_ups.explanations import Words, what_happens_next
from webapp.domain.top_ups.settings import Choice
from webapp.reads.ledger.balance_history import read_history
from webapp.reads.top_ups.runway import burn_rate_instants, read_burn_rate, runway_words


@dataclass(frozen=True)
class SettingsPreview:
    sentence: tuple[Words, ...]
    """The planner's, as if this choice had been applied; empty while a field is to be fixed."""
    warnings: tuple[str, ...] = ()
    runway: str = ""
    charge: str = ""
    """ "$100.00": what Apply charges at once (T18); empty where it charges nothing."""
    confirmed: int = 0
    """The same in micros."""
    faults: Mapping[str, str] = field(default_factory=dict, hash=False)
    """By field name: what Apply would refuse."""
    refusal: str = ""
    """ "2 fields to fix"."""


def read_preview(
    session: Session,
    account_id: int,
    choice: Choice,
    now: datetime,
    policy: Policy,
    *,
    unreadable: Mapping[str, str],
) -> SettingsPreview:
    """`unreadable`: an error for each field that is no amount, as in `apply_settings`."""
    account = session.get_one(Account, account_id)
    standing = top_ups.gather(session, account, now, policy)
    faults = choice.faults(policy, account.show) | dict(unreadable)
    has_consent = standing.choice.refill_on or any(it.auto_charge for it in standing.methods)
    faults |= choice.consent_faults(has_consent=has_consent)
    if faults:
        return SettingsPreview((), faults=faults, refusal=Invalid(faults).sentence)
    choice = with_default_limit(session, account, choice, now)
    at = replace(standing, choice=choice)
    charge = charged_by(standing, at) if choice != standing.choice else None
    instants = burn_rate_instants(now)
    history = read_history(session, account, instants[0], instants[1:])
    pace = read_burn_rate(session, account, history, now)
    return SettingsPreview(
        sentence=what_happens_next(
            replace(at, low_by_reversal=False, refill_held=False), account.show
        ),
        charge=account.show(charge.amount) if charge else "",
        confirmed=charge.amount if charge else 0,
        warnings=tuple(warnings(choice, pace, account.show)),
        runway=runway_words(session, account, choice, pace, now)
        if choice.refill_on and pace and not at.is_below
        else "",
    )
