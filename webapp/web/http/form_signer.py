"""Signs what a form carries, and judges its age by the application's clock."""

from datetime import timedelta
from typing import Any

from flask import abort, current_app
from itsdangerous import BadData, SignatureExpired, TimestampSigner, URLSafeTimedSerializer

from webapp.domain.shared.errors import Refusal
from webapp.extensions import parts

LIFE = timedelta(hours=1)


class _ClockSigner(TimestampSigner):
    def get_timestamp(self) -> int:
        """Seconds since 1970. The base class reads the wall clock."""
        return int(parts().clock.now().timestamp())


class FormSigner:
    """`purpose` keeps one form's signature from being accepted by another form."""

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
