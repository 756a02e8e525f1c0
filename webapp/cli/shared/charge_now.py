"""Commands that would charge at once (T18): they require `--charge` and print the outcome."""

from datetime import datetime

import click

from webapp.actions.top_ups.finish_top_up import finish_top_up
from webapp.domain.top_ups import top_up as top_ups
from webapp.extensions import db, make_context
from webapp.reads.payments.outcome import read_refill_outcome

CHARGE = click.option(
    "--charge", is_flag=True, help="Proceed even if this charges a payment method now."
)


def confirmed(charge: bool) -> int | None:
    """The `confirmed` argument of actions: None allows any charge, 0 allows none."""
    return None if charge else 0


def print_outcome(account_id: int, since: datetime) -> None:
    """Finish the refill that the command started, if any, and print its outcome to stderr.

    `since`: a time before the command took effect.
    """
    session = db.session()
    opened = top_ups.opened_since(session, account_id, since)
    if opened is None:
        return
    finish_top_up(make_context(), opened.id)
    outcome = read_refill_outcome(make_context(), opened.id)
    if outcome is not None:
        click.echo(outcome.sentence.replace("Your balance", "The balance"), err=True)
