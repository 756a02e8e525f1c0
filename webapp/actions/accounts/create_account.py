"""Create an account with its owner, first API key and opening balance."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from webapp.actions.accounts.change_state import apply_state
from webapp.actions.users.invitations import invite_owner
from webapp.database.advisory_locks import lock_until_commit
from webapp.database.transactions import begin_writing
from webapp.domain.accounts.account import Account, AccountState
from webapp.domain.accounts.choice import AccountChoice
from webapp.domain.accounts.state_change import StateChange
from webapp.domain.api_keys import api_key as api_keys
from webapp.domain.api_keys.api_key import READING, ApiKey, KeyChoice, Scope
from webapp.domain.events import recording as events
from webapp.domain.events.accounts import AccountCreated
from webapp.domain.payments import adjustments
from webapp.domain.shared.context import Actor, Context
from webapp.domain.shared.errors import Conflict, Invalid
from webapp.domain.shared.money import decimals_fault
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.users import passwords
from webapp.domain.users.owner import OwnerChoice
from webapp.domain.users.user import Membership, Role, User
from webapp.domain.webhooks import payloads

TAKEN = "This email address is already in use"


@dataclass(frozen=True)
class NewAccount:
    account_id: int
    user_id: int | None
    """None: the owner is invited, and has not joined yet."""
    api_key: str
    """The full key. Only its hash is stored, so it cannot be shown again. Empty without a key."""
    is_new: bool = True
    """False: an earlier request with the same external id has created the account."""


def create_account(
    ctx: Context,
    choice: AccountChoice,
    owner: OwnerChoice,
    *,
    balance: int = 0,
    scopes: Sequence[Scope] = READING,
    request_key: str = "",
    is_suspended: bool = False,
) -> NewAccount:
    """Create the account and commit. `balance` is in micros, in whole minor units.

    `scopes`: those of the account's first API key; without any, it has none. The same request with
    the same external id again returns the account that it created (V4); so does the same form with
    the same `request_key`, as after a double click. `is_suspended`: the account begins suspended.

    Raises `Invalid` with an error for each invalid field, or `Conflict` if another request has
    used the external id.
    """
    choice = _with_currency(ctx, choice)
    if fault := decimals_fault(balance, choice.currency):
        raise Invalid({"balance": fault})
    begin_writing(ctx.session)
    request = _fingerprint(choice, owner, request_key, is_suspended=is_suspended)
    if request_key:
        lock_until_commit(ctx.session, [f"create account {request_key}"])
    if (known := _created_before(ctx, choice, request)) is not None:
        return known
    try:
        account, user = open_account(ctx, choice, owner)
    except IntegrityError:  # a concurrent request has taken the external id
        ctx.session.rollback()
        begin_writing(ctx.session)
        if (known := _created_before(ctx, choice, request)) is None:
            raise
        return known
    account.creation_hash = request
    key = ""
    if scopes:
        shown = KeyChoice(api_keys.FIRST_NAME, tuple(scopes))
        record, key = ApiKey.issue(account.id, shown, ctx.now)
        ctx.session.add(record)
    if balance:
        adjustments.post(ctx, account, balance, "Opening balance")
    if is_suspended:
        apply_state(ctx, account, StateChange(AccountState.SUSPENDED, None))
    payloads.balance(ctx, account)
    created = NewAccount(account.id, user.id if user else None, key)
    ctx.session.commit()
    return created


def open_account(
    ctx: Context, choice: AccountChoice, owner: OwnerChoice, *, signs_up: bool = False
) -> tuple[Account, User | None]:
    """Add an account with a zero balance to the current write transaction.

    Its owner is added if they have a password, and is invited otherwise. `signs_up`: the owner is
    the actor. On errors, rolls the transaction back and raises `Invalid` with one error per
    invalid field; raises `IntegrityError` if the external id is taken.
    """
    choice = _with_currency(ctx, choice)
    faults = choice.faults(ctx.policy) | owner.faults(choice.name)
    if signs_up and not owner.name.strip():
        faults["owner_name"] = "Enter your name"
    if owner.password is not None and User.by_email(ctx.session, owner.address) is not None:
        faults["email"] = TAKEN
    if faults:
        ctx.session.rollback()
        raise Invalid(faults)
    user = _add_owner(ctx, choice, owner) if owner.password is not None else None
    account = choice.opened(ctx.now)
    account.billing_emails = [owner.address]
    ctx.session.add(account)
    ctx.session.flush()
    ctx.session.add(LowBalanceSettings(account_id=account.id))
    if user is not None:
        ctx.session.add(Membership(user_id=user.id, account_id=account.id, role=Role.OWNER))
    if user is not None and signs_up:
        ctx = ctx.by(Actor(user.id, user.name, ctx.actor.address))
    events.record(ctx, account.id, AccountCreated.about(account))
    if user is None:
        invite_owner(ctx, account, owner)
    ctx.session.flush()
    return account, user


def _with_currency(ctx: Context, choice: AccountChoice) -> AccountChoice:
    """Return the choice in the installation's currency, unless it names one (L1)."""
    return replace(choice, currency=choice.currency or ctx.policy.currency)


def _add_owner(ctx: Context, choice: AccountChoice, owner: OwnerChoice) -> User:
    user = User(
        email=owner.address,
        name=owner.name.strip() or choice.name.strip(),
        password_hash=passwords.hash_password(owner.password or ""),
        created_at=ctx.now,
    )
    ctx.session.add(user)
    try:
        ctx.session.flush()
    except IntegrityError:  # a concurrent sign-up took the address after it was checked
        ctx.session.rollback()
        raise Invalid({"email": TAKEN}) from None
    return user


def _created_before(ctx: Context, choice: AccountChoice, request: str | None) -> NewAccount | None:
    """Return the account of the same external id or form, and end the transaction.

    None if there is none. Raises `Conflict` if another request has created the account that has the
    external id.
    """
    if request is None:
        return None
    is_wanted = Account.creation_hash == request
    if choice.external_id is not None:
        is_wanted = Account.external_id == choice.external_id
    found = ctx.session.scalar(select(Account).where(is_wanted))
    if found is None:
        return None
    is_same, account_id = found.creation_hash == request, found.id
    ctx.session.rollback()
    if not is_same:
        taken = f"Another account has the external id {choice.external_id}."
        raise Conflict(taken, code="external_id_taken")
    return NewAccount(account_id, None, "", is_new=False)


def _fingerprint(
    choice: AccountChoice, owner: OwnerChoice, request_key: str, *, is_suspended: bool
) -> str | None:
    """Return a hash by which the same request is known; None if nothing identifies it."""
    if choice.external_id is None and not request_key:
        return None
    keys = [request_key] if choice.external_id is None else []
    state = [str(AccountState.SUSPENDED)] if is_suspended else []
    return choice.fingerprint(owner.address, owner.name.strip(), *keys, *state)
