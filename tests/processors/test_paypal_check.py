"""`flask processors check` for PayPal: what is wrong, and what to do about it."""

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


def wrong(adapter):
    """What is found to be wrong, by name."""
    return {one.what: one.said for one in adapter.check(HERE) if not one.is_right}


def test_all_is_right(harness):
    assert wrong(harness.processor) == {}
    looked_at = [one.what for one in harness.processor.check(HERE)]
    assert looked_at == ["keys", "features", "webhook", "clock"]


@pytest.mark.parametrize(
    ("scope", "feature"),
    [(READS_DISPUTES, "Disputes"), (SCOPES[-1], "Save payment methods")],
)
def test_a_feature_that_is_off_is_told_by_its_name(harness, scope, feature):
    """L7: without Disputes neither disputes nor the cause of a reversal can be followed."""
    harness.there.scopes.discard(scope)

    said = wrong(harness.processor)["features"]

    assert said.startswith(f"The app may not use {feature}. Switch this on")


def test_keys_of_the_other_kind_are_told_with_the_remedy(harness):
    """The sandbox's at the live address, or the other way round."""
    said = wrong(harness.adapter(secret="of another"))["keys"]

    assert "invalid_client" in said
    assert f"copy those of {harness.there.address}" in said
    assert "of another" not in said


def test_nobody_there_is_told(harness):
    assert "keys" in wrong(harness.adapter(base="http://127.0.0.1:1"))


def test_a_webhook_that_is_missing_or_another_apps_is_told(harness):
    assert "is not set" in wrong(harness.adapter(webhook_id=""))["webhook"]
    assert "no webhook 9XY" in wrong(harness.adapter(webhook_id="9XY"))["webhook"]


def test_a_webhook_that_leads_elsewhere_is_told(harness):
    harness.there.webhook = {**harness.there.webhook, "url": "https://old.example.com/hook"}

    assert f", not {HERE}" in wrong(harness.processor)["webhook"]


def test_events_that_are_not_told_are_named(harness):
    types = [{"name": name} for name in FOLLOWED if name != "CUSTOMER.DISPUTE.RESOLVED"]
    harness.there.webhook = {"id": WEBHOOK_ID, "url": HERE, "event_types": types}

    assert "does not get CUSTOMER.DISPUTE.RESOLVED" in wrong(harness.processor)["webhook"]
    harness.there.webhook["event_types"].append({"name": "CUSTOMER.DISPUTE.RESOLVED"})
    assert wrong(harness.processor) == {}


@pytest.mark.parametrize(("by", "way"), [(-7, "behind"), (7, "ahead of")])
def test_a_clock_that_is_wrong_is_told(harness, by, way):
    there = harness.there.now
    harness.there.now = lambda: there() - timedelta(minutes=by)

    assert f"420 s {way} PayPal" in wrong(harness.processor)["clock"]


def test_the_guide_names_every_event_that_is_followed():
    guide = (ROOT / "docs" / "processors.md").read_text()

    assert [name for name in FOLLOWED if f"`{name}`" not in guide] == []
