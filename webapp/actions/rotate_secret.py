"""Rotate SECRET_KEY: encrypt all stored secrets under the new key."""

from webapp.database.transactions import begin_writing
from webapp.database.vault import Vault, reseal
from webapp.domain.events import recording as events
from webapp.domain.events.accounts import SecretKeyRotated
from webapp.domain.shared.context import Context


def rotate_secret(ctx: Context, old: str, new: str) -> int:
    """Return how many secrets were re-encrypted. Safe to repeat with the same keys.

    All secrets change in one transaction, so after a crash they are all under the same key. Raises
    `WrongKey` if a secret is encrypted under neither key.
    """
    begin_writing(ctx.session)
    count = reseal(ctx.session.connection(), Vault(old), Vault(new))
    events.record(ctx, None, SecretKeyRotated(count))
    ctx.session.commit()
    return count
