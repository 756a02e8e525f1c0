"""Record an event, with the emails and webhook deliveries that its kind owes."""

from collections.abc import Iterable, Sequence

from webapp.domain.accounts.account import Account
from webapp.domain.events import kinds
from webapp.domain.events.event import Event
from webapp.domain.events.rows import ABOUT, EventRow, count_repeat, latest_line
from webapp.domain.events.timeline import Code
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import TOPICS
from webapp.domain.shared.context import Context
from webapp.domain.shared.i18n import ENGLISH
from webapp.domain.users.user import User
from webapp.domain.webhooks import endpoint as webhooks
from webapp.domain.webhooks.endpoint import EventKind
from webapp.domain.webhooks.provider_events import ProviderEvent


def record(
    ctx: Context,
    account_id: int | None,
    event: Event,
    *,
    to: Sequence[User] = (),
    address: str = "",
    routine: bool = False,
) -> EventRow:
    """Write the event in the caller's transaction.

    `to`, `address`: the recipients of a personal email.
    The same answer as before is counted beside its row; if it is `routine`, it is left out.
    """
    code = event.line_code()
    row = None
    if code and account_id is not None:
        row = _repeated(ctx, account_id, event, code, routine=routine)
    if row is None:
        row = _write(ctx, account_id, event, code)
        if event.webhook is not None:
            _deliver(ctx, row, event.webhook)
    if event.email_kind in TOPICS:
        _email_account(ctx, row, event)
    elif event.email_kind is not None:
        for user in to:
            email_person(ctx, row, event, user)
        if address:
            email_person(ctx, row, event, None, address)
    return row


def record_for(ctx: Context, user: User | None, event: Event, *, address: str = "") -> None:
    """Write an event about a person to each of their accounts, and email them once.

    `address`: another address than the user's.
    """
    accounts = [account.id for account in user.accounts] if user else []
    (first, *_) = record_in_each(ctx, accounts, event)
    if event.email_kind is not None and user is not None:
        email_person(ctx, first, event, user, address)


def record_in_each(ctx: Context, account_ids: Iterable[int], event: Event) -> list[EventRow]:
    """Write an event to each account; without an account, once."""
    theirs: list[int | None] = [*account_ids]
    code = event.line_code()
    return [_write(ctx, account_id, event, code) for account_id in theirs or [None]]


def email_person(
    ctx: Context, row: EventRow, event: Event, user: User | None, address: str = ""
) -> None:
    """Enqueue a personal email about the event, by default to the user's address."""
    account = ctx.session.get_one(Account, row.account_id) if event.of_account else None
    reader = account or user
    language = (reader.translator if reader else ENGLISH).language
    if event.email_kind is not None:
        facts = event.mailed(ctx, reader)
        outbox.enqueue_personal(ctx, user, address, event.email_kind, facts, language, row)


def actor(ctx: Context) -> list[User]:
    """Return the user who acts; the command line has none."""
    user = ctx.session.get(User, ctx.actor.user_id) if ctx.actor.user_id is not None else None
    return [user] if user else []


def _write(ctx: Context, account_id: int | None, event: Event, code: Code | None) -> EventRow:
    columns = event.columns()
    if not (code or event.audit or event.webhook):
        # Only an email shows it, which has its own facts and can be deleted; a row never can.
        columns["facts"] = {}
    row = EventRow(
        account_id=account_id,
        kind=event.event_kind,
        at=ctx.now,
        user_id=ctx.actor.user_id,
        actor_name=ctx.actor.name,
        address=ctx.actor.address,
        timeline=code,
        audit=event.audit_code,
        webhook=event.webhook,
        **columns,
    )
    ctx.session.add(row)
    if code or event.email_kind:
        ctx.session.flush()
    return row


def _repeated(
    ctx: Context, account_id: int, event: Event, code: Code, *, routine: bool
) -> EventRow | None:
    """Return the account's newest line if the event repeats it; `code` is the event's."""
    if event.audit or (event.webhook and not event.folds):
        return None
    if getattr(event, "attempt_id", None) is not None:
        return None
    last = latest_line(ctx.session, account_id)
    if last is None or last.timeline != code:
        return None
    account = ctx.session.get_one(Account, account_id)
    said = last.facts.get("sentence") or kinds.line(last, account)
    if said != event.line(account):
        return None
    if routine:
        return last
    if any(getattr(last, name) != getattr(event, name, None) for name in ABOUT):
        return None
    count_repeat(ctx, last)
    return last


def _deliver(ctx: Context, row: EventRow, kind: EventKind) -> None:
    if kind is EventKind.TEST or row.account_id is None:
        return  # a test is delivered by its action, to one endpoint
    ctx.session.add(ProviderEvent(event=row))
    webhooks.deliver(ctx, row, webhooks.receiving(ctx.session, row.account_id, kind))


def _email_account(ctx: Context, row: EventRow, event: Event) -> None:
    account = ctx.session.get_one(Account, row.account_id)
    if event.email_kind is not None:
        facts = event.mailed(ctx, account)
        outbox.enqueue(ctx, account, event.email_kind, event.email_key(), facts, row)
