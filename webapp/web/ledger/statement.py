"""Statement: the balance chart, and the ledger by month as a page, CSV and PDF."""

from itertools import chain

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from webapp.domain.accounts.account import Account
from webapp.domain.events.event import Subject
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.users.user import Right
from webapp.extensions import db, make_context, services
from webapp.reads.ledger.balance_chart import SPANS, read_chart
from webapp.reads.ledger.months import Month
from webapp.reads.ledger.statement import COLUMNS, read_statement, statement_lines
from webapp.reads.ledger.statement_document import read_statement_paper
from webapp.web.http import downloads, forms
from webapp.web.http.access import permit
from webapp.web.http.person import Person
from webapp.web.http.responses import show

blueprint = Blueprint("statement", __name__)

ALL = "all"


@blueprint.get("/billing/statement")
def index() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    before = request.args.get("before", type=forms.record_id)
    session, ctx = db.session(), make_context()
    account = session.get_one(Account, person.account_id)
    choice = LowBalanceSettings.of(session, account.id).chosen()
    chart, table = read_chart(ctx, account, choice, requested_days())
    screen = read_statement(ctx, account.id, requested_month(person), before=before)
    context = {"screen": screen, "chart": chart, "table": table}
    return show(person, "ledger/statement.html", "statement", Subject.STATEMENT, **context)


@blueprint.get("/billing/statement.csv", endpoint="csv")
def as_csv() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    month = requested_month(person)
    lines = statement_lines(make_context(), person.account_id, month)
    name = f"statement-{month.key if month else ALL}.csv"
    return downloads.csv_download(name, chain([COLUMNS], lines))


@blueprint.get("/billing/statement.pdf", endpoint="pdf")
def as_pdf() -> ResponseReturnValue:
    from webapp.documents.statement import statement_pdf  # imported late: fonts use memory

    person = permit(Right.BILLING)
    ctx = make_context(person.actor)
    zone = db.session.get_one(Account, person.account_id).time_zone
    month = requested_month(person) or Month.of(ctx.now, zone)
    provider = services().policy.provider
    paper = read_statement_paper(ctx, person.account_id, month, provider)
    return downloads.pdf_download(f"statement-{month.key}.pdf", statement_pdf(paper))


def requested_month(person: Person) -> Month | None:
    """The requested month, by default the current one; None for all entries."""
    asked = request.args.get("month", "")
    if asked == ALL:
        return None
    zone = db.session.get_one(Account, person.account_id).time_zone
    return Month.parse(asked) or Month.of(services().clock.now(), zone)


def requested_days() -> int:
    days = request.args.get("days", type=forms.record_id)
    return days if days in SPANS else SPANS[0]
