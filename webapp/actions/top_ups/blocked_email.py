"""Email that a due refill cannot be charged (T17), once per episode.

An episode lasts while automatic refill is on and the balance is below its threshold. An email of
another kind with the same message (T10, T11) replaces it.
"""

from secrets import token_hex

from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.timeline import Code
from webapp.domain.events.top_ups import RefillBlocked
from webapp.domain.shared.context import Context
from webapp.domain.top_ups.explanations import out_of_use, plain, timeline_line, what_to_do
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.top_ups.top_up import Plan, PlanInput, TopUp, open_top_up

BLOCKED = frozenset(
    {
        Code.NO_METHOD,
        Code.PRIMARY_OFF,
        Code.ALL_SUSPENDED,
        Code.SETTINGS_OUT_OF_BOUNDS,
        Code.SWITCHED_OFF,
        Code.ACCOUNT_SUSPENDED,
        Code.PAUSED,
        Code.CAP_REACHED,
    }
)
"""Reasons why a due refill cannot be charged. Dry runs are excluded because nothing is meant to be
charged; refunds and disputes because they have their own email (L7)."""


def is_blocked(inputs: PlanInput, answer: Plan) -> bool:
    return inputs.choice.refill_on and inputs.is_below and answer.code in BLOCKED


def mark_mailed(ctx: Context, account: Account) -> None:
    """Record that another email has announced in this episode that the refill cannot be charged."""
    settings = LowBalanceSettings.of(ctx.session, account.id)
    if settings.is_below_refill(account.balance):
        settings.blocked_mailed_at = settings.blocked_mailed_at or ctx.now


def record_blocked(
    ctx: Context, account: Account, inputs: PlanInput, answer: Plan, *, ended: TopUp | None
) -> None:
    """Record that the refill is blocked, with its email, unless this episode has one.

    `ended`: the top-up that ends with this answer. Another one that is open has its own end, and
    perhaps the email that all methods failed (T11).
    """
    settings = LowBalanceSettings.of(ctx.session, account.id)
    if settings.blocked_mailed_at is not None:
        return
    if ended is None and open_top_up(ctx.session, account.id) is not None:
        return
    settings.blocked_mailed_at = ctx.now
    translator = account.translator
    skipped = inputs.methods if answer.code is Code.ALL_SUSPENDED else ()
    event = RefillBlocked(
        balance=inputs.balance,
        threshold=inputs.choice.threshold or 0,
        key=f"episode {token_hex(8)}",  # two episodes can begin at the same instant
        reason=timeline_line(inputs, answer, account.show, translator),
        skipped=[
            {"sentence": plain(out_of_use(method, inputs, translator))}
            for method in skipped
            if method.auto_charge
        ],
        advice=what_to_do(inputs, answer, translator),
    )
    events.record(ctx, account.id, event)
