"""Replace SECRET_KEY: all secrets at rest are encrypted under the new one."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.database.base import begin_writing
from webapp.domain.accounts import audit
from webapp.domain.accounts.audit import Actor
from webapp.domain.shared.vault import Vault, reseal


def rotate_secret(session: Session, old: str, new: str, actor: Actor, now: datetime) -> int:
    """Returns how many secrets were encrypted anew. It may be run again with the same keys.

    One transaction: after a crash all secrets are under one key. Raises `WrongKey` where one of
    them is under neither.
    """
    begin_writing(session)
    count = reseal(session.connection(), Vault(old), Vault(new))
    audit.record(session, None, actor, "secret_key_rotated", now, secrets=count)
    session.commit()
    return count
