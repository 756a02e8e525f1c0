"""Sign the hidden state of forms, with an expiry by the application's clock."""

from datetime import timedelta
from typing import Any

from flask import abort, current_app
from itsdangerous import BadData, SignatureExpired, TimestampSigner, URLSafeTimedSerializer

from webapp.domain.shared.errors import Refusal
from webapp.extensions import services
from webapp.web.http.person import Person

LIFE = timedelta(hours=1)


class _ClockSigner(TimestampSigner):
    def get_timestamp(self) -> int:
        """Seconds since 1970. The base class reads the wall clock."""
        return int(services().clock.now().timestamp())


class FormSigner:
    """Signs and reads form state. A signature is valid only for the same `purpose`."""

    def __init__(self, purpose: str) -> None:
        key = current_app.secret_key or ""
        self._serializer = URLSafeTimedSerializer(key, salt=purpose, signer=_ClockSigner)

    def sign(self, value: object) -> str:
        return str(self._serializer.dumps(value))

    def read(self, text: str) -> Any:
        """The signed value. Raises `Refusal` after an hour, and aborts with 400 if it is forged."""
        try:
            return self._serializer.loads(text, max_age=int(LIFE.total_seconds()))
        except SignatureExpired:
            raise Refusal("This form has expired. Open it again. Nothing was saved.") from None
        except BadData:
            abort(400)


def sign_state(person: Person, confirmed: int) -> str:
    """Sign the state that goes to the processor's form and comes back with its token.

    `confirmed`: the immediate charge shown in the form, in micros (T18).
    """
    return _states().sign([person.id, confirmed])


def check_state(person: Person, state: str) -> int:
    """Return the immediate charge shown in the form, in micros.

    Raises `Refusal` for an expired state, and aborts with 400 for another person's state.
    """
    stated = _states().read(state)
    if not isinstance(stated, list) or stated[0] != person.id:
        abort(400)
    return int(stated[1])


def _states() -> FormSigner:
    # Signed rather than kept in the session: with two concurrent responses one cookie is lost.
    return FormSigner("capture form")
