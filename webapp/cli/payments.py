"""`flask payments`: list payments, add funds and retry at a customer's request.

Exit codes of `add` and `retry`: 0 paid, 1 refused or declined, 3 outcome pending.
"""

from dataclasses import asdict
from datetime import datetime
from secrets import token_hex

import click

from webapp.actions.payments.pay import retry as retry_payment
from webapp.actions.payments.pay_by_auto_charge import pay_by_auto_charge
from webapp.cli.shared.arguments import ACCOUNT, CENTS, CURSOR, LIMIT, SINCE, UNTIL, require
from webapp.cli.shared.output import Commands, as_json, print_json, print_record
from webapp.domain.payments.payment import Payment, PaymentKind, PaymentState
from webapp.domain.shared.context import COMMAND_LINE
from webapp.domain.shared.errors import Conflict
from webapp.extensions import make_context, services
from webapp.reads.records.payments import (
    PaymentFilter,
    PaymentRecord,
    declined,
    find_payment,
    payment_record,
    read_payments,
)

commands = Commands("payments", help="List payments, add funds, retry.")

PAYMENT = click.argument("payment", type=click.IntRange(1, 999_999_999))
KEY = click.option(
    "--key", default="", help="Idempotency key: the same command again makes no second payment."
)
EXIT_CODES = {PaymentState.PAID: 0, PaymentState.OPEN: 3}


@commands.command("list")
@ACCOUNT
@click.option("--state", type=click.Choice([str(state) for state in PaymentState]))
@click.option("--kind", type=click.Choice([str(kind) for kind in PaymentKind]))
@SINCE
@UNTIL
@LIMIT
@CURSOR
@as_json
def list_(
    account: int,
    state: str | None,
    kind: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    cursor: int | None,
    as_json: bool,
) -> None:
    """List the payments of ACCOUNT, newest first."""
    require(account)
    only = PaymentFilter(
        PaymentState(state) if state else None, PaymentKind(kind) if kind else None, since, until
    )
    page = read_payments(make_context(), account, only, cursor, limit)
    if as_json:
        print_json(asdict(page))
        return
    for item in page.payments:
        click.echo(
            f"{item.id:>6}  {item.created_at:%Y-%m-%d %H:%M}  {item.amount:>12} {item.currency}  "
            f"{item.state:<9}  {item.kind}"
        )
    click.echo(f"More: --cursor {page.next_cursor}" if page.next_cursor else "End of list.")


@commands.command()
@ACCOUNT
@PAYMENT
@as_json
def show(account: int, payment: int, as_json: bool) -> None:
    """Show PAYMENT of ACCOUNT with its attempts."""
    _print(payment_record(find_payment(make_context(), account, payment)), as_json)


@commands.command()
@ACCOUNT
@click.argument("amount", type=CENTS)
@KEY
@as_json
@click.pass_context
def add(ctx: click.Context, account: int, amount: int, key: str, as_json: bool) -> None:
    """Charge AMOUNT to the first of ACCOUNT's auto-charge methods that succeeds."""
    made = pay_by_auto_charge(make_context(COMMAND_LINE), account, amount, _request_key(key))
    _conclude(ctx, made, as_json)


@commands.command()
@ACCOUNT
@PAYMENT
@KEY
@as_json
@click.pass_context
def retry(ctx: click.Context, account: int, payment: int, key: str, as_json: bool) -> None:
    """Retry the last declined attempt of PAYMENT with the same method."""
    failed = declined(find_payment(make_context(), account, payment))
    if not failed:
        raise Conflict("Only a failed payment can be retried.", code="not_failed")
    made = retry_payment(make_context(COMMAND_LINE), account, failed[-1].id, _request_key(key))
    _conclude(ctx, made, as_json)


def _request_key(key: str) -> str:
    if not key:
        return token_hex(16)
    if not (len(key) <= 60 and key.isascii() and key.isprintable()):
        raise click.UsageError("--key: use at most 60 printable ASCII characters.")
    return f"cli {key}"


def _conclude(ctx: click.Context, made: Payment, as_json: bool) -> None:
    services().wake()
    _print(payment_record(made), as_json)
    ctx.exit(EXIT_CODES.get(PaymentState(made.state), 1))


def _print(record: PaymentRecord, as_json: bool) -> None:
    if as_json:
        print_json(asdict(record))
        return
    result = asdict(record)
    result["attempts"] = tuple(
        f"{item.id}: {', '.join(filter(None, (item.method_name, item.state, item.reason)))}"
        for item in record.attempts
    )
    print_record(result)
