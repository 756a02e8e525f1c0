"""Sign people in from the provider's portal by a one-time link (V8)."""

from dataclasses import dataclass
from datetime import datetime

from webapp.database.transactions import begin_writing
from webapp.domain.accounts import erasure as erasures
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys import api_key as api_keys
from webapp.domain.api_keys.api_key import ApiKey
from webapp.domain.events import recording as events
from webapp.domain.events.users import PortalAccessEnded, PortalLinkCreated, SignedInByPortal
from webapp.domain.shared.context import Actor, Context
from webapp.domain.shared.errors import Invalid
from webapp.domain.users import portal, sessions
from webapp.domain.users import user as users
from webapp.domain.users.portal import SIGNED_IN_WITH, PortalChoice, PortalLink
from webapp.domain.users.sessions import UserSession
from webapp.domain.users.user import RIGHTS, Role, User


@dataclass(frozen=True)
class NewPortalLink:
    token: str
    """Only its hash is stored, so it cannot be shown again."""
    expires_at: datetime


@dataclass(frozen=True)
class PortalEntry:
    token: str
    """Of the session's cookie."""
    account_id: int
    return_url: str


def create_portal_link(
    ctx: Context, account_id: int, choice: PortalChoice, *, key_id: int | None = None
) -> NewPortalLink:
    """Create a link that signs one person in, once, within a minute.

    `key_id`: the provider's key that asks; revoking it ends the link and its session.

    Raises `NotFound`, `Denied` if the account's personal data is erased, or `Invalid` with an error
    for each invalid field.
    """
    account = Account.locked(ctx.session, account_id)
    erasures.require_not_erased(ctx.session, account_id)
    faults = choice.faults()
    user = _user(ctx, account, choice, faults)
    if faults or user is None:
        ctx.session.rollback()
        raise Invalid(faults)
    wall, token = ctx.clock.wall(), sessions.new_token()
    portal.delete_old(ctx.session, wall)
    link = PortalLink(
        token_hash=sessions.hash_token(token),
        account_id=account_id,
        user_id=user.id,
        role=Role(choice.role),
        return_url=choice.return_url,
        api_key_id=key_id,
        expires_at=wall + portal.LASTS,
    )
    ctx.session.add(link)
    events.record(ctx, account_id, PortalLinkCreated(choice.role, choice.email or ""))
    ctx.session.commit()
    return NewPortalLink(token, wall + portal.LASTS)


def enter_by_portal(ctx: Context, token: str, *, device: str, address: str) -> PortalEntry | None:
    """Start the session of an open link; None if the link is used, expired or unknown."""
    wall = ctx.clock.wall()
    begin_writing(ctx.session)
    link = portal.take(ctx, token)
    # A key that ends meanwhile waits until the session is committed, and then ends it.
    if link is None or not (link.api_key_id is None or api_keys.works(ctx, link.api_key_id)):
        ctx.session.rollback()
        return None
    started, cookie = UserSession.start(
        wall,
        user_id=link.user_id,
        remember=False,
        signed_in_with=SIGNED_IN_WITH,
        address=address,
        device=device,
        account_id=link.account_id,
        role=link.role,
        return_url=link.return_url,
        api_key_id=link.api_key_id,
    )
    ctx.session.add(started)
    user = ctx.session.get_one(User, link.user_id)
    actor = Actor(user.id, user.name, address)
    events.record(ctx.by(actor), link.account_id, SignedInByPortal(link.role))
    entry = PortalEntry(cookie, link.account_id, link.return_url)
    ctx.session.commit()
    return entry


def end_access_by_key(ctx: Context, key: ApiKey) -> None:
    """End the portal links and sessions that a key has made, in the caller's transaction.

    The key has ended.
    """
    # The key's row is written first, which waits for links that are being opened: see
    # `enter_by_portal`.
    ctx.session.flush()
    ended = portal.end_by_key(ctx.session, key.id, ctx.clock.wall())
    for account_id, count in sorted(ended.items()):
        events.record(ctx, account_id, PortalAccessEnded(key.hint, count))


def _user(
    ctx: Context, account: Account, choice: PortalChoice, faults: dict[str, str]
) -> User | None:
    if choice.email is None:
        return portal.find_or_add_user(ctx, account)
    email = choice.email.strip().lower()
    for member in users.members(ctx.session, account.id):
        if member.email == email:
            if choice.role in portal.ROLES and not (
                RIGHTS[Role(choice.role)] & member.rights_in(account.id)
            ):
                faults["role"] = "This member has none of the rights of that role"
            return member
    faults["email"] = "No member of this account has this address"
    return None
