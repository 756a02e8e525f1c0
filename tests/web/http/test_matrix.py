"""Every address and method, asked as everybody who may come (P1): `matrix.txt` holds the answers.

Whoever adds a route adds a line there; `test_every_route_has_its_line` prints it. What stands for
the arguments of an address, and for {names} in a form, is in `records` of tests/roles.py.
"""

import re

import pytest

from tests.conftest import on_sqlite
from tests.roles import address_of, form_of
from tests.web import matrix

# Who may do what does not depend on the database: those that ask for one are on SQLite alone.


def rule_of(rule):
    """The static files' address has a digest in it that changes with them."""
    return re.sub(r"^/static/[0-9a-f]+/", "/static/<digest>/", rule.rule)


def routes(app):
    """HEAD is answered as GET, and OPTIONS only tells the methods."""
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or {"ANY"}) - {"HEAD", "OPTIONS"}:
            yield method, rule_of(rule)


def ask(client, row, records):
    method = "GET" if row.method == "ANY" else row.method
    sent = {"data": form_of(row, records)} if row.sends or method != "GET" else {}
    address = address_of(row.rule, records)
    return client.open(address, method=method, buffered=True, **sent)


@on_sqlite
def test_every_route_has_its_line(app):
    """P1: who adds a route says here who may do what with it."""
    there = {(row.method, row.rule) for row in matrix.read()}
    missing = sorted(set(routes(app)) - there)
    lines = "\n".join(matrix.suggestion(*route) for route in missing)
    assert not missing, f"add to tests/web/matrix.txt, with an answer for each ?:\n{lines}"
    gone = sorted(there - set(routes(app)))
    assert not gone, f"tests/web/matrix.txt has lines for routes that are not there: {gone}"


def test_no_route_has_two_lines():
    lines = [(row.method, row.rule) for row in matrix.read()]
    assert len(lines) == len(set(lines))


@on_sqlite
def test_everyone_is_answered_as_the_table_says(records, visitor, rewind):
    """P1: and who may not has changed nothing."""
    wrong = []
    for row in matrix.read():
        for who, expected in row.answers.items():
            answer = ask(visitor(who), row, records)
            changed = rewind()
            if not matrix.is_as_told(expected, answer.status_code, answer.location or ""):
                got = f"{answer.status_code} {answer.location or ''}"
                wrong.append(f"{row.method} {row.rule} as {who}: {expected} expected, got {got}")
            if changed and expected in ("in", "no", "none") and "/sign-out" not in row.rule:
                wrong.append(f"{row.method} {row.rule} as {who}: refused, and yet it changed rows")
    assert not wrong, "\n" + "\n".join(wrong)


KEYED = {"/api/v1/": ("Authorization", "Bearer {}"), "/v3/": ("Api-Key", "{}")}


@on_sqlite
def test_keys_of_others(app, world, records):
    """P1: a key speaks for its own account; one that is unknown for none."""
    other = world.account(name="Other Ltd", balance="7.00").api_key
    machine = app.test_client()
    for row in matrix.read():
        prefix = next((p for p in KEYED if row.rule.startswith(p)), None)
        if prefix is None or row.answers["nobody"] != "401":
            continue
        header, shape = KEYED[prefix]
        address = address_of(row.rule, records)
        for key, statuses in (("bk_forged", {401}), (other, set(range(200, 300)) | {404, 415})):
            headers = {header: shape.format(key)}
            answer = machine.open(address, method=row.method, headers=headers)
            assert answer.status_code in statuses, (row.rule, key, answer.status_code)
            assert "Harbour Voice" not in answer.text


@on_sqlite
def test_nothing_is_posted_without_the_forms_own_token(app, records, visitor, rewind):
    """P1: by the owner's browser, from another site. What is signed by other means is exempt."""
    app.config["WTF_CSRF_ENABLED"] = True
    exempt = re.compile(r"/sandbox/(cards|challenges|paypal)\b|/api/v1/|/v3/|/unsubscribe/")
    for row in matrix.read():
        if row.method not in ("POST", "PUT", "PATCH", "DELETE") or exempt.match(row.rule):
            continue
        answer = ask(visitor("owner"), row, records)
        assert answer.status_code == 400, row
        assert not rewind(), f"{row.method} {row.rule} changed rows without a token"


@pytest.mark.parametrize(
    ("expected", "status", "location", "told"),
    [
        ("yes", 200, "", True), ("yes", 303, "/billing/payments", True),
        ("yes", 404, "", False), ("yes", 303, "/sign-in?next=/", False),
        ("in", 303, "/sign-in", True), ("in", 200, "", False),
        ("no", 403, "", True), ("no", 200, "", False),
        ("none", 404, "", True), ("none", 403, "", False),
        ("409", 409, "", True), ("409", 404, "", False),
    ],
)  # fmt: skip
def test_the_words_have_teeth(expected, status, location, told):
    assert matrix.is_as_told(expected, status, location) is told
