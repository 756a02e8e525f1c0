"""Upload a proof of a wire transfer (L5). It credits nothing and helps find the wire."""

from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.wires import WireProofAdded
from webapp.domain.shared.context import Context
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
    ctx: Context, account_id: int, wire_id: int, name: str, content: bytes, files: ProofFiles
) -> WireRequest:
    """Attach the file to the wire request; uploading the same file again changes nothing.

    Raises `NotFound`, `Invalid` for the file, or `Conflict` if the request has ended or a limit is
    reached.
    """
    wires.find(ctx.session, account_id, wire_id)
    if fault := proofs.fault(content):
        raise Invalid({"proof": fault})
    ctx.session.rollback()
    # The file is written before the lock is taken, so that other requests do not wait for the disk.
    file = files.keep(account_id, content)
    kept = False
    try:
        account = Account.locked(ctx.session, account_id)
        wire = wires.find(ctx.session, account_id, wire_id)
        new = _record(ctx, account, wire, file, name, content)
        ctx.session.commit()
        kept = new  # only after the commit: without it the file is discarded
    finally:
        if not kept:
            files.discard(account_id, file)
    return wire


def _record(
    ctx: Context, account: Account, wire: WireRequest, file: str, name: str, content: bytes
) -> bool:
    """Record the proof. False if the request already has this file."""
    digest = proofs.digest(content)
    if digest in [proof.digest for proof in wire.proofs]:
        return False
    wire.require_open()
    if len(wire.proofs) >= PROOFS:
        raise Conflict(f"A request can have at most {PROOFS} files.", code="too_many_proofs")
    if wires.proof_bytes(ctx.session, account.id) + len(content) > PROOF_BYTES:
        raise Conflict(FULL, code="too_many_proofs")
    kind = proofs.kind_of(content)
    proof = WireProof(
        wire=wire,
        file=file,
        name=proofs.clean_name(name),
        kind=kind,
        size=len(content),
        digest=digest,
        uploaded_by_id=ctx.actor.user_id,
        uploaded_at=ctx.now,
    )
    ctx.session.add(proof)
    wire.prove(ctx.session, ctx.now)
    event = WireProofAdded.about(wire, file=proof.name, digest=digest)
    events.record(ctx, account.id, event)
    return True
