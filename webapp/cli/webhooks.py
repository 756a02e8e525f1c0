"""`flask webhooks`: an account's webhook endpoints and their deliveries."""

from collections.abc import Sequence

import click

from webapp.actions.webhooks import endpoints as actions
from webapp.actions.webhooks.endpoints import NewSecret
from webapp.cli.accounts import ANY_ID
from webapp.cli.shared.output import Commands, lines, prints
from webapp.domain.shared.context import COMMAND_LINE
from webapp.domain.users.user import Right
from webapp.domain.webhooks.endpoint import CHOICES, EndpointChoice
from webapp.extensions import make_context, services
from webapp.reads.records import webhooks as records

commands = Commands("webhooks", help="Webhook endpoints and their deliveries.")

SHOWN = 50

STAFF = frozenset(Right)

ALL = [str(kind) for kind in CHOICES]


def _endpoint_line(row: records.EndpointRecord) -> str:
    state = "on" if row.on else str(row.ended)
    return f"{row.id:>6}  {state:<8} {row.url}  {row.name}"


@commands.command("list")
@click.argument("account", type=ANY_ID)
@prints(lines(_endpoint_line, "No webhook endpoints."))
def list_(account: int) -> Sequence[records.EndpointRecord]:
    """List the endpoints of ACCOUNT."""
    return records.read_endpoints(make_context(), account).webhook_endpoints


@commands.command()
@click.argument("account", type=ANY_ID)
@click.argument("url")
@click.option("--name", default="", help="Shown next to the URL.")
@click.option(
    "--event",
    "events",
    multiple=True,
    type=click.Choice(ALL),
    help="An event to send; can be repeated. Default: all.",
)
@prints()
def add(account: int, url: str, name: str, events: tuple[str, ...]) -> dict[str, object]:
    """Send the events of ACCOUNT to URL. The signing secret is shown only once."""
    made = actions.add_endpoint(
        make_context(COMMAND_LINE),
        account,
        EndpointChoice(url, name, events or tuple(ALL)),
        STAFF,
        plain_http=bool(services().settings.webhook_allowed_networks),
    )
    return _shown_once(account, made)


@commands.command()
@click.argument("account", type=ANY_ID)
@click.argument("endpoint", type=ANY_ID)
@prints()
def rotate(account: int, endpoint: int) -> dict[str, object]:
    """Create a new secret for ENDPOINT. Both secrets sign for 24 hours."""
    made = actions.rotate_secret(make_context(COMMAND_LINE), account, endpoint, STAFF)
    return _shown_once(account, made)


@commands.command()
@click.argument("account", type=ANY_ID)
@click.argument("endpoint", type=ANY_ID)
@click.argument("state", type=click.Choice(["on", "off"]))
@prints()
def switch(account: int, endpoint: int, state: str) -> records.EndpointRecord:
    """Switch ENDPOINT on or off. Pending deliveries are sent when it is on again."""
    actions.switch_endpoint(make_context(COMMAND_LINE), account, endpoint, state == "on", STAFF)
    services().wake()
    return records.read_endpoint(make_context(), account, endpoint)


@commands.command()
@click.argument("account", type=ANY_ID)
@click.argument("endpoint", type=ANY_ID)
def remove(account: int, endpoint: int) -> None:
    """Remove ENDPOINT and drop its pending deliveries."""
    actions.remove_endpoint(make_context(COMMAND_LINE), account, endpoint, STAFF)
    click.echo(f"Webhook endpoint {endpoint} of account {account} was removed.")


def _delivery_line(row: records.DeliveryRecord) -> str:
    result = row.status or row.trouble or ""
    return f"{row.id:>6}  {row.message_id}  {row.state:<9} {row.event:<24} {result}"


@commands.command()
@click.argument("account", type=ANY_ID)
@click.argument("endpoint", type=ANY_ID)
@prints(lines(_delivery_line, "No deliveries yet."))
def deliveries(account: int, endpoint: int) -> Sequence[records.DeliveryRecord]:
    """List the newest deliveries to ENDPOINT."""
    return records.read_deliveries(make_context(), account, endpoint, None, SHOWN).deliveries


@commands.command()
@click.argument("account", type=ANY_ID)
@click.argument("endpoint", type=ANY_ID)
@prints()
def test(account: int, endpoint: int) -> records.DeliveryRecord:
    """Send a test event to ENDPOINT."""
    sent = actions.send_test(make_context(), account, endpoint)
    services().wake()
    return records.delivery_record(sent)


@commands.command()
@click.argument("account", type=ANY_ID)
@click.argument("delivery", type=ANY_ID)
@prints()
def resend(account: int, delivery: int) -> records.DeliveryRecord:
    """Send DELIVERY again with the same id."""
    sent = actions.send_again(make_context(), account, delivery)
    services().wake()
    return records.delivery_record(sent)


def _shown_once(account: int, made: NewSecret) -> dict[str, object]:
    return {"account": account, "id": made.endpoint_id, "url": made.url, "secret": made.secret}
