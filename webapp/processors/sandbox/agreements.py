"""PayPal agreements in the sandbox: their payers and states."""

import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from secrets import token_hex
from sqlite3 import Connection

from webapp.ports import SavedAgreement
from webapp.processors.sandbox.cards import Behaviour, Charging
from webapp.processors.sandbox.challenges import Challenge, ChallengeKind, begin
from webapp.processors.sandbox.store import Store, written

# Behaviour by the part of the email address before the @; all others pay.
PAYERS = {
    "declined": Behaviour(
        automatic=Charging.DECLINES, present=Charging.DECLINES, code="generic_decline"
    ),
    "confirm": Behaviour(
        automatic=Charging.WANTS_CUSTOMER,
        present=Charging.WANTS_CUSTOMER,
        code="authentication_required",
    ),
}


@dataclass(frozen=True)
class Agreement:
    saved: SavedAgreement
    cancelled: bool
    """Whether the payer has cancelled it at PayPal."""
    revoked: bool
    """Whether the merchant has revoked it."""

    @property
    def stands(self) -> bool:
        return not self.cancelled and not self.revoked

    @property
    def behaviour(self) -> Behaviour:
        name = self.saved.payer_email.partition("@")[0].lower()
        return PAYERS.get(name, Behaviour())


class Agreements:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._secret = str(store.setting("fingerprint_secret", "")).encode()

    def propose(self, account_id: int, return_to: str, now: datetime) -> Challenge:
        """Start a challenge that asks the payer to approve an agreement for this account."""
        reference = f"agr_{token_hex(12)}"
        with self._store.writing() as db:
            return begin(
                db, ChallengeKind.AGREEMENT, reference, return_to, now, account_id=account_id
            )

    def sign(self, db: Connection, reference: str, payer_email: str, now: datetime) -> None:
        """Store an approved agreement, in the transaction that ends its challenge."""
        db.execute(
            "INSERT INTO agreement (id, payer_id, payer_email, created_at) VALUES (?, ?, ?, ?)",
            (reference, self._payer_id(payer_email), payer_email, written(now)),
        )

    def find(self, reference: str) -> Agreement | None:
        found = self.among([reference])
        return found[0] if found else None

    def among(self, references: Sequence[str]) -> list[Agreement]:
        """The approved agreements among these references, oldest first."""
        rows = self._store.db.execute(
            "SELECT * FROM agreement WHERE id IN (SELECT value FROM json_each(?)) "
            "ORDER BY created_at",
            (json.dumps(list(references)),),
        )
        return [
            Agreement(
                SavedAgreement(row["id"], row["payer_id"], row["payer_email"]),
                cancelled=row["cancelled_at"] is not None,
                revoked=row["revoked_at"] is not None,
            )
            for row in rows
        ]

    def cancel(self, reference: str, now: datetime) -> None:
        """Cancel an agreement as the payer."""
        self._end("cancelled_at", reference, now)

    def revoke(self, reference: str, now: datetime) -> None:
        """Revoke an agreement as the merchant."""
        self._end("revoked_at", reference, now)

    def _end(self, column: str, reference: str, now: datetime) -> None:
        with self._store.writing() as db:
            db.execute(
                f"UPDATE agreement SET {column} = ? "  # noqa: S608  a constant name
                f"WHERE id = ? AND {column} IS NULL",
                (written(now), reference),
            )

    def _payer_id(self, email: str) -> str:
        """The payer's id, the same for upper and lower case of the address."""
        return hmac.new(self._secret, f"payer {email.lower()}".encode(), sha256).hexdigest()
