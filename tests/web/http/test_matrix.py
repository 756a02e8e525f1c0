"""Every address and method is requested as every role and compared with `matrix.txt` (P1).

A new route needs a line there; `test_every_route_has_its_line` prints it. The values of address
arguments and of {names} in forms are in `records` of tests/roles.py.
"""

import re
from secrets import token_hex

import pytest

from tests.conftest import on_sqlite
from tests.roles import address_of, form_of
from tests.web import matrix

# Access does not depend on the database, so tests that need one run on SQLite only.


def rule_of(rule):
    """Return the rule, without the digest in the address of static files."""
    return re.sub(r"^/static/[0-9a-f]+/", "/static/<digest>/", rule.rule)


def routes(app):
    """Yield method and rule of each route; HEAD is served as GET, and OPTIONS lists methods."""
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or {"ANY"}) - {"HEAD", "OPTIONS"}:
            yield method, rule_of(rule)


def send_request(client, row, records):
    method = "GET" if row.method == "ANY" else row.method
    sent = {"data": form_of(row, records)} if row.sends or method != "GET" else {}
    address = address_of(row.rule, records)
    return client.open(address, method=method, buffered=True, **sent)


@on_sqlite
def test_every_route_has_its_line(app):
    """P1: the line says which role may use the route."""
    written = {(row.method, row.rule) for row in matrix.read()}
    missing = sorted(set(routes(app)) - written)
    lines = "\n".join(matrix.suggestion(*route) for route in missing)
    assert not missing, f"add to tests/web/matrix.txt, with an answer for each ?:\n{lines}"
    gone = sorted(written - set(routes(app)))
    assert not gone, f"tests/web/matrix.txt has lines for routes that are not there: {gone}"


def test_no_route_has_two_lines():
    lines = [(row.method, row.rule) for row in matrix.read()]
    assert len(lines) == len(set(lines))


@on_sqlite
def test_every_role_gets_the_answer_of_the_table(records, visitor, rewind):
    """P1: and a refused request changes nothing."""
    wrong = []
    for row in matrix.read():
        for who, expected in row.answers.items():
            answer = send_request(visitor(who), row, records)
            changed = rewind()
            if not matrix.matches(expected, answer.status_code, answer.location or ""):
                got = f"{answer.status_code} {answer.location or ''}"
                wrong.append(f"{row.method} {row.rule} as {who}: {expected} expected, got {got}")
            if changed and expected in ("in", "no", "none") and "/sign-out" not in row.rule:
                wrong.append(f"{row.method} {row.rule} as {who}: refused, and yet it changed rows")
    assert not wrong, "\n" + "\n".join(wrong)


KEYED = {"/api/v1/": ("Authorization", "Bearer {}"), "/v3/": ("Api-Key", "{}")}


@on_sqlite
def test_another_accounts_api_key_reaches_no_record(app, world, records):
    """P1: a key acts for its own account, an unknown key for none."""
    other = world.account(name="Other Ltd", balance="7.00").api_key
    machine = app.test_client()
    for row in matrix.read():
        prefix = next((p for p in KEYED if row.rule.startswith(p)), None)
        if prefix is None or row.answers["nobody"] != "401":
            continue
        header, shape = KEYED[prefix]
        address = address_of(row.rule, records)
        # 403: an operation of the provider's keys alone.
        for key, statuses in (("bk_forged", {401}), (other, {*range(200, 300), 403, 404, 415})):
            headers = {header: shape.format(key), "Idempotency-Key": token_hex(8)}
            answer = machine.open(address, method=row.method, headers=headers)
            # Operations of the provider refuse the key before they look at a record.
            refused = answer.status_code == 403 and answer.json["code"] == "insufficient_scope"
            assert refused or answer.status_code in statuses, (row.rule, key, answer.status_code)
            assert "Harbour Voice" not in answer.text


@on_sqlite
def test_every_change_needs_a_csrf_token(app, records, visitor, rewind):
    """P1: as if another site used the owner's browser. Requests signed by other means are
    exempt.
    """
    app.config["WTF_CSRF_ENABLED"] = True
    exempt = re.compile(r"/sandbox/(cards|challenges|paypal)\b|/api/v1/|/v3/|/unsubscribe/")
    for row in matrix.read():
        if row.method not in ("POST", "PUT", "PATCH", "DELETE") or exempt.match(row.rule):
            continue
        answer = send_request(visitor("owner"), row, records)
        assert answer.status_code == 400, row
        assert not rewind(), f"{row.method} {row.rule} changed rows without a token"


@pytest.mark.parametrize(
    ("expected", "status", "location", "matches"),
    [
        ("yes", 200, "", True), ("yes", 303, "/billing/payments", True),
        ("yes", 404, "", False), ("yes", 303, "/sign-in?next=/", False),
        ("in", 303, "/sign-in", True), ("in", 200, "", False),
        ("no", 403, "", True), ("no", 200, "", False),
        ("none", 404, "", True), ("none", 403, "", False),
        ("409", 409, "", True), ("409", 404, "", False),
    ],
)  # fmt: skip
def test_each_term_of_the_table_matches_only_its_responses(expected, status, location, matches):
    assert matrix.matches(expected, status, location) is matches
