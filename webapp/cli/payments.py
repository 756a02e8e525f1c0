"""`flask payments`: list payments, add funds and retry at a customer's request.

Exit codes of `add` and `retry`: 0 paid, 1 refused or declined, 3 outcome pending.
"""

from datetime import datetime
from secrets import token_hex

import click

from webapp.actions.payments.pay import retry as retry_payment
from webapp.actions.payments.pay_by_auto_charge import pay_by_auto_charge
from webapp.cli.shared.arguments import ACCOUNT, CENTS, CURSOR, LIMIT, SINCE, UNTIL, require
from webapp.cli.shared.output import Commands, page, print_record, prints
from webapp.domain.payments.payment import PaymentKind, PaymentState
from webapp.domain.shared.context import COMMAND_LINE
from webapp.domain.shared.errors import Conflict
from webapp.extensions import make_context, services
from webapp.reads.records.payments import (
    PaymentFilter,
    PaymentPage,
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
LINE = "{id:>6}  {created_at:%Y-%m-%d %H:%M}  {amount:>12} {currency}  {state:<9}  {kind}"
EXIT_CODES = {PaymentState.PAID: 0, PaymentState.OPEN: 3}


def _exit_code(record: PaymentRecord) -> int:
    return EXIT_CODES.get(PaymentState(record.state), 1)


def _print(record: PaymentRecord) -> None:
    attempts = tuple(
        f"{item.id}: {', '.join(filter(None, (item.method_name, item.state, item.reason)))}"
        for item in record.attempts
    )
    print_record({**record.model_dump(), "attempts": attempts})


@commands.command("list")
@ACCOUNT
@click.option("--state", type=click.Choice([str(state) for state in PaymentState]))
@click.option("--kind", type=click.Choice([str(kind) for kind in PaymentKind]))
@SINCE
@UNTIL
@LIMIT
@CURSOR
@prints(page(LINE, "payments", "End of list."))
def list_(
    account: int,
    state: str | None,
    kind: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    cursor: int | None,
) -> PaymentPage:
    """List the payments of ACCOUNT, newest first."""
    require(account)
    only = PaymentFilter(
        PaymentState(state) if state else None, PaymentKind(kind) if kind else None, since, until
    )
    return read_payments(make_context(), account, only, cursor, limit)


@commands.command()
@ACCOUNT
@PAYMENT
@prints(_print)
def show(account: int, payment: int) -> PaymentRecord:
    """Show PAYMENT of ACCOUNT with its attempts."""
    return payment_record(find_payment(make_context(), account, payment))


@commands.command()
@ACCOUNT
@click.argument("amount", type=CENTS)
@KEY
@prints(_print, code=_exit_code)
def add(account: int, amount: int, key: str) -> PaymentRecord:
    """Charge AMOUNT to the first of ACCOUNT's auto-charge methods that succeeds."""
    made = pay_by_auto_charge(make_context(COMMAND_LINE), account, amount, _request_key(key))
    services().wake()
    return payment_record(made)


@commands.command()
@ACCOUNT
@PAYMENT
@KEY
@prints(_print, code=_exit_code)
def retry(account: int, payment: int, key: str) -> PaymentRecord:
    """Retry the last declined attempt of PAYMENT with the same method."""
    failed = declined(find_payment(make_context(), account, payment))
    if not failed:
        raise Conflict("Only a failed payment can be retried.", code="not_failed")
    made = retry_payment(make_context(COMMAND_LINE), account, failed[-1].id, _request_key(key))
    services().wake()
    return payment_record(made)


def _request_key(key: str) -> str:
    if not key:
        return token_hex(16)
    if not (len(key) <= 60 and key.isascii() and key.isprintable()):
        raise click.UsageError("--key: use at most 60 printable ASCII characters.")
    return f"cli {key}"
