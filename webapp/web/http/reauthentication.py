"""Re-authentication: some requests require a password, code or passkey from the last 15 minutes."""

from collections.abc import Sequence
from datetime import timedelta

from flask import request

from webapp.actions.users.passkeys import reauthenticate_with_passkey
from webapp.actions.users.reauthenticate import reauthenticate as is_proved
from webapp.domain.shared.errors import Denied, TooOften
from webapp.extensions import make_context, services
from webapp.web.http import rate_limits
from webapp.web.http.passkey_challenges import relying_party, take_challenge
from webapp.web.http.person import Person

PROOF = "proof"
"""The form field with the password or code."""
PASSKEY_PROOF = "proof_passkey"
"""The form field with the passkey's response."""
PROOF_LASTS = timedelta(minutes=15)

FROM_PORTAL = (
    "You came from your provider’s portal more than 15 minutes ago. Go back, and open this page "
    "from there again."
)
"""A portal session has no password to ask for; its link is the only proof (V8)."""


class ReauthenticationNeeded(Exception):
    """The last authentication is too old; `reauthentication_form.py` asks for a new one."""

    def __init__(
        self,
        person: Person,
        error: str = "",
        action: str = "",
        fields: Sequence[tuple[str, str]] | None = None,
    ) -> None:
        """`action` and `fields`: the form to repeat; by default that of the current request."""
        super().__init__("the last authentication is too old")
        self.person, self.error = person, error
        self.action, self.fields = action, fields


def require_reauthentication(
    person: Person, action: str = "", fields: Sequence[tuple[str, str]] | None = None
) -> None:
    """Require authentication within the last 15 minutes, or credentials in this form.

    Without either, the person is asked for their password, a code or a passkey, and the same form
    is sent again with the answer. Raises `ReauthenticationNeeded`, or `Denied` in a portal session.
    """
    clock = services().clock
    # `abs`: after a clock was set back, the last authentication lies in the future.
    if abs(clock.wall() - person.proved_at) < PROOF_LASTS:
        return
    if person.is_from_portal:
        raise Denied(FROM_PORTAL)
    proof, passkey = request.form.get(PROOF), request.form.get(PASSKEY_PROOF)
    if proof is None and not passkey:
        raise ReauthenticationNeeded(person, "", action, fields)
    try:
        rate_limits.code(person.id)
    except TooOften as refusal:
        raise ReauthenticationNeeded(person, refusal.sentence, action, fields) from refusal
    if passkey:
        if reauthenticate_with_passkey(
            make_context(),
            person.session_id,
            passkey,
            take_challenge(),
            relying_party(),
        ):
            rate_limits.clear_code(person.id)
            return
        raise ReauthenticationNeeded(person, "That passkey could not be verified", action, fields)
    if not is_proved(make_context(person.actor), person.session_id, proof or ""):
        wrong = "Wrong code" if person.has_second_factor else "Wrong password"
        raise ReauthenticationNeeded(person, wrong, action, fields)
    rate_limits.clear_code(person.id)
