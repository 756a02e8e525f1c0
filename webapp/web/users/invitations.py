"""Accept invitations by the link in the email, as a new or an existing user."""

from flask import Blueprint, current_app, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.actions.users import invitations as actions
from webapp.domain.accounts.account import Account
from webapp.domain.shared import signed_links
from webapp.domain.shared.errors import Invalid, NotFound, Refusal
from webapp.domain.users.invitations import Invitation
from webapp.domain.users.user import User
from webapp.extensions import db, make_context, services
from webapp.reads.message import Message
from webapp.reads.shell import in_words
from webapp.web.http.access import ACCOUNT, begin_session, signed_in
from webapp.web.http.responses import say

blueprint = Blueprint("invitations", __name__)

LINK = "/invitations/<token>"


@blueprint.get(LINK)
def show(token: str) -> ResponseReturnValue:
    invitation = valid_invitation(token)
    return page(token, invitation, {})


@blueprint.post(LINK)
def accept(token: str) -> ResponseReturnValue:
    invitation = valid_invitation(token)
    email, account_id, times = invitation.email, invitation.account_id, invitation.times_sent
    known = User.by_email(db.session(), email)
    if known is None:
        return accept_as_new(token, invitation)
    if not current_user.is_authenticated:
        return redirect(
            url_for("session.sign_in", next=url_for("invitations.show", token=token)), 303
        )
    person = signed_in(allow_missing_second_factor=True)
    ctx, address = make_context(), request.remote_addr or ""
    actions.accept_as(ctx, invitation.id, times, person.id, address)
    session[ACCOUNT] = account_id
    say(Message("You joined the account."))
    return redirect(url_for("session.home"), 303)


def accept_as_new(token: str, invitation: Invitation) -> ResponseReturnValue:
    form, ctx = request.form, make_context()
    try:
        user_id = actions.accept_as_new(
            ctx,
            invitation.id,
            invitation.times_sent,
            form.get("name", ""),
            form.get("password", ""),
            request.remote_addr or "",
        )
    except Invalid as invalid:
        return page(token, valid_invitation(token), invalid.fields), 422
    begin_session(user_id, "password")
    return redirect(url_for("session.home"), 303)


def page(token: str, invitation: Invitation, errors: dict[str, str]) -> str:
    known = User.by_email(db.session(), invitation.email)
    me = signed_in(allow_missing_second_factor=True).email if current_user.is_authenticated else ""
    account = db.session.get_one(Account, invitation.account_id)
    return render_template(
        "users/invitation.html",
        token=token,
        email=invitation.email,
        account=account.name,
        roles=in_words(set(invitation.in_roles())),
        is_known=known is not None,
        me=me,
        name=request.form.get("name", invitation.name),
        errors=errors,
    )


def valid_invitation(token: str) -> Invitation:
    """The link's invitation. Raises `NotFound` for an invalid link, `Refusal` if it expired."""
    value = signed_links.read(str(current_app.secret_key), signed_links.INVITATION, token)
    if value is None:
        raise NotFound("That invitation")
    invitation_id, times_sent = value
    invitation = db.session.get(Invitation, invitation_id)
    now = services().clock.now()
    if invitation is None or not invitation.can_be_accepted(times_sent, now):
        raise Refusal(actions.DEAD)
    return invitation
