"""Revoke removed and replaced methods at their processors; retry until done (M10, M13)."""

from sqlalchemy.orm import Session

from webapp.actions.batch import ShouldContinue, always, run_each
from webapp.clock import Clock
from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods import revocations
from webapp.domain.payment_methods.revocations import Revocation
from webapp.ports import Processors


def revoke_methods(
    session: Session, processors: Processors, clock: Clock, should_continue: ShouldContinue = always
) -> int:
    """Return how many methods were revoked."""
    due = [revocation.id for revocation in revocations.due(session)]
    session.rollback()

    def revoke(revocation_id: int) -> bool:
        revocation = session.get_one(Revocation, revocation_id)
        if revocation.done_at is not None:
            return False  # another process has revoked it
        account_id, reference = revocation.account_id, revocation.reference
        processor = processors[revocation.processor]
        session.rollback()  # no transaction is open during the call
        if not processor.revoke(reference):
            return False
        Account.locked(session, account_id)
        session.get_one(Revocation, revocation_id).done_at = clock.now()
        session.commit()
        return True

    return run_each(session, due, revoke, "revocation", should_continue)
