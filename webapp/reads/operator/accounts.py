"""Account search and account page for operators."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from webapp.domain.accounts.account import Account, AccountState
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payments.payment import Attempt
from webapp.domain.shared import datetimes, money
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import NotFound
from webapp.domain.shared.i18n import NAMES as LANGUAGES
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.explanations import plain, what_happens_next
from webapp.domain.top_ups.settings import LowBalanceSettings, PausedBy
from webapp.domain.users.user import Membership, User
from webapp.reads.accounts.search import AccountFilter
from webapp.reads.operator.attempts import AttemptLine, in_words, line_of
from webapp.reads.operator.waiting import Waiting, read_waiting
from webapp.reads.records.accounts import read_owners

PAGE = 50


@dataclass(frozen=True)
class AccountLine:
    id: int
    name: str
    owner: str
    balance: str
    state: AccountState
    is_low: bool
    is_paused: bool


@dataclass(frozen=True)
class AccountsScreen:
    waiting: Waiting
    query: Mapping[str, str]
    """The filters as query arguments: `search` and `state`."""
    rows: tuple[AccountLine, ...]
    after: int | None
    """The next page's `after`; None on the last page."""


@dataclass(frozen=True)
class MethodLine:
    label: str
    state: str
    code: str
    """The processor's code of the last failure (F12)."""


@dataclass(frozen=True)
class AccountPage:
    id: int
    name: str
    state: AccountState
    owes: bool
    """The balance is not zero, so closing asks what happens to it."""
    facts: tuple[tuple[str, str], ...]
    """What the provider has set, by name: "External id", "Credit limit", its metadata (V4)."""
    owner: str
    people: tuple[str, ...]
    balance: str
    currency: str
    symbol: str
    """ "$", shown before amount fields."""
    time_zone: str
    created: str
    what_next: str
    paused: str
    """ "Since 22 Nov, 10:00, by an operator"; empty if not paused."""
    paused_by_operator: bool
    paypal: bool
    methods: tuple[MethodLine, ...]
    attempts: tuple[AttemptLine, ...]


def read_accounts(ctx: Context, only: AccountFilter, after: int | None) -> AccountsScreen:
    """Oldest first."""
    query = only.query().options(joinedload(Account.settings))
    query = query.order_by(Account.id)
    if after is not None:
        query = query.where(Account.id > after)
    found = ctx.session.scalars(query.limit(PAGE + 1)).all()
    shown = found[:PAGE]
    owners = _owners(ctx, [account.id for account in shown])
    return AccountsScreen(
        waiting=read_waiting(ctx),
        query={
            name: value
            for name, value in (("search", only.search.strip()), ("state", only.state))
            if value
        },
        rows=tuple(
            AccountLine(
                id=a.id,
                name=a.name,
                owner=owners.get(a.id, ""),
                balance=a.show(a.balance),
                state=AccountState(a.state),
                is_low=a.is_low,
                is_paused=a.settings.paused_at is not None,
            )
            for a in shown
        ),
        after=shown[-1].id if len(found) > PAGE else None,
    )


def read_account(ctx: Context, account_id: int) -> AccountPage:
    """Raises `NotFound`."""
    account = ctx.session.get(Account, account_id)
    if account is None:
        raise NotFound("That account")
    zone = account.time_zone
    people = ctx.session.execute(
        select(User.name, User.email, Membership.role)
        .join(Membership)
        .where(Membership.account_id == account_id)
        .order_by(User.id)
    )
    settings = LowBalanceSettings.of(ctx.session, account_id)
    since = datetimes.when(settings.paused_at, zone, ctx.now) if settings.paused_at else ""
    by_operator = settings.paused_by == PausedBy.OPERATOR
    by = "by an operator" if by_operator else "until the customer resumes"
    own = select(Attempt).where(Attempt.account_id == account_id)
    last = ctx.session.scalars(own.order_by(Attempt.id.desc()).limit(10))
    at = top_ups.gather(ctx, account)
    return AccountPage(
        id=account.id,
        name=account.name,
        state=AccountState(account.state),
        owes=account.balance != 0,
        facts=_facts(account),
        owner=_owners(ctx, [account_id]).get(account_id, ""),
        people=tuple(f"{name}, {email}: {role}" for name, email, role in people),
        balance=account.show(account.balance),
        currency=account.currency,
        symbol=money.symbol(account.currency, account.locale),
        time_zone=zone,
        created=datetimes.day(account.created_at, zone, ctx.now),
        what_next=plain(what_happens_next(at, account.show)),
        paused=f"Since {since}, {by}" if since else "",
        paused_by_operator=by_operator,
        paypal=account.paypal_allowed,
        methods=tuple(
            MethodLine(m.label, in_words(m.standing(ctx.now)), m.failure_code or "")
            for m in payment_methods.listed(ctx.session, account_id)
        ),
        attempts=tuple(line_of(account, one, ctx.now) for one in last),
    )


def _facts(account: Account) -> tuple[tuple[str, str], ...]:
    holds = account.max_open_holds
    return (
        ("External id", account.external_id or "None"),
        ("Credit limit", account.show(account.credit_limit)),
        ("Open holds", "No limit" if holds is None else f"At most {holds:,}"),
        ("Own metering", "Allowed" if account.own_metering else "Not allowed"),
        ("Time zone", account.time_zone.replace("_", " ")),
        ("Email language", LANGUAGES[account.language]),
        *sorted(account.details.items()),
    )


def _owners(ctx: Context, ids: list[int]) -> dict[int, str]:
    """Return the owners' addresses; of those who have not joined yet, with a note."""
    return {
        account_id: it.email if it.has_joined else f"{it.email}, invited"
        for account_id, it in read_owners(ctx, ids).items()
    }
