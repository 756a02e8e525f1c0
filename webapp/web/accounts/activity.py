"""Activity: what the system did, or did not do, and why (E1)."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from webapp.domain.events.event import Subject
from webapp.domain.events.timeline import About
from webapp.domain.users.user import Right
from webapp.extensions import make_context
from webapp.reads.accounts.activity import ABOUT_NAMES, ActivityFilters, read_activity
from webapp.reads.accounts.subjects import SubjectId
from webapp.web.http import forms
from webapp.web.http.access import permit
from webapp.web.http.query_args import choice, day
from webapp.web.http.responses import show

blueprint = Blueprint("activity", __name__)


@blueprint.get("/billing/activity")
def index() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    before = request.args.get("before", type=forms.record_id)
    method_id = request.args.get("method", type=forms.record_id)
    filters = ActivityFilters(choice("about", About), method_id, day("from"), day("to"))
    screen = read_activity(make_context(), person.account_id, filters, before=before)
    about = ABOUT_NAMES.items()
    subject = None if method_id is None else SubjectId(Subject.METHOD, method_id)
    return show(
        person,
        "accounts/activity.html",
        "activity",
        subject=subject,
        screen=screen,
        about=about,
    )
