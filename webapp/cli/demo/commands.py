"""`flask demo`: create a demo account with 60 days of history."""

from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace

import click
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from webapp.actions.accounts.create_account import NewAccount
from webapp.actions.api_keys.create_key import create_key
from webapp.cli.demo.story import DAYS, PASSWORD, Story
from webapp.cli.shared.output import Commands, as_json, print_json
from webapp.database.advisory_locks import claim
from webapp.delivery.mailer import OutboxMailer
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys.api_key import OF_PROVIDER, KeyChoice
from webapp.domain.shared.context import COMMAND_LINE
from webapp.domain.users.user import Right
from webapp.extensions import Services, db, make_context, services
from webapp.reads.system.installation import DEMO_EMAIL
from webapp.settings import ROOT


def unsigned(purpose: str, value: object) -> str:
    """Replaces the link signer: links in the demo's past emails are never opened."""
    return str(value)


commands = Commands("demo", help="Demo data.")


@commands.command()
@click.option("--if-enabled", is_flag=True, help="Do nothing unless DEMO=1.")
@as_json
def seed(if_enabled: bool, as_json: bool) -> None:
    """Create the demo account if the database has no accounts.

    Requires the sandbox processor. Its emails are stored in the outbox and never sent.
    """
    if if_enabled and not services().settings.demo:
        return
    made = make(db.engine, services())
    if as_json:
        print_json({"seeded": made is not None, **(made.as_json() if made else {})})
    elif made is None:
        click.echo("No demo data was created: the database already has accounts.")
    else:
        click.echo(f"Created the demo account Harbour Voice with {DAYS} days of history.")
        click.echo(f"Sign in as {DEMO_EMAIL} with the password {PASSWORD}")
        click.echo(f"Its API key, which only reads, shown only now: {made.account.api_key}")
        click.echo(f"A provider key, for all accounts, shown only now: {made.provider_key}")


@dataclass(frozen=True)
class Demo:
    account: NewAccount
    provider_key: str

    def as_json(self) -> dict[str, object]:
        return asdict(self.account) | {"provider_key": self.provider_key}


def make(engine: Engine, services: Services) -> Demo | None:
    """Create the demo account and a provider key; None if the database already has an account."""
    if services.sandbox is None:
        raise click.ClickException(
            "DEMO: demo data needs a sandbox processor; set DEMO=0 or CARD_PROCESSOR=sandbox"
        )
    keeper = OutboxMailer(ROOT / "templates", services.settings.base_url, unsigned)
    with ExitStack() as stack:
        # One outer transaction: the actions' commits only release savepoints within it.
        connection = stack.enter_context(engine.connect().execution_options(writes=True))
        stack.enter_context(connection.begin())
        session = stack.enter_context(Session(connection, join_transaction_mode="create_savepoint"))
        mine = stack.enter_context(claim(session, "seeding", "the demo"))
        if not mine or session.scalar(select(Account.id).limit(1)) is not None:
            return None
        now, currency = services.clock.now(), services.policy.currency
        story = Story(session, services.sandbox, keeper, now, currency)
        account = story.tell()
        ctx = replace(make_context(COMMAND_LINE), session=session)
        key = create_key(ctx, None, KeyChoice("Demo", OF_PROVIDER), frozenset(Right))
        return Demo(account, key.key)
