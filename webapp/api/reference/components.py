"""The parts of the OpenAPI document that do not depend on operations."""

from webapp.api.http import idempotency
from webapp.api.http.codes import CODES
from webapp.api.openapi.fields import LARGEST_ID, REFERENCE
from webapp.api.openapi.operations import Group
from webapp.domain.accounts.lookup import EXTERNAL, EXTERNAL_ID_PATTERN

VERSION = "1.0.0"

ABOUT = """\
The Ballast API keeps prepaid balances funded. A provider's programs create accounts, authorise
calls and post usage; an account's own programs read its billing, pay, and change what is charged.

**Authentication.** Send `Authorization: Bearer KEY`. A provider key acts for every account; an
account's key acts for that account. A key has scopes; each operation names the scopes of which it
requires one.

**Amounts** are decimal strings, never numbers: `"12.34"`. Usage can have six decimals, payments and
settings those of the currency: two, or none for JPY.

**Dates and times** are in UTC, as in `2026-11-22T10:00:00Z`.

**Errors** are `application/problem+json` (RFC 9457). `code` is stable and meant for programs;
`detail` is a sentence for people and may change.

**Idempotency.** Every POST and PATCH accepts an `Idempotency-Key`, a unique id you choose, and
payments require one. For 24 hours, the same key with the same request returns the same response
without a second effect, and with a different request 409. A refused request has no effect, and its
key can be used again. A payment that was declined is not a refused request: its key returns the
same 402. A usage record is also identified by its `reference`, permanently.

**Request ids.** Each response has an `X-Request-Id`: that of the request, or a new one. It is also
in problems and in the lines of the server's log.

**Caching and concurrency.** Reads return an `ETag`; with `If-None-Match`, an unchanged resource
returns 304. Replacing the settings or the order of methods requires `If-Match` with the `ETag` of
your last read.

**New values.** A text whose description says that values may be added is not an enum: treat a value
that you do not know like the nearest case that you do.

**Pagination.** Lists return the newest items first and a `next_cursor`. Send it as `cursor` to get
the next page; on the last page it is null.

**Rate limits.** The `RateLimit-Policy` and `RateLimit` headers state the key's quota and what is
left of it.

**Versioning.** Within `/api/v1`, fields, operations and problem codes may be added but are never
removed or renamed; ignore those you do not know. Anything that will be retired is marked
`deprecated` here and sends `Deprecation` and `Sunset` headers for at least twelve months before.
"""


REF = "#/components/schemas/{model}"
ID = {"type": "integer", "minimum": 1, "maximum": LARGEST_ID}
TEXT = {"type": "string", "pattern": "^[A-Za-z0-9_]{1,60}$"}

PATH_PARAMETERS: dict[str, dict[str, object]] = {
    name: {"description": description, "schema": schema, "example": example}
    for name, description, schema, example in (
        (
            "account",
            "The account's id, or `external:` and your own id of the account.",
            {"type": "string", "pattern": f"^([0-9]{{1,9}}|{EXTERNAL}{EXTERNAL_ID_PATTERN})$"},
            "external:cust-0042",
        ),
        (
            "reference",
            "Your reference of the hold or usage.",
            REFERENCE.json_schema,
            "call-983",
        ),
        ("method_id", "The id of the payment method.", ID, 12),
        ("payment_id", "The id of the payment.", ID, 12),
        ("endpoint_id", "The id of the webhook endpoint.", ID, 12),
        ("delivery_id", "The id of the delivery.", ID, 12),
        ("challenge", "The id of the challenge.", TEXT, "ask_6f1d2c3b4a596877"),
    )
}

PARAMETERS: dict[str, dict[str, object]] = {
    "IdempotencyKey": {
        "name": idempotency.HEADER,
        "in": "header",
        "description": "A unique id you choose, such as a UUID; one per operation.",
        "schema": {"type": "string", "pattern": f"^{idempotency.PATTERN}$"},
        "example": "5f3c0d9e-6c0b-4c39-9a55-0d2f6f1b7a11",
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "required": True,
        "description": "The `ETag` of your last read.",
        "schema": {"type": "string", "minLength": 1},
        "example": '"7"',
    },
}
PARAMETERS["RequiredIdempotencyKey"] = {**PARAMETERS["IdempotencyKey"], "required": True}

HEADERS = {
    name: {"description": words, "schema": {"type": "string"}, "example": example_}
    for name, words, example_ in (
        ("RateLimit-Policy", "The quota (`q`) in a window of `w` seconds.", '"usage";q=6000;w=60'),
        (
            "RateLimit",
            "The requests left (`r`), and for how long (`t`).",
            '"usage";r=5999;t=60',
        ),
        ("X-Request-Id", "The request's id, which the server's log states.", "5f3c0d9e6c0b"),
        ("ETag", "The version of the resource.", '"7"'),
        ("Retry-After", "Seconds to wait.", "30"),
    )
}
KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key. The operator creates a provider key; people create their account's "
    "under Settings > API keys.",
}
TAGS = {
    Group.ACCOUNTS: "Your customers: their owners, limits and states. With a provider key.",
    Group.USAGE: "Debit metered usage from the balance.",
    Group.BALANCE: "The exact balance, and what is held for calls in progress.",
    Group.HOLDS: "Reserve the expected cost of a call or job in progress.",
    Group.METHODS: "Which saved methods are charged, and in which order.",
    Group.SETTINGS: "When the balance is refilled, and when people are notified.",
    Group.PAYMENTS: "Add funds, retry a failed payment, and read what was charged.",
    Group.STATEMENT: "The ledger, and the reason of each decision about charging.",
    Group.WEBHOOKS: "Where events are sent, and what was delivered.",
    Group.SANDBOX: "Test your integration without a person: add test cards, script the bank, "
    "advance the clock and read emails. With a provider key, where no real money moves.",
}
ALWAYS = {
    *("unauthorized", "insufficient_scope", "address_not_allowed", "too_many_requests"),
    *("internal_error", "updating", "unavailable"),
}
"""Problem codes of every operation."""

OF_SOME = {"idempotency_key_required", "account_suspended", "account_closed"}
"""Problem codes of a few operations, with a status whose response is otherwise the same."""

SHARED = {
    status: tuple(code for code, it in CODES.items() if it.status == status and code not in OF_SOME)
    for status in sorted({it.status for it in CODES.values()} - {402, 409, 422})
}
"""Problem codes of the statuses whose response is the same in every operation."""
