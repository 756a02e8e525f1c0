"""The OpenAPI document and its page, built from the endpoints' descriptions."""

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
            assert lacks is (scope != endpoint.operation.scope), (endpoint.name, scope)


def test_every_post_can_be_repeated(app):
    posts = [endpoint for endpoint in endpoints(app) if endpoint.method == "POST"]
    assert posts
    assert [endpoint.name for endpoint in posts if not endpoint.repeatable] == []


def test_operation_names_are_unique(app):
    names = [endpoint.name for endpoint in endpoints(app)]
    assert len(names) == len(set(names))


def test_every_schema_is_valid(spec):
    for name, schema in spec["components"]["schemas"].items():
        assert meta.is_valid(schema), name
        Draft202012Validator({**schema, "components": spec["components"]})


def test_every_problem_code_is_described(app, spec):
    for methods in spec["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                for code in response.get("x-codes", []):
                    assert CODES[code].status == int(status)
                    assert f"`{code}`" in response["description"]


def test_the_document_is_public_and_cacheable(app, spec):
    machine = app.test_client()
    answer = machine.get("/api/v1/openapi.json")
    assert (answer.status_code, answer.json["openapi"]) == (200, "3.1.0")

    again = machine.get("/api/v1/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_the_page_lists_every_operation_and_code(app, spec):
    page = app.test_client().get("/api/docs")
    text = unescape(page.text)

    assert page.status_code == 200
    assert not re.search(r'(src|href)="https?://(?!127\.0\.0\.1)', page.text)
    for path, methods in spec["paths"].items():
        assert path in text
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in text
            assert operation["summary"] in text
            for response in operation["responses"].values():
                for code in response.get("x-codes", []):
                    assert f'id="problem-{code}"' in text


def test_examples_match_their_schemas(spec):
    for methods in spec["paths"].values():
        for operation in methods.values():
            for media, content in operation.get("requestBody", {}).get("content", {}).items():
                assert content["examples"], operation["operationId"]
                schema = {**content["schema"], "components": spec["components"]}
                for example in content["examples"].values():
                    assert Draft202012Validator(schema).is_valid(example["value"]), (
                        media,
                        json.dumps(example),
                    )
