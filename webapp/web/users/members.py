"""Users: the account's members, their roles, and invitations."""

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from webapp.actions.users import invitations, members
from webapp.actions.users.second_factor import require_second_factor
from webapp.domain.events.event import Subject
from webapp.domain.shared.errors import Invalid, NotFound, Refusal, TooOften
from webapp.domain.users.user import Right, Role
from webapp.extensions import db, make_context, services
from webapp.reads.message import Message
from webapp.reads.users.members import read_person, read_users
from webapp.web.http import forms, rate_limits
from webapp.web.http.access import link_location, permit
from webapp.web.http.person import Person
from webapp.web.http.responses import Question, ask_first, go_to, show, show_dialog
from webapp.web.payment_methods.responses import fields_of, status_of

blueprint = Blueprint("users", __name__, url_prefix="/settings/users")

ONE = "/<int:user_id>"
INVITATION = "/invitations/<int:invitation_id>"


@blueprint.get("")
def index() -> ResponseReturnValue:
    return page(permit(Right.USERS))


@blueprint.post("/invitations")
def invite() -> ResponseReturnValue:
    person = permit(Right.USERS, confirmed=True, proved=True)
    email, roles = request.form.get("email", ""), roles_in_form()
    try:
        rate_limits.invitation(person)
        invited = invitations.invite(make_context(person.actor), person.account_id, email, roles)
    except (Invalid, TooOften) as refusal:
        db.session.rollback()
        errors = fields_of(refusal) or {"email": refusal.sentence}
        return page(person, email=email, roles=frozenset(roles), errors=errors), status_of(refusal)
    services().wake()
    where = link_location(person, invited.email)
    return go_to("users.index", Message(f"{invited.email} is invited. {where}"))


@blueprint.post(f"{INVITATION}/sendings")
def send_again(invitation_id: int) -> ResponseReturnValue:
    person = permit(Right.USERS, confirmed=True)
    rate_limits.invitation(person)
    invited = invitations.invite_again(make_context(person.actor), person.account_id, invitation_id)
    services().wake()
    return go_to("users.index", Message(link_location(person, invited.email)))


@blueprint.post(f"{INVITATION}/revocation")
def revoke(invitation_id: int) -> ResponseReturnValue:
    person = permit(Right.USERS)
    ctx = make_context(person.actor)
    invited = invitations.revoke_invitation(ctx, person.account_id, invitation_id)
    return go_to("users.index", Message(f"The invitation of {invited.email} is withdrawn."))


@blueprint.get(f"{ONE}/roles")
def roles(user_id: int) -> ResponseReturnValue:
    return dialog(permit(Right.USERS), user_id, "roles")


@blueprint.post(f"{ONE}/roles")
def change_roles(user_id: int) -> ResponseReturnValue:
    person = permit(Right.USERS, proved=True)
    chosen, ctx = roles_in_form(), make_context(person.actor)
    try:
        user = members.change_roles(ctx, person.account_id, user_id, chosen)
    except Refusal as refusal:
        return refused(person, user_id, "roles", refusal)
    return go_to("users.index", Message(f"The roles of {user.name} are changed."))


@blueprint.get(f"{ONE}/removal")
def removal(user_id: int) -> ResponseReturnValue:
    return dialog(permit(Right.USERS), user_id, "removal")


@blueprint.post(f"{ONE}/removal")
def remove(user_id: int) -> ResponseReturnValue:
    person = permit(Right.USERS, proved=True)
    try:
        user = members.remove_person(make_context(person.actor), person.account_id, user_id)
    except Refusal as refusal:
        return refused(person, user_id, "removal", refusal)
    return go_to("users.index", Message(f"{user.name} no longer belongs to this account."))


@blueprint.get(f"{ONE}/ownership")
def ownership(user_id: int) -> ResponseReturnValue:
    return dialog(permit(Right.OWNERSHIP), user_id, "ownership")


@blueprint.post(f"{ONE}/ownership")
def hand_over(user_id: int) -> ResponseReturnValue:
    person = permit(Right.OWNERSHIP, proved=True)
    try:
        user = members.hand_over(make_context(person.actor), person.account_id, user_id)
    except Refusal as refusal:
        return refused(person, user_id, "ownership", refusal)
    services().wake()
    return go_to("users.index", Message(f"{user.name} is the owner now."))


@blueprint.get("/second-factor")
def requirement() -> ResponseReturnValue:
    """Ask first, because it affects everyone (P5)."""
    person = permit(Right.USERS)
    screen = read_users(make_context(), person.account_id, person.id)
    without, everyone = screen.without_second_factor, len(screen.people)
    you = ", including you" if not person.has_second_factor else ""
    action, back_url = url_for("users.require"), url_for("users.index")
    if screen.second_factor_required:
        question = Question(
            title="Make two-step sign-in optional?",
            text="Each person can then turn it off, and a stolen password alone can be enough.",
            button="Make optional",
            action=action,
            back_url=back_url,
            fields=(("on", "0"),),
        )
    else:
        question = Question(
            title="Require two-step sign-in for everyone?",
            text=f"{without} of {everyone} people will have to set it up before they can "
            f"continue{you}."
            if without
            else "Everyone has already set it up, and will not be able to turn it off.",
            button="Require for everyone",
            action=action,
            back_url=back_url,
            fields=(("on", "1"),),
        )
    return ask_first(person, "users", question)


@blueprint.post("/second-factor")
def require() -> ResponseReturnValue:
    """Require two-step sign-in of everyone in the account, or make it optional."""
    person = permit(Right.USERS, proved=True)
    on, ctx = forms.switch_state(), make_context(person.actor)
    require_second_factor(ctx, person.account_id, on)
    words = (
        "Two-step sign-in is now required for everyone."
        if on
        else "Two-step sign-in is now optional."
    )
    return go_to("users.index", Message(words))


def roles_in_form() -> list[Role]:
    """The submitted roles without duplicates; unknown values are ignored."""
    sent = set(request.form.getlist("roles"))
    return [role for role in Role if role.value in sent]


def page(person: Person, **typed: object) -> str:
    ctx = make_context(person.actor)
    screen = read_users(ctx, person.account_id, person.id, **typed)  # type: ignore[arg-type]  # what was typed
    may_hand_over = person.may(Right.OWNERSHIP)
    return show(
        person,
        "users/index.html",
        "users",
        Subject.USERS,
        screen=screen,
        may_hand_over=may_hand_over,
    )


def dialog(person: Person, user_id: int, about: str, refusal: Refusal | None = None) -> str:
    """The dialog for roles, removal or ownership of a person, or its page without scripts."""
    row = read_person(make_context(), person.account_id, user_id, person.id)
    errors = fields_of(refusal) if refusal else {}
    words = "" if errors or refusal is None else refusal.sentence
    context = {"row": row, "errors": errors, "refusal": words}
    return show_dialog(person, f"users/_{about}_dialog.html", "users", row.name, **context)


def refused(person: Person, user_id: int, about: str, refusal: Refusal) -> ResponseReturnValue:
    db.session.rollback()
    if isinstance(refusal, NotFound):
        raise refusal
    return dialog(person, user_id, about, refusal), status_of(refusal)
