"""Schemathesis: the whole document against the running application, every check and phase."""

import json
from collections import Counter
from functools import partial

import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis.engine import Status, events, from_schema

from tests.conftest import on_sqlite
from tests.factories import AMEX, DECLINING, MASTERCARD, START, VISA
from webapp.api import OPERATIONS
from webapp.api.reference.document import path_of
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys.api_key import OF_ACCOUNT, OF_PROVIDER

REJECTED = ["400", "401", "403", "404", "405", "406", "409", "412", "413", "415", "422", "428"]

CONFIG = {
    "seed": 8,
    "continue-on-failure": True,
    "phases": {
        "examples": {"enabled": True},
        "coverage": {"enabled": True},
        "fuzzing": {"enabled": True},
        "stateful": {"enabled": True},
    },
    "generation": {"deterministic": True, "max-examples": 5, "database": "none"},
    "checks": {
        "negative_data_rejection": {"expected-statuses": REJECTED},
        "missing_required_header": {"expected-statuses": ["400", "401", "428"]},
    },
    "operations": [
        {
            # L12: each record of a batch has its own verdict; the valid ones are posted.
            "include-name": "POST /api/v1/usage",
            # L14: USAGE_MAX depends on the installation.
            "checks": {
                "negative_data_rejection": {"expected-statuses": [*REJECTED, "201"]},
                "positive_data_acceptance": {"expected-statuses": ["2xx", "404", "409", "422"]},
            },
        },
        {
            # Amounts within bounds, time zones, characters of names and reasons, dependent fields
            # cannot be expressed in a schema.
            "include-name": [
                "PATCH /api/v1/accounts/{account}",
                "POST /api/v1/accounts",
                "POST /api/v1/accounts/{account}/adjustments",
                "POST /api/v1/usage/{reference}/reversals",
                "PATCH /api/v1/holds/{reference}",
                "POST /api/v1/holds",
                "POST /api/v1/accounts/{account}/sandbox/payment-methods",
                "POST /api/v1/payments",
                "POST /api/v1/sandbox/challenges/{challenge}",
                "POST /api/v1/sandbox/clock",
                "PUT /api/v1/accounts/{account}/sandbox/low-balance-settings",
                "PUT /api/v1/low-balance-settings",
            ],
            "checks": {
                "positive_data_acceptance": {
                    "expected-statuses": ["2xx", "402", "404", "409", "412", "422"]
                }
            },
        },
        {
            # An address is more than a URI: it has https and a host, and no user name.
            # A sequence that is not given yet is invalid.
            "include-name": [
                "POST /api/v1/webhook-endpoints",
                "PUT /api/v1/webhook-endpoints/{endpoint_id}",
                "GET /api/v1/events",
            ],
            "checks": {
                "positive_data_acceptance": {
                    "expected-statuses": ["2xx", "404", "409", "410", "422"]
                }
            },
        },
        {
            "include-name": "PUT /api/v1/payment-methods/order",
            "checks": {
                "positive_data_acceptance": {"expected-statuses": ["2xx", "404", "409", "412"]}
            },
        },
    ],
}

# Usage is neither in the future nor before the year 2000; a format cannot express that.
PAST = st.datetimes(START.replace(year=2001, tzinfo=None), START.replace(tzinfo=None))
NUMBERS = st.lists(st.integers(1, 999), min_size=1, max_size=5, unique=True)


@pytest.fixture(scope="module", autouse=True)
def custom_formats():
    schemathesis.openapi.format(
        "date-time", PAST.map(lambda instant: f"{instant:%Y-%m-%dT%H:%M:%SZ}")
    )
    schemathesis.openapi.format("currency", st.just("USD"))


def csv_of(numbers, *, of_provider):
    head, first = ("external_id,", "cust-0042,") if of_provider else ("", "")
    lines = (f"{first}0.{number:03d},line-{number}\n" for number in numbers)
    return f"{head}amount,reference\n{''.join(lines)}"


@schemathesis.serializer("text/csv")
def as_csv(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.check
def problem_codes_are_documented(ctx, response, case):
    """Check that a problem's code is documented for its operation."""
    if response.headers.get("content-type", [""])[0] != "application/problem+json":
        return
    documented = case.operation.definition.raw["responses"].get(str(response.status_code), {})
    if "$ref" in documented:
        shared = case.operation.schema.raw_schema["components"]["responses"]
        documented = shared[documented["$ref"].rpartition("/")[2]]
    code = json.loads(response.content)["code"]
    if response.status_code not in (404, 405) and code not in documented.get("x-codes", ()):
        raise AssertionError(f"{response.status_code} {code} is not documented")


# A provider's key must name the account, and an account's need not: a schema cannot express that.
UNNAMED = {
    "include-name": [
        "GET /api/v1/holds", "GET /api/v1/holds/{reference}", "DELETE /api/v1/holds/{reference}",
    ],
    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "403", "404", "422"]}},
}  # fmt: skip


def label(operation):
    return f"{operation.method} {path_of(operation)}"


@on_sqlite
@pytest.mark.parametrize("scopes", [OF_ACCOUNT, OF_PROVIDER], ids=["account", "provider"])
def test_the_application_matches_the_document(address, world, scopes):
    """With both kinds of key (V1), each at the operations that it can have a scope for."""
    world.session.get_one(Account, world.account_id).external_id = "cust-0042"
    world.session.commit()
    of_provider = scopes is OF_PROVIDER
    lines = NUMBERS.map(partial(csv_of, of_provider=of_provider))
    schemathesis.openapi.format("csv", lines)
    key = world.provider_key().key if of_provider else world.created.api_key
    mine = {label(it) for it in OPERATIONS if set(it.scopes) & set(scopes)}
    others = {"include-name": sorted({label(it) for it in OPERATIONS} - mine), "enabled": False}
    operations = [others, *CONFIG["operations"], *([UNNAMED] if of_provider else [])]
    world.cards(VISA, MASTERCARD, AMEX, DECLINING)
    world.refill()
    world.next_answer("decline", decline_code="insufficient_funds")
    world.use("60.00")
    world.work()
    config = schemathesis.Config.from_dict(
        {**CONFIG, "operations": operations, "headers": {"Authorization": f"Bearer {key}"}}
    )
    config.projects.default.update(base_url=address)
    document = f"{address}/api/v1/openapi.json"
    schema = schemathesis.openapi.from_url(document, config=config)

    failures, statuses = [], Counter()
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            failures.append(str(getattr(event, "info", None) or event.exception))
        if not isinstance(event, events.ScenarioFinished):
            continue
        for case, checks in event.recorder.checks.items():
            answer = event.recorder.interactions[case].response
            called = event.recorder.cases[case].value.operation.label
            statuses[called, answer.status_code if answer else None] += 1
            failures += [
                f"{event.phase.value} {called}: {check.failure_info.failure}\n"
                f"{check.failure_info.code_sample}\n{answer.content[:400] if answer else ''}"
                for check in checks
                if check.status == Status.FAILURE
            ]

    assert not failures, f"{len(failures)}\n" + "\n\n".join(sorted(set(failures))[:20])
    # Which holds are still open depends on the usage posted before.
    for one in mine - {"PATCH /api/v1/holds/{reference}"}:
        assert any(200 <= (status or 0) < 300 for name, status in statuses if name == one), one
