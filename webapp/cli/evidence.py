"""`flask evidence`: processor events that match no payment."""

import click

from webapp.actions.payments.close_unmatched_event import close_unmatched_event
from webapp.cli.shared.output import Commands, lines, prints, sentence
from webapp.domain.payments import unmatched_events
from webapp.domain.shared.money import decimal_text
from webapp.extensions import db, make_context

commands = Commands("evidence", help="Processor events that match no payment.")


def _line(row: dict[str, object]) -> str:
    amount = f"{row['amount']} {row['currency']}" if row["currency"] else "no amount"
    return "{evidence:>6}  {0:>16}  {processor} {reference}: {what}".format(amount, **row)


@commands.command("list")
@prints(lines(_line, "No unmatched events to review."))
def list_() -> list[dict[str, object]]:
    """List unmatched events to review: unknown payments, refunds and disputes."""
    return [
        {
            "evidence": one.id,
            "processor": one.processor,
            "reference": one.reference,
            "amount": decimal_text(one.amount),
            "currency": one.currency,
            "at": one.at,
            "what": one.what,
        }
        for one in unmatched_events.waiting(db.session())
    ]


@commands.command()
@click.argument("evidence_id", metavar="EVIDENCE", type=click.IntRange(1, 2**31 - 1))
@click.option("--reason", required=True, help="What you found and did. It is recorded.")
@prints(sentence("Evidence {evidence} is closed."))
def close(evidence_id: int, reason: str) -> dict[str, object]:
    """Mark EVIDENCE as reviewed. This moves no money."""
    close_unmatched_event(make_context(), evidence_id, reason)
    return {"evidence": evidence_id, "state": "closed"}
