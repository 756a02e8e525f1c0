"""Create an account with its owner, first API key and opening balance."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy.exc import IntegrityError

from webapp.database.transactions import begin_writing
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys import api_key as api_keys
from webapp.domain.api_keys.api_key import READING, ApiKey, KeyChoice, Scope
from webapp.domain.events import recording as events
from webapp.domain.events.accounts import AccountCreated
from webapp.domain.payments import adjustments
from webapp.domain.shared import texts
from webapp.domain.shared.context import Actor, Context
from webapp.domain.shared.email_address import is_address
from webapp.domain.shared.errors import Invalid
from webapp.domain.shared.texts import NAME_LENGTH
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.users import passwords
from webapp.domain.users.user import Membership, Role, User

TAKEN = "This email address is already in use"


@dataclass(frozen=True)
class NewAccount:
    account_id: int
    user_id: int
    api_key: str
    """The full key. Only its hash is stored, so it cannot be shown again."""


def create_account(
    ctx: Context,
    *,
    name: str,
    owner_name: str,
    email: str,
    password: str,
    balance: int,
    currency: str = "USD",
    time_zone: str = "UTC",
    own_metering: bool = False,
    scopes: tuple[Scope, ...] = READING,
) -> NewAccount:
    """Create the account and commit. `balance` is in micros.

    `own_metering`: the account's own keys may post usage (V3). `scopes`: those of its first key.

    Raises `Invalid` with an error for each invalid field.
    """
    begin_writing(ctx.session)
    account, user = open_account(
        ctx,
        name=name,
        owner_name=owner_name,
        email=email,
        password=password,
        currency=currency,
        time_zone=time_zone,
    )
    account.own_metering = own_metering
    record, key = ApiKey.issue(account.id, KeyChoice(api_keys.FIRST_NAME, scopes), ctx.now)
    ctx.session.add(record)
    if balance:
        adjustments.post(ctx, account, balance, "Opening balance")
    created = NewAccount(account.id, user.id, key)
    ctx.session.commit()
    return created


def open_account(
    ctx: Context,
    *,
    name: str,
    owner_name: str,
    email: str,
    password: str,
    currency: str = "USD",
    time_zone: str = "UTC",
    owner_required: bool = False,
) -> tuple[Account, User]:
    """Add an account with a zero balance and its owner to the current write transaction.

    On errors, rolls the transaction back and raises `Invalid` with one error per invalid field.
    """
    email = email.strip().lower()
    faults = _faults(ctx, name, owner_name, email, password, time_zone)
    if owner_required and not owner_name.strip():
        faults["owner_name"] = "Enter your name"
    if faults:
        ctx.session.rollback()
        raise Invalid(faults)
    account = Account(
        name=name.strip(),
        currency=currency,
        time_zone=time_zone,
        billing_emails=[email],
        balance=0,
        created_at=ctx.now,
    )
    user = User(
        email=email,
        name=owner_name.strip() or name.strip(),
        password_hash=passwords.hash_password(password),
        created_at=ctx.now,
    )
    ctx.session.add(user)
    try:
        ctx.session.flush()
    except IntegrityError:  # a concurrent sign-up took the address after `_faults` checked it
        ctx.session.rollback()
        raise Invalid({"email": TAKEN}) from None
    ctx.session.add(account)
    ctx.session.flush()
    ctx.session.add_all(
        [
            Membership(user_id=user.id, account_id=account.id, role=Role.OWNER),
            LowBalanceSettings(account_id=account.id),
        ]
    )
    if ctx.actor.user_id is None and owner_required:
        ctx = ctx.by(Actor(user.id, user.name, ctx.actor.address))
    events.record(ctx, account.id, AccountCreated())
    ctx.session.flush()
    return account, user


def _faults(
    ctx: Context, name: str, owner_name: str, email: str, password: str, time_zone: str
) -> dict[str, str]:
    faults = {}
    if not name.strip():
        faults["name"] = "Enter a name"
    for field, text in (("name", name), ("owner_name", owner_name)):
        if fault := texts.fault(text.strip(), NAME_LENGTH):
            faults[field] = fault
    if not is_address(email):
        faults["email"] = "Enter an email address such as ana@example.com"
    elif User.by_email(ctx.session, email) is not None:
        faults["email"] = TAKEN
    if fault := passwords.fault(password, (email, owner_name, name)):
        faults["password"] = fault
    if not is_time_zone(time_zone):
        faults["time_zone"] = "Must be a time zone such as Europe/Dublin"
    return faults


def is_time_zone(name: str) -> bool:
    """Whether the installed time zone database knows `name`."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
