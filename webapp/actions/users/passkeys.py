"""Add, rename and remove passkeys, and authenticate with one.

py_webauthn implements the protocol; it is imported where it is used because it loads slowly.
"""

import json
from typing import Any

from sqlalchemy.exc import IntegrityError

from webapp.database.transactions import begin_writing
from webapp.domain.events import recording as events
from webapp.domain.events.users import PasskeyAdded, PasskeyRemoved, SignedIn
from webapp.domain.shared import texts
from webapp.domain.shared.context import Actor, Context
from webapp.domain.shared.errors import Conflict, Invalid, Refusal
from webapp.domain.users import passkeys
from webapp.domain.users.passkeys import MOST, NAME_LENGTH, Passkey, RelyingParty
from webapp.domain.users.sessions import UserSession
from webapp.domain.users.user import User

REFUSED = "Your browser’s answer could not be verified. Try again."


def creation_options(
    ctx: Context, user_id: int, challenge: bytes, party: RelyingParty
) -> dict[str, Any]:
    """Options for `navigator.credentials.create`, as JSON."""
    from webauthn import generate_registration_options
    from webauthn.helpers import base64url_to_bytes, options_to_json_dict
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    user = ctx.session.get_one(User, user_id)
    existing = passkeys.of_user(ctx.session, user_id)
    options = generate_registration_options(
        rp_id=party.host,
        rp_name=party.name,
        user_id=user.id.to_bytes(8),
        user_name=user.email,
        user_display_name=user.name,
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=base64url_to_bytes(passkey.credential_id))
            for passkey in existing
        ],
    )
    return options_to_json_dict(options)


def request_options(challenge: bytes, party: RelyingParty) -> dict[str, Any]:
    """Options for `navigator.credentials.get`, as JSON. The browser offers the user's passkeys."""
    from webauthn import generate_authentication_options
    from webauthn.helpers import options_to_json_dict
    from webauthn.helpers.structs import UserVerificationRequirement

    options = generate_authentication_options(
        rp_id=party.host,
        challenge=challenge,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def add_passkey(
    ctx: Context, user_id: int, name: str, credential: str, challenge: bytes, party: RelyingParty
) -> Passkey:
    """Save a passkey. `credential` is the browser's JSON.

    Raises `Invalid`, `Conflict`, or `Refusal`.
    """
    from webauthn import verify_registration_response
    from webauthn.helpers import bytes_to_base64url
    from webauthn.helpers.exceptions import WebAuthnException

    name = _require_name(name)
    try:
        verified = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.host,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError) as error:
        raise Refusal(REFUSED) from error
    begin_writing(ctx.session)
    if len(passkeys.of_user(ctx.session, user_id)) >= MOST:
        ctx.session.rollback()
        raise Conflict(f"You have {MOST} passkeys. Remove one first.")
    passkey = Passkey(
        user_id=user_id,
        credential_id=bytes_to_base64url(verified.credential_id),
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        name=name,
        created_at=ctx.now,
    )
    ctx.session.add(passkey)
    try:
        ctx.session.flush()
    except IntegrityError:
        ctx.session.rollback()
        raise Conflict("This passkey has already been added.") from None
    events.record_for(ctx, passkey.user, PasskeyAdded(name))
    ctx.session.commit()
    return passkey


def sign_in_with_passkey(
    ctx: Context, credential: str, challenge: bytes, party: RelyingParty, address: str
) -> int:
    """Authenticate with a passkey and return the user's id. Raises `Refusal`."""
    passkey = _authenticate(ctx, credential, challenge, party)
    user = passkey.user
    events.record_for(ctx.by(Actor(user.id, user.name, address)), user, SignedIn("passkey"))
    user_id = user.id
    ctx.session.commit()
    return user_id


def reauthenticate_with_passkey(
    ctx: Context, session_id: int, credential: str, challenge: bytes, party: RelyingParty
) -> bool:
    """Re-authenticate the signed-in user; False if the passkey is invalid or another user's."""
    try:
        passkey = _authenticate(ctx.later(), credential, challenge, party)
    except Refusal:
        return False
    here = ctx.session.get(UserSession, session_id)
    if here is None or here.user_id != passkey.user_id:
        ctx.session.rollback()
        return False
    here.proved_at = ctx.clock.wall()
    ctx.session.commit()
    return True


def rename_passkey(ctx: Context, user_id: int, passkey_id: int, name: str) -> None:
    """Rename a passkey. Raises `NotFound` or `Invalid`."""
    name = _require_name(name)
    begin_writing(ctx.session)
    passkeys.find(ctx.session, user_id, passkey_id).name = name
    ctx.session.commit()


def remove_passkey(ctx: Context, user_id: int, passkey_id: int) -> str:
    """Remove a passkey and return its name. Raises `NotFound`."""
    begin_writing(ctx.session)
    passkey = passkeys.find(ctx.session, user_id, passkey_id)
    name, user = passkey.name, passkey.user
    ctx.session.delete(passkey)
    events.record_for(ctx, user, PasskeyRemoved(name))
    ctx.session.commit()
    return name


def _authenticate(ctx: Context, credential: str, challenge: bytes, party: RelyingParty) -> Passkey:
    """Verify the signed challenge and return its passkey; opens a write transaction.

    Raises `Refusal`.
    """
    from webauthn import verify_authentication_response
    from webauthn.helpers.exceptions import WebAuthnException

    begin_writing(ctx.session)
    passkey = passkeys.by_credential(ctx.session, _credential_id(credential))
    if passkey is None:
        ctx.session.rollback()
        raise Refusal("This passkey is not registered. Sign in another way and add it again.")
    try:
        verified = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.host,
            expected_origin=party.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError) as error:
        ctx.session.rollback()
        raise Refusal(REFUSED) from error
    if not passkey.use(ctx.session, verified.new_sign_count, ctx.now):
        ctx.session.rollback()
        raise Refusal(REFUSED)
    return passkey


def _credential_id(credential: str) -> str:
    try:
        return str(json.loads(credential)["id"])
    except (ValueError, TypeError, KeyError):
        return ""


def _require_name(name: str) -> str:
    name = " ".join(name.split())
    fault = texts.fault(name, NAME_LENGTH) if name else "Enter a name, such as your device’s"
    if fault:
        raise Invalid({"passkey_name": fault})
    return name
