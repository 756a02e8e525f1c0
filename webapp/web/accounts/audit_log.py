"""Audit log: who changed what, when and from where (P2)."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from webapp.domain.events.event import Group
from webapp.domain.users.user import Right
from webapp.extensions import make_context
from webapp.reads.accounts.audit_log import OTHERS, Filters, read_audit_log, read_audit_rows
from webapp.reads.accounts.subjects import SubjectId
from webapp.web.http import downloads, forms
from webapp.web.http.access import permit
from webapp.web.http.query_args import day
from webapp.web.http.responses import show

blueprint = Blueprint("audit_log", __name__, url_prefix="/settings/audit-log")


@blueprint.get("")
def index() -> ResponseReturnValue:
    person = permit(Right.AUDIT)
    before, ctx = request.args.get("before", type=forms.record_id), make_context()
    screen = read_audit_log(ctx, person.account_id, filters(), before=before)
    return show(person, "accounts/audit_log.html", "audit_log", screen=screen)


@blueprint.get("/file")
def file() -> ResponseReturnValue:
    """All entries that match the filters, as CSV."""
    person = permit(Right.AUDIT)
    rows = read_audit_rows(make_context(), person.account_id, filters())
    return downloads.csv_download("audit-log.csv", rows)


def filters() -> Filters:
    """The filters in the query string; unknown values are ignored."""
    who, group = request.args.get("who", ""), request.args.get("what", "")
    return Filters(
        who=who if who == OTHERS or forms.is_whole(who) else "",
        group=group if group in set(Group) else "",
        first=day("from"),
        last=day("to"),
        subject=SubjectId.parse(request.args.get("subject", "")),
    )
