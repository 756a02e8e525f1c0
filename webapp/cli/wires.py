"""`flask wires`: list, complete and reject wire transfer requests."""

from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

import click

from webapp.actions.wires.complete_wire import complete_wire
from webapp.actions.wires.reject_wire import reject_wire
from webapp.cli.shared.arguments import CENTS
from webapp.cli.shared.output import Commands, lines, print_record, prints, sentence
from webapp.domain.shared import money
from webapp.domain.shared.context import COMMAND_LINE
from webapp.domain.wires import wire as domain
from webapp.domain.wires.wire import WireState
from webapp.extensions import make_context, services
from webapp.reads.wires import (
    WireRecord,
    read_numbered_proof,
    read_record,
    read_records,
    wire_called,
)

commands = Commands("wires", help="List, complete and reject wire transfer requests.")

WIRE = click.argument("wire", metavar="ID")


class Rate(click.ParamType):
    """An exchange rate: an exact decimal above zero."""

    name = "rate"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        if isinstance(value, Decimal):
            return value
        try:
            return domain.parse_rate(str(value))
        except money.BadAmount as fault:
            self.fail(f"{value!r}: {fault}", param, ctx)


def _line(record: WireRecord) -> str:
    return (
        f"{record.id:>6}  {record.reference}  {record.amount:>12} {record.currency}  "
        f"{domain.STATE_NAMES[WireState(record.state)]:<14}  "
        f"{record.requested_at:%Y-%m-%d}  {record.account_name}"
    )


def _changed(wire: str, changed: bool) -> dict[str, object]:
    record = read_record(make_context(), wire_called(make_context(), wire))
    return {**asdict(record), "changed": changed}


def _print_changed(record: dict[str, object]) -> None:
    if not record.pop("changed"):
        click.echo("Already done; nothing was changed.", err=True)
    print_record(record)


@commands.command("list")
@click.option(
    "--state", type=click.Choice([str(state) for state in WireState]), help="Only this state."
)
@prints(lines(_line, "No wire transfers."))
def list_(state: str | None) -> list[WireRecord]:
    """List requests, oldest first."""
    return read_records(make_context(), WireState(state) if state else None)


@commands.command()
@WIRE
@prints()
def show(wire: str) -> WireRecord:
    """Show a request. ID is its number or its reference, in any spelling."""
    return read_record(make_context(), wire_called(make_context(), wire))


@commands.command()
@WIRE
@click.option("--to", "file", required=True, type=click.Path(path_type=Path), help="A new file.")
@click.option("--number", type=click.IntRange(min=1), help="Number of the proof. Default: last.")
@prints(sentence("Wrote {name} to {file}"))
def proof(wire: str, file: Path, number: int | None) -> dict[str, object]:
    """Write a request's proof of payment to a new file."""
    found = wire_called(make_context(), wire)
    stored = read_numbered_proof(found, number)
    content = services().proofs.read(found.account_id, stored.file)
    try:
        with file.open("xb") as stream:
            stream.write(content)
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    return {"wire": found.reference, "name": stored.download_name, "file": str(file)}


@commands.command()
@WIRE
@click.option(
    "--amount",
    type=CENTS,
    required=True,
    metavar="975.78",
    help="The amount to credit, in the account's currency.",
)
@click.option(
    "--received",
    type=CENTS,
    metavar="900.00",
    help="The amount received, if the wire is in another currency.",
)
@click.option(
    "--rate",
    type=Rate(),
    metavar="1.0842",
    help="Units of the account's currency per unit of the wire's currency, if they differ.",
)
@prints(_print_changed)
def complete(
    wire: str, amount: int, received: int | None, rate: Decimal | None
) -> dict[str, object]:
    """Credit a received wire. Repeating the command changes nothing."""
    credited = complete_wire(
        make_context(COMMAND_LINE),
        wire_called(make_context(), wire).id,
        amount,
        received=received,
        rate=rate,
    )
    services().wake()
    return _changed(wire, credited)


@commands.command()
@WIRE
@click.option("--reason", required=True, help="Shown to the customer.")
@prints(_print_changed)
def reject(wire: str, reason: str) -> dict[str, object]:
    """Close a request without a credit."""
    wire_id = wire_called(make_context(), wire).id
    rejected = reject_wire(make_context(COMMAND_LINE), wire_id, reason)
    services().wake()
    return _changed(wire, rejected)
