"""The unsubscribe link of emails (RFC 8058).

No session is needed, and an email client may use the link by itself: the token is the proof.
"""

from flask import Blueprint, abort, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.actions.notifications.unsubscribe import Subscription, subscription
from webapp.actions.notifications.unsubscribe import unsubscribe as end
from webapp.domain.shared import signed_links
from webapp.extensions import csrf, make_context
from webapp.reads.notifications.settings_page import TOPIC_NAMES

blueprint = Blueprint("unsubscribe", __name__, url_prefix="/unsubscribe")


@blueprint.get("/<token>")
def ask(token: str) -> ResponseReturnValue:
    return page(token, subscription(make_context(), notice_in(token)))


@blueprint.post("/<token>")
@csrf.exempt  # email clients post without having loaded the form
def unsubscribe(token: str) -> ResponseReturnValue:
    ctx = make_context()
    ended = end(ctx, notice_in(token), request.remote_addr or "")
    return page(token, ended, ended=True)


def notice_in(token: str) -> int:
    """The id of the email that contains the link. Aborts with 404 for an invalid token."""
    notice_id = signed_links.read(str(current_app.secret_key), signed_links.STOP, token)
    return int(notice_id) if notice_id is not None else abort(404)


def page(token: str, subscription: Subscription, *, ended: bool = False) -> str:
    return render_template(
        "notifications/unsubscribe.html",
        subscription=subscription,
        topic=TOPIC_NAMES[subscription.topic],
        ended=ended or not subscription.is_on,
        address=url_for("unsubscribe.unsubscribe", token=token),
    )
