"""Audit Log: who changed what, when and from where (P2)."""

from datetime import date

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from webapp.domain.users import Right
from webapp.extensions import db, parts
from webapp.reads import audit_words
from webapp.reads.audit_log import OTHERS, Filters, read_audit_log, read_audit_rows
from webapp.web import csv_files, forms
from webapp.web.access import permit
from webapp.web.responses import show

blueprint = Blueprint("audit_log", __name__, url_prefix="/settings/audit-log")

NO_DATE = "Enter a date such as 2026-11-22"
WRONG_WAY = "Not before the first day"


@blueprint.get("")
def index() -> ResponseReturnValue:
    person = permit(Right.AUDIT)
    filters, errors = asked()
    before = request.args.get("before", type=forms.record_id)
    screen = read_audit_log(
        db.session(), person.account_id, filters, parts().clock.now(), before=before, errors=errors
    )
    page = show(person, "audit_log/index.html", "audit_log", screen=screen, typed=request.args)
    return page, 422 if errors else 200


@blueprint.get("/file")
def file() -> ResponseReturnValue:
    """What the page shows, all of it, as CSV."""
    person = permit(Right.AUDIT)
    filters, _ = asked()
    rows = read_audit_rows(db.session(), person.account_id, filters)
    return csv_files.download("audit-log.csv", rows)


def asked() -> tuple[Filters, dict[str, str]]:
    """What is filtered by; what no filter knows filters nothing."""
    errors: dict[str, str] = {}
    who, group = request.args.get("who", ""), request.args.get("what", "")
    since, until = day("since", errors), day("until", errors)
    if since and until and until < since:
        errors["until"] = WRONG_WAY
        until = None
    filters = Filters(
        who=who if who == OTHERS or forms.is_whole(who) else "",
        group=group if group in audit_words.groups() else "",
        since=since,
        until=until,
    )
    return filters, errors


def day(name: str, errors: dict[str, str]) -> date | None:
    text = request.args.get(name, "").strip()
    try:
        found = date.fromisoformat(text) if text else None
    except ValueError:
        found = date.min
    if found is not None and not 1970 <= found.year <= 9000:
        errors[name] = NO_DATE
        return None
    return found
