"""`flask webhooks` and `flask provider-webhooks`: webhook endpoints and their deliveries."""

from collections.abc import Sequence

import click

from webapp.actions.webhooks import endpoints as actions
from webapp.actions.webhooks.endpoints import NewSecret
from webapp.cli.shared.arguments import ACCOUNT, ANY_ID, Owner, of_provider
from webapp.cli.shared.output import Commands, lines, prints, sentence
from webapp.domain.shared.context import COMMAND_LINE
from webapp.domain.users.user import Right
from webapp.domain.webhooks.endpoint import CHOICES, PROVIDER_CHOICES, EndpointChoice, EventKind
from webapp.extensions import make_context, services
from webapp.reads.records import webhooks as records

SHOWN = 50

STAFF = frozenset(Right)

ENDPOINT = click.argument("endpoint", type=ANY_ID)


def _endpoint_line(row: records.EndpointRecord) -> str:
    state = "on" if row.on else str(row.ended)
    return f"{row.id:>6}  {state:<8} {row.url}  {row.name}"


def _delivery_line(row: records.DeliveryRecord) -> str:
    result = row.status or row.trouble or ""
    return f"{row.id:>6}  {row.message_id}  {row.state:<9} {row.event:<24} {result}"


def _shown_once(account: int | None, made: NewSecret) -> dict[str, object]:
    owner = {} if account is None else {"account": account}
    return {**owner, "id": made.endpoint_id, "url": made.url, "secret": made.secret}


def group(name: str, about: str, owner: Owner, offered: Sequence[EventKind]) -> Commands:
    """Return the commands for endpoints of one kind of owner.

    `owner` passes `account` to each command; `offered` are the events that it can receive.
    """
    commands = Commands(name, help=about)
    everything = [str(kind) for kind in offered]

    @commands.command("list")
    @owner
    @prints(lines(_endpoint_line, "No webhook endpoints."))
    def list_(account: int | None) -> Sequence[records.EndpointRecord]:
        """List the endpoints."""
        return records.read_endpoints(make_context(), account).webhook_endpoints

    @commands.command()
    @owner
    @click.argument("url")
    @click.option("--name", default="", help="Shown next to the URL.")
    @click.option(
        "--event",
        "events",
        multiple=True,
        type=click.Choice(everything),
        help="An event to send; can be repeated. Default: all.",
    )
    @prints()
    def add(account: int | None, url: str, name: str, events: tuple[str, ...]) -> dict[str, object]:
        """Send events to URL. The signing secret is shown only once."""
        choice = EndpointChoice(url, name, events or tuple(everything))
        made = actions.add_endpoint(make_context(COMMAND_LINE), account, choice, STAFF)
        return _shown_once(account, made)

    @commands.command()
    @owner
    @ENDPOINT
    @click.option("--url", help="The new URL.")
    @click.option("--name", help="Shown next to the URL.")
    @click.option(
        "--event",
        "events",
        multiple=True,
        type=click.Choice(everything),
        help="An event to send, instead of those before; can be repeated.",
    )
    @prints()
    def update(
        account: int | None,
        endpoint: int,
        url: str | None,
        name: str | None,
        events: tuple[str, ...],
    ) -> records.EndpointRecord:
        """Change ENDPOINT. Options that are left out stay as they are."""
        ctx = make_context(COMMAND_LINE)
        now = records.read_endpoint(ctx, account, endpoint)
        choice = EndpointChoice(
            now.url if url is None else url,
            now.name if name is None else name,
            events or tuple(now.events),
        )
        actions.change_endpoint(ctx, account, endpoint, choice, STAFF)
        return records.read_endpoint(make_context(), account, endpoint)

    @commands.command()
    @owner
    @ENDPOINT
    @prints()
    def rotate(account: int | None, endpoint: int) -> dict[str, object]:
        """Create a new secret for ENDPOINT. The present one also signs for 24 hours."""
        made = actions.rotate_secret(make_context(COMMAND_LINE), account, endpoint, STAFF)
        return _shown_once(account, made)

    @commands.command()
    @owner
    @ENDPOINT
    @click.argument("state", type=click.Choice(["on", "off"]))
    @prints()
    def switch(account: int | None, endpoint: int, state: str) -> records.EndpointRecord:
        """Switch ENDPOINT on or off. Pending deliveries are sent when it is on again."""
        ctx = make_context(COMMAND_LINE)
        actions.switch_endpoint(ctx, account, endpoint, state == "on", STAFF)
        services().wake()
        return records.read_endpoint(make_context(), account, endpoint)

    @commands.command()
    @owner
    @ENDPOINT
    @prints(sentence("Webhook endpoint {webhook_endpoint} was removed."))
    def remove(account: int | None, endpoint: int) -> dict[str, object]:
        """Remove ENDPOINT and drop its pending deliveries."""
        actions.remove_endpoint(make_context(COMMAND_LINE), account, endpoint, STAFF)
        return {"account": account, "webhook_endpoint": endpoint, "removed": True}

    @commands.command()
    @owner
    @ENDPOINT
    @prints(lines(_delivery_line, "No deliveries yet."))
    def deliveries(account: int | None, endpoint: int) -> Sequence[records.DeliveryRecord]:
        """List the newest deliveries to ENDPOINT."""
        found = records.read_deliveries(make_context(), account, endpoint, None, SHOWN)
        return found.deliveries

    @commands.command()
    @owner
    @ENDPOINT
    @prints()
    def test(account: int | None, endpoint: int) -> records.DeliveryRecord:
        """Send a test event to ENDPOINT."""
        sent = actions.send_test(make_context(), account, endpoint)
        services().wake()
        return records.delivery_record(sent)

    @commands.command()
    @owner
    @click.argument("delivery", type=ANY_ID)
    @prints()
    def resend(account: int | None, delivery: int) -> records.DeliveryRecord:
        """Send DELIVERY again with the same id."""
        sent = actions.send_again(make_context(), account, delivery)
        services().wake()
        return records.delivery_record(sent)

    return commands


commands = group(
    "webhooks", "An account's webhook endpoints and their deliveries.", ACCOUNT, CHOICES
)
provider_commands = group(
    "provider-webhooks",
    "The provider's webhook endpoints, which receive the events of every account.",
    of_provider,
    PROVIDER_CHOICES,
)
