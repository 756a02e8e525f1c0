"""`flask demo`: an account with 60 days of history, to look around in."""

from contextlib import ExitStack
from dataclasses import asdict

import click
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from webapp.actions.accounts.create_account import NewAccount
from webapp.cli.demo.story import DAYS, PASSWORD, Story
from webapp.cli.shared.output import Commands, as_json, print_json
from webapp.database.advisory_locks import claim
from webapp.delivery.mailer import OutboxMailer
from webapp.domain.accounts.account import Account
from webapp.extensions import Services, db, services
from webapp.reads.system.installation import DEMO_EMAIL
from webapp.settings import ROOT


def unsigned(purpose: str, value: object) -> str:
    """No link of these mails is opened: they are from the past."""
    return str(value)


commands = Commands("demo", help="Data to look around in.")


@commands.command()
@click.option("--if-enabled", is_flag=True, help="Do nothing unless DEMO asks for demo data.")
@as_json
def seed(if_enabled: bool, as_json: bool) -> None:
    """Make the demo account, if the database has no account yet; else do nothing.

    Needs the sandbox processor. Its mails are kept in the outbox and never sent.
    """
    if if_enabled and not services().settings.demo:
        return
    made = make(db.engine, services())
    if as_json:
        print_json({"seeded": made is not None, **(asdict(made) if made else {})})
    elif made is None:
        click.echo("There are accounts already: no demo data was made.")
    else:
        click.echo(f"Made the demo account Harbour Voice with {DAYS} days of history.")
        click.echo(f"Sign in as {DEMO_EMAIL} with the password {PASSWORD}")
        click.echo(f"Its API key, shown only now: {made.api_key}")


def make(engine: Engine, services: Services) -> NewAccount | None:
    """The account that was made, or None where there is one already."""
    if services.sandbox is None:
        raise click.ClickException(
            "DEMO: demo data needs a sandbox processor; set DEMO=0, or CARD_PROCESSOR=sandbox"
        )
    keeper = OutboxMailer(ROOT / "templates", services.settings.base_url, unsigned)
    with ExitStack() as stack:
        # One transaction around them all: what the actions commit are steps within it.
        connection = stack.enter_context(engine.connect().execution_options(writes=True))
        stack.enter_context(connection.begin())
        session = stack.enter_context(Session(connection, join_transaction_mode="create_savepoint"))
        mine = stack.enter_context(claim(session, "seeding", "the demo"))
        if not mine or session.scalar(select(Account.id).limit(1)) is not None:
            return None
        return Story(session, services.sandbox, keeper, services.clock.now()).tell()
