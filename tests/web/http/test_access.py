"""Access to dialogs, fragments and forms, in more detail than `matrix.txt` (P1)."""

import re

import pytest

from tests.web.conftest import words
from webapp.domain.payments.payment import AttemptState
from webapp.domain.users.user import Membership

KEY = "k" * 32
HTMX = {"HX-Request": "true"}

PAGES = [
    "/billing/payment-methods",
    "/billing/payment-methods/refresh",
    "/billing/payment-methods/cards/new",
    "/billing/payment-methods/paypal/new",
    "/billing/payments",
    "/billing/funds/new",
    "/billing/balance",
    "/billing/activity",
    "/billing/statement",
]
RECORD_PAGES = [
    "/billing/payment-methods/{method}/removal",
    "/billing/attempts/{attempt}/retry",
]
ACTIONS = {
    "/billing/payment-methods/order": {"order": "{turned}", "seen": "{seen}"},
    "/billing/payment-methods/{method}/auto-charge": {"on": "0"},
    "/billing/payment-methods/{method}/removal": {},
    "/billing/payment-methods/{method}/restorations": {},
    "/billing/attempts/{attempt}/retries": {"request_key": KEY},
    "/billing/funds": {"amount": "75.00", "method": "{method}", "request_key": KEY},
    "/billing/low-balance-settings": {"seen": "1", "threshold": "60", "refill_amount": "90"},
    "/billing/automatic-payments/resumptions": {},
    "/billing/payment-methods": {"state": "forged", "token": "tok_x"},
    "/billing/attempts/{attempt}/conclusion": {"give_up": "0"},
}


@pytest.fixture
def ids(account_with_history):
    """The values of the {names} in paths and forms."""
    ids = [str(m.id) for m in account_with_history.methods]
    failed = next(a.id for a in account_with_history.attempts if a.state == AttemptState.DECLINED)
    return {
        "method": ids[0],
        "attempt": failed,
        "seen": ",".join(ids),
        "turned": ",".join(reversed(ids)),
    }


def actions(ids):
    for path, form in ACTIONS.items():
        yield path.format(**ids), {name: text.format(**ids) for name, text in form.items()}


def pages(ids):
    return [*PAGES, *(path.format(**ids) for path in RECORD_PAGES)]


def test_a_signed_out_visitor_is_redirected_to_sign_in(app, ids, database_rows):
    """P1: with the way back to the requested page."""
    before, nobody = database_rows(), app.test_client()
    for path in pages(ids):
        answer = nobody.get(f"{path}?a=1")
        assert answer.status_code == 303, path
        assert answer.location == f"/sign-in?next={path}?a%3D1", path
    for path, form in actions(ids):
        answer = nobody.post(path, data=form)
        assert (answer.status_code, answer.location) == (303, "/sign-in"), path
    assert database_rows() == before


def test_a_signed_out_fragment_request_gets_401(app, ids, database_rows):
    """P1, P5: the script then asks to sign in over the page; nothing on it is replaced."""
    before, nobody = database_rows(), app.test_client()
    for path in pages(ids):
        answer = nobody.get(path, headers=HTMX)
        assert (answer.status_code, answer.headers["X-Session"]) == (401, "ended"), path
        assert answer.text == ""
    for path, form in actions(ids):
        answer = nobody.post(path, data=form, headers=HTMX)
        assert (answer.status_code, answer.headers["X-Session"]) == (401, "ended"), path
        assert answer.text == ""
    assert database_rows() == before


def test_without_the_billing_right_everything_is_403(teammate, ids, database_rows):
    """P1: pages and actions, whole and as fragments."""
    technician = teammate("technical")
    before = database_rows()
    for headers in ({}, HTMX):
        for path in pages(ids):
            assert technician.get(path, headers=headers).status_code == 403, path
        for path, form in actions(ids):
            assert technician.post(path, data=form, headers=headers).status_code == 403, path
    assert database_rows() == before


@pytest.mark.parametrize(
    "roles", [["admin"], ["commercial"], ["billing"], ["technical", "billing"]]
)
def test_each_billing_role_can_read_the_pages(teammate, ids, roles):
    """P1: rights are the union of a person's roles."""
    client = teammate(*roles)
    for path in pages(ids):
        assert client.get(path).status_code == 200, path


def test_a_person_without_a_role_is_signed_out(world, sign_in, app):
    """P1, P3: the last role was removed during the session."""
    world.session.query(Membership).delete()
    world.session.commit()
    answer = sign_in(world.created.user_id).get("/billing/payment-methods")
    assert answer.status_code == 303


def test_the_owner_can_do_everything(client, ids):
    """P1: pages are shown, actions redirect to a page."""
    for path in pages(ids):
        assert client.get(path).status_code == 200, path
    for path, form in actions(ids):
        # The removal, third in the list, deletes the method of the next two actions.
        expected = 404 if path.endswith(("/restorations", "/retries")) else 303
        if "state" in form:
            expected = 400
        if path == "/billing/funds":
            form = {**form, "method": ids["turned"].split(",")[0]}
        answer = client.post(path, data=form)
        assert answer.status_code == expected, path


def test_another_accounts_ids_are_not_found(stranger, ids, database_rows):
    """P1: another account's record answers like one that does not exist."""
    before = database_rows()
    for path in RECORD_PAGES:
        assert stranger.get(path.format(**ids)).status_code == 404, path
    for path, form in actions(ids):
        if path.endswith(("/low-balance-settings", "/resumptions", "/payment-methods")):
            continue  # these name no record
        for headers in ({}, HTMX):
            answer = stranger.post(path, data=form, headers=headers)
            assert answer.status_code == 404, path
            assert "Harbour Voice" not in answer.text
    assert database_rows() == before


def test_another_account_sees_none_of_the_data(stranger, ids):
    """P1: neither in lists nor by paging."""
    for path in ("/billing/payments", "/billing/activity", "/billing/statement"):
        for query in ("", "?before=9999"):
            page = words(stranger.get(path + query))
            assert "Other Ltd" in page
            for secret in ("Harbour Voice", "Mastercard", "call-1", "60.00"):
                assert secret not in page, path


def test_unknown_and_invalid_ids_are_not_found(client, account_with_history, database_rows):
    """P1: no id in an address causes an error."""
    before = database_rows()
    huge = ["2147483647", "2147483648", "9" * 30]
    for one in ["0", "999", "-1", "x", "1.5", "%00", *huge]:
        for path in RECORD_PAGES:
            address = path.format(method=one, attempt=one)
            assert client.get(address).status_code == 404, address
        for path, form in ACTIONS.items():
            if "{" in path:
                address = path.format(method=one, attempt=one)
                assert client.post(address, data=form).status_code in (404, 405), address
    for path in ("/billing/payments", "/billing/activity", "/billing/statement"):
        for one in ["0", "-1", "x", "", "%00", *huge]:
            assert client.get(f"{path}?before={one}").status_code == 200, (path, one)
    for one in ["999", "x", *huge]:
        assert client.get(f"/billing/funds/new?method={one}&kind={one}").status_code == 200
    assert database_rows() == before


def test_actions_do_not_accept_get(client, ids):
    """P1: a link never changes anything."""
    for path, form in actions(ids):
        if path.endswith(("/removal", "/payment-methods")):
            continue  # here the same address has a page
        answer = client.get(path, query_string=form)
        assert answer.status_code in (404, 405), path
    assert client.get("/sign-out").status_code == 405


def test_the_old_address_redirects(client):
    answer = client.get("/payments/payment-methods")
    assert (answer.status_code, answer.location) == (301, "/billing/payment-methods")


# CSRF tokens


def test_an_action_without_a_csrf_token_is_refused(app, client, ids, database_rows):
    """P1: or with a wrong one, also for fragments."""
    app.config["WTF_CSRF_ENABLED"] = True
    before = database_rows()
    for headers in ({}, HTMX):
        for path, form in [*actions(ids), ("/sign-out", {}), ("/sign-in", {"email": "a@b.c"})]:
            for token in ({}, {"csrf_token": "x"}, {"csrf_token": ""}):
                answer = client.post(path, data={**form, **token}, headers=headers)
                assert answer.status_code == 400, path
                assert "Nothing was changed" in answer.text
    assert database_rows() == before
    assert client.get("/billing/payment-methods").status_code == 200, "and still signed in"


def test_the_forms_contain_the_csrf_token(app, client, ids):
    """P1: a page's token is accepted."""
    app.config["WTF_CSRF_ENABLED"] = True
    for path in pages(ids):
        page = client.get(path).text
        for form in re.findall(r"<form\b.*?</form>", page, re.DOTALL):
            if 'method="post"' in form and "/sandbox/cards" not in form:
                assert 'name="csrf_token"' in form, path
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get(PAGES[0]).text)[1]
    answer = client.post(
        f"/billing/payment-methods/{ids['method']}/auto-charge",
        data={"on": "0", "csrf_token": token},
    )
    assert answer.status_code == 303
