"""The email that says a due refill cannot be charged (T17): one per episode.

An episode lasts while automatic refill is on and the balance is below its threshold. An email of
another kind that says the same (T10, T11) takes its place.
"""

from datetime import datetime
from secrets import token_hex

from sqlalchemy.orm import Session

from webapp.domain.accounts import decisions
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.decisions import Code
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.top_ups.explanations import out_of_use, plain, timeline_line, what_to_do
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.top_ups.top_up import Plan, PlanInput

BLOCKED = frozenset(
    {
        Code.NO_METHOD,
        Code.PRIMARY_OFF,
        Code.ALL_SUSPENDED,
        Code.SETTINGS_OUT_OF_BOUNDS,
        Code.SWITCHED_OFF,
        Code.PAUSED,
        Code.CAP_REACHED,
    }
)
"""Why a due refill cannot be charged. A dry run is a rehearsal, and a refund or dispute has an
email of its own (L7)."""


def is_blocked(inputs: PlanInput, answer: Plan) -> bool:
    return inputs.choice.refill_on and inputs.is_below and answer.code in BLOCKED


def mark_mailed(session: Session, account: Account, now: datetime) -> None:
    """An email of another kind says that the refill cannot be charged."""
    settings = LowBalanceSettings.of(session, account.id)
    if settings.is_below_refill(account.balance):
        settings.blocked_mailed_at = settings.blocked_mailed_at or now


def enqueue_blocked_mail(
    session: Session, account: Account, inputs: PlanInput, answer: Plan
) -> None:
    """Unless people have been emailed in this episode."""
    settings = LowBalanceSettings.of(session, account.id)
    if settings.blocked_mailed_at is not None:
        return
    settings.blocked_mailed_at = inputs.now
    tongue, show = account.translator, account.show
    balance, threshold = show(inputs.balance), show(inputs.choice.threshold or 0)
    skipped = [method for method in inputs.methods if method.auto_charge]
    facts = {
        "balance": balance,
        "threshold": threshold,
        "at": account.mailed(inputs.now, inputs.now),
        "reason": timeline_line(inputs, answer, show, tongue),
        "skipped": [{"sentence": plain(out_of_use(it, inputs, tongue))} for it in skipped]
        if answer.code is Code.ALL_SUSPENDED
        else [],
        "advice": what_to_do(inputs, answer, tongue),
    }
    about = f"episode {token_hex(8)}"  # two can begin at one instant
    outbox.enqueue(session, account, NoticeKind.REFILL_BLOCKED, about, facts, inputs.now)
    line = f"Email sent: the balance {balance} is below {threshold}, and nothing can be charged."
    decisions.record(session, account.id, Code.NOTIFIED, line, inputs.now)
