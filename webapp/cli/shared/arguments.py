"""Arguments and options shared by several commands."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

import click

from webapp.domain.accounts.account import Account
from webapp.domain.accounts.lookup import id_of, read_account
from webapp.domain.shared import money
from webapp.domain.shared.errors import NotFound
from webapp.domain.usage.record import read_reference
from webapp.extensions import db


class ExternalId(str):
    """The provider's own id of an account, until `find_accounts` replaces it by ours."""


class AccountId(click.ParamType):
    """An account's id, or `external:ID` with the provider's own id, as in the API (V2)."""

    name = "account"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | ExternalId:
        try:
            key = read_account(value)
        except ValueError:
            key = 0
        if not key:
            self.fail(f"{value!r}: use an account's id, or external: and your own id", param, ctx)
        return key if isinstance(key, int) else ExternalId(key)


def find_accounts(given: dict[str, Any]) -> None:
    """Replace the external ids among a command's arguments by accounts' ids.

    Raises `NotFound`.
    """
    for name, value in given.items():
        if isinstance(value, ExternalId):
            given[name] = id_of(db.session(), str(value))


ACCOUNT = click.argument("account", type=AccountId())
ANY_ID = click.IntRange(1, 2**31 - 1)
LIMIT = click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=50,
    show_default=True,
    help="Maximum number of items.",
)
CURSOR = click.option(
    "--cursor",
    type=click.IntRange(1, 999_999_999),
    help="Continue after a page; printed at its end.",
)


Command = Callable[..., Any]
Owner = Callable[[Command], Command]
"""Passes `account` to a command, which serves accounts and the provider alike."""


def of_provider(command: Command) -> Command:
    """Call the command without an account: for what is the provider's own (V1, V7)."""

    @wraps(command)
    def run(**given: Any) -> Any:
        return command(account=None, **given)

    return run


def require(account: int) -> None:
    """Raises `NotFound` if the account does not exist; its lists would only look empty."""
    if db.session().get(Account, account) is None:
        raise NotFound(f"Account {account}")


class AmountOf(click.ParamType):
    """An amount above zero: a decimal string, converted to micros."""

    name = "amount"

    def __init__(self, places: int) -> None:
        self._places = places

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        try:
            return money.parse(str(value), self._places)
        except money.BadAmount as fault:
            self.fail(f"{value!r}: {fault}", param, ctx)


class Instant(click.ParamType):
    """A date and time, in UTC unless it has an offset."""

    name = "instant"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            instant = datetime.fromisoformat(str(value))
            return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r}: use a date and time such as 2026-11-22T10:00:00Z", param, ctx)


class ReferenceOf(click.ParamType):
    """The operator's own reference of usage, a hold or a correction."""

    name = "reference"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        try:
            return read_reference(value)
        except ValueError as fault:
            self.fail(f"{value!r}: {fault}", param, ctx)


REFERENCE = ReferenceOf()
CENTS = AmountOf(money.PAYMENT_PLACES)
MICROS = AmountOf(money.USAGE_PLACES)
SINCE = click.option("--since", type=Instant(), metavar="INSTANT", help="Only at or after INSTANT.")
UNTIL = click.option("--until", type=Instant(), metavar="INSTANT", help="Only before INSTANT.")
