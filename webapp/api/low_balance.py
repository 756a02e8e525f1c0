"""Low-balance settings: read, or replace as a whole."""

from dataclasses import dataclass

from flask.typing import ResponseReturnValue

from webapp.actions.top_ups.apply_settings import apply_settings
from webapp.api.http import bodies, preconditions
from webapp.api.http.answers import answer
from webapp.api.http.authentication import permit
from webapp.api.http.blueprint import api_blueprint
from webapp.api.openapi import schemas
from webapp.api.openapi.fields import Cents
from webapp.api.openapi.operations import Group, operation
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.top_ups.settings import Choice, RefillMode
from webapp.extensions import db, services
from webapp.reads.records.settings import SettingsRecord, read_settings

blueprint = api_blueprint("low_balance")

EXAMPLE = {
    "refill_on": True,
    "refill_mode": "add",
    "threshold": "50.00",
    "refill_amount": "100.00",
    "target": None,
    "largest_charge": None,
    "day_limit": "500.00",
    "no_day_limit": False,
    "month_limit": None,
    "notification_on": True,
    "notification_threshold": "75.00",
}


@dataclass(frozen=True)
class NewSettings:
    """The complete settings. An omitted amount is cleared."""

    refill_on: bool
    notification_on: bool
    refill_mode: RefillMode = RefillMode.ADD
    threshold: Cents | None = None
    refill_amount: Cents | None = None
    target: Cents | None = None
    largest_charge: Cents | None = None
    """The maximum of one automatic charge. Required in `target` mode; we suggest twice the
    target."""
    day_limit: Cents | None = None
    """Maximum of automatic charges per calendar day. If empty while `refill_on` is true, a default
    is set: five times the largest automatic charge, or twice the busiest of the last 30 days,
    whichever is more."""
    no_day_limit: bool = False
    """Set to true for no daily limit, not even the default."""
    month_limit: Cents | None = None
    notification_threshold: Cents | None = None


@blueprint.get("/low-balance-settings")
@operation(
    "Read the settings", Group.SETTINGS, Scope.BILLING_READ, answer=SettingsRecord, has_etag=True
)
def read_low_balance_settings() -> ResponseReturnValue:
    """Read the settings. Send the `ETag` as `If-Match` to replace them."""
    return _respond(permit(Scope.BILLING_READ).account_id)


@blueprint.put("/low-balance-settings")
@operation(
    "Replace the settings",
    Group.SETTINGS,
    Scope.BILLING_WRITE,
    answer=SettingsRecord,
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
    account_id, session = client.account_id, db.session()
    settings = schemas.read(NewSettings, bodies.read_json())
    _, version = read_settings(session, account_id)
    preconditions.require(_named(version))
    actor, now = client.actor, services().clock.now()
    apply_settings(
        session, account_id, Choice(**vars(settings)), version, actor, now, services().policy
    )
    services().wake()
    return _respond(account_id)


def _respond(account_id: int) -> ResponseReturnValue:
    record, version = read_settings(db.session(), account_id)
    return answer(record, version=_named(version))


def _named(version: int) -> str:
    return f"settings-{version}"
