"""Record when and from which address an API key was used, at most once an hour."""

from sqlalchemy.exc import DBAPIError

from webapp.database.transactions import begin_writing
from webapp.domain.api_keys import api_key as api_keys
from webapp.domain.shared.context import Context


def record_key_use(ctx: Context, key_id: int, address: str) -> None:
    """Record the use in a separate transaction. Database errors are ignored, so that read requests
    still succeed while the database cannot be written.
    """
    try:
        begin_writing(ctx.session)
        api_keys.record_use(ctx, key_id, address)
        ctx.session.commit()
    except DBAPIError:
        ctx.session.rollback()
