"""Upload a proof of a wire transfer (L5). It credits nothing and helps find the wire."""

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
    "This account has reached the storage limit for proofs of wire transfers, "
    f"{proofs.size_text(PROOF_BYTES)}. Send us the file by email."
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
    """Attach the file to the wire request; uploading the same file again changes nothing.

    Raises `NotFound`, `Invalid` for the file, or `Conflict` if the request has ended or a limit is
    reached.
    """
    wires.find(session, account_id, wire_id)
    if fault := proofs.fault(content):
        raise Invalid({"proof": fault})
    session.rollback()
    # The file is written before the lock is taken, so that other requests do not wait for the disk.
    file = files.keep(account_id, content)
    kept = False
    try:
        account = Account.locked(session, account_id)
        wire = wires.find(session, account_id, wire_id)
        new = _record(session, account, wire, file, name, content, actor, now)
        session.commit()
        kept = new  # only after the commit: without it the file is discarded
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
    """Record the proof. False if the request already has this file."""
    digest = proofs.digest(content)
    if digest in [proof.digest for proof in wire.proofs]:
        return False
    wire.require_open()
    if len(wire.proofs) >= PROOFS:
        raise Conflict(f"A request can have at most {PROOFS} files.", code="too_many_proofs")
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
    # One email per request, however many files are uploaded.
    outbox.enqueue(session, account, NoticeKind.WIRE_PROOF, f"wire {wire.id}", facts, now)
    return True
