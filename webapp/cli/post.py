"""`flask usage post` and `flask usage reverse`: one usage record."""

from datetime import datetime

import click

from webapp.actions.usage.post_usage import post_usage
from webapp.actions.usage.reverse_usage import reverse_usage
from webapp.cli import usage as group
from webapp.cli.shared.arguments import ACCOUNT, MICROS, REFERENCE, Instant
from webapp.cli.shared.output import prints
from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import COMMAND_LINE
from webapp.domain.shared.errors import NotFound
from webapp.domain.shared.money import decimal_text
from webapp.domain.usage import record as usage
from webapp.extensions import make_context, services
from webapp.reads.records.usage_reversals import UsageReversalRecord, read_usage_reversal


@group.commands.command("post")
@ACCOUNT
@click.argument("amount")
@click.argument("reference")
@click.option("--description", default="", help="Text for the statement.")
@click.option(
    "--occurred-at",
    type=Instant(),
    metavar="INSTANT",
    help="When the usage occurred. Default: now.",
)
@prints(code=lambda result: 1 if result["status"] in usage.REFUSED else 0)
def post(
    account: int,
    amount: str,
    reference: str,
    description: str,
    occurred_at: datetime | None,
) -> dict[str, object]:
    """Debit AMOUNT from ACCOUNT, once per REFERENCE.

    The exit code is 1 if REFERENCE was posted with another amount or AMOUNT is above USAGE_MAX.
    """
    context = make_context(COMMAND_LINE)
    found = context.session.get(Account, account)
    if found is None:
        raise NotFound(f"Account {account}")
    sent = {"amount": amount, "reference": reference, "description": description}
    if occurred_at is not None:
        sent["occurred_at"] = occurred_at.isoformat()
    record = usage.parse(sent, found.currency, context.now)
    receipt = post_usage(context, account, [record])
    services().wake()
    [verdict] = receipt.verdicts
    return {
        "status": str(verdict),
        "balance": decimal_text(receipt.balance),
        **usage.refusal(verdict, record, receipt.usage_max),
    }


@group.commands.command("reverse")
@ACCOUNT
@click.argument("usage_reference", metavar="USAGE")
@click.argument("reference", type=REFERENCE)
@click.option("--amount", type=MICROS, help="How much to give back. Default: all that is left.")
@click.option("--reason", required=True, help="Shown on the statement.")
@prints()
def reverse(
    account: int, usage_reference: str, reference: str, amount: int | None, reason: str
) -> UsageReversalRecord:
    """Give the usage with the reference USAGE back to ACCOUNT, once per REFERENCE."""
    ctx = make_context(COMMAND_LINE)
    made = reverse_usage(ctx, account, usage_reference, reference, amount, reason)
    return read_usage_reversal(ctx, made.reversal)
