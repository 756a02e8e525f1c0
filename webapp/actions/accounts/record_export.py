"""Record in the audit log that a user exported all data of an account (P2)."""

from webapp.database.transactions import begin_writing
from webapp.domain.events import recording as events
from webapp.domain.events.accounts import AccountExported
from webapp.domain.shared.context import Context


def record_export(ctx: Context, account_id: int) -> None:
    begin_writing(ctx.session)
    events.record(ctx, account_id, AccountExported())
    ctx.session.commit()
