"""The provider's webhook endpoints: on the operator's pages, and in no customer's settings (V3)."""

import json
import re
from dataclasses import replace
from html import unescape

import pytest

from tests.api.conftest import Program
from tests.receivers import receiving
from tests.web.conftest import words
from webapp.cli.webhooks import commands
from webapp.delivery.webhook_sender import HttpWebhookSender
from webapp.domain.events.rows import EventRow
from webapp.domain.webhooks.endpoint import PROVIDER_CHOICES, Delivery, Endpoint

HERE, THEIRS = "/operator/webhooks", "/settings/webhooks"
FORM = {"url": "https://switch.example.com/in", "name": "Switch", "events": ["balance.exhausted"]}


@pytest.fixture
def receiver(app, world):
    """A receiver on this machine, to which webhooks are allowed."""
    sender = HttpWebhookSender(["127.0.0.0/8"], seconds=5)
    app.extensions["ballast"] = replace(app.extensions["ballast"], webhook_sender=sender)
    world.services = app.extensions["ballast"]
    with receiving() as it:
        yield it


def endpoint(world):
    world.session.rollback()
    return world.session.query(Endpoint).one()


@pytest.fixture
def staff(operator, sign_in):
    return sign_in(operator)


def test_an_operator_manages_the_providers_endpoints(staff, world):
    """V7: with all events offered."""
    form = staff.get(f"{HERE}/new").text
    assert [kind for kind in PROVIDER_CHOICES if f'value="{kind}"' not in form] == []
    refused = staff.post(HERE, data={**FORM, "url": "http://switch.example.com/"})
    assert refused.status_code == 422
    made = staff.post(HERE, data=FORM)
    assert made.status_code == 201
    it = endpoint(world)
    assert (it.account_id, it.secret in made.text) == (None, True)
    one = f"{HERE}/{it.id}"
    assert "Switch" in words(staff.get(HERE))
    assert staff.post(f"{one}/change", data={**FORM, "name": "Meter"}).location == one
    assert staff.post(f"{one}/state", data={"on": "0"}).location == one
    assert staff.post(f"{one}/state", data={"on": "1"}).location == one
    assert staff.post(f"{one}/rotation").status_code == 201
    assert "Two secrets sign until Mon 23 Nov, 10:00" in words(staff.get(one))
    assert "stops signing now" not in words(staff.get(f"{one}/rotation"))
    assert staff.post(f"{one}/rotation").status_code == 201
    assert "Three secrets sign until Mon 23 Nov, 10:00" in words(staff.get(one))
    assert "stops signing now" in words(staff.get(f"{one}/rotation"))
    assert staff.post(f"{one}/removal").location == HERE
    assert "No webhook yet" in words(staff.get(HERE))
    world.session.rollback()
    audits = [row.audit for row in world.session.query(EventRow).filter_by(account_id=None)]
    assert [it for it in audits if it and it.startswith("webhook")] == [
        "webhook_added", "webhook_changed", "webhook_switched", "webhook_switched",
        "webhook_rotated", "webhook_rotated", "webhook_removed",
    ]  # fmt: skip


def test_the_log_shows_what_the_provider_received(staff, world, receiver):
    """V7: also resent and test events."""
    made = world.provider_webhook(receiver.url, ["balance.exhausted"])
    one = f"{HERE}/{made.endpoint_id}"
    world.use("100.00")
    world.run("deliver webhooks")
    delivery = world.session.query(Delivery).one().id
    assert staff.post(f"{one}/deliveries/{delivery}/resends").location == one
    assert staff.post(f"{one}/tests").location == one
    world.run("deliver webhooks")
    page = staff.get(one).text
    shown = [
        json.loads(unescape(it)) for it in re.findall(r"<pre [^>]*>(.*?)</pre>", page, re.DOTALL)
    ]
    sent = [json.loads(body) for _, body in receiver.got]
    assert [it["type"] for it in sent] == ["balance.exhausted", "balance.exhausted", "test"]
    assert shown == [sent[2], sent[0]]
    assert sent[0] == sent[1]


def test_no_customer_sees_or_ends_the_providers_endpoints(client, app, world):
    """V3: neither on a page, nor by API, nor in the account's export."""
    made = world.provider_webhook()
    world.use("100.00")
    world.run("deliver webhooks")
    one = f"{THEIRS}/{made.endpoint_id}"
    assert "switch.example.com" not in client.get(THEIRS).text
    for path in ("", "/change", "/rotation", "/removal"):
        assert client.get(f"{one}{path}").status_code == 404
    for path in ("/change", "/rotation", "/removal", "/tests"):
        assert client.post(f"{one}{path}", data=FORM).status_code == 404
    assert client.post(f"{one}/state", data={"on": "0"}).status_code == 404
    for path in ("/settings/audit-log", "/billing/activity"):
        assert "switch.example.com" not in client.get(path).text
    assert client.get(HERE).status_code == 404
    program = Program(app, world.created.api_key)
    assert program.get("/webhook-endpoints").json == {"webhook_endpoints": []}
    assert program("DELETE", f"/webhook-endpoints/{made.endpoint_id}").status_code == 404
    listed = app.test_cli_runner().invoke(commands, ["list", str(world.account_id)])
    assert listed.output == "No webhook endpoints.\n"
    assert endpoint(world).is_on


@pytest.mark.parametrize("choice", ["balance.exhausted", "account.created"])
def test_no_customer_chooses_an_event_of_the_provider(client, world, choice):
    """V7"""
    assert choice not in client.get(f"{THEIRS}/new").text
    refused = client.post(THEIRS, data={**FORM, "events": [choice]})
    assert refused.status_code == 422
    assert f"Only the provider receives {choice}" in words(refused)
