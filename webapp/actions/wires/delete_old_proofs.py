"""Delete proofs of wire requests that were cancelled long ago (L5)."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.database.transactions import begin_writing
from webapp.domain.wires import wire as wires
from webapp.ports import ProofFiles


def delete_old_proofs(session: Session, files: ProofFiles, now: datetime, limit: int = 100) -> int:
    """Delete proofs and return how many. The audit log keeps each file's name and digest."""
    found = bool(wires.old_proofs(session, now, 1))
    session.rollback()
    if not found:
        return 0
    begin_writing(session)
    proofs = wires.old_proofs(session, now, limit)
    for proof in proofs:
        # The file is deleted first: if the commit fails, its row is found again by the next run.
        files.discard(proof.wire.account_id, proof.file)
        session.delete(proof)
    session.commit()
    return len(proofs)
