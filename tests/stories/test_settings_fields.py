"""Every low-balance setting reaches every place that shows, changes or checks settings.

The fields are the columns of the database table, not those of the code's field table: a column
without a field fails here.
"""

import json
import re

import pytest
from sqlalchemy import Boolean

from tests.actions.test_webhooks import facts
from tests.api.conftest import Program
from tests.factories import VISA
from tests.web.conftest import words
from webapp.domain.accounts.account import Account
from webapp.domain.top_ups.settings import LowBalanceSettings, RefillMode
from webapp.reads.payments.payment_cause import read_cause

STATE = {
    "account_id", "notification_steps", "armed_below", "notified_at", "blocked_mailed_at",
    "blocked_code", "check_again_at", "version", "applied_at", "applied_by_id", "paused_at",
    "paused_by", "resumed_at", "low_by_reversal", "refill_held", "all_failed_mailed",
}  # fmt: skip
"""Columns that are no settings of the panel."""
COLUMNS = {it.name: it for it in LowBalanceSettings.__table__.columns if it.name not in STATE}
SWITCHES = [name for name, column in COLUMNS.items() if isinstance(column.type, Boolean)]
AMOUNTS = [name for name, column in COLUMNS.items() if column.type.python_type is int]

USUAL = dict.fromkeys(AMOUNTS, "400.00") | {
    "refill_on": "1", "refill_mode": "add", "threshold": "50.00", "refill_amount": "100.00",
    "target": "150.00", "largest_charge": "300.00", "day_limit": "500.00",
    "notification_on": "1", "notification_threshold": "75.00",
}  # fmt: skip
"""The submitted form: every amount is filled in, and unchecked boxes are missing."""
IN_NO_CAUSE = {"refill_on", "notification_on", "notification_threshold"}
"""An automatic refill implies the first; the others move no money (N1)."""
HARMLESS = {"refill_on", "threshold", "notification_on", "notification_threshold"}
"""No change of these lets more money be taken. Any new field must ask for re-authentication until
it is listed here."""
PANEL = "/billing/low-balance-settings"
API = "/low-balance-settings"


def before_and_after(name):
    """Return the usual form, and the form with a higher amount or another choice in one field."""
    before = USUAL | ({"refill_mode": "target"} if name in ("target", "largest_charge") else {})
    if name in AMOUNTS:
        after = before | {name: f"{float(before[name]) + 10:.2f}"}
    elif name == "refill_mode":
        after = before | {name: "target"}
    else:
        after = before | {name: "" if before.get(name) else "1"}
    return before, after | ({"day_limit": ""} if after.get("no_day_limit") else {})


def as_json(form):
    switches = {name: form.get(name) == "1" for name in SWITCHES}
    return {name: form.get(name) or None for name in COLUMNS} | switches


def as_values(form):
    """Return the settings as `world.apply` takes them."""
    return as_json(form) | {"refill_mode": RefillMode(form["refill_mode"])}


def submit(client, world, form, seen=None):
    world.session.rollback()
    version = LowBalanceSettings.of(world.session, world.account_id).version
    return client.post(PANEL, data=form | {"seen": version if seen is None else seen})


def cause_of(world):
    world.session.rollback()
    account = world.session.get_one(Account, world.account_id)
    version = LowBalanceSettings.of(world.session, world.account_id).version
    cause = read_cause(world.ctx, account, version)
    return cause.choice, cause.words, cause.limits


@pytest.mark.parametrize("name", COLUMNS)
def test_a_changed_setting_reaches_every_place_t1_p2_e2(app, client, world, name):
    """The panel and its preview, the API, the command line, the webhook, the audit log, and a
    payment's reason.
    """
    world.card(VISA)
    world.webhook()
    before, after = before_and_after(name)
    expected = as_json(after)
    assert submit(client, world, before).status_code == 303
    cause = cause_of(world)

    assert submit(client, world, after).status_code == 303

    controls = "".join(re.findall(rf'<input[^>]*name="{name}"[^>]*>', panel_of(client)))
    assert (f'value="{after.get(name)}"' if name in AMOUNTS else name) in controls
    assert name not in SWITCHES or ("checked" in controls) is expected[name]
    program = Program(app, world.created.api_key)
    assert program.get(API).json == expected
    assert facts(world, "settings.changed").items() >= expected.items()
    change = f"${before[name]} to ${after[name]}" if name in AMOUNTS else "from "
    assert change in words(client.get("/settings/audit-log"))
    assert cause_of(world)[0] != cause[0]
    assert (cause_of(world)[1:] != cause[1:]) is (name not in IN_NO_CAUSE)

    preview = client.get(f"{PANEL}/preview", query_string=after | {name: "x"}).text
    assert (f'data-of="{name}">Enter an amount' in preview) is (name in AMOUNTS)

    world.apply(**as_values(before))
    tag = program.get(API).headers["ETag"]
    assert program("PUT", API, expected, If_Match=tag).json == expected
    world.apply(**as_values(before))
    option = {"refill_on": "refill", "refill_mode": "mode", "notification_on": "notification"}.get(
        name, name.replace("_", "-")
    )
    value = [after[name]] if name not in SWITCHES else []
    no = "no-" if name in SWITCHES and before.get(name) else ""
    line = ["low-balance", "set", str(world.account_id), f"--{no}{option}", *value, "--json"]
    result = app.test_cli_runner().invoke(args=line)
    assert json.loads(result.stdout) == expected, result.output


@pytest.mark.parametrize("schema", ["NewSettings", "SettingsRecord"])
def test_the_api_reference_describes_every_setting(client, schema):
    described = client.get("/api/v1/openapi.json").json["components"]["schemas"][schema]
    assert described["properties"].keys() == COLUMNS.keys()
    assert all(field["description"] for field in described["properties"].values())


def panel_of(client):
    return client.get("/billing/payment-methods").text


def test_settings_that_allow_larger_charges_require_reauthentication(client, world):
    """A higher amount, another choice, or a removed limit; an empty daily limit has a default."""
    world.card(VISA)
    world.clock.wait(minutes=15)
    allowed = set()
    for name in COLUMNS:
        before, after = before_and_after(name)
        is_removable = name.endswith("_limit") and name not in {"day_limit", *SWITCHES}
        for form in [after, before | {name: ""}] if is_removable else [after]:
            world.apply(**as_values(before))
            if submit(client, world, form).status_code != 401:
                allowed.add(name)
    assert allowed == HARMLESS


def test_every_setting_can_conflict_p5(client, world):
    """P5: an edited amount has the saved one beside it; other fields show the saved value."""
    world.card(VISA)
    for name in COLUMNS:
        before, after = before_and_after(name)
        seen = world.apply(**as_values(before)).version
        world.apply(**as_values(after))
        edited = name if name in AMOUNTS else "threshold"
        mine = before | {edited: f"{float(before[edited]) + 20:.2f}"}

        page = submit(client, world, mine, seen)

        assert page.status_code == 409, name
        beside = f"Now ${after.get(name)} Use" if name in AMOUNTS else "new values"
        assert beside in words(page), name
        assert (f'name="use" value="{name}"' in page.text) is (name in AMOUNTS)
