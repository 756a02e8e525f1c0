"""The list of operators."""

from sqlalchemy import select

from webapp.domain.shared.context import Context
from webapp.domain.users.operators import Operator
from webapp.domain.users.user import User


def read_operators(ctx: Context) -> list[dict[str, object]]:
    query = select(User).join(Operator, Operator.user_id == User.id).order_by(User.id)
    return [
        {"user": u.id, "email": u.email, "name": u.name, "second_factor": u.has_second_factor}
        for u in ctx.session.scalars(query)
    ]
