"""Delete proofs of wire requests that were cancelled long ago (L5)."""

from webapp.database.transactions import begin_writing
from webapp.domain.shared.context import Context
from webapp.domain.wires import wire as wires
from webapp.ports import ProofFiles


def delete_old_proofs(ctx: Context, files: ProofFiles, limit: int = 100) -> int:
    """Delete proofs and return how many. The audit log keeps each file's name and digest."""
    found = bool(wires.old_proofs(ctx, 1))
    ctx.session.rollback()
    if not found:
        return 0
    begin_writing(ctx.session)
    proofs = wires.old_proofs(ctx, limit)
    for proof in proofs:
        # The file is deleted first: if the commit fails, its row is found again by the next run.
        files.discard(proof.wire.account_id, proof.file)
        ctx.session.delete(proof)
    ctx.session.commit()
    return len(proofs)
