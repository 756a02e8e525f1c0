"""What the operator's side shows: accounts, and what waits for one of the staff."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, ColumnExpressionArgument, func, or_, select
from sqlalchemy.orm import Session

from webapp.domain import moments, money, payment_methods, payments, top_ups
from webapp.domain.accounts import Account
from webapp.domain.declines import reason
from webapp.domain.errors import NotFound
from webapp.domain.explanations import plain, what_happens_next
from webapp.domain.notices import Notice, NoticeState
from webapp.domain.operators import Operator
from webapp.domain.payments import Attempt
from webapp.domain.policy import Policy
from webapp.domain.users import Membership, Role, User
from webapp.domain.wires import OPEN_STATES, STATE_NAMES, WireRequest, WireState
from webapp.reads.mail_filters import ZONE

PAGE = 50

LIKE = str.maketrans({"%": r"\%", "_": r"\_", "\\": r"\\"})


@dataclass(frozen=True)
class Waiting:
    """How much there is to do; the first thing on the page."""

    wires: int
    attempts: int
    mails: int


@dataclass(frozen=True)
class AccountLine:
    id: int
    name: str
    owner: str
    balance: str
    is_low: bool
    is_paused: bool


@dataclass(frozen=True)
class AccountsScreen:
    waiting: Waiting
    wanted: str
    rows: tuple[AccountLine, ...]
    after: int | None
    """`after` of the next page; None at the end."""


@dataclass(frozen=True)
class MethodLine:
    label: str
    state: str
    code: str
    """The processor's own code of its last failure (F12)."""


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
    """The raw decline code (F12), or what the processor said."""
    told: str
    """What the customer reads of it."""
    processor: str
    key: str
    evidence: str


@dataclass(frozen=True)
class AccountPage:
    id: int
    name: str
    owner: str
    people: tuple[str, ...]
    balance: str
    currency: str
    time_zone: str
    created: str
    what_next: str
    paused: str
    """ "Since 22 Nov, 10:00, by you", or empty."""
    paused_by_operator: bool
    paypal: bool
    methods: tuple[MethodLine, ...]
    attempts: tuple[AttemptLine, ...]


@dataclass(frozen=True)
class WireLine:
    id: int
    account_id: int
    account: str
    reference: str
    amount: str
    when: str
    state: str
    proofs: int


@dataclass(frozen=True)
class WirePage(WireLine):
    currency: str
    account_currency: str
    is_foreign: bool
    expected: str
    """What was asked for, for the field."""
    is_open: bool
    files: tuple[tuple[int, str], ...]
    ended: str


def read_operators(session: Session) -> list[dict[str, object]]:
    query = select(User).join(Operator, Operator.user_id == User.id).order_by(User.id)
    return [
        {"user": u.id, "email": u.email, "name": u.name, "second_factor": u.has_second_factor}
        for u in session.scalars(query)
    ]


def read_waiting(session: Session) -> Waiting:
    def count(where: ColumnExpressionArgument[bool]) -> int:
        return session.scalar(select(func.count()).where(where)) or 0

    return Waiting(
        wires=count(WireRequest.state.in_(OPEN_STATES)),
        attempts=count(Attempt.needs_operator),
        mails=count(Notice.state == NoticeState.FAILED),
    )


def read_accounts(session: Session, wanted: str, after: int | None) -> AccountsScreen:
    """By name, number, or the e-mail address of somebody who belongs to it; oldest first."""
    wanted = wanted.strip()
    query = select(Account).order_by(Account.id)
    if wanted:
        part = f"%{wanted.translate(LIKE)}%"
        people = select(Membership.account_id).join(User).where(User.email.ilike(part, "\\"))
        fits: list[ColumnElement[bool]] = [Account.name.ilike(part, "\\"), Account.id.in_(people)]
        if wanted.isascii() and wanted.isdigit() and len(wanted) <= 9:
            fits.append(Account.id == int(wanted))
        query = query.where(or_(*fits))
    if after is not None:
        query = query.where(Account.id > after)
    found = session.scalars(query.limit(PAGE + 1)).all()
    shown = found[:PAGE]
    owners = _owners(session, [account.id for account in shown])
    return AccountsScreen(
        waiting=read_waiting(session),
        wanted=wanted,
        rows=tuple(
            AccountLine(
                id=a.id,
                name=a.name,
                owner=owners.get(a.id, ""),
                balance=a.show(a.balance),
                is_low=a.is_low,
                is_paused=a.paused_at is not None,
            )
            for a in shown
        ),
        after=shown[-1].id if len(found) > PAGE else None,
    )


def read_account(session: Session, account_id: int, now: datetime, policy: Policy) -> AccountPage:
    """Raises `NotFound`."""
    account = session.get(Account, account_id)
    if account is None:
        raise NotFound("That account")
    zone = account.time_zone
    people = session.execute(
        select(User.name, User.email, Membership.role)
        .join(Membership)
        .where(Membership.account_id == account_id)
        .order_by(User.id)
    )
    since = moments.when(account.paused_at, zone, now) if account.paused_at else ""
    by = "by an operator" if account.paused_by_operator else "until the customer resumes"
    own = select(Attempt).where(Attempt.account_id == account_id)
    last = session.scalars(own.order_by(Attempt.id.desc()).limit(10))
    at = top_ups.gather(session, account, now, policy)
    return AccountPage(
        id=account.id,
        name=account.name,
        owner=_owners(session, [account_id]).get(account_id, ""),
        people=tuple(f"{name}, {email}: {role}" for name, email, role in people),
        balance=account.show(account.balance),
        currency=account.currency,
        time_zone=zone,
        created=moments.day(account.created_at, zone, now),
        what_next=plain(what_happens_next(at, account.show)),
        paused=f"Since {since}, {by}" if since else "",
        paused_by_operator=account.paused_by_operator,
        paypal=account.paypal_allowed,
        methods=tuple(
            MethodLine(m.label, in_words(m.standing(now)), m.failure_code or "")
            for m in payment_methods.listed(session, account_id)
        ),
        attempts=tuple(_attempt(account, one, now) for one in last),
    )


def read_undecided(session: Session, now: datetime) -> tuple[AttemptLine, ...]:
    """Attempts that only an operator can settle (L9, L10), the oldest first."""
    waiting = payments.awaiting_operator(session)
    return tuple(_attempt(session.get_one(Account, a.account_id), a, now) for a in waiting)


def read_open_wires(session: Session, now: datetime) -> tuple[WireLine, ...]:
    """Those with a proof first: money is on its way."""
    query = (
        select(WireRequest)
        .where(WireRequest.state.in_(OPEN_STATES))
        .order_by(WireRequest.proved_at.is_(None), WireRequest.id)
        .limit(200)
    )
    return tuple(_wire(session, wire, now) for wire in session.scalars(query))


def read_wire(session: Session, wire_id: int, now: datetime) -> WirePage:
    """Raises `NotFound`."""
    wire = session.get(WireRequest, wire_id)
    if wire is None:
        raise NotFound("That wire transfer")
    line = _wire(session, wire, now)
    account = session.get_one(Account, wire.account_id)
    ended = f"{line.state} {moments.since(wire.closed_at, ZONE, now)}" if wire.closed_at else ""
    return WirePage(
        **vars(line),
        currency=wire.currency,
        account_currency=account.currency,
        is_foreign=wire.currency != account.currency,
        expected=money.field_text(wire.amount),
        is_open=wire.is_open,
        files=tuple((proof.id, proof.name) for proof in wire.proofs),
        ended=ended,
    )


def in_words(code: str) -> str:
    return code.replace("_", " ").capitalize()


def _owners(session: Session, ids: list[int]) -> dict[int, str]:
    query = (
        select(Membership.account_id, User.email)
        .join(User)
        .where(Membership.account_id.in_(ids), Membership.role == Role.OWNER)
    )
    return {row.account_id: row.email for row in session.execute(query)}


def _attempt(account: Account, attempt: Attempt, now: datetime) -> AttemptLine:
    code = attempt.decline_code or ""
    return AttemptLine(
        id=attempt.id,
        account_id=account.id,
        account=account.name,
        when=moments.since(attempt.started_at, ZONE, now),
        reference=attempt.payment.reference,
        amount=money.show(attempt.amount, attempt.currency, account.locale),
        method=attempt.method.label if attempt.method else attempt.payment.note,
        state=in_words(attempt.state),
        code=code,
        told=reason(code).sentence if code else "",
        processor=attempt.processor,
        key=attempt.key,
        evidence=attempt.mismatch or attempt.trouble or "",
    )


def _wire(session: Session, wire: WireRequest, now: datetime) -> WireLine:
    account = session.get_one(Account, wire.account_id)
    return WireLine(
        id=wire.id,
        account_id=account.id,
        account=account.name,
        reference=wire.reference,
        amount=money.show(wire.amount, wire.currency, account.locale),
        when=moments.since(wire.created_at, ZONE, now),
        state=STATE_NAMES[WireState(wire.state)],
        proofs=len(wire.proofs),
    )
