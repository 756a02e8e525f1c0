"""Who the stand-in's payers are: what stands before the @ says how they pay; everyone else pays."""

import re
from hashlib import sha256

OUTCOMES = {"declined": "DECLINED", "pending": "PENDING"}


class Payers:
    def __init__(self):
        self.ends = {}
        """E-mail → another ending than it began with, as when a bank account empties."""

    def wallet(self, email):
        id_ = sha256(email.lower().encode()).hexdigest().upper()
        payer_id = re.sub("[01]", "A", id_)[:13]
        return {
            "email_address": email,
            "payer_id": payer_id,
            "account_id": payer_id,
            "name": {"given_name": "Ana", "surname": "Horvat"},
        }

    def wants_to_be_asked(self, email):
        return self._name(email) == "confirm"

    def outcome(self, email):
        return OUTCOMES.get(self._name(email), "COMPLETED")

    def refusal(self, email):
        """`payer_cannot_pay@…` is refused with that issue."""
        name = self._name(email)
        return name.upper() if "_" in name else None

    def _name(self, email):
        return self.ends.get(email, email).partition("@")[0].lower()
