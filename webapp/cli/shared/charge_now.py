"""What a command charges at once (T18): only with `--charge`, and the outcome is printed."""

from datetime import datetime

import click

from webapp.actions.top_ups.finish_top_up import finish_top_up
from webapp.domain.top_ups import top_up as top_ups
from webapp.extensions import db, services
from webapp.reads.payments.outcome import read_refill_outcome

CHARGE = click.option(
    "--charge", is_flag=True, help="Go on where this charges a payment method at once."
)


def confirmed(charge: bool) -> int | None:
    """As the actions take it: any amount, or none."""
    return None if charge else 0


def print_outcome(account_id: int, since: datetime) -> None:
    """Of the refill that the command has started, on the error stream; nothing if there is none.

    `since`: an instant before the command took effect.
    """
    session = db.session()
    opened = top_ups.opened_since(session, account_id, since)
    if opened is None:
        return
    finish_top_up(session, opened.id, services().processors, services().clock, services().policy)
    outcome = read_refill_outcome(session, opened.id, services().clock.now())
    if outcome is not None:
        click.echo(outcome.sentence.replace("Your balance", "The balance"), err=True)
