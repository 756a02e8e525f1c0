"""Low-balance settings: read, or replace as a whole."""

from webapp.actions.top_ups.apply_settings import apply_settings
from webapp.api.http import preconditions
from webapp.api.http.answers import Answer
from webapp.api.http.authentication import ApiClient
from webapp.api.http.resource import Resource
from webapp.api.openapi import tables
from webapp.api.openapi.fields import Body
from webapp.api.openapi.operations import Group
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.context import Context
from webapp.domain.shared.money import MICROS
from webapp.domain.top_ups.settings import FIELDS, Choice
from webapp.extensions import services
from webapp.reads.records.record import Record
from webapp.reads.records.settings import read_settings

NewSettings: type[Body] = tables.request_body(
    "NewSettings", FIELDS, "The complete settings. An omitted amount is cleared."
)
SettingsRecord: type[Record] = tables.answer(
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

resource = Resource("low_balance", Group.SETTINGS)


@resource.get(
    "/low-balance-settings", "Read the settings", Scope.BILLING_READ, answer=SettingsRecord
)
def read_low_balance_settings(ctx: Context, client: ApiClient) -> Answer[Record]:
    """Read the settings. Send the `ETag` as `If-Match` to replace them."""
    values, version = read_settings(ctx, client.account_id)
    return Answer(SettingsRecord(**values), version=_etag(version))


@resource.put(
    "/low-balance-settings",
    "Replace the settings",
    Scope.BILLING_WRITE,
    body=(NewSettings,),
    answer=SettingsRecord,
    examples={"refill": EXAMPLE},
    if_match=True,
)
def replace_low_balance_settings(ctx: Context, client: ApiClient, body: Body) -> Answer[Record]:
    """Either all settings are saved or none. If the balance is below the new threshold, a refill
    starts at once.
    """
    _, version = read_settings(ctx, client.account_id)
    preconditions.require(_etag(version))
    apply_settings(ctx, client.account_id, Choice(**vars(body)), version)
    services().wake()
    return read_low_balance_settings(ctx, client)


def _etag(version: int) -> str:
    return f"settings-{version}"
