"""Import usage from a CSV file, and export all data of the account as a ZIP file."""

from secrets import token_hex
from typing import BinaryIO, cast

from flask import Blueprint, Response, jsonify, redirect, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.exceptions import RequestEntityTooLarge

from webapp.actions.accounts.record_export import record_export
from webapp.actions.usage.import_usage import import_usage
from webapp.domain.accounts.account import Account
from webapp.domain.events.event import Subject
from webapp.domain.shared.errors import Conflict
from webapp.domain.usage import imports as usage_imports
from webapp.domain.users.user import Right
from webapp.extensions import db, make_context, services
from webapp.reads.accounts.export import export as read_export
from webapp.reads.usage import imports
from webapp.web.http import downloads, errors, forms
from webapp.web.http.access import permit
from webapp.web.http.person import Person
from webapp.web.http.query_args import line
from webapp.web.http.responses import show

blueprint = Blueprint("data", __name__, url_prefix="/settings/data")

IMPORT = "/imports/<int:import_id>"

# The largest file, its form's overhead and a margin, so that a file slightly over the limit gets an
# error beside its field.
LARGEST_UPLOAD = usage_imports.LARGEST + 8 * 1024 * 1024

TOO_LARGE = "At most 32 MB at once"


@blueprint.url_value_preprocessor
def allow_large_upload(endpoint: str | None, values: dict | None) -> None:
    """Raise the upload limit before the CSRF check reads the form, for people who may import."""
    if endpoint == "data.start" and may_import():
        request.max_content_length = LARGEST_UPLOAD


@blueprint.errorhandler(413)
def too_large(error: RequestEntityTooLarge) -> ResponseReturnValue:
    """Raised before the handler runs, so the handler's permission check is repeated here."""
    if request.endpoint != "data.start" or not may_import():
        return errors.explain(error)
    return page(permit(Right.TECHNICAL), TOO_LARGE), 422


@blueprint.get("")
def index() -> ResponseReturnValue:
    return page(permit(Right.TECHNICAL))


@blueprint.post("/imports")
def start() -> ResponseReturnValue:
    person = permit(Right.TECHNICAL)
    key, session = forms.request_key(), db.session()
    file = request.files.get("file")
    if file is None or not file.filename:
        return page(person, "Choose a file"), 422
    size = file.stream.seek(0, 2)
    file.stream.seek(0)
    if size > usage_imports.LARGEST:
        return page(person, TOO_LARGE), 422
    stream = cast(BinaryIO, file.stream)
    try:
        import_id = import_usage(
            make_context(person.actor),
            person.account_id,
            stream,
            file.filename,
            size,
            key,
            services().wake,
        )
    except Conflict:
        # The form was submitted twice: show the import that the first request started.
        found = usage_imports.by_key(session, person.account_id, key)
        import_id = found.id if found else 0
    return redirect(url_for("data.report", import_id=import_id), 303)


@blueprint.get("/progress")
def progress() -> ResponseReturnValue:
    """Progress of the import that was started with this form's key."""
    person = permit(Right.TECHNICAL)
    key, ctx = line("key", forms.LONGEST_KEY), make_context()
    found = imports.read_progress(ctx, person.account_id, key)
    return jsonify(
        {"percent": found.percent, "words": found.counts} if found else {"percent": 0, "words": ""}
    )


@blueprint.get(IMPORT)
def report(import_id: int) -> ResponseReturnValue:
    person = permit(Right.TECHNICAL)
    ctx = make_context(person.actor)
    row = imports.read_import(ctx, person.account_id, import_id)
    return show(person, "accounts/import_report.html", "data", Subject.DATA, row=row)


@blueprint.get(f"{IMPORT}/bad-lines")
def bad_lines(import_id: int) -> ResponseReturnValue:
    person = permit(Right.TECHNICAL)
    rows = list(imports.read_report(make_context(), person.account_id, import_id))
    return downloads.csv_download(f"bad-lines-{import_id}.csv", rows)


@blueprint.post("/export")
def export() -> ResponseReturnValue:
    """Export all data of the account, for people with every right that it takes to see it."""
    permit(Right.AUDIT)
    permit(Right.BILLING)
    person = permit(Right.TECHNICAL, proved=True)
    ctx = make_context(person.actor)
    record_export(ctx, person.account_id)
    pieces = read_export(ctx, person.account_id)
    answer = Response(stream_with_context(pieces), content_type="application/zip")
    name = f"ballast-account-{person.account_id}-{ctx.now:%Y-%m-%d}.zip"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def may_import() -> bool:
    return bool(current_user.is_authenticated and current_user.may(Right.TECHNICAL))


def page(person: Person, error: str = "") -> str:
    db.session.rollback()
    ctx = make_context()
    rows = imports.read_imports(ctx, person.account_id)
    meters_itself = ctx.session.get_one(Account, person.account_id).own_metering
    return show(
        person,
        "accounts/import_export.html",
        "data",
        Subject.DATA,
        rows=rows,
        error=error,
        meters_itself=meters_itself,
        request_key=token_hex(16),
        may_export=person.may(Right.AUDIT) and person.may(Right.BILLING),
    )
