"""`flask webhooks`: an account's webhook endpoints and their deliveries."""

from dataclasses import asdict

import click

from webapp.actions.webhooks import endpoints as actions
from webapp.actions.webhooks.endpoints import NewSecret
from webapp.cli.accounts import ANY_ID
from webapp.cli.shared.output import Commands, as_json, print_json, print_record
from webapp.domain.shared.context import COMMAND_LINE
from webapp.domain.users.user import Right
from webapp.domain.webhooks.endpoint import CHOICES, EndpointChoice
from webapp.extensions import make_context, services
from webapp.reads.records import webhooks as records

commands = Commands("webhooks", help="Webhook endpoints and their deliveries.")

SHOWN = 50

STAFF = frozenset(Right)

ALL = [str(kind) for kind in CHOICES]


@commands.command("list")
@click.argument("account", type=ANY_ID)
@as_json
def list_(account: int, as_json: bool) -> None:
    """List the endpoints of ACCOUNT."""
    rows = records.read_endpoints(make_context(), account).webhook_endpoints
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    for row in rows:
        state = "on" if row.on else str(row.ended)
        click.echo(f"{row.id:>6}  {state:<8} {row.url}  {row.name}")
    if not rows:
        click.echo("No webhook endpoints.")


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
@as_json
def add(account: int, url: str, name: str, events: tuple[str, ...], as_json: bool) -> None:
    """Send the events of ACCOUNT to URL. The signing secret is shown only once."""
    made = actions.add_endpoint(
        make_context(COMMAND_LINE),
        account,
        EndpointChoice(url, name, events or tuple(ALL)),
        STAFF,
        plain_http=bool(services().settings.webhook_allowed_networks),
    )
    show_secret(account, made, as_json)


@commands.command()
@click.argument("account", type=ANY_ID)
@click.argument("endpoint", type=ANY_ID)
@as_json
def rotate(account: int, endpoint: int, as_json: bool) -> None:
    """Create a new secret for ENDPOINT. Both secrets sign for 24 hours."""
    made = actions.rotate_secret(make_context(COMMAND_LINE), account, endpoint, STAFF)
    show_secret(account, made, as_json)


@commands.command()
@click.argument("account", type=ANY_ID)
@click.argument("endpoint", type=ANY_ID)
@click.argument("state", type=click.Choice(["on", "off"]))
@as_json
def switch(account: int, endpoint: int, state: str, as_json: bool) -> None:
    """Switch ENDPOINT on or off. Pending deliveries are sent when it is on again."""
    actions.switch_endpoint(make_context(COMMAND_LINE), account, endpoint, state == "on", STAFF)
    services().wake()
    record = asdict(records.read_endpoint(make_context(), account, endpoint))
    print_json(record) if as_json else print_record(record)


@commands.command()
@click.argument("account", type=ANY_ID)
@click.argument("endpoint", type=ANY_ID)
def remove(account: int, endpoint: int) -> None:
    """Remove ENDPOINT and drop its pending deliveries."""
    actions.remove_endpoint(make_context(COMMAND_LINE), account, endpoint, STAFF)
    click.echo(f"Webhook endpoint {endpoint} of account {account} was removed.")


@commands.command()
@click.argument("account", type=ANY_ID)
@click.argument("endpoint", type=ANY_ID)
@as_json
def deliveries(account: int, endpoint: int, as_json: bool) -> None:
    """List the newest deliveries to ENDPOINT."""
    rows = records.read_deliveries(make_context(), account, endpoint, None, SHOWN).deliveries
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    for row in rows:
        result = row.status or row.trouble or ""
        click.echo(f"{row.id:>6}  {row.message_id}  {row.state:<9} {row.event:<24} {result}")
    if not rows:
        click.echo("No deliveries yet.")


@commands.command()
@click.argument("account", type=ANY_ID)
@click.argument("endpoint", type=ANY_ID)
@as_json
def test(account: int, endpoint: int, as_json: bool) -> None:
    """Send a test event to ENDPOINT."""
    sent = actions.send_test(make_context(), account, endpoint)
    services().wake()
    record = asdict(records.delivery_record(sent))
    print_json(record) if as_json else print_record(record)


@commands.command()
@click.argument("account", type=ANY_ID)
@click.argument("delivery", type=ANY_ID)
@as_json
def resend(account: int, delivery: int, as_json: bool) -> None:
    """Send DELIVERY again with the same id."""
    sent = actions.send_again(make_context(), account, delivery)
    services().wake()
    record = asdict(records.delivery_record(sent))
    print_json(record) if as_json else print_record(record)


def show_secret(account: int, made: NewSecret, as_json: bool) -> None:
    record = {"account": account, "id": made.endpoint_id, "url": made.url, "secret": made.secret}
    print_json(record) if as_json else print_record(record)
