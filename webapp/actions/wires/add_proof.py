"""A customer shows that a wire was sent (L5). It credits nothing: it tells whom to look for."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared import money
from webapp.domain.shared.errors import Conflict, Invalid
from webapp.domain.wires import proofs
from webapp.domain.wires import wire as wires
from webapp.domain.wires.wire import PROOF_BYTES, PROOFS, WireProof, WireRequest
from webapp.ports import ProofFiles

FULL = (
    "This account has no room for another file: the proofs of its wire transfers take "
    f"{proofs.size_text(PROOF_BYTES)} at most. Send the file to us by email."
)


def add_proof(
    session: Session,
    account_id: int,
    wire_id: int,
    name: str,
    content: bytes,
    actor: Actor,
    now: datetime,
    files: ProofFiles,
) -> WireRequest:
    """Keep the file with the request; the same file sent again is the same proof.

    Raises `NotFound`, `Invalid` for the file, or `Conflict` where the request has ended.
    """
    wires.find(session, account_id, wire_id)
    if fault := proofs.fault(content):
        raise Invalid({"proof": fault})
    session.rollback()
    # Written before the lock is taken: others need not wait for the disk.
    file = files.keep(account_id, content)
    kept = False
    try:
        account = Account.locked(session, account_id)
        wire = wires.find(session, account_id, wire_id)
        new = _record(session, account, wire, file, name, content, actor, now)
        session.commit()
        kept = new  # not before: what is not committed leaves no file
    finally:
        if not kept:
            files.discard(account_id, file)
    return wire


def _record(
    session: Session,
    account: Account,
    wire: WireRequest,
    file: str,
    name: str,
    content: bytes,
    actor: Actor,
    now: datetime,
) -> bool:
    """False for a file that the request has already."""
    digest = proofs.digest(content)
    if digest in [proof.digest for proof in wire.proofs]:
        return False
    wire.require_open()
    if len(wire.proofs) >= PROOFS:
        raise Conflict(f"A request takes {PROOFS} files, and has them.", code="too_many_proofs")
    if wires.proof_bytes(session, account.id) + len(content) > PROOF_BYTES:
        raise Conflict(FULL, code="too_many_proofs")
    kind = proofs.kind_of(content)
    proof = WireProof(
        wire=wire,
        file=file,
        name=proofs.clean_name(name),
        kind=kind,
        size=len(content),
        digest=digest,
        uploaded_by_id=actor.user_id,
        uploaded_at=now,
    )
    session.add(proof)
    wire.prove(session, now)
    details = {"wire": wire.reference, "file": proof.name, "digest": digest}
    audit.record(session, account.id, actor, "wire_proof_added", now, **details)
    facts = {
        "request_id": str(wire.id),
        "reference": wire.reference,
        "amount": money.show(wire.amount, wire.currency, account.locale),
        "file": proof.name,
        "at": account.mailed(now, now),
    }
    # One mail for the step, however many files make it.
    outbox.enqueue(session, account, NoticeKind.WIRE_PROOF, f"wire {wire.id}", facts, now)
    return True
