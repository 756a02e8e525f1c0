"""Record suspensions that have ended, and check their accounts' balances again (F1, F6)."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.actions.batch import run_each
from webapp.actions.top_ups.check_balance import check_balance
from webapp.domain.accounts import decisions
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.decisions import Code
from webapp.domain.payment_methods.payment_method import PaymentMethod, suspension_has_ended
from webapp.domain.shared.policy import Policy
from webapp.domain.webhooks import payloads
from webapp.domain.webhooks.endpoint import EventKind


def lift_suspensions(session: Session, now: datetime, policy: Policy) -> int:
    """Return how many suspensions were recorded as ended.

    Whether a method is suspended is computed from stored times and does not depend on this job.
    """
    due = session.execute(
        select(PaymentMethod.id, PaymentMethod.account_id).where(suspension_has_ended(now))
    ).all()

    def lift(method: tuple[int, int]) -> bool:
        method_id, account_id = method
        return _lift(session, account_id, method_id, now, policy)

    return run_each(session, [(row.id, row.account_id) for row in due], lift, "suspension")


def _lift(session: Session, account_id: int, method_id: int, now: datetime, policy: Policy) -> bool:
    account = Account.locked(session, account_id)
    method = session.get_one(PaymentMethod, method_id, populate_existing=True)
    ended = method.record_suspension_ended(now)
    if ended and method.is_chargeable(now):
        line = f"The suspension of {method.label} has ended. It can be charged again."
        decisions.record(session, account_id, Code.SUSPENSION_ENDED, line, now)
        payloads.method(session, account, EventKind.METHOD_RESTORED, method, now)
        check_balance(session, account, "suspension ended", now, policy)
    session.commit()
    return ended
