"""The OpenAPI document and its page, built from the endpoints' descriptions."""

import json
import re
from dataclasses import replace
from html import unescape

import pytest
from jsonschema_rs import Draft202012Validator, meta

from tests.factories import AMEX, CHALLENGED_ALWAYS, DECLINING, MASTERCARD, VISA
from webapp.actions.accounts.change_account import change_account
from webapp.actions.usage.reverse_usage import reverse_usage
from webapp.actions.webhooks.endpoints import send_test
from webapp.api import OPERATIONS
from webapp.api.http.codes import CODES
from webapp.api.openapi.operations import operation_of
from webapp.api.reference.document import path_of
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys.api_key import OF_ACCOUNT, ApiKey, KeyChoice, Scope
from webapp.domain.events import recording as events
from webapp.domain.events.accounts import AccountClosed, AccountSuspended
from webapp.domain.webhooks.endpoint import EventKind
from webapp.ports import Reply


@pytest.fixture
def spec(client):
    return client.get("/api/v1/openapi.json").json


def operations(spec):
    return [it for methods in spec["paths"].values() for it in methods.values()]


def resolved(spec, value):
    if "$ref" in value:
        _, _, kind, name = value["$ref"].split("/")
        return spec["components"][kind][name]
    return value


def validator(spec, schema):
    return Draft202012Validator({**schema, "components": spec["components"]}, validate_formats=True)


def closed(value):
    """Return the schema with unknown fields refused."""
    if isinstance(value, dict):
        more = {"additionalProperties": False} if "properties" in value else {}
        return {**{name: closed(it) for name, it in value.items()}, **more}
    return [closed(it) for it in value] if isinstance(value, list) else value


def test_every_endpoint_has_a_description(app):
    undescribed = [
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("api_v1")
        and not rule.endpoint.endswith("unknown_route")
        and operation_of(app.view_functions[rule.endpoint]) is None
    ]
    assert undescribed == []


def test_a_key_needs_exactly_the_scope_of_the_operation(app, world):
    """P1"""
    keys = {}
    for scope in Scope:
        owner = world.account_id if scope in OF_ACCOUNT else None
        record, keys[scope] = ApiKey.issue(
            owner, KeyChoice(str(scope), (scope,)), world.clock.now()
        )
        world.session.add(record)
    world.session.commit()
    for it in OPERATIONS:
        path = re.sub(r"{\w+}", "1", path_of(it))
        for scope, key in keys.items():
            headers = {"Authorization": f"Bearer {key}"}
            answer = app.test_client().open(path, method=it.method, headers=headers)
            lacks = answer.status_code == 403 and answer.json["code"] == "insufficient_scope"
            assert lacks is (scope not in it.scopes), (it.name, scope)


def test_operation_names_are_unique():
    names = [it.name for it in OPERATIONS]
    assert len(names) == len(set(names))


def test_every_schema_is_valid_and_every_field_described(spec):
    for name, schema in spec["components"]["schemas"].items():
        assert meta.is_valid(schema), name
        validator(spec, schema)
        for field, of in schema.get("properties", {}).items():
            assert of["description"], (name, field)


def test_every_problem_code_is_described(spec):
    for operation in operations(spec):
        for status, response in operation["responses"].items():
            described = resolved(spec, response)
            for code in described.get("x-codes", []):
                assert CODES[code].status == int(status)
                assert f"`{code}`" in described["description"]


def test_the_document_is_public_and_cacheable(app, spec):
    machine = app.test_client()
    answer = machine.get("/api/v1/openapi.json")
    assert (answer.status_code, answer.json["openapi"]) == (200, "3.1.0")

    again = machine.get("/api/v1/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_the_page_lists_every_operation_event_and_code(app, spec):
    page = app.test_client().get("/api/docs")
    text = unescape(page.text)

    assert page.status_code == 200
    assert not re.search(r'(src|href)="https?://(?!127\.0\.0\.1)', page.text)
    for path in spec["paths"]:
        assert path in text
    for event in spec["webhooks"]:
        assert f'id="{event}"' in text
    for operation in operations(spec):
        assert f'id="{operation["operationId"]}"' in text
        assert operation["summary"] in text
        for response in operation["responses"].values():
            for code in resolved(spec, response).get("x-codes", []):
                assert f'id="code-{code}"' in text


def test_every_request_and_response_has_an_example_that_matches_its_schema(spec):
    sent = [it["post"] for it in spec["webhooks"].values()]
    for operation in [*operations(spec), *sent]:
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for body in bodies:
            for media, content in resolved(spec, body).get("content", {}).items():
                found = [it["value"] for it in content.get("examples", {}).values()]
                for example in found or [content["example"]]:
                    validator(spec, content["schema"]).validate(example)
                    assert media == "text/csv" or isinstance(example, dict)


def referenced(value):
    """Return the names of the schemas to which a part of the document refers."""
    return set(re.findall(r"#/components/schemas/(\w+)", json.dumps(value)))


def test_an_answer_has_no_closed_enum(spec):
    """A generated client accepts values that are added later."""
    schemas = spec["components"]["schemas"]
    names = referenced([it["responses"] for it in operations(spec)]) | referenced(spec["webhooks"])
    while more := referenced([schemas[name] for name in names]) - names:
        names |= more
    assert len(names) > 20
    assert [name for name in names if '"enum"' in json.dumps(schemas[name])] == []


def test_no_text_names_a_rule(spec):
    """The numbers mean something only to developers of Ballast."""
    assert re.findall(r"[(, ][A-Z][0-9]{1,2}[),]", json.dumps(spec)) == []


def test_a_change_has_no_defaults(spec):
    """A generated client would send them, and reset what the program left out."""
    for methods in spec["paths"].values():
        if "patch" in methods:
            body = methods["patch"]["requestBody"]["content"]["application/json"]["schema"]
            assert '"default"' not in json.dumps(resolved(spec, body))


def test_no_text_of_the_document_is_a_python_value(app, spec):
    text = app.test_client().get("/api/v1/openapi.json").text
    assert not re.search(r"webapp\.|<class|<enum|object at 0x|datetime\.|\bNone[,)]", text)


class Inbox:
    """Accepts every delivery and keeps its body."""

    def __init__(self):
        self.bodies = []

    def deliver(self, url, headers, body):
        self.bodies.append(json.loads(body))
        return Reply(204, "", 1)


def test_every_event_is_sent_as_documented(spec, world):
    """V7: without fields that the document does not name."""
    inbox = Inbox()
    world.services = replace(world.services, webhook_sender=inbox)
    made = world.webhook()
    of_provider = world.provider_webhook()
    world.account(name="Quay Mobile", balance="20.00")
    change_account(world.ctx, world.account_id, {"external_id": "cust-1"})
    account = Account.locked(world.session, world.account_id)
    for kind in (AccountSuspended, AccountClosed):
        events.record(world.ctx, account.id, kind.about(account))
    world.session.commit()
    world.use("215000")
    world.use("0.35", "call-981")
    reverse_usage(world.ctx, world.account_id, "call-981", "credit-17", None, "Wrong rate")
    *_, declining, asking = world.cards(VISA, MASTERCARD, DECLINING, CHALLENGED_ALWAYS)
    world.card(AMEX, expiry="12/26")
    world.remove(world.methods[1])
    world.refill()
    world.use("60.00")
    world.work()
    world.pay(declining, "30.00")
    world.conclude(world.pay(asking, "30.00"), give_up=True)
    send_test(world.ctx, world.account_id, made.endpoint_id)
    send_test(world.ctx, None, of_provider.endpoint_id)
    for _ in world.methods:
        world.next_answer("decline", decline_code="insufficient_funds")
    world.use("95.00")
    world.work()
    world.use("500.00")
    world.pass_time(days=10)
    world.run("deliver webhooks")

    for body in inbox.bodies:
        content = spec["webhooks"][body["type"]]["post"]["requestBody"]["content"]
        closed_ = {"components": closed(spec["components"])}
        schema = {**content["application/json"]["schema"], **closed_}
        Draft202012Validator(schema, validate_formats=True).validate(body)
    assert {body["type"] for body in inbox.bodies} == set(spec["webhooks"]) == set(EventKind)
