"""Preview of unsaved low-balance settings, with warnings (T13)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Invalid
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
    """The forecast as if the settings were applied; empty while a field is invalid."""
    warnings: tuple[str, ...] = ()
    runway: str = ""
    charge: str = ""
    """ "$100.00": charged at once by Apply (T18); empty if nothing is."""
    confirmed: int = 0
    """`charge` in micros."""
    faults: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Validation errors by field name."""
    refusal: str = ""
    """ "2 fields to fix"."""


def read_preview(
    ctx: Context, account_id: int, choice: Choice, *, unreadable: Mapping[str, str]
) -> SettingsPreview:
    """Preview a choice; `unreadable`: errors of fields that are no amounts, by field name."""
    account = ctx.session.get_one(Account, account_id)
    current = top_ups.gather(ctx, account)
    faults = choice.faults(current.bounds, account.show) | dict(unreadable)
    has_consent = current.choice.refill_on or any(method.auto_charge for method in current.methods)
    faults |= choice.consent_faults(has_consent=has_consent)
    if faults:
        return SettingsPreview((), faults=faults, refusal=Invalid(faults).sentence)
    choice = with_default_limit(ctx, account, choice)
    applied = replace(current, choice=choice)
    charge = charged_by(current, applied) if choice != current.choice else None
    instants = burn_rate_instants(ctx.now)
    history = read_history(ctx, account, instants[0], instants[1:])
    pace = read_burn_rate(ctx, account, history)
    return SettingsPreview(
        sentence=what_happens_next(
            replace(applied, low_by_reversal=False, refill_held=False), account.show
        ),
        charge=account.show(charge.amount) if charge else "",
        confirmed=charge.amount if charge else 0,
        warnings=tuple(warnings(choice, pace, account.show)),
        runway=runway_words(ctx, account, choice, pace)
        if choice.refill_on and pace and not applied.is_below
        else "",
    )
