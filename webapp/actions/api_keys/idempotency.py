"""Process an API request with an `Idempotency-Key` once, and replay its stored answer."""

from webapp.database.transactions import begin_writing
from webapp.domain.api_keys import idempotency_keys
from webapp.domain.api_keys.idempotency_keys import StoredAnswer
from webapp.domain.shared.context import Context


def begin_request(
    ctx: Context, account_id: int | None, key: str, request: str
) -> StoredAnswer | None:
    """Return the stored answer of an earlier request with this key, or claim the key.

    After None the caller processes the request and calls `keep_answer` or `release_request`.
    Raises `Conflict`.
    """
    begin_writing(ctx.session)
    stored = idempotency_keys.claim(ctx, account_id, key, request)
    ctx.session.commit()
    return stored


def keep_answer(
    ctx: Context, account_id: int | None, key: str, request: str, answer: StoredAnswer
) -> None:
    begin_writing(ctx.session)
    idempotency_keys.store_answer(ctx.session, account_id, key, request, answer)
    ctx.session.commit()


def release_request(ctx: Context, account_id: int | None, key: str, request: str) -> None:
    begin_writing(ctx.session)
    idempotency_keys.release(ctx.session, account_id, key, request)
    ctx.session.commit()


def delete_old_answers(ctx: Context) -> int:
    begin_writing(ctx.session)
    count = idempotency_keys.delete_old(ctx)
    ctx.session.commit()
    return count
