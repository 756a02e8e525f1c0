"""Low-balance settings: read, or replace as a whole."""

from flask.typing import ResponseReturnValue

from webapp.actions.top_ups.apply_settings import apply_settings
from webapp.api.http import bodies, preconditions
from webapp.api.http.answers import answer
from webapp.api.http.authentication import permit
from webapp.api.http.blueprint import api_blueprint
from webapp.api.openapi import schemas, tables
from webapp.api.openapi.operations import Group, operation
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.money import MICROS
from webapp.domain.top_ups.settings import FIELDS, Choice
from webapp.extensions import make_context, services
from webapp.reads.records.settings import read_settings

blueprint = api_blueprint("low_balance")

NewSettings = tables.request_body(
    "NewSettings", FIELDS, "The complete settings. An omitted amount is cleared."
)
Settings = tables.answer(
    "SettingsRecord", FIELDS, "Automatic refill and low-balance notification of an account."
)
EXAMPLE = Choice(
    refill_on=True,
    threshold=50 * MICROS,
    refill_amount=100 * MICROS,
    day_limit=500 * MICROS,
    notification_on=True,
    notification_threshold=75 * MICROS,
).exact()


@blueprint.get("/low-balance-settings")
@operation("Read the settings", Group.SETTINGS, Scope.BILLING_READ, answer=Settings, has_etag=True)
def read_low_balance_settings() -> ResponseReturnValue:
    """Read the settings. Send the `ETag` as `If-Match` to replace them."""
    return _respond(permit(Scope.BILLING_READ).account_id)


@blueprint.put("/low-balance-settings")
@operation(
    "Replace the settings",
    Group.SETTINGS,
    Scope.BILLING_WRITE,
    answer=Settings,
    body=NewSettings,
    examples={"refill": EXAMPLE},
    if_match=True,
    has_etag=True,
)
def replace_low_balance_settings() -> ResponseReturnValue:
    """Either all settings are saved or none. If the balance is below the new threshold, a refill
    starts at once.
    """
    client = permit(Scope.BILLING_WRITE)
    account_id = client.account_id
    settings: object = schemas.read(NewSettings, bodies.read_json())
    _, version = read_settings(make_context(), account_id)
    preconditions.require(_named(version))
    actor, now = client.actor, services().clock.now()
    apply_settings(make_context(actor).at(now), account_id, Choice(**vars(settings)), version)
    services().wake()
    return _respond(account_id)


def _respond(account_id: int) -> ResponseReturnValue:
    record, version = read_settings(make_context(), account_id)
    return answer(record, version=_named(version))


def _named(version: int) -> str:
    return f"settings-{version}"
