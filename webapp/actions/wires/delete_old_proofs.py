"""Remove the proofs of wire requests that were cancelled long ago (L5)."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.database.base import begin_writing
from webapp.domain.wires import wire as wires
from webapp.ports import ProofFiles


def delete_old_proofs(session: Session, files: ProofFiles, now: datetime, limit: int = 100) -> int:
    """Returns how many. The audit log keeps the name and the digest of each."""
    found = bool(wires.old_proofs(session, now, 1))
    session.rollback()
    if not found:
        return 0
    begin_writing(session)
    proofs = wires.old_proofs(session, now, limit)
    for proof in proofs:
        # The file first: should the commit fail, its row is found again, and no file is left over.
        files.discard(proof.wire.account_id, proof.file)
        session.delete(proof)
    session.commit()
    return len(proofs)
