"""The OpenAPI document and its page: made from what the endpoints say of themselves."""

import json
import re
from html import unescape

import pytest
from jsonschema_rs import Draft202012Validator, meta

from webapp.api.http.codes import CODES
from webapp.api.openapi.operations import operation_of
from webapp.api.reference.document import endpoints
from webapp.domain.api_keys.api_key import ApiKey, KeyChoice, Scope


@pytest.fixture
def spec(client):
    return client.get("/api/v1/openapi.json").json


def test_every_endpoint_describes_itself(app):
    stalled = [
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("api_v1")
        and not rule.endpoint.endswith("nowhere")
        and operation_of(app.view_functions[rule.endpoint]) is None
    ]
    assert stalled == []


def test_a_key_needs_the_scope_that_the_operation_names_and_no_other(app, world):
    """P1"""
    keys = {}
    for scope in Scope:
        record, keys[scope] = ApiKey.issue(
            world.account_id, KeyChoice(str(scope), (scope,)), world.clock.now()
        )
        world.session.add(record)
    world.session.commit()
    for endpoint in endpoints(app):
        path = re.sub(r"{\w+}", "1", endpoint.path)
        for scope, key in keys.items():
            answer = app.test_client().open(
                path, method=endpoint.method, headers={"Authorization": f"Bearer {key}"}
            )
            lacks = answer.status_code == 403 and answer.json["code"] == "insufficient_scope"
            assert lacks is (scope != endpoint.said.scope), (endpoint.name, scope)


def test_every_post_can_be_repeated(app):
    posts = [endpoint for endpoint in endpoints(app) if endpoint.method == "POST"]
    assert posts
    assert [endpoint.name for endpoint in posts if not endpoint.repeatable] == []


def test_each_operation_has_a_name_of_its_own(app):
    names = [endpoint.name for endpoint in endpoints(app)]
    assert len(names) == len(set(names))


def test_every_schema_is_one(spec):
    for name, schema in spec["components"]["schemas"].items():
        assert meta.is_valid(schema), name
        Draft202012Validator({**schema, "components": spec["components"]})


def test_every_field_of_a_problem_code_is_told(app, spec):
    for methods in spec["paths"].values():
        for said in methods.values():
            for status, told in said["responses"].items():
                for code in told.get("x-codes", []):
                    assert CODES[code].status == int(status)
                    assert f"`{code}`" in told["description"]


def test_the_document_needs_no_key_and_is_asked_for_again_by_its_etag(app, spec):
    machine = app.test_client()
    answer = machine.get("/api/v1/openapi.json")
    assert (answer.status_code, answer.json["openapi"]) == (200, "3.1.0")

    again = machine.get("/api/v1/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_the_page_tells_every_operation_and_every_code(app, spec):
    page = app.test_client().get("/api/docs")
    text = unescape(page.text)

    assert page.status_code == 200
    assert not re.search(r'(src|href)="https?://(?!127\.0\.0\.1)', page.text)
    for path, methods in spec["paths"].items():
        assert path in text
        for said in methods.values():
            assert f'id="{said["operationId"]}"' in text
            assert said["summary"] in text
            for told in said["responses"].values():
                for code in told.get("x-codes", []):
                    assert f'id="problem-{code}"' in text


def test_examples_are_what_their_schema_takes(spec):
    for methods in spec["paths"].values():
        for said in methods.values():
            for media, of in said.get("requestBody", {}).get("content", {}).items():
                assert of["examples"], said["operationId"]
                schema = {**of["schema"], "components": spec["components"]}
                for example in of["examples"].values():
                    assert Draft202012Validator(schema).is_valid(example["value"]), (
                        media,
                        json.dumps(example),
                    )
