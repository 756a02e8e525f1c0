"""`flask processors check` for PayPal names each problem and its remedy."""

from datetime import timedelta

import pytest

from tests.processors.paypal.harness import serving
from tests.processors.paypal.stand_in import READS_DISPUTES, SCOPES, WEBHOOK_ID
from webapp.processors.paypal.events import FOLLOWED
from webapp.settings import ROOT

HERE = "https://billing.example.com/webhooks/paypal"


@pytest.fixture
def harness():
    with serving() as harness:
        yield harness


def problems(adapter):
    """Return the problems found, by name."""
    return {one.what: one.result for one in adapter.check(HERE) if not one.is_right}


def test_a_correct_setup_has_no_problems(harness):
    assert problems(harness.processor) == {}
    looked_at = [one.what for one in harness.processor.check(HERE)]
    assert looked_at == ["keys", "features", "webhook", "clock"]


@pytest.mark.parametrize(
    ("scope", "feature"),
    [(READS_DISPUTES, "Disputes"), (SCOPES[-1], "Save payment methods")],
)
def test_a_disabled_feature_is_named(harness, scope, feature):
    """L7: without Disputes, neither disputes nor the cause of a reversal can be read."""
    harness.stand_in.scopes.discard(scope)

    message = problems(harness.processor)["features"]

    assert message.startswith(f"The app may not use {feature}. Switch this on")


def test_wrong_keys_are_reported_with_the_remedy(harness):
    """Sandbox keys at the live address, or the reverse."""
    message = problems(harness.adapter(secret="of another"))["keys"]

    assert "invalid_client" in message
    assert f"copy those of {harness.stand_in.address}" in message
    assert "of another" not in message


def test_an_unreachable_server_is_reported(harness):
    assert "keys" in problems(harness.adapter(base="http://127.0.0.1:1"))


def test_a_missing_or_foreign_webhook_is_reported(harness):
    assert "is not set" in problems(harness.adapter(webhook_id=""))["webhook"]
    assert "no webhook 9XY" in problems(harness.adapter(webhook_id="9XY"))["webhook"]


def test_a_webhook_with_another_address_is_reported(harness):
    harness.stand_in.webhook = {**harness.stand_in.webhook, "url": "https://old.example.com/hook"}

    assert f", not {HERE}" in problems(harness.processor)["webhook"]


def test_missing_event_types_are_named(harness):
    types = [{"name": name} for name in FOLLOWED if name != "CUSTOMER.DISPUTE.RESOLVED"]
    harness.stand_in.webhook = {"id": WEBHOOK_ID, "url": HERE, "event_types": types}

    assert "does not get CUSTOMER.DISPUTE.RESOLVED" in problems(harness.processor)["webhook"]
    harness.stand_in.webhook["event_types"].append({"name": "CUSTOMER.DISPUTE.RESOLVED"})
    assert problems(harness.processor) == {}


@pytest.mark.parametrize(("by", "way"), [(-7, "behind"), (7, "ahead of")])
def test_a_wrong_clock_is_reported(harness, by, way):
    stand_in = harness.stand_in.now
    harness.stand_in.now = lambda: stand_in() - timedelta(minutes=by)

    assert f"420 s {way} PayPal" in problems(harness.processor)["clock"]


def test_the_guide_lists_every_followed_event():
    guide = (ROOT / "docs" / "processors.md").read_text()

    assert [name for name in FOLLOWED if f"`{name}`" not in guide] == []
