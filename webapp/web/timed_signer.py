"""Signs what a form carries, and judges its age by the application's clock."""

from flask import current_app
from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from webapp.extensions import parts


class _ClockSigner(TimestampSigner):
    def get_timestamp(self) -> int:
        """Seconds since 1970. The base class reads the wall clock."""
        return int(parts().clock.now().timestamp())


class TimedSigner(URLSafeTimedSerializer):
    """`loads(text, max_age=SECONDS)` raises `BadData` for what is forged or too old.

    `purpose` keeps one form's signature from being accepted by another form.
    """

    def __init__(self, purpose: str) -> None:
        super().__init__(current_app.secret_key or "", salt=purpose, signer=_ClockSigner)
