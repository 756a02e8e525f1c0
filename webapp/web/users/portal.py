"""`/portal/TOKEN`: a one-time link of the provider's portal starts a session (V8)."""

from flask import Blueprint, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from webapp.actions.users.portal import enter_by_portal
from webapp.domain.users import portal
from webapp.domain.users.portal import LinkState
from webapp.extensions import db, make_context, services
from webapp.web.http.access import begin_portal_session
from webapp.web.http.devices import device_of
from webapp.web.http.errors import page

blueprint = Blueprint("portal", __name__)

ENDED = {
    LinkState.USED: "It works once, and somebody has opened it already.",
    LinkState.EXPIRED: "It works for one minute.",
    LinkState.UNKNOWN: "It is mistyped, or older than a day.",
}
WAY_ON = "Go back to your provider’s portal, and open your billing from there again."


@blueprint.get("/portal/<token>")
def enter(token: str) -> ResponseReturnValue:
    """Sign in, once. What only looks at the link, such as a preview, does not use it."""
    if request.method == "HEAD" or "prefetch" in request.headers.get("Sec-Purpose", ""):
        return "", 204
    device = device_of(request.user_agent.string)
    address = request.remote_addr or ""
    entry = enter_by_portal(make_context(), token, device=device, address=address)
    if entry is None:
        state = portal.state_of(db.session(), token, services().clock.wall())
        why = ENDED.get(state, ENDED[LinkState.EXPIRED])
        return page(410, "This link no longer works", f"{why} {WAY_ON}")
    begin_portal_session(entry)
    return redirect(url_for("session.home"), 303)


@blueprint.after_request
def send_no_referrer(response: Response) -> Response:
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
