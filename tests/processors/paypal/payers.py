"""The stand-in's payers: the part before the @ selects how they pay; all others pay."""

import re
from hashlib import sha256

OUTCOMES = {"declined": "DECLINED", "pending": "PENDING"}


class Payers:
    def __init__(self):
        self.overrides = {}
        """Email address → the address whose behaviour applies now, as after a change of funds."""

    def wallet(self, email):
        id_ = sha256(email.lower().encode()).hexdigest().upper()
        payer_id = re.sub("[01]", "A", id_)[:13]
        return {
            "email_address": email,
            "payer_id": payer_id,
            "account_id": payer_id,
            "name": {"given_name": "Ana", "surname": "Horvat"},
        }

    def needs_challenge(self, email):
        return self._name(email) == "confirm"

    def outcome(self, email):
        return OUTCOMES.get(self._name(email), "COMPLETED")

    def refusal(self, email):
        """Return the issue of a payer such as `payer_cannot_pay@…`."""
        name = self._name(email)
        return name.upper() if "_" in name else None

    def _name(self, email):
        return self.overrides.get(email, email).partition("@")[0].lower()
