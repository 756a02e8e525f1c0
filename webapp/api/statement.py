"""The statement (ledger entries) and the activity (decisions about charges)."""

from flask import request
from flask.typing import ResponseReturnValue

from webapp.api.http.answers import answer
from webapp.api.http.authentication import permit
from webapp.api.http.blueprint import api_blueprint
from webapp.api.http.queries import Dated, Page
from webapp.api.openapi import schemas
from webapp.api.openapi.operations import Group, Link, operation
from webapp.domain.api_keys.api_key import Scope
from webapp.extensions import make_context
from webapp.reads.records.activity import ActivityPage, read_activity
from webapp.reads.records.statement import StatementPage, read_statement

blueprint = api_blueprint("statement")


@blueprint.get("/statement")
@operation(
    "Read the statement",
    Group.STATEMENT,
    Scope.BILLING_READ,
    answer=StatementPage,
    query=Dated,
    has_etag=True,
    links={"payment": Link("read_payment", "payment_id", "/entries/0/payment")},
)
def read_the_statement() -> ResponseReturnValue:
    """All debits and credits with the balance after each, ordered by posting time."""
    client = permit(Scope.BILLING_READ)
    sent = schemas.read_query(Dated, request.args)
    found = read_statement(
        make_context(), client.account_id, sent.since, sent.until, sent.cursor, sent.limit
    )
    return answer(found)


@blueprint.get("/activity")
@operation(
    "Read the activity",
    Group.STATEMENT,
    Scope.BILLING_READ,
    answer=ActivityPage,
    query=Page,
    has_etag=True,
)
def read_the_activity() -> ResponseReturnValue:
    """Why each charge was or was not made, and what happens next."""
    client = permit(Scope.BILLING_READ)
    sent = schemas.read_query(Page, request.args)
    ctx = make_context(client.actor)
    found = read_activity(ctx, client.account_id, sent.cursor, sent.limit)
    return answer(found)
