"""Saved cards, and single-use tokens for cards that are not saved yet (M7).

Card numbers and security codes are not stored; of a number only a keyed fingerprint is kept.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_hex
from sqlite3 import Connection, Row

from webapp.ports import SavedCard, WrongAccount
from webapp.processors.sandbox.cards import (
    BEHAVIOURS,
    Adding,
    Behaviour,
    behaviour_name,
    brand_of,
    has_expired,
)
from webapp.processors.sandbox.challenges import Challenge, ChallengeKind, begin
from webapp.processors.sandbox.store import Store, keep_owner, owner_of, read, written

TOKEN_LIFE = timedelta(minutes=30)

_KEPT = (
    "behaviour",
    "fingerprint",
    "brand",
    "last4",
    "exp_month",
    "exp_year",
    "cardholder",
    "address_country",
    "address_line",
    "address_city",
    "address_postcode",
)
"""Columns that tokens and cards share."""


@dataclass(frozen=True)
class CardDetails:
    """A validated card from the form. It exists only during the request."""

    number: str = field(repr=False)
    exp_month: int
    exp_year: int
    cardholder: str
    address_country: str
    address_line: str
    address_city: str
    address_postcode: str


@dataclass(frozen=True)
class VaultCard:
    """A saved card with its behaviour."""

    card: SavedCard
    behaviour: Behaviour
    revoked: bool

    def has_expired(self, now: datetime) -> bool:
        return has_expired(self.card.exp_month, self.card.exp_year, now)


class Vault:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._secret = str(store.setting("fingerprint_secret", "")).encode()

    def form_for(self, account_id: int) -> str:
        """A signed value in the card form that binds its token to the account."""
        signature = hmac.new(self._secret, f"form {account_id}".encode(), sha256).hexdigest()
        return f"{account_id}.{signature}"

    def account_of(self, form: str) -> int | None:
        """The account of a form; None if its signature is invalid."""
        account_id = form.partition(".")[0]
        if not (account_id.isascii() and account_id.isdigit()):
            return None
        expected = self.form_for(int(account_id))
        return int(account_id) if hmac.compare_digest(form.encode(), expected.encode()) else None

    def issue_token(
        self, details: CardDetails, now: datetime, account_id: int | None = None
    ) -> str:
        """Create a token that `save` accepts once, within `TOKEN_LIFE`, for this account.

        Without `account_id` any account may use it: the card was not entered in the product's form.
        """
        token = f"tok_{token_hex(16)}"
        with self._store.writing() as db:
            too_old = (written(now - TOKEN_LIFE),)
            db.execute(
                "DELETE FROM owner WHERE subject IN (SELECT id FROM token WHERE created_at < ?)",
                too_old,
            )
            db.execute("DELETE FROM token WHERE created_at < ?", too_old)
            _insert(db, "token", token, self._kept(details), now)
            if account_id is not None:
                keep_owner(db, token, account_id)
        return token

    def save(
        self, account_id: int, token: str, return_to: str, now: datetime
    ) -> VaultCard | Challenge | WrongAccount | None:
        """Use a token. Returns None if it is unknown, used or too old.

        A token of another account is not used up (M14).

        A card that requires a challenge is held until the challenge is completed (M6). A card that
        its bank refuses is not saved and returned without a reference.
        """
        reference = f"card_{token_hex(12)}"
        with self._store.writing() as db:
            row = db.execute("SELECT * FROM token WHERE id = ?", (token,)).fetchone()
            owner = owner_of(db, token)
            if owner not in (None, account_id):
                return WrongAccount(f"The card form was opened for account {owner}")
            db.execute("DELETE FROM token WHERE id = ?", (token,))
            db.execute("DELETE FROM owner WHERE subject = ?", (token,))
            if row is None or now - read(row["created_at"]) > TOKEN_LIFE:
                return None
            kept = [row[name] for name in _KEPT]
            adding = BEHAVIOURS[row["behaviour"]].adding
            if adding is Adding.CHALLENGE:
                _insert(db, "held_card", reference, kept, now)
                return begin(
                    db, ChallengeKind.CARD, reference, return_to, now, account_id=account_id
                )
            if adding is Adding.REFUSED:
                return _card(row, "", revoked=False)
            _insert(db, "card", reference, kept, now)
        return _card(row, reference, revoked=False)

    def keep(self, details: CardDetails, now: datetime) -> str:
        """Save a card without a challenge and return its reference."""
        reference = f"card_{token_hex(12)}"
        with self._store.writing() as db:
            _insert(db, "card", reference, self._kept(details), now)
        return reference

    def card(self, reference: str) -> VaultCard | None:
        row = self._store.db.execute("SELECT * FROM card WHERE id = ?", (reference,)).fetchone()
        return None if row is None else _card(row, reference, revoked=row["revoked_at"] is not None)

    def held(self, reference: str) -> VaultCard | None:
        """A card whose challenge is open."""
        db = self._store.db
        row = db.execute("SELECT * FROM held_card WHERE id = ?", (reference,)).fetchone()
        return None if row is None else _card(row, reference, revoked=False)

    def revoke(self, reference: str, now: datetime) -> None:
        with self._store.writing() as db:
            db.execute(
                "UPDATE card SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
                (written(now), reference),
            )

    def _kept(self, details: CardDetails) -> tuple[str | int, ...]:
        number = details.number
        return (
            behaviour_name(number),
            hmac.new(self._secret, number.encode(), sha256).hexdigest(),
            brand_of(number) or "",
            number[-4:],
            details.exp_month,
            details.exp_year,
            details.cardholder,
            details.address_country,
            details.address_line,
            details.address_city,
            details.address_postcode,
        )


# The functions below run in the transaction that ends the card's challenge.


def admit(db: Connection, reference: str, now: datetime) -> None:
    """Save a held card."""
    columns = ", ".join(_KEPT)
    db.execute(
        f"INSERT INTO card (id, {columns}, created_at) "  # noqa: S608  constant names
        f"SELECT id, {columns}, ? FROM held_card WHERE id = ?",
        (written(now), reference),
    )
    dismiss(db, reference)


def dismiss(db: Connection, reference: str) -> None:
    """Delete a held card (M6)."""
    db.execute("DELETE FROM held_card WHERE id = ?", (reference,))


def _insert(db: Connection, table: str, id_: str, kept: Sequence[str | int], now: datetime) -> None:
    columns = ", ".join(("id", *_KEPT, "created_at"))
    marks = ", ".join("?" * (len(_KEPT) + 2))
    db.execute(
        f"INSERT INTO {table} ({columns}) VALUES ({marks})",  # noqa: S608  constant names
        (id_, *kept, written(now)),
    )


def _card(row: Row, reference: str, *, revoked: bool) -> VaultCard:
    saved = SavedCard(
        reference=reference,
        **{name: row[name] for name in SavedCard.__dataclass_fields__ if name != "reference"},
    )
    return VaultCard(saved, BEHAVIOURS[row["behaviour"]], revoked)
