"""Change what the provider sets about an account (V4)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy.exc import IntegrityError

from webapp.actions.accounts.change_state import apply_state
from webapp.actions.users.invitations import invite_owner
from webapp.domain.accounts import erasure as erasures
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.choice import AccountChoice
from webapp.domain.accounts.state_change import StateChange
from webapp.domain.events import recording as events
from webapp.domain.events.accounts import AccountUpdated
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, Invalid, Stale
from webapp.domain.users.owner import OwnerChoice
from webapp.domain.webhooks import payloads

CHANGED = (
    "This account has changed since you opened the form. Saving now replaces that change; "
    "Cancel shows it."
)


def change_account(
    ctx: Context,
    account_id: int,
    changes: Mapping[str, Any],
    *,
    owner: OwnerChoice | None = None,
    state: StateChange | None = None,
    reason: str = "",
    seen: str | None = None,
) -> Account:
    """Change the fields of `AccountChoice` in `changes`; the currency stays for good.

    `owner`: the person to invite while the account has no owner; the invitation before this one
    ends. `reason`: for the audit log. `seen`: the fingerprint of the account as a form showed it.

    Raises `NotFound`, `Invalid`, `Conflict` if the external id is taken or an owner has joined,
    `Stale` if the account is not as it was seen, `Denied` if its personal data is erased, or like
    `change_state`.
    """
    account = Account.locked(ctx.session, account_id)
    if changes or owner is not None:
        erasures.require_not_erased(ctx.session, account_id)
    before = AccountChoice.of(account)
    if seen is not None and seen != before.fingerprint():
        ctx.session.rollback()
        raise Stale(CHANGED)
    after = replace(before, **changes)
    faults = after.faults(ctx.policy) | (owner.faults(after.name) if owner else {})
    if faults:
        ctx.session.rollback()
        raise Invalid(faults)
    old, new = before.values(), after.values()
    changed = {name: (old[name], new[name]) for name in new if old[name] != new[name]}
    for name, (_, value) in changed.items():
        setattr(account, name, value)
    try:
        ctx.session.flush()
    except IntegrityError:
        ctx.session.rollback()
        taken = f"Another account has the external id {after.external_id}."
        raise Conflict(taken, code="external_id_taken") from None
    if "details" in changed:
        changed["details"] = (None, None)  # an event is kept for good, and they may name people
    if changed:
        events.record(
            ctx, account_id, AccountUpdated.about(account, changed=changed, reason=reason)
        )
        payloads.balance(ctx, account)
    if state is not None:
        apply_state(ctx, account, state)
    if owner is not None:
        account.require_not_closed()
        invite_owner(ctx, account, owner)
    ctx.session.commit()
    return account
