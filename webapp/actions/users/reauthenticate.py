"""Re-authenticate the signed-in user (password, or code if a second factor is on)."""

from webapp.database.transactions import begin_writing
from webapp.domain.events import recording as events
from webapp.domain.events.users import ProofRefused
from webapp.domain.shared.context import Context
from webapp.domain.users import passwords, second_factor
from webapp.domain.users.sessions import UserSession


def reauthenticate(ctx: Context, session_id: int, proof: str) -> bool:
    """Whether `proof` is the user's password or, if a second factor is on, one of its codes.

    With a second factor the password is not accepted, so that a stolen password cannot be used to
    turn the second factor off.
    """
    ctx = ctx.later()
    user = ctx.session.get_one(UserSession, session_id).user
    hashed = user.password_hash
    right = not user.has_second_factor and passwords.is_right(proof, hashed)
    begin_writing(ctx.session)
    here = ctx.session.get(UserSession, session_id)
    if here is not None and here.user.has_second_factor:
        right = bool(second_factor.accept(ctx, here.user, proof))
    if here is not None and right:
        here.proved_at = ctx.clock.wall()
    else:
        right = False
        events.record_for(ctx, user, ProofRefused())
    ctx.session.commit()
    return right
