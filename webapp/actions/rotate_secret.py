"""Rotate SECRET_KEY: encrypt all stored secrets under the new key."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.database.transactions import begin_writing
from webapp.database.vault import Vault, reseal
from webapp.domain.accounts import audit
from webapp.domain.accounts.audit import Actor


def rotate_secret(session: Session, old: str, new: str, actor: Actor, now: datetime) -> int:
    """Return how many secrets were re-encrypted. Safe to repeat with the same keys.

    All secrets change in one transaction, so after a crash they are all under the same key. Raises
    `WrongKey` if a secret is encrypted under neither key.
    """
    begin_writing(session)
    count = reseal(session.connection(), Vault(old), Vault(new))
    audit.record(session, None, actor, "secret_key_rotated", now, secrets=count)
    session.commit()
    return count
