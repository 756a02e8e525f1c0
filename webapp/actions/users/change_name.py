"""Change a user's name."""

from webapp.database.transactions import begin_writing
from webapp.domain.events import recording as events
from webapp.domain.events.users import NameChanged
from webapp.domain.shared import texts
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Invalid
from webapp.domain.shared.texts import NAME_LENGTH
from webapp.domain.users.user import User


def change_name(ctx: Context, user_id: int, name: str) -> None:
    """Change the name and record it in the audit log of each of the user's accounts.

    Raises `Invalid`.
    """
    name = name.strip()
    if fault := "Enter your name" if not name else texts.fault(name, NAME_LENGTH):
        raise Invalid({"name": fault})
    begin_writing(ctx.session)
    user = ctx.session.get_one(User, user_id)
    if user.name != name:
        before, user.name = user.name, name
        events.record_for(ctx, user, NameChanged(before, name))
    ctx.session.commit()
