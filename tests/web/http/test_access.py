"""Who may do what, closer than `matrix.txt` tells it: dialogs, fragments, forms (P1)."""

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
ABOUT_ONE = [
    "/billing/payment-methods/{method}/removal",
    "/billing/attempts/{attempt}/retry",
]
DEEDS = {
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
def mine(busy):
    """What stands for the names in an address."""
    ids = [str(m.id) for m in busy.methods]
    failed = next(a.id for a in busy.attempts if a.state == AttemptState.DECLINED)
    return {
        "method": ids[0],
        "attempt": failed,
        "seen": ",".join(ids),
        "turned": ",".join(reversed(ids)),
    }


def deeds(mine):
    for path, form in DEEDS.items():
        yield path.format(**mine), {name: text.format(**mine) for name, text in form.items()}


def pages(mine):
    return [*PAGES, *(path.format(**mine) for path in ABOUT_ONE)]


def test_nobody_is_led_to_the_sign_in_page(app, mine, held):
    """P1: and back to where they wanted to go."""
    before, nobody = held(), app.test_client()
    for path in pages(mine):
        answer = nobody.get(f"{path}?a=1")
        assert answer.status_code == 303, path
        assert answer.location == f"/sign-in?next={path}?a%3D1", path
    for path, form in deeds(mine):
        answer = nobody.post(path, data=form)
        assert (answer.status_code, answer.location) == (303, "/sign-in"), path
    assert held() == before


def test_nobodys_fragment_is_told_that_the_session_has_ended(app, mine, held):
    """P1, P5: the script then asks to sign in over the page; nothing of it is replaced."""
    before, nobody = held(), app.test_client()
    for path in pages(mine):
        answer = nobody.get(path, headers=HTMX)
        assert (answer.status_code, answer.headers["X-Session"]) == (401, "ended"), path
        assert answer.text == ""
    for path, form in deeds(mine):
        answer = nobody.post(path, data=form, headers=HTMX)
        assert (answer.status_code, answer.headers["X-Session"]) == (401, "ended"), path
        assert answer.text == ""
    assert held() == before


def test_who_sees_no_billing_may_not(teammate, mine, held):
    """P1: a missing right is 403, for pages and deeds, whole or in part."""
    technician = teammate("technical")
    before = held()
    for headers in ({}, HTMX):
        for path in pages(mine):
            assert technician.get(path, headers=headers).status_code == 403, path
        for path, form in deeds(mine):
            assert technician.post(path, data=form, headers=headers).status_code == 403, path
    assert held() == before


@pytest.mark.parametrize(
    "roles", [["admin"], ["commercial"], ["billing"], ["technical", "billing"]]
)
def test_who_sees_billing_may(teammate, mine, roles):
    """P1: rights are the union of a person's roles."""
    client = teammate(*roles)
    for path in pages(mine):
        assert client.get(path).status_code == 200, path


def test_someone_without_a_role_is_nobody(world, sign_in, app):
    """P1, P3: the last role was taken away while they were signed in."""
    world.session.query(Membership).delete()
    world.session.commit()
    answer = sign_in(world.created.user_id).get("/billing/payment-methods")
    assert answer.status_code == 303


def test_the_owner_may(client, mine):
    """P1: pages are shown, deeds lead back to a page."""
    for path in pages(mine):
        assert client.get(path).status_code == 200, path
    for path, form in deeds(mine):
        # The third deed has removed the method that the next two are about.
        expected = 404 if path.endswith(("/restorations", "/retries")) else 303
        if "state" in form:
            expected = 400
        if path == "/billing/funds":
            form = {**form, "method": mine["turned"].split(",")[0]}
        answer = client.post(path, data=form)
        assert answer.status_code == expected, path


def test_a_strangers_ids_are_not_found(stranger, mine, held):
    """P1: another account's record is no different from none."""
    before = held()
    for path in ABOUT_ONE:
        assert stranger.get(path.format(**mine)).status_code == 404, path
    for path, form in deeds(mine):
        if path.endswith(("/low-balance-settings", "/resumptions", "/payment-methods")):
            continue  # these name no record
        for headers in ({}, HTMX):
            answer = stranger.post(path, data=form, headers=headers)
            assert answer.status_code == 404, path
            assert "Harbour Voice" not in answer.text
    assert held() == before


def test_a_stranger_sees_nothing_of_mine(stranger, mine):
    """P1: not in lists either, nor by paging through them."""
    for path in ("/billing/payments", "/billing/activity", "/billing/statement"):
        for query in ("", "?before=9999"):
            page = words(stranger.get(path + query))
            assert "Other Ltd" in page
            for secret in ("Harbour Voice", "Mastercard", "call-1", "60.00"):
                assert secret not in page, path


def test_unknown_and_impossible_ids_are_not_found(client, busy, held):
    """P1: whatever stands in the address, it is no error of ours."""
    before = held()
    huge = ["2147483647", "2147483648", "9" * 30]
    for one in ["0", "999", "-1", "x", "1.5", "%00", *huge]:
        for path in ABOUT_ONE:
            address = path.format(method=one, attempt=one)
            assert client.get(address).status_code == 404, address
        for path, form in DEEDS.items():
            if "{" in path:
                address = path.format(method=one, attempt=one)
                assert client.post(address, data=form).status_code in (404, 405), address
    for path in ("/billing/payments", "/billing/activity", "/billing/statement"):
        for one in ["0", "-1", "x", "", "%00", *huge]:
            assert client.get(f"{path}?before={one}").status_code == 200, (path, one)
    for one in ["999", "x", *huge]:
        assert client.get(f"/billing/funds/new?method={one}&kind={one}").status_code == 200
    assert held() == before


def test_the_wrong_verb(client, mine):
    """P1: what changes something is never done by a link."""
    for path, form in deeds(mine):
        if path.endswith(("/removal", "/payment-methods")):
            continue  # here the same address shows something
        answer = client.get(path, query_string=form)
        assert answer.status_code in (404, 405), path
    assert client.get("/sign-out").status_code == 405


def test_the_old_address_still_leads_there(client):
    answer = client.get("/payments/payment-methods")
    assert (answer.status_code, answer.location) == (301, "/billing/payment-methods")


# Forms carry their own token


def test_no_deed_without_the_forms_own_token(app, client, mine, held):
    """P1: nor with another one, nor from a fragment."""
    app.config["WTF_CSRF_ENABLED"] = True
    before = held()
    for headers in ({}, HTMX):
        for path, form in [*deeds(mine), ("/sign-out", {}), ("/sign-in", {"email": "a@b.c"})]:
            for token in ({}, {"csrf_token": "x"}, {"csrf_token": ""}):
                answer = client.post(path, data={**form, **token}, headers=headers)
                assert answer.status_code == 400, path
                assert "Nothing was changed" in answer.text
    assert held() == before
    assert client.get("/billing/payment-methods").status_code == 200, "and still signed in"


def test_the_pages_forms_carry_it(app, client, mine):
    """P1: the token that a page shows is the one that is asked for."""
    app.config["WTF_CSRF_ENABLED"] = True
    for path in pages(mine):
        page = client.get(path).text
        for form in re.findall(r"<form\b.*?</form>", page, re.DOTALL):
            if 'method="post"' in form and "/sandbox/cards" not in form:
                assert 'name="csrf_token"' in form, path
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get(PAGES[0]).text)[1]
    answer = client.post(
        f"/billing/payment-methods/{mine['method']}/auto-charge",
        data={"on": "0", "csrf_token": token},
    )
    assert answer.status_code == 303
