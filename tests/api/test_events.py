"""The provider's events and webhook endpoints by API (V7)."""

import pytest

from tests.api.conftest import Program
from tests.factories import VISA
from webapp.domain.api_keys.api_key import OF_PROVIDER, Scope
from webapp.domain.webhooks.endpoint import PROVIDER_CHOICES

SWITCH = {"url": "https://switch.example.com/in", "events": ["balance.exhausted"]}


def test_events_are_listed_by_their_sequence(world, provider):
    """V7: as the provider's webhooks are sent."""
    provider("PATCH", f"/accounts/{world.account_id}", {"external_id": "cust-1"})
    after = provider.get("/events").json["next_after"]
    world.use("100.00")
    world.card(VISA)
    page = provider.get(f"/events?after={after}")
    assert page.status_code == 200
    exhausted, added = page.json["events"]
    assert exhausted == {
        "type": "balance.exhausted",
        "id": exhausted["id"],
        "timestamp": "2026-11-22T10:00:00Z",
        "sequence": after + 1,
        "account": {"id": world.account_id, "external_id": "cust-1"},
        "data": {"balance": "0.00", "balance_currency": "USD", "credit_limit": "0.00"},
    }
    assert (added["type"], added["sequence"]) == ("payment_method.added", after + 2)
    assert (page.json["next_after"], page.json["has_more"]) == (after + 2, False)
    first = provider.get(f"/events?after={after}&limit=1").json
    assert (first["events"], first["next_after"], first["has_more"]) == (
        [exhausted],
        after + 1,
        True,
    )
    only = provider.get(f"/events?after={after}&type=payment_method.added").json
    assert (only["events"], only["next_after"]) == ([added], after + 2)


@pytest.mark.parametrize(
    ("query", "field"),
    [("after=-1", "after"), ("after=1000", "after"), ("limit=0", "limit"), ("type=test", "type")],
)
def test_invalid_queries_are_refused_by_field(provider, query, field):
    answer = provider.get(f"/events?{query}")
    assert (answer.status_code, set(answer.json["errors"])) == (422, {field})


def test_events_that_are_no_longer_kept_are_missed_in_no_silence(world, provider):
    """V7: the answer says so, and from where on the events are kept."""
    latest = provider.get("/events").json["next_after"]
    world.pass_time(days=91)
    world.run("delete old events")
    gone = provider.get("/events?after=0")
    assert (gone.status_code, gone.json["code"]) == (410, "events_expired")
    assert gone.json["detail"] == f"The oldest event that is kept has the sequence {latest}."
    assert provider.get(f"/events?after={latest}").json["events"] == []
    assert [it["sequence"] for it in provider.get("/events").json["events"]] == [latest]


def test_only_a_provider_key_with_the_scope_reads_events(app, world, program):
    """V1, V3"""
    others = [scope for scope in OF_PROVIDER if scope is not Scope.EVENTS]
    other = Program(app, world.provider_key(*others).key)
    for path in ("/events", "/webhook-endpoints"):
        assert other.get(path).json["code"] == "insufficient_scope"
    assert program.get("/events").json["code"] == "insufficient_scope"


def test_a_provider_key_manages_the_providers_endpoints(world, provider, program):
    """V7, V3: and no account's, and no account's key manages those."""
    mine = program("POST", "/webhook-endpoints", {**SWITCH, "events": ["balance.low"]}).json
    made = provider("POST", "/webhook-endpoints", SWITCH)
    assert made.status_code == 201
    one = f"/webhook-endpoints/{made.json['id']}"
    assert [it["id"] for it in provider.get("/webhook-endpoints").json["webhook_endpoints"]] == [
        made.json["id"]
    ]
    changed = {**SWITCH, "events": [str(kind) for kind in PROVIDER_CHOICES]}
    assert provider("PUT", one, changed).json["events"] == changed["events"]
    assert provider("PUT", f"{one}/state", {"on": False}).json["on"] is False
    assert provider("PUT", f"{one}/state", {"on": True}).json["on"] is True
    assert provider("POST", f"{one}/secret-rotations").json["secret"] != made.json["secret"]
    sent = provider("POST", f"{one}/tests").json
    assert sent["event"] == "test"
    assert provider("POST", f"/webhook-deliveries/{sent['id']}/resends").status_code == 201
    assert len(provider.get(f"{one}/deliveries").json["deliveries"]) == 1

    assert program.get(one).status_code == 404
    assert program("DELETE", one).status_code == 404
    assert program("POST", f"/webhook-deliveries/{sent['id']}/resends").status_code == 404
    assert provider.get(f"/webhook-endpoints/{mine['id']}").status_code == 404
    refused = program("POST", "/webhook-endpoints", SWITCH)
    assert refused.json["errors"] == {"events": "Only the provider receives balance.exhausted"}
    assert provider("DELETE", one).status_code == 204


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com:10443/hook",
        "https://example.com/a+b:c,d@e",
        "https://my_host.example.com/",
        "https://[2606:4700::1111]:8443/in",
        "https://example.com?key=a",
    ],
)
def test_addresses_are_judged_as_by_the_command_line(provider, url):
    """All doors have one validator; the API refused more once."""
    assert provider("POST", "/webhook-endpoints", {**SWITCH, "url": url}).json["url"] == url


class TestAllowedNetworks:
    @pytest.fixture
    def environ(self):
        return {"WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"}

    def test_http_is_accepted_where_networks_are_allowed(self, provider):
        url = "http://127.0.0.1:8462/a"
        assert provider("POST", "/webhook-endpoints", {**SWITCH, "url": url}).status_code == 201
