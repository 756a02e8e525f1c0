"""Charges with processor codes for operators, including those that only they can resolve."""

from dataclasses import dataclass
from datetime import datetime

from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods.declines import reason as decline_reason
from webapp.domain.payments import queries
from webapp.domain.payments.payment import Attempt
from webapp.domain.shared import datetimes, money
from webapp.domain.shared.context import Context
from webapp.reads.operator import ZONE


@dataclass(frozen=True)
class AttemptLine:
    id: int
    account_id: int
    account: str
    when: str
    reference: str
    amount: str
    method: str
    state: str
    code: str
    """The raw decline code (F12)."""
    reason: str
    """The reason as the customer sees it."""
    processor: str
    key: str
    evidence: str


def read_undecided(ctx: Context) -> tuple[AttemptLine, ...]:
    """Attempts that only an operator can resolve (L9, L10), oldest first."""
    waiting = queries.awaiting_operator(ctx.session)
    return tuple(line_of(ctx.session.get_one(Account, a.account_id), a, ctx.now) for a in waiting)


def line_of(account: Account, attempt: Attempt, now: datetime) -> AttemptLine:
    code = attempt.decline_code or ""
    return AttemptLine(
        id=attempt.id,
        account_id=account.id,
        account=account.name,
        when=datetimes.since(attempt.started_at, ZONE, now),
        reference=attempt.payment.reference,
        amount=money.show(attempt.amount, attempt.currency, account.locale),
        method=attempt.method.label if attempt.method else attempt.payment.note,
        state=in_words(attempt.state),
        code=code,
        reason=decline_reason(code).sentence if code else "",
        processor=attempt.processor,
        key=attempt.key,
        evidence=attempt.mismatch or attempt.trouble or "",
    )


def in_words(code: str) -> str:
    return code.replace("_", " ").capitalize()
