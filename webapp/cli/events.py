"""`flask events`: the numbered events of all accounts (V7)."""

import click

from webapp.actions.webhooks.number_events import number_events
from webapp.cli.shared.output import Commands, prints
from webapp.domain.webhooks.endpoint import PROVIDER_CHOICES
from webapp.extensions import make_context
from webapp.reads.records.events import EventPage, EventRecord, read_events

commands = Commands("events", help="The events of all accounts, by their sequence.")


def _line(event: EventRecord) -> str:
    account = event.account.external_id or event.account.id
    return f"{event.sequence:>8}  {event.timestamp:%Y-%m-%dT%H:%M:%SZ}  {event.type:<24} {account}"


def _page(page: EventPage) -> None:
    for event in page.events:
        click.echo(_line(event))
    more = f"More: --after {page.next_after}" if page.has_more else "No more events."
    click.echo(more)


@commands.command("list")
@click.option("--after", type=click.IntRange(0), help="Only events after this sequence.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, help="Default: 50.")
@click.option(
    "--type", "kind", type=click.Choice([str(kind) for kind in PROVIDER_CHOICES]),
    help="Only events of this type.",
)  # fmt: skip
@prints(_page)
def list_(after: int | None, limit: int, kind: str | None) -> EventPage:
    """List events, oldest first; without --after, from the oldest that is kept."""
    ctx = make_context()
    number_events(ctx)
    return read_events(ctx, after, limit, kind)
