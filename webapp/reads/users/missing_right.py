"""The message for a user whose role does not allow something (P5)."""

from sqlalchemy import select

from webapp.domain.shared.context import Context
from webapp.domain.users.user import Membership, Right, Role, User, not_allowed
from webapp.reads.shell import in_words


def read_no_right(ctx: Context, account_id: int, user_id: int, right: Right) -> str:
    """Name the roles that may, the user's own roles, and the owner who can change them."""
    roles = ctx.session.get_one(User, user_id).roles_in(account_id)
    if not roles:
        return "Your role does not allow this. Only members of an account can open its pages."
    owned = (Membership.account_id == account_id) & (Membership.role == Role.OWNER)
    owner = ctx.session.scalar(select(User.name).join(Membership).where(owned).order_by(User.id))
    yours = f"{not_allowed(right)} Your role is {in_words(roles)}."
    return f"{yours} {owner}, Owner, can change it." if owner else yours
