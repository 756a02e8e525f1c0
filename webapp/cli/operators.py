"""`flask operators`: staff with access to the operator pages."""

import click

from webapp.actions.users.operators import create_operator, remove_operator
from webapp.cli.shared.output import Commands, lines, prints, sentence
from webapp.domain.shared.context import COMMAND_LINE
from webapp.extensions import make_context
from webapp.reads.operator.staff import read_operators

commands = Commands("operators", help="Your staff with access to /operator.")


@commands.command()
@click.option("--email", required=True, help="For sign-in. Must not belong to a customer's user.")
@click.option("--name", required=True)
@click.option("--password", help="Prompted for if omitted.")
@prints()
def create(email: str, name: str, password: str | None) -> dict[str, object]:
    """Create an operator, who sets up a second factor at the first sign-in."""
    if password is None:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    user_id = create_operator(
        make_context(COMMAND_LINE), name=name, email=email, password=password or ""
    )
    return {"user": user_id, "email": email}


def _line(row: dict[str, object]) -> str:
    set_up = "set up" if row["second_factor"] else "not set up yet"
    return f"{row['user']:>6}  {row['email']}  {row['name']}  second factor {set_up}"


@commands.command("list")
@prints(lines(_line, "No operators."))
def list_() -> list[dict[str, object]]:
    """List all operators and whether their second factor is set up."""
    return read_operators(make_context())


@commands.command()
@click.argument("email")
@prints(sentence("{email} is no longer an operator."))
def remove(email: str) -> dict[str, object]:
    """Revoke operator access of EMAIL immediately."""
    remove_operator(make_context(COMMAND_LINE), email)
    return {"email": email, "removed": True}
