"""Validation against PayPal's published OpenAPI documents.

The check is stricter than the documents: unknown fields are errors, so a misspelt field cannot
pass. Fields that the product needs and the documents lack are listed in `LATER`.
"""

import copy
import json
import re
from functools import cache

from openapi_schema_validator import OAS30ReadValidator, OAS30Validator, OAS30WriteValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from webapp.settings import ROOT

FOLDER = ROOT.parent / "shared" / "data" / "paypal"
FILES = (
    "checkout_orders_v2",
    "vault_payment_tokens_v3",
    "payments_payment_v2",
    "notifications_webhooks_v1",
)

TEXT = {"type": "string", "pattern": "^[A-Z_]+$"}

# The documents are of February 2024; PayPal's reference has added these fields since.
LATER = {
    "vault_payment_tokens_v3": {
        # The documents' own examples have this field in answers.
        "wallet_base": {"properties": {"usage_pattern": TEXT}},
        "token_id_request": {
            "properties": {"type": {"enum": ["BILLING_AGREEMENT", "SETUP_TOKEN"]}}
        },
    },
    "checkout_orders_v2": {
        "paypal_wallet": {
            "properties": {
                "stored_credential": {
                    "type": "object",
                    "required": ["payment_initiator"],
                    "properties": {
                        "payment_initiator": {"enum": ["CUSTOMER", "MERCHANT"]},
                        "usage": {"enum": ["FIRST", "SUBSEQUENT", "DERIVED"]},
                        "usage_pattern": TEXT,
                    },
                }
            }
        }
    },
}

BEFORE_THE_API = (401, 429, 500, 503)
"""Statuses that any call may return and the documents do not repeat for each."""


SENT_BACK = "/v1/notifications/verify-webhook-signature"
"""This request returns a body that only PayPal writes, so read-only fields are allowed in it."""


def are_available():
    return FOLDER.exists()


def complaint_about_request(method, path, headers, body):
    """Return the error of a request, or an empty string."""
    found = _operation(method, path)
    if found is None:
        return f"no document knows {method} {path}"
    name, template, values, operation = found
    document = _documents()[name]
    for parameter in operation.get("parameters", ()):
        parameter = _resolved(document, parameter)
        where, title = parameter["in"], parameter["name"]
        value = headers.get(title) if where == "header" else values.get(title)
        if where == "query":
            continue
        if value is None:
            if parameter.get("required"):
                return f"{title} is missing"
            continue
        said = _said(OAS30WriteValidator(parameter["schema"]), value)
        if said:
            return f"{title}: {said}"
    content = _resolved(document, operation.get("requestBody", {})).get("content")
    if content is None:
        return "" if body is None else "a body that nobody asked for"
    validator = OAS30Validator if path == SENT_BACK else OAS30WriteValidator
    pointer = f"#/paths/{_escaped(template)}/{method.lower()}/requestBody"
    return _complaint(name, validator, f"{pointer}/content/application~1json/schema", body)


def complaint_about_answer(method, path, status, body):
    name, template, _, operation = _operation(method, path)
    answers = operation["responses"]
    which = str(status) if str(status) in answers else "default"
    if which not in answers:
        return "" if status in BEFORE_THE_API else f"{method} {path} never answers {status}"
    answer = _resolved(_documents()[name], answers[which])
    if "content" not in answer:
        return "" if body is None else f"{method} {path} answers {status} without a body"
    if "$ref" in answers[which]:
        pointer = answers[which]["$ref"]
    else:
        pointer = f"#/paths/{_escaped(template)}/{method.lower()}/responses/{which}"
    return _complaint(name, OAS30ReadValidator, f"{pointer}/content/application~1json/schema", body)


def issues(operation_schema):
    """Return the issues that a schema of errors lists."""
    schema = _documents()["checkout_orders_v2"]["components"]["schemas"][operation_schema]
    listed = schema["properties"]["details"]["items"]["anyOf"]
    return [one["properties"]["issue"]["enum"][0] for one in listed]


def _complaint(name, validator, pointer, body):
    registry = _registry()
    schema = {"$ref": f"urn:{name}{pointer}"}
    said = _said(validator(schema, registry=registry), body)
    if said:
        return said
    document = _documents()[name]
    unknown = list(_unknown(document, [_at(document, pointer)], body, ""))
    return f"unknown: {', '.join(unknown)}" if unknown else ""


def _said(validator, value):
    errors = sorted(validator.iter_errors(value), key=lambda error: list(error.absolute_path))
    return "; ".join(
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in errors[:3]
    )


def _unknown(document, schemas, value, where):
    """Yield the fields of `value` that none of the schemas defines."""
    schemas = list(_parts(document, schemas))
    if isinstance(value, list):
        items = [schema["items"] for schema in schemas if "items" in schema]
        for place, one in enumerate(value):
            yield from _unknown(document, items, one, f"{where}/{place}")
    if not isinstance(value, dict) or any(schema.get("additionalProperties") for schema in schemas):
        return
    for name, one in value.items():
        known = [
            schema["properties"][name] for schema in schemas if name in schema.get("properties", {})
        ]
        if known:
            yield from _unknown(document, known, one, f"{where}/{name}")
        else:
            yield f"{where}/{name}"


def _parts(document, schemas):
    for schema in schemas:
        schema = _resolved(document, schema)
        yield schema
        for group in ("allOf", "anyOf", "oneOf"):
            yield from _parts(document, schema.get(group, ()))


def _operation(method, path):
    path = path.partition("?")[0]
    for name, document in _documents().items():
        for template, operations in document["paths"].items():
            shape = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
            match = re.fullmatch(shape, path)
            if match and method.lower() in operations:
                return name, template, match.groupdict(), operations[method.lower()]
    return None


def _resolved(document, part):
    while "$ref" in part:
        part = _at(document, part["$ref"])
    return part


def _at(document, pointer):
    part = document
    for step in pointer.removeprefix("#/").split("/"):
        part = part[step.replace("~1", "/").replace("~0", "~")]
    return part


def _escaped(step):
    return step.replace("~", "~0").replace("/", "~1")


@cache
def _documents():
    documents = {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in FILES}
    for name, schemas in LATER.items():
        for schema, later in copy.deepcopy(schemas).items():
            properties = documents[name]["components"]["schemas"][schema]["properties"]
            for field, rule in later["properties"].items():
                properties.setdefault(field, {}).update(rule)
    return documents


@cache
def _registry():
    return Registry().with_resources(
        (f"urn:{name}", Resource(contents=document, specification=DRAFT4))
        for name, document in _documents().items()
    )
