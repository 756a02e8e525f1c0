"""`/portal/TOKEN`: a one-time link of the provider's portal starts a session (V8)."""

from flask import Blueprint, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.actions.users.portal import enter_by_portal
from webapp.actions.users.sessions import sign_out
from webapp.domain.accounts.account import Account
from webapp.domain.users import portal
from webapp.domain.users.portal import LinkState, PortalLink
from webapp.extensions import db, make_context
from webapp.web.http.access import begin_portal_session
from webapp.web.http.devices import device_of
from webapp.web.http.errors import page
from webapp.web.http.responses import Question, ask_first

blueprint = Blueprint("portal", __name__)

LINK = "/portal/<token>"

ENDED = {
    LinkState.USED: "It works once, and somebody has opened it already.",
    LinkState.EXPIRED: "It works for one minute.",
    LinkState.REVOKED: "Your provider has ended it.",
    LinkState.UNKNOWN: "It is mistyped, or older than a day.",
}
WAY_ON = "Go back to your provider’s portal, and open your billing from there again."


@blueprint.get(LINK)
def follow(token: str) -> ResponseReturnValue:
    """Sign in, once. What only looks at the link, such as a preview, does not use it.

    A browser that is signed in asks first: another site may have sent it here.
    """
    if request.method == "HEAD" or "prefetch" in request.headers.get("Sec-Purpose", ""):
        return "", 204
    link = portal.find_open(make_context(), token)
    if link is not None and current_user.is_authenticated and not _is_of(link):
        return _ask(link, token)
    return enter(token)


@blueprint.post(LINK)
def enter(token: str) -> ResponseReturnValue:
    """Sign in, once. The browser's former session ends."""
    device = device_of(request.user_agent.string)
    address = request.remote_addr or ""
    entry = enter_by_portal(make_context(), token, device=device, address=address)
    if entry is None:
        state = portal.state_of(make_context(), token)
        why = ENDED.get(state, ENDED[LinkState.EXPIRED])
        return page(410, "This link no longer works", f"{why} {WAY_ON}")
    if current_user.is_authenticated:
        sign_out(make_context(), current_user.session_id)
    begin_portal_session(entry)
    return redirect(url_for("session.home"), 303)


def _is_of(link: PortalLink) -> bool:
    """Whether the browser has a portal session of the link's account already."""
    return bool(current_user.is_from_portal and current_user.account_id == link.account_id)


def _ask(link: PortalLink, token: str) -> str:
    account = db.session().get_one(Account, link.account_id)
    question = Question(
        title=f"Continue to {account.name}?",
        text=f"You are signed in as {current_user.name}. This link of your provider’s portal signs "
        f"you out and opens {account.name}.",
        button="Continue",
        action=url_for("portal.enter", token=token),
        back_url=url_for("session.home"),
    )
    return ask_first(current_user, "", question)


@blueprint.after_request
def send_no_referrer(response: Response) -> Response:
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
