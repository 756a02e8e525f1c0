"""A person with several accounts, and going from one to another (P3)."""

import re

import pytest

from tests.web.conftest import words
from webapp.domain.users.user import Membership, Role, User

MAIN = "/billing/payment-methods"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def other(world):
    """A second account, in which the owner of the first one is a technician only."""
    other = world.account(name="Northline Telecom", balance="7.00")
    join(world, other.account_id, "technical")
    return other


def join(world, account_id, *roles):
    user_id = world.created.user_id
    world.session.query(Membership).filter_by(user_id=user_id, account_id=account_id).delete()
    for role in roles:
        world.session.add(Membership(user_id=user_id, account_id=account_id, role=Role(role)))
    world.session.commit()


def visit(client, account_id, **more):
    return client.post(f"/accounts/{account_id}/visits", **more)


def header_of(page):
    return page.text.partition("<main")[0]


def test_with_one_account_there_is_nothing_to_choose(client):
    """P3"""
    page = header_of(client.get(MAIN))
    assert "Harbour Voice" in page
    assert 'action="/accounts/' not in page


def test_going_to_another_account_and_back(client, world, other):
    """P3: what is shown and what may be done is the other account's; the first stays untouched."""
    join(world, other.account_id, "billing")
    page = header_of(client.get(MAIN))
    assert page.index("Harbour Voice") < page.index("Northline Telecom")
    assert re.search(r'aria-current="true">.*Harbour Voice', page)
    assert "$100.00" in words(client.get(MAIN))

    answer = visit(client, other.account_id)
    assert (answer.status_code, answer.location) == (303, "/")
    page = client.get("/", follow_redirects=True)
    assert page.request.path == MAIN
    assert "$7.00" in words(page)
    assert re.search(r'aria-current="true">.*Northline Telecom', header_of(page))

    visit(client, world.account_id)
    assert "$100.00" in words(client.get(MAIN))


def test_the_rights_are_those_of_the_account(client, world, other):
    """P1, P3: an owner here is a technician there, and sees no billing and no balance."""
    visit(client, other.account_id)
    assert client.get(MAIN).status_code == 403
    page = client.get("/settings/profile")
    assert page.status_code == 200
    assert "$7.00" not in page.text
    assert "Payment Methods" not in page.text
    visit(client, world.account_id)
    assert client.get(MAIN).status_code == 200


def test_another_accounts_id_is_not_found(client, world, held):
    """P3: and the session goes on with the account it had."""
    strangers = world.account(name="Other Ltd")
    before = held()
    for one in (strangers.account_id, 0, 999, 2**31 - 1, 2**31, "x"):
        assert visit(client, one).status_code == 404
    assert "Harbour Voice" in client.get(MAIN).text
    assert held() == before


def test_nobody_goes_anywhere(app, world):
    """P3"""
    answer = visit(app.test_client(), world.account_id)
    assert (answer.status_code, answer.location) == (303, "/sign-in")


def test_who_was_removed_meanwhile_is_back_in_their_own(client, world, other):
    """P3: the session may name an account that they no longer belong to."""
    join(world, other.account_id, "billing")
    visit(client, other.account_id)
    join(world, other.account_id)
    assert "Harbour Voice" in header_of(client.get(MAIN))


def test_a_form_from_before_does_nothing_in_the_other_account(app, client, world, other):
    """P3: a window that still shows the first account must not change the second one."""
    join(world, other.account_id, "billing")
    app.config["WTF_CSRF_ENABLED"] = True
    left_open = client.get(MAIN).text
    token = re.search(r'name="csrf_token" value="([^"]+)"', left_open)[1]
    assert visit(client, other.account_id, data={"csrf_token": token}).status_code == 303
    form = {
        "csrf_token": token,
        "seen": "0",
        "notification_on": "1",
        "notification_threshold": "75.00",
    }
    answer = client.post("/billing/low-balance-settings", data=form)
    assert (answer.status_code, "Nothing was changed" in answer.text) == (400, True)
    answer = client.post("/billing/low-balance-settings", data=form, headers=HTMX)
    assert answer.status_code == 400
    assert 'id="messages"' in answer.text
    fresh = re.search(r'name="csrf_token" value="([^"]+)"', client.get(MAIN).text)[1]
    answer = client.post("/billing/low-balance-settings", data={**form, "csrf_token": fresh})
    assert answer.status_code == 303


def test_a_page_from_before_is_loaded_again(client, world, other):
    """P3: its poll would otherwise put the second account's balance beside the first one's name."""
    join(world, other.account_id, "billing")
    poll = re.search(r'hx-get="(/billing/balance[^"]*)"', client.get(MAIN).text)[1]
    poll = poll.replace("&amp;", "&")
    assert client.get(poll, headers=HTMX).status_code == 204
    visit(client, other.account_id)
    answer = client.get(poll, headers=HTMX)
    assert (answer.status_code, answer.headers.get("HX-Refresh")) == (204, "true")


def test_who_sees_no_billing_lands_where_they_may(app, world, teammate):
    """P1: after signing in, and by the name of the product."""
    technician = teammate("technical")
    answer = technician.get("/")
    assert (answer.status_code, answer.location) == (302, "/settings/api-keys")
    page = technician.get("/settings/api-keys")
    assert page.status_code == 200
    menu = header_of(page)
    assert "Billing" not in menu
    assert "Sandbox" not in menu


# The person's own page


def test_everybody_has_a_page_of_their_own(teammate):
    """P3"""
    for roles in (["technical"], ["commercial", "billing"], ["admin"]):
        page = words(teammate(*roles).get("/settings/profile"))
        assert ", ".join(role.capitalize() for role in roles) in page


def test_changing_ones_name(client, world):
    """P2: it stands in the audit log; refused, what was typed stays beside the reason."""
    answer = client.post("/settings/profile/name", data={"name": "  Ana Maria Ruiz "})
    assert (answer.status_code, answer.location) == (303, "/settings/profile")
    assert "Ana Maria Ruiz" in client.get("/settings/profile").text
    world.session.rollback()
    assert world.session.get(User, world.created.user_id).name == "Ana Maria Ruiz"
    assert world.audits[-1] == ("name", {"before": "Ana Ruiz", "after": "Ana Maria Ruiz"})
    for name in ("", "   ", "x" * 121, "a\x00b"):
        answer = client.post("/settings/profile/name", data={"name": name})
        assert answer.status_code == 422
        assert 'id="name-error">' in answer.text
    assert [what for what, _ in world.audits] == ["account_created", "name"]


def test_the_page_asks_who_is_there(app):
    answer = app.test_client().get("/settings/profile")
    assert (answer.status_code, answer.location) == (303, "/sign-in?next=/settings/profile")
    assert app.test_client().post("/settings/profile/name").status_code == 303
