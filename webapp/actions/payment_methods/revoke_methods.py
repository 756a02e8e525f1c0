"""Revoke removed and replaced methods at their processors; retry until done (M10, M13)."""

from webapp.actions.batch import ShouldContinue, always, run_each
from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods import revocations
from webapp.domain.payment_methods.revocations import Revocation
from webapp.domain.shared.context import Context


def revoke_methods(ctx: Context, should_continue: ShouldContinue = always) -> int:
    """Return how many methods were revoked."""
    due = [revocation.id for revocation in revocations.due(ctx.session)]
    ctx.session.rollback()

    def revoke(revocation_id: int) -> bool:
        revocation = ctx.session.get_one(Revocation, revocation_id)
        if revocation.done_at is not None:
            return False  # another process has revoked it
        account_id, reference = revocation.account_id, revocation.reference
        processor = ctx.processors[revocation.processor]
        ctx.session.rollback()  # no transaction is open during the call
        if not processor.revoke(reference):
            return False
        Account.locked(ctx.session, account_id)
        ctx.session.get_one(Revocation, revocation_id).done_at = ctx.clock.now()
        ctx.session.commit()
        return True

    return run_each(ctx.session, due, revoke, "revocation", should_continue)
