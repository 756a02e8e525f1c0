"""Erase the personal data of a closed account.

What stays: the ledger, payments and attempts with their amounts, dates and references, brands and
last digits of cards, and documents as long as the law asks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from json import dumps, loads
from re import split
from typing import Any, cast

from sqlalchemy import ColumnElement, bindparam, delete, or_, select, update

from webapp.actions.accounts.close_account import require_settled
from webapp.database.base import Base
from webapp.domain.accounts import erasure as erasures
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.erasure import Erasure
from webapp.domain.api_keys.api_key import ApiKey
from webapp.domain.api_keys.idempotency_keys import IdempotencyKey
from webapp.domain.events import recording as events
from webapp.domain.events.accounts import AccountErased
from webapp.domain.events.redaction import redacted
from webapp.domain.events.rows import EventRow
from webapp.domain.events.users import OperatorCreated, OperatorRemoved
from webapp.domain.ledger import LedgerEntry
from webapp.domain.notifications.outbox import Notice, NoticeState
from webapp.domain.payment_methods.method_setups import MethodSetup
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payment_methods.revocations import Revocation
from webapp.domain.payments.payment import Attempt, Payment
from webapp.domain.payments.receipts import Receipt
from webapp.domain.shared.context import COMMAND_LINE, SYSTEM, Context
from webapp.domain.shared.errors import Conflict
from webapp.domain.usage.imports import UsageImport
from webapp.domain.usage.reversals import UsageReversal
from webapp.domain.users.invitations import Invitation
from webapp.domain.users.operators import Operator
from webapp.domain.users.passkeys import Passkey
from webapp.domain.users.portal import PortalLink
from webapp.domain.users.second_factor import RecoveryCode
from webapp.domain.users.sessions import UserSession
from webapp.domain.users.user import PORTAL_DOMAIN, Membership, User
from webapp.domain.webhooks.endpoint import Delivery, Endpoint
from webapp.domain.wires.wire import WireProof, WireRequest, WireState
from webapp.ports import ProofFiles

BATCH = 1000

DELETED: tuple[type[Base], ...] = (
    *(Notice, PortalLink, UserSession, MethodSetup, Invitation, Membership),
    *(UsageImport, IdempotencyKey, ApiKey, Endpoint),
)
"""Records of the account that are deleted, in an order that foreign keys allow."""

BLANKED: Mapping[type[Base], Mapping[str, object]] = {
    PaymentMethod: {
        **dict.fromkeys(("cardholder", "fingerprint", "payer_email"), ""),
        **dict.fromkeys(("address_line", "address_city", "address_postcode"), ""),
        "address_country": "",
    },
    Attempt: {"trouble": None, "mismatch": None},
    Payment: {"note": ""},
    UsageReversal: {"reason": ""},
    LedgerEntry: {"description": ""},
}
"""Columns that are emptied in records of the account that stay."""


@dataclass(frozen=True)
class Erased:
    account: int
    people: int
    """How many sign-ins were erased. People of other accounts keep theirs."""
    receipts_kept: int
    """Receipts that still name the customer."""
    proofs_kept: int
    """Proofs of completed wire transfers."""
    kept_until: datetime | None
    """When the last of them can be erased, by erasing again; None if none is kept."""


def erase_account(ctx: Context, account_id: int, files: ProofFiles, years: int) -> Erased:
    """Erase in one transaction; a second time erases the documents that need not be kept any more.

    `years`: how long receipts and proofs of completed wire transfers are kept, in calendar years
    after that of their issue.

    Raises `NotFound`, or `Conflict` unless the account is closed and nothing is open.
    """
    account = Account.locked(ctx.session, account_id)
    _require_ended(ctx, account)
    erasure = Erasure(account_id=account_id, begun_at=ctx.now)
    ctx.session.add(erasure)
    ctx.session.flush()
    people = _people(ctx, account_id)
    addresses = _addresses(ctx, account, people)
    _erase_answers(ctx, account_id)
    _erase_events(ctx, account_id, [user.id for user in people], addresses)
    kept = [*_erase_receipts(ctx, account, years)]
    receipts = len(kept)
    kept += _erase_wires(ctx, account_id, files, years)
    _erase_records(ctx, account_id)
    for user in people:
        _erase_person(ctx, user)
    _erase_facts(account)
    erasure.kept_until = max(kept, default=None)
    event = AccountErased(len(people), receipts, len(kept) - receipts)
    events.record(ctx, account_id, event)
    erasure.ended_at = ctx.now
    done = Erased(account_id, len(people), receipts, len(kept) - receipts, erasure.kept_until)
    ctx.session.commit()
    return done


def _require_ended(ctx: Context, account: Account) -> None:
    waiting: list[tuple[ColumnElement[bool], str]] = [
        (
            select(Revocation.id)
            .where(Revocation.account_id == account.id, Revocation.done_at.is_(None))
            .exists(),
            "A payment method is not revoked at its processor yet.",
        ),
        (
            select(Notice.id)
            .where(Notice.account_id == account.id, Notice.state == NoticeState.OWED)
            .exists(),
            "An email to its people is not sent yet.",
        ),
    ]
    why = "" if account.is_closed else "The account is not closed. Close it first."
    # Money can come after an erasure; the remaining documents must still become erasable.
    if not why and account.balance and not erasures.is_erased(ctx.session, account.id):
        why = (
            f"The balance is {account.show(account.balance)}. Close the account again to settle it."
        )
    for condition, sentence in waiting:
        if not why and ctx.session.scalar(select(condition)):
            why = sentence
    if why:
        ctx.session.rollback()
        raise Conflict(why, code="not_erasable")
    require_settled(ctx, account)


def _people(ctx: Context, account_id: int) -> Sequence[User]:
    """Return the users who belong to this account alone, also former members and portal users."""
    acted = select(EventRow.user_id).where(EventRow.account_id == account_id)
    members = select(Membership.user_id).where(Membership.account_id == account_id)
    elsewhere = select(Membership.user_id).where(Membership.account_id != account_id)
    of_portal = f"portal-{account_id}{PORTAL_DOMAIN}"
    query = select(User).where(
        or_(User.id.in_(acted), User.id.in_(members), User.email == of_portal),
        User.id.not_in(elsewhere),
        User.id.not_in(_staff(ctx)),
    )
    return ctx.session.scalars(query.order_by(User.id)).all()


def _staff(ctx: Context) -> set[int]:
    """Return the ids of all who are or were operators: what they did stays under their name."""
    appointed = select(EventRow.facts).where(
        EventRow.account_id.is_(None),
        EventRow.kind.in_((OperatorCreated.event_kind, OperatorRemoved.event_kind)),
    )
    former = {cast(int, facts["operator"]) for facts in ctx.session.scalars(appointed)}
    return former | set(ctx.session.scalars(select(Operator.user_id)))


def _addresses(ctx: Context, account: Account, people: Iterable[User]) -> set[str]:
    """Return the email addresses of the account, without those of people of other accounts."""
    invited = select(Invitation.email).where(Invitation.account_id == account.id)
    mailed = select(Notice.recipient).where(Notice.account_id == account.id)
    found = {*account.billing_emails, *ctx.session.scalars(invited), *ctx.session.scalars(mailed)}
    found |= {it for user in people for it in (user.email, user.pending_email) if it}
    own = [user.id for user in people]
    others = select(User.email).where(User.email.in_(found), User.id.not_in(own))
    return found - set(ctx.session.scalars(others)) - {""}


def _erase_answers(ctx: Context, account_id: int) -> None:
    """Empty stored answers to the provider's requests about the account.

    The rows stay, so a repeated request has no second effect. Of an answer about several accounts
    only the account's external id is left out.
    """
    table: Any = IdempotencyKey.__table__
    change = update(table).where(table.c.id == bindparam("row_id")).values(body=bindparam("left"))
    stored = (
        select(table.c.id, table.c.body)
        .where(table.c.account_id.is_(None), table.c.body.contains(str(account_id)))
        .order_by(table.c.id)
        .limit(BATCH)
    )
    last = 0
    while rows := ctx.session.execute(stored.where(table.c.id > last)).all():
        last = rows[-1].id
        changes = [
            {"row_id": row.id, "left": dumps(left)}
            for row in rows
            if (left := _answer_left(loads(row.body), account_id)) is not None
        ]
        if changes:
            ctx.session.connection().execute(change, changes)


def _answer_left(answer: Any, account_id: int) -> dict[str, Any] | None:
    """Return what is left of a stored answer; None if it stays as it is.

    The field `account` has the account's id; in the record of an account it is the field `id`.
    """
    is_record = "account" not in answer and "external_id" in answer
    if answer.get("id" if is_record else "account") == account_id:
        return {}
    balances, key = answer.get("balances", {}), str(account_id)
    if key in balances:
        return {**answer, "balances": {**balances, key: {**balances[key], "external_id": None}}}
    return None


def _erase_events(
    ctx: Context, account_id: int, user_ids: Sequence[int], addresses: Iterable[str]
) -> None:
    """Leave out who acted, from where, and facts about people. Staff stay named."""
    staff = _staff(ctx)
    columns = (EventRow.id, EventRow.user_id, EventRow.actor_name, EventRow.facts)
    own = select(*columns).where(EventRow.account_id == account_id)
    _redact(ctx, ctx.session.execute(own).all(), staff)
    # Events of no account: sign-ins of people without one, and emails that staff have read.
    others = ctx.session.execute(select(*columns).where(EventRow.account_id.is_(None))).all()
    named = {it.casefold() for it in addresses}
    theirs = [
        row for row in others if row.user_id in user_ids or not named.isdisjoint(_words(row.facts))
    ]
    _redact(ctx, theirs, staff)
    notices = Notice.account_id.is_(None) & (
        Notice.user_id.in_(user_ids) | Notice.recipient.in_([*addresses])
    )
    ctx.session.execute(delete(Notice).where(notices))


def _words(value: object) -> Iterator[str]:
    """Yield the words of the texts in a JSON value, of which an email address is one."""
    if isinstance(value, str):
        yield from (word.casefold() for word in split(r"[\s,;:()<>]+", value))
    elif isinstance(value, Mapping):
        for it in (*value, *value.values()):
            yield from _words(it)
    elif isinstance(value, list):
        for it in value:
            yield from _words(it)


def _redact(ctx: Context, rows: Sequence[Any], staff: set[int]) -> None:
    table: Any = EventRow.__table__
    change = (
        update(table)
        .where(table.c.id == bindparam("row_id"))
        .values({name: bindparam(f"new_{name}") for name in ("user_id", "actor_name", "facts")})
        .values(address="")
    )
    for start in range(0, len(rows), BATCH):
        batch = []
        for row in rows[start : start + BATCH]:
            named = row.user_id in staff or row.actor_name in (SYSTEM.name, COMMAND_LINE.name)
            batch.append(
                {
                    "row_id": row.id,
                    "new_user_id": row.user_id if named else None,
                    "new_actor_name": row.actor_name if named else "",
                    "new_facts": redacted(row.facts),
                }
            )
        ctx.session.connection().execute(change, batch)


def _erase_receipts(ctx: Context, account: Account, years: int) -> Iterable[datetime]:
    """Yield when each receipt that is kept can be erased."""
    already = erasures.is_erased(ctx.session, account.id)
    for receipt in ctx.session.scalars(select(Receipt).where(Receipt.account_id == account.id)):
        ends = erasures.document_ends(receipt.issued_at, years)
        if ctx.now >= ends:
            receipt.erase_customer()
            continue
        if not already:
            receipt.freeze_customer(account.billing_details())
        yield ends


def _erase_wires(
    ctx: Context, account_id: int, files: ProofFiles, years: int
) -> Iterable[datetime]:
    """Yield when each proof that is kept can be erased."""
    for wire in ctx.session.scalars(
        select(WireRequest).where(WireRequest.account_id == account_id)
    ):
        wire.reason = ""
        closed_at = wire.closed_at or wire.created_at
        ends = erasures.document_ends(closed_at, years)
        for proof in ctx.session.scalars(select(WireProof).where(WireProof.wire_id == wire.id)):
            if wire.state == WireState.COMPLETED and ctx.now < ends:
                yield ends
                continue
            # The file is deleted first: if the commit fails, the next erasure finds the row.
            files.discard(account_id, proof.file)
            ctx.session.delete(proof)


def _erase_records(ctx: Context, account_id: int) -> None:
    ctx.session.flush()
    endpoints = select(Endpoint.id).where(Endpoint.account_id == account_id)
    ctx.session.execute(delete(Delivery).where(Delivery.endpoint_id.in_(endpoints)))
    for record in DELETED:
        table: Any = record.__table__
        ctx.session.connection().execute(delete(table).where(table.c.account_id == account_id))
    for record, values in BLANKED.items():
        table = record.__table__
        is_filled = or_(*(table.c[name].is_distinct_from(it) for name, it in values.items()))
        ctx.session.connection().execute(
            update(table).where(table.c.account_id == account_id, is_filled).values(**values)
        )
    ctx.session.expire_all()


def _erase_person(ctx: Context, user: User) -> None:
    """Make the sign-in unusable and anonymous. The row stays, because records name its id."""
    for record in (Passkey, RecoveryCode, UserSession, PortalLink):
        ctx.session.execute(delete(record).where(record.user_id == user.id))
    user.erase()


def _erase_facts(account: Account) -> None:
    account.name, account.external_id, account.creation_hash = erasures.NAME, None, None
    account.details, account.billing_emails, account.mail_opt_outs = {}, [], {}
    account.billing_name = account.billing_address = account.billing_tax_number = ""
