"""Configuration problems of this installation, each with its remedy.

They are shown at the start, by `/readyz` and on `/operator`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, exists, func, select

from webapp.database.statements import sql_literal
from webapp.database.vault import WrongKey
from webapp.domain.accounts.account import Account
from webapp.domain.ledger import LedgerEntry
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments.payment import Attempt
from webapp.domain.shared.context import Context
from webapp.domain.users.user import User
from webapp.domain.webhooks.endpoint import Endpoint
from webapp.private_files import is_open
from webapp.reads.ledger.ledger_check import SANDBOXES
from webapp.settings import Settings

DEMO_EMAIL = "owner@demo.test"
"""The owner of the demo account, whose password is public."""

SHORTEST_KEY = 32
"""Characters of SECRET_KEY."""

ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - nothing is bound here


class Severity(StrEnum):
    REFUSE = "refuse"
    """The server does not start and is not ready."""
    WARN = "warn"


@dataclass(frozen=True)
class Finding:
    code: str
    """Stable, machine-readable."""
    severity: Severity
    sentence: str


@dataclass
class Sightings:
    """What the requests of this process reveal about its environment."""

    untrusted_proxy: bool = False
    """A request from this host carried X-Forwarded-For, and TRUSTED_PROXIES is 0."""


def read_installation(
    ctx: Context, settings: Settings, sightings: Sightings
) -> tuple[Finding, ...]:
    """Return all findings. Raises if the database cannot be read."""
    return (*findings_of_settings(settings, sightings), *findings_of_database(ctx, settings))


def findings_of_settings(settings: Settings, sightings: Sightings) -> tuple[Finding, ...]:
    """Return the findings that need no database."""
    return (
        *_of_secret_key(settings),
        *_of_sandbox(settings),
        *_of_currencies(settings),
        *_of_addresses(settings, sightings),
        *_of_files(settings),
    )


def findings_of_database(ctx: Context, settings: Settings) -> tuple[Finding, ...]:
    """Return secrets encrypted with another key, accounts in currencies without bounds and, with
    live keys, leftover demo data.
    """
    left_behind = _of_trial(ctx) if settings.is_live else ()
    return (*_of_sealed(ctx), *_of_accounts(ctx, settings), *left_behind)


def _of_secret_key(settings: Settings) -> Iterator[Finding]:
    if len(settings.secret_key) >= SHORTEST_KEY:
        return
    is_public = settings.is_live or settings.public_url.startswith("https://")
    yield Finding(
        "secret_key",
        Severity.REFUSE if is_public else Severity.WARN,
        f"SECRET_KEY is shorter than {SHORTEST_KEY} characters, so sessions and links in emails "
        f"can be forged: replace it by one of at least {SHORTEST_KEY} with keys rotate-secret",
    )


def _of_sandbox(settings: Settings) -> Iterator[Finding]:
    if settings.has_sandbox and not settings.demo:
        yield Finding(
            "sandbox",
            Severity.WARN,
            "The sandbox is on: no real money moves, and staff can post usage and move the clock. "
            "Choose real processors with CARD_PROCESSOR and PAYPAL_PROCESSOR, or set DEMO=1",
        )


def _of_currencies(settings: Settings) -> Iterator[Finding]:
    for currency, variables in settings.incomplete_currencies.items():
        yield Finding(
            "incomplete_currency",
            Severity.WARN,
            f"{currency} is not offered: {' and '.join(variables)} "
            f"{'set' if len(variables) > 1 else 'sets'} no amount of it",
        )


def _of_accounts(ctx: Context, settings: Settings) -> Iterator[Finding]:
    """Find accounts in a currency that is not offered any more, where nothing may be charged, and
    in one whose amounts the operator may have forgotten.
    """
    in_use = select(Account.currency).distinct().order_by(Account.currency)
    for currency in ctx.session.scalars(in_use):
        if names := settings.left_out.get(currency):
            yield Finding(
                "currency_not_offered",
                Severity.REFUSE,
                f"Accounts have the currency {currency}: "
                f"set an amount of it in {' and '.join(names)}",
            )
        elif names := settings.on_default(currency):
            verb = "have amounts" if len(names) > 1 else "has an amount"
            yield Finding(
                "default_amounts",
                Severity.WARN,
                f"Accounts have the currency {currency}, and {' and '.join(names)} {verb} of "
                f"{settings.currency} only: the default of {currency} applies. Set a list, such "
                f"as {names[0]}={settings.currency}=…,{currency}=…",
            )


def _of_addresses(settings: Settings, sightings: Sightings) -> Iterator[Finding]:
    if settings.host in ANY_ADDRESS and not settings.public_url:
        yield Finding(
            "public_url",
            Severity.WARN,
            f"HOST={settings.host} without PUBLIC_URL: links in emails start with "
            f"{settings.base_url}; set PUBLIC_URL to the address people use",
        )
    if sightings.untrusted_proxy:
        yield Finding(
            "untrusted_proxy",
            Severity.WARN,
            "A proxy on this host sends X-Forwarded-For, which is ignored, so all its clients "
            "share one rate limit: set TRUSTED_PROXIES to the number of proxies",
        )


def _of_files(settings: Settings) -> Iterator[Finding]:
    """Find files that other users can read; own files are closed at start (`ensure_home`)."""
    home = settings.home
    home_is_closed = not is_open(home)
    left_open = [
        str(path)
        for path in settings.private_paths
        if is_open(path) and not (home_is_closed and path.is_relative_to(home))
    ]
    if left_open:
        yield Finding(
            "open_files",
            Severity.WARN,
            "Other users of this host can read Ballast’s files: have the owner run "
            f"chmod go= {' '.join(left_open)}",
        )


def _of_sealed(ctx: Context) -> Iterator[Finding]:
    """Decrypt one secret of each kind, which is enough because all share one key."""
    try:
        for secret in (User.totp_secret, Endpoint.secret):
            ctx.session.execute(select(secret).where(secret.is_not(None)).limit(1)).all()
    except WrongKey as error:
        yield Finding("wrong_key", Severity.REFUSE, str(error))


def _of_trial(ctx: Context) -> Iterator[Finding]:
    if ctx.session.scalar(select(exists().where(User.email == DEMO_EMAIL))):
        yield Finding(
            "demo_account",
            Severity.REFUSE,
            f"The demo account, {DEMO_EMAIL}, has a public password, and payments are live: "
            "start live with a new BALLAST_HOME, and on PostgreSQL with an empty database",
        )
    if count := ctx.session.scalar(select(func.count()).where(_has_sandbox_money())):
        accounts = f"{count:,} account{'s' if count > 1 else ''}"
        yield Finding(
            "sandbox_credits",
            Severity.REFUSE,
            f"Payments are live, and {accounts} can still spend what the sandbox has credited: "
            "take it off with flask --app wsgi accounts adjust, or start with an empty database",
        )


def _has_sandbox_money() -> ColumnElement[bool]:
    """Whether the balance exceeds all credits that did not come from the sandbox."""
    tried = select(PaymentMethod.account_id).where(PaymentMethod.processor.in_(SANDBOXES))
    real = (
        select(func.coalesce(func.sum(LedgerEntry.amount), 0))
        .join(Attempt, Attempt.id == LedgerEntry.attempt_id)
        .where(
            LedgerEntry.account_id == Account.id,
            LedgerEntry.amount > sql_literal(0),
            Attempt.processor.not_in(SANDBOXES),
        )
        .scalar_subquery()
    )
    return Account.id.in_(tried) & (Account.balance > real)
