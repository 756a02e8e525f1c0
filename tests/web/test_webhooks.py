"""The webhook pages: endpoints are added, changed, tested, resent, switched and removed."""

import json
import re
from dataclasses import replace
from html import unescape

import pytest

from tests.factories import PASSWORD, VISA
from tests.receivers import receiving
from tests.web.conftest import errors, words
from webapp.delivery.webhook_sender import HttpWebhookSender
from webapp.domain.webhooks.endpoint import CHOICES, Delivery, Endpoint

HERE = "/settings/webhooks"
HTMX = {"HX-Request": "true"}
FORM = {"url": "https://example.com/hooks", "name": "Books", "events": [str(c) for c in CHOICES]}


@pytest.fixture
def receiver(app, world):
    """A receiver on this machine, to which webhooks are allowed."""
    webhook_sender = HttpWebhookSender(["127.0.0.0/8"], seconds=5)
    services = app.extensions["ballast"] = replace(
        app.extensions["ballast"], webhook_sender=webhook_sender
    )
    world.services = services
    with receiving() as it:
        yield it


def endpoints(world):
    world.session.rollback()
    return world.session.query(Endpoint).order_by(Endpoint.id).all()


def secret_in(answer):
    return re.search(r">(whsec_[\w+/=]+)<", answer.text)[1]


def test_an_endpoint_is_added_and_its_secret_shown_once(client, world):
    assert "No webhook yet" in words(client.get(HERE))
    made = client.post(HERE, data=FORM)
    assert made.status_code == 201
    secret = secret_in(made)
    [it] = endpoints(world)
    assert it.secret == secret
    page = client.get(f"{HERE}/{it.id}")
    assert secret not in page.text
    assert "Nothing has been sent yet" in words(page)
    assert "Books https://example.com/hooks All events" in words(client.get(HERE))
    assert "https://example.com/hooks" in words(client.get("/settings/audit-log"))


def test_invalid_input_stays_beside_its_errors(client, world):
    refused = client.post(HERE, data={"url": "http://example.com", "name": "Books"})
    assert refused.status_code == 422
    assert errors(refused) == {"url": "Must begin with https://", "events": "Choose at least one"}
    assert 'value="Books"' in refused.text
    assert endpoints(world) == []


def test_a_test_event_is_delivered_and_logged(client, world, receiver):
    made = world.webhook(receiver.url)
    here = f"{HERE}/{made.endpoint_id}"
    receiver.statuses.append(500)
    assert client.post(f"{here}/tests").location == here
    world.run("deliver webhooks")
    content = words(client.get(here))
    assert "HTTP 500 after" in content
    assert "Retrying" in content
    assert "Failing" in content
    delivery = world.session.query(Delivery).one().id
    assert client.post(f"{here}/deliveries/{delivery}/resends").location == here
    world.run("deliver webhooks")
    assert len(receiver.got) == 2
    content = words(client.get(here))
    assert "Delivered" in content
    assert "Failing" not in content


def test_the_log_shows_the_bodies_sent(client, world, receiver):
    made = world.webhook(receiver.url)
    world.use("1.00")
    world.card(VISA)
    world.run("deliver webhooks")
    page = client.get(f"{HERE}/{made.endpoint_id}").text
    shown = [
        json.loads(unescape(it)) for it in re.findall(r"<pre [^>]*>(.*?)</pre>", page, re.DOTALL)
    ]
    assert shown
    assert shown == [json.loads(body) for _, body in reversed(receiver.got)]


def test_without_the_billing_right_only_balance_events_are_shown_p1(world, teammate):
    made = world.webhook(events=CHOICES)
    world.card(VISA)
    world.apply(notification_on=True, notification_threshold="100.00")
    world.use("2.00")
    page = teammate("technical").get(f"{HERE}/{made.endpoint_id}").text
    assert "payment_method.added" in page
    assert re.findall(r"&#34;type&#34;: &#34;([\w.]+)", page) == ["balance.low"]


def test_an_endpoint_is_switched_off_and_on(client, world):
    here = f"{HERE}/{world.webhook().endpoint_id}"
    for _ in range(2):
        assert client.post(f"{here}/state", data={"on": "0"}).location == here
    assert "Off" in words(client.get(HERE))
    refused = client.post(f"{here}/tests", follow_redirects=True)
    assert "This endpoint is switched off. Switch it on first." in words(refused)
    client.post(f"{here}/state", data={"on": "1"})
    assert endpoints(world)[0].is_on


def test_an_endpoint_is_changed(client, world):
    here = f"{HERE}/{world.webhook().endpoint_id}/change"
    page = client.get(here)
    assert 'value="https://hooks.example.com/in"' in page.text
    changed = {**FORM, "events": ["balance.low"]}
    assert client.post(here, data=changed).status_code == 303
    [it] = endpoints(world)
    assert (it.url, it.events) == ("https://example.com/hooks", ["balance.low"])
    assert "https://example.com/hooks 1 event" in words(client.get(HERE))
    assert "1 events" not in words(client.get(HERE))
    assert client.post(here, data={**FORM, "url": "x"}).status_code == 422


def test_an_endpoints_secret_is_rotated(client, world):
    made = world.webhook()
    here = f"{HERE}/{made.endpoint_id}"
    assert "also signed with the present one" in words(client.get(f"{here}/rotation"))
    new = secret_in(client.post(f"{here}/rotation"))
    assert new != made.secret
    assert "Two secrets sign until Mon 23 Nov, 10:00" in words(client.get(here))


def test_an_endpoint_is_removed_after_a_question(client, world):
    here = f"{HERE}/{world.webhook().endpoint_id}"
    assert "Remove this webhook?" in words(client.get(f"{here}/removal"))
    assert client.post(f"{here}/removal").location == HERE
    assert client.get(here).status_code == 404
    assert "No webhook yet" in words(client.get(HERE))


def test_dialogs_are_fragments_for_htmx(client, world):
    here = f"{HERE}/{world.webhook().endpoint_id}"
    for path in (f"{HERE}/new", f"{here}/change", f"{here}/rotation", f"{here}/removal"):
        assert "<html" not in client.get(path, headers=HTMX).text
        assert "<html" in client.get(path).text
    moved = client.post(f"{here}/state", data={"on": "0"}, headers=HTMX)
    assert moved.headers["HX-Redirect"] == here


def test_a_technician_can_only_subscribe_to_the_balance(world, teammate):
    """P1"""
    technician = teammate("technical")
    offered = technician.get(f"{HERE}/new").text
    assert "balance.low" in offered
    assert "payment." not in offered
    assert technician.post(HERE, data=FORM).status_code == 422
    assert technician.post(HERE, data={**FORM, "events": ["balance.low"]}).status_code == 201
    other = world.webhook()
    moved = {**FORM, "events": ["balance.low"]}
    assert technician.post(f"{HERE}/{other.endpoint_id}/change", data=moved).status_code == 403
    assert endpoints(world)[-1].url == "https://hooks.example.com/in"


@pytest.mark.parametrize("action", ["rotation", "removal", "state"])
def test_a_technician_cannot_manage_an_endpoint_with_billing_events(world, teammate, action):
    """P1: its secret could forge "payment.succeeded", and its removal would hide events."""
    made = world.webhook(events=CHOICES)
    technician = teammate("technical")
    page = technician.get(f"{HERE}/{made.endpoint_id}")
    assert "Your role does not allow this. Owner, Admin" in words(page)
    assert f"{made.endpoint_id}/{action}" not in page.text
    refused = technician.post(f"{HERE}/{made.endpoint_id}/{action}", data={"on": "0"})
    assert refused.status_code == 403
    assert "whsec_" not in refused.text
    assert "Your role does not allow this. Owner, Admin" in words(refused)
    [it] = endpoints(world)
    assert (it.secret, it.is_on, it.removed_at) == (made.secret, True, None)


@pytest.mark.parametrize("action", ["rotation", "removal", "state"])
def test_a_technician_can_manage_an_endpoint_with_balance_events(world, teammate, action):
    """P1"""
    here = f"{HERE}/{world.webhook(events=['balance.low']).endpoint_id}/{action}"
    assert teammate("technical").post(here, data={"on": "0"}).status_code in (201, 303)


@pytest.mark.parametrize("action", ["rotation", "removal"])
def test_rotation_and_removal_require_reauthentication(client, world, action):
    """A session left open is not enough."""
    here = f"{HERE}/{world.webhook().endpoint_id}/{action}"
    world.clock.wait(minutes=16)
    assert client.post(here).status_code == 401
    assert client.post(here, data={"proof": PASSWORD}).status_code in (201, 303)
