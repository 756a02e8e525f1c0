"""`flask attempts`: unresolved charges that only an operator can settle."""

import click

from webapp.actions.payments.decide_attempt import decide_attempt
from webapp.cli.shared.charge_now import CHARGE, confirmed, print_outcome
from webapp.cli.shared.output import Commands, lines, prints, sentence
from webapp.domain.payments import queries
from webapp.domain.payments.payment import Attempt
from webapp.domain.shared.context import COMMAND_LINE
from webapp.domain.shared.money import decimal_text
from webapp.extensions import db, make_context, services

commands = Commands("attempts", help="Settle unresolved charges.")


@commands.command("list")
@prints(
    lines(
        "{attempt:>6}  {amount:>12} {currency}  account {account}: {why}", "No unresolved charges."
    )
)
def list_() -> list[dict[str, object]]:
    """List the unresolved charges that need a decision, with the reason for each."""
    return [
        {
            "attempt": attempt.id,
            "account": attempt.account_id,
            "processor": attempt.processor,
            "key": attempt.key,
            "amount": decimal_text(attempt.amount),
            "currency": attempt.currency,
            "state": attempt.state,
            "started_at": attempt.started_at,
            "why": attempt.mismatch or attempt.trouble or "",
        }
        for attempt in queries.awaiting_operator(db.session())
    ]


@commands.command()
@click.argument("attempt", type=click.IntRange(1, 2**31 - 1))
@click.option("--paid/--not-paid", required=True, help="What the processor's dashboard shows.")
@click.option("--reason", required=True, help="How you verified it. Shown in the audit log.")
@CHARGE
@prints(sentence("Attempt {attempt} is settled as {state}."))
def decide(attempt: int, paid: bool, reason: str, charge: bool) -> dict[str, object]:
    """Settle ATTEMPT as paid in full or as not charged."""
    session = db.session()
    ctx = make_context(COMMAND_LINE)
    decide_attempt(ctx, attempt, paid, reason, confirmed=confirmed(charge))
    services().wake()
    account_id = session.get_one(Attempt, attempt).account_id
    print_outcome(account_id, ctx.now)
    state = "paid" if paid else "not charged"
    return {"attempt": attempt, "account": account_id, "state": state}
