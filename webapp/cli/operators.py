"""`flask operators`: staff with access to the operator pages."""

import click

from webapp.actions.users.operators import create_operator, remove_operator
from webapp.cli.shared.output import Commands, as_json, print_json, print_record
from webapp.domain.shared.context import COMMAND_LINE
from webapp.extensions import make_context
from webapp.reads.operator.staff import read_operators

commands = Commands("operators", help="Your staff with access to /operator.")


@commands.command()
@click.option("--email", required=True, help="For sign-in. Must not belong to a customer's user.")
@click.option("--name", required=True)
@click.option("--password", help="Prompted for if omitted.")
@as_json
def create(email: str, name: str, password: str | None, as_json: bool) -> None:
    """Create an operator, who sets up a second factor at the first sign-in."""
    if password is None:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    user_id = create_operator(
        make_context(COMMAND_LINE), name=name, email=email, password=password or ""
    )
    record = {"user": user_id, "email": email}
    print_json(record) if as_json else print_record(record)


@commands.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List all operators and whether their second factor is set up."""
    rows = read_operators(make_context())
    if as_json:
        print_json(rows)
        return
    for row in rows:
        set_up = "set up" if row["second_factor"] else "not set up yet"
        click.echo(f"{row['user']:>6}  {row['email']}  {row['name']}  second factor {set_up}")
    if not rows:
        click.echo("No operators.")


@commands.command()
@click.argument("email")
def remove(email: str) -> None:
    """Revoke operator access of EMAIL immediately."""
    remove_operator(make_context(COMMAND_LINE), email)
    click.echo(f"{email} is no longer an operator.")
