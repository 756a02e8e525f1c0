"""`flask accounts`: create, show, export and adjust accounts."""

from collections.abc import Callable, Mapping
from pathlib import Path
from secrets import token_hex
from typing import Any

import click

from webapp.actions.accounts.change_account import change_account
from webapp.actions.accounts.change_state import change_state
from webapp.actions.accounts.create_account import create_account
from webapp.actions.accounts.erase_account import Erased, erase_account
from webapp.actions.accounts.record_export import record_export
from webapp.actions.payment_methods.allow_paypal import allow_paypal
from webapp.actions.payments.adjust_balance import adjust_once
from webapp.actions.users.portal import create_portal_link
from webapp.actions.users.second_factor import reset_second_factor
from webapp.cli.shared.arguments import ACCOUNT, CURSOR, LIMIT, MICROS, REFERENCE, AmountOf
from webapp.cli.shared.charge_now import CHARGE, confirmed, print_outcome
from webapp.cli.shared.output import Commands, page, prints, sentence
from webapp.database.rewriting import rewrite
from webapp.domain.accounts.account import AccountState
from webapp.domain.accounts.choice import AccountChoice
from webapp.domain.accounts.erasure import RECEIPT_YEARS
from webapp.domain.accounts.state_change import ClosingBalance, StateChange
from webapp.domain.api_keys.api_key import READING, Scope
from webapp.domain.payment_methods import revocations
from webapp.domain.shared import money
from webapp.domain.shared.context import COMMAND_LINE
from webapp.domain.shared.i18n import Language
from webapp.domain.users import portal
from webapp.domain.users.owner import OwnerChoice
from webapp.extensions import db, make_context, services
from webapp.reads.accounts.export import export as read_export
from webapp.reads.accounts.overview import AccountCard, AccountList, read_account, read_accounts
from webapp.reads.accounts.search import AccountFilter
from webapp.reads.records.adjustments import AdjustmentRecord, read_adjustment

commands = Commands("accounts", help="Create, show, export and adjust customers' accounts.")


class AmountOrZero(AmountOf):
    """A decimal string, converted to micros; may be zero."""

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        is_zero = str(value).strip() in ("0", "0.0", "0.00")
        return 0 if is_zero else super().convert(value, param, ctx)


LINE = (
    "{id:>6}  {state:<9}  {balance:>16} {currency}, {held} held, {available} available  "
    "{name} ({owner})"
)
OPENING_BALANCE = AmountOrZero(money.PAYMENT_PLACES)
CREDIT_LIMIT = AmountOrZero(money.USAGE_PLACES)


def account_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that both `create` and `update` take."""
    for option in reversed(
        (
            click.option("--external-id", help="Your own id of the account, unique."),
            click.option("--time-zone", help="Such as Europe/Dublin; for a new account UTC."),
            click.option("--language", type=click.Choice([it.value for it in Language])),
            click.option(
                "--credit-limit", type=CREDIT_LIMIT, help="How far below zero holds may go."
            ),
            click.option(
                "--max-open-holds", type=click.IntRange(0), help="The largest number of open holds."
            ),
            click.option(
                "--own-metering/--no-own-metering",
                default=None,
                help="May the account post its own usage and open holds?",
            ),
            click.option(
                "--metadata",
                multiple=True,
                metavar="NAME=TEXT",
                help="Set an entry; without TEXT, remove it.",
            ),
        )
    ):
        option(command)
    return command


def given_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def changed_metadata(given: tuple[str, ...], known: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata with each NAME=TEXT set, and each NAME= removed."""
    pairs = {name: text for name, _, text in (it.partition("=") for it in given)}
    return {name: text for name, text in {**known, **pairs}.items() if text}


@commands.command()
@click.option("--name", required=True, help="The customer's company.")
@click.option("--email", required=True, help="The owner's email address, for sign-in and billing.")
@click.option("--password", help="The owner's password. Prompted for if omitted.")
@click.option(
    "--balance", type=OPENING_BALANCE, default=0, metavar="100.00", help="Opening balance."
)
@click.option("--owner", default="", help="The owner's name. Default: the company's name.")
@click.option(
    "--invite", is_flag=True, help="Email the owner a link to join, instead of setting a password."
)
@click.option("--currency", default="", metavar="EUR", help="Default: the setting CURRENCY.")
@account_options
@prints()
def create(
    name: str,
    email: str,
    password: str | None,
    balance: int,
    owner: str,
    invite: bool,
    currency: str,
    metadata: tuple[str, ...],
    **options: Any,
) -> dict[str, object]:
    """Create an account with its owner and an API key, which reads the balance and billing.

    The key is shown only once. With --external-id, the same command again changes nothing, and
    prints the account without a key.
    """
    if password is not None and invite:
        raise click.UsageError("An invited owner chooses a password: omit --password.")
    if password is None and not invite:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    choice = AccountChoice(
        name, currency=currency, details=changed_metadata(metadata, {}), **given_options(options)
    )
    made = create_account(
        make_context(COMMAND_LINE),
        choice,
        OwnerChoice(email, owner, password),
        balance=balance,
        scopes=(Scope.USAGE_WRITE, *READING) if choice.own_metering else READING,
    )
    return {"account": made.account_id, "user": made.user_id, "api_key": made.api_key or None}


@commands.command("list")
@click.option(
    "--search", default="", help="Part of a name, external id or email address, or an id."
)
@click.option("--state", type=click.Choice([state.value for state in AccountState]))
@click.option("--external-id", help="Only the account with this id.")
@LIMIT
@CURSOR
@prints(page(LINE, "accounts", "End of list."))
def list_(
    search: str, state: str | None, external_id: str | None, limit: int, cursor: int | None
) -> AccountList:
    """List accounts with their balances, newest first."""
    only = AccountFilter(search, AccountState(state) if state else None, external_id)
    return read_accounts(make_context(), only, cursor, limit)


@commands.command()
@ACCOUNT
@prints()
def show(account: int) -> AccountCard:
    """Show the balance and payment methods of ACCOUNT and its next automatic charge."""
    return read_account(make_context(), account)


@commands.command()
@ACCOUNT
@click.option("--name", help="The customer's company.")
@account_options
@click.option("--no-hold-limit", is_flag=True, help="Any number of open holds.")
@click.option("--invite", metavar="EMAIL", help="Invite the owner, while the account has none.")
@click.option("--owner", default="", help="The name of the invited owner.")
@prints()
def update(
    account: int,
    metadata: tuple[str, ...],
    invite: str | None,
    owner: str,
    no_hold_limit: bool,
    **options: Any,
) -> AccountCard:
    """Change what you set about ACCOUNT. Options that are left out stay as they are."""
    changes = given_options(options)
    if no_hold_limit:
        changes["max_open_holds"] = None
    if metadata:
        known = dict(read_account(make_context(), account).metadata)
        changes["details"] = changed_metadata(metadata, known)
    invited = OwnerChoice(invite, owner) if invite else None
    change_account(make_context(COMMAND_LINE), account, changes, owner=invited)
    return read_account(make_context(), account)


@commands.command()
@ACCOUNT
@click.option("--role", type=click.Choice([it.value for it in portal.ROLES]), required=True)
@click.option("--email", help="A member's address. Default: a person whom only your portal knows.")
@click.option("--return-url", required=True, help="The page to which the way leads back.")
@prints()
def portal_link(account: int, role: str, email: str | None, return_url: str) -> dict[str, object]:
    """Create a link that signs one person into ACCOUNT, once, within 60 seconds."""
    choice = portal.PortalChoice(role, return_url, email)
    made = create_portal_link(make_context(COMMAND_LINE), account, choice)
    url = f"{services().settings.base_url}/portal/{made.token}"
    return {"url": url, "expires_at": made.expires_at}


REASON = click.option("--reason", required=True, help="Why. Shown to the customer.")


@commands.command()
@ACCOUNT
@REASON
@prints()
def suspend(account: int, reason: str) -> AccountCard:
    """Suspend ACCOUNT: no holds and no automatic charges. People can still add funds."""
    return _changed(account, StateChange(AccountState.SUSPENDED, reason))


@commands.command()
@ACCOUNT
@REASON
@CHARGE
@prints()
def resume(account: int, reason: str, charge: bool) -> AccountCard:
    """End the suspension of ACCOUNT. If that starts a refill, --charge is required."""
    change = StateChange(AccountState.ACTIVE, reason, confirmed=confirmed(charge))
    return _changed(account, change)


@commands.command()
@ACCOUNT
@REASON
@click.option(
    "--balance",
    type=click.Choice([it.value for it in ClosingBalance]),
    help="Whether you pay the balance out, outside Ballast, or write it off.",
)
@prints()
def close(account: int, reason: str, balance: str | None) -> AccountCard:
    """Close ACCOUNT: nothing is posted, held, charged or added any more.

    Its holds, refills, API keys and invitations end, and its payment methods are revoked. Its
    people can still read. Refused while a payment or wire transfer is open. If ACCOUNT is closed
    already, money that came afterwards is settled.
    """
    settled = ClosingBalance(balance) if balance else None
    return _changed(account, StateChange(AccountState.CLOSED, reason, settled))


@commands.command()
@ACCOUNT
@REASON
@prints()
def reopen(account: int, reason: str) -> AccountCard:
    """Make the closed ACCOUNT active again, with the methods, keys and refills gone."""
    return _changed(account, StateChange(AccountState.ACTIVE, reason, reopens=True))


def _changed(account: int, change: StateChange) -> AccountCard:
    since = services().clock.now()
    change_state(make_context(COMMAND_LINE), account, change)
    services().wake()
    print_outcome(account, since)
    return read_account(make_context(), account)


@commands.command()
@ACCOUNT
@click.option(
    "--keep-years",
    type=click.IntRange(0, 30),
    default=RECEIPT_YEARS,
    show_default=True,
    help="Calendar years, after that of their issue, for which receipts and proofs of completed "
    "wire transfers are kept.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@prints()
def erase(account: int, keep_years: int, yes: bool) -> Erased:
    """Erase the personal data of the closed ACCOUNT, for good.

    The ledger, payments and amounts stay. Receipts keep the customer's name and address as long as
    the law asks; erase again to erase those that are older by then. Refused while anything is
    open. An SQLite file is rewritten, which takes about a minute per gigabyte.
    """
    if not yes:
        name = read_account(make_context(), account).name
        asked = f"Erase the people and personal data of {name} for good?"
        click.confirm(asked, abort=True, err=True)
    its = services()
    erased = erase_account(make_context(COMMAND_LINE), account, its.proofs, keep_years)
    if its.sandbox is not None:
        its.sandbox.forget(account, revocations.references_of(db.session(), account))
        db.session.rollback()
        rewrite(its.sandbox.store.engine)
    db.session.rollback()
    rewrite(db.engine)
    return erased


@commands.command("export")
@ACCOUNT
@click.argument("file", type=click.Path(exists=False, dir_okay=False, path_type=Path))
@prints()
def export(account: int, file: Path) -> dict[str, object]:
    """Export all data of ACCOUNT to the new zip FILE, as CSV and JSON."""
    session, now = db.session(), services().clock.now()
    pieces = read_export(make_context().at(now), account, for_operator=True)
    try:
        with file.open("xb") as zipped:
            for piece in pieces:
                zipped.write(piece)
    except FileExistsError:
        raise click.ClickException(f"{file}: already exists") from None
    session.rollback()
    record_export(make_context(COMMAND_LINE).at(now), account)
    return {"account": account, "file": str(file), "size": file.stat().st_size}


@commands.command("paypal")
@ACCOUNT
@click.argument("state", type=click.Choice(["on", "off"]))
@prints(sentence("PayPal is {paypal} for account {account}."))
def paypal(account: int, state: str) -> dict[str, object]:
    """Switch PayPal on or off for ACCOUNT. Existing agreements are unchanged."""
    allow_paypal(make_context(COMMAND_LINE), account, state == "on")
    return {"account": account, "paypal": state}


@commands.command()
@ACCOUNT
@click.argument("amount", type=MICROS, metavar="AMOUNT")
@click.option("--debit", is_flag=True, help="Debit AMOUNT instead of crediting it.")
@click.option("--reason", required=True, help="Shown on the statement and in the audit log.")
@click.option(
    "--reference",
    type=REFERENCE,
    help="Your reference: the same command again changes nothing.",
)
@CHARGE
@click.option("--hold", is_flag=True, help="Pause automatic refills instead of starting a refill.")
@prints(sentence("{reference}: {amount} posted to account {account}. The balance is {balance}."))
def adjust(
    account: int,
    amount: int,
    debit: bool,
    reason: str,
    reference: str | None,
    charge: bool,
    hold: bool,
) -> AdjustmentRecord:
    """Credit AMOUNT to the balance of ACCOUNT, or debit it.

    A debit that starts a refill requires --charge or --hold.
    """
    ctx = make_context(COMMAND_LINE)
    asked, due = reference or token_hex(16), confirmed(charge)
    signed = -amount if debit else amount
    made = adjust_once(ctx, account, signed, reason, asked, confirmed=due, hold=hold)
    record = read_adjustment(ctx, made.payment, reference or made.payment.reference)
    services().wake()
    print_outcome(account, ctx.now)
    return record


@commands.command("reset-second-factor")
@click.argument("email")
@click.option("--reason", required=True, help="Who asked, and how you verified their identity.")
@prints(sentence("Two-step sign-in is off for {email}."))
def reset(email: str, reason: str) -> dict[str, object]:
    """Turn off two-step sign-in for EMAIL, if phone and recovery codes are lost.

    All their sessions end. If an account requires two-step sign-in, they set it up again at the
    next sign-in.
    """
    reset_second_factor(make_context(COMMAND_LINE), email, reason)
    return {"email": email, "second_factor": False}
