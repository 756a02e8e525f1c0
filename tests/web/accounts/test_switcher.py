"""A person with several accounts switches between them (P3)."""

import re

import pytest

from tests.web.conftest import words
from webapp.domain.users.user import Membership, Role, User

MAIN = "/billing/payment-methods"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def other(world):
    """A second account, in which the owner of the first one has only the Technical role."""
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


def test_with_one_account_there_is_no_switcher(client):
    """P3"""
    page = header_of(client.get(MAIN))
    assert "Harbour Voice" in page
    assert 'action="/accounts/' not in page


def test_switching_to_another_account_and_back(client, world, other):
    """P3: content and rights are the chosen account's; the other one is unchanged."""
    join(world, other.account_id, "billing")
    page = header_of(client.get(MAIN))
    assert page.index("Harbour Voice") < page.index("Northline Telecom")
    assert re.search(r'(?s)aria-current="true">(?:(?!</button>).)*Harbour Voice', page)
    assert "$100.00" in words(client.get(MAIN))

    answer = visit(client, other.account_id)
    assert (answer.status_code, answer.location) == (303, "/")
    page = client.get("/", follow_redirects=True)
    assert page.request.path == MAIN
    assert "$7.00" in words(page)
    assert re.search(
        r'(?s)aria-current="true">(?:(?!</button>).)*Northline Telecom', header_of(page)
    )

    visit(client, world.account_id)
    assert "$100.00" in words(client.get(MAIN))


def test_the_rights_are_those_of_the_current_account(client, world, other):
    """P1, P3: a person with the Technical role sees neither billing nor the balance."""
    visit(client, other.account_id)
    assert client.get(MAIN).status_code == 403
    page = client.get("/settings/profile")
    assert page.status_code == 200
    assert "$7.00" not in page.text
    assert "Payment Methods" not in page.text
    visit(client, world.account_id)
    assert client.get(MAIN).status_code == 200


def test_another_accounts_id_is_not_found(client, world, database_rows):
    """P3: the session keeps its account."""
    strangers = world.account(name="Other Ltd")
    before = database_rows()
    for one in (strangers.account_id, 0, 999, 2**31 - 1, 2**31, "x"):
        assert visit(client, one).status_code == 404
    assert "Harbour Voice" in client.get(MAIN).text
    assert database_rows() == before


def test_a_signed_out_visitor_cannot_switch(app, world):
    """P3"""
    answer = visit(app.test_client(), world.account_id)
    assert (answer.status_code, answer.location) == (303, "/sign-in")


def test_a_removed_member_returns_to_their_own_account(client, world, other):
    """P3: the session may name an account that the person no longer belongs to."""
    join(world, other.account_id, "billing")
    visit(client, other.account_id)
    join(world, other.account_id)
    assert "Harbour Voice" in header_of(client.get(MAIN))


def test_a_form_of_the_previous_account_changes_nothing_in_the_current_one(
    app, client, world, other
):
    """P3: a window may still show the first account."""
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


def test_a_page_of_the_previous_account_is_reloaded(client, world, other):
    """P3: its poll would otherwise show the second account's balance beside the first one's
    name.
    """
    join(world, other.account_id, "billing")
    poll = re.search(r'hx-get="(/billing/balance[^"]*)"', client.get(MAIN).text)[1]
    poll = poll.replace("&amp;", "&")
    assert client.get(poll, headers=HTMX).status_code == 204
    visit(client, other.account_id)
    answer = client.get(poll, headers=HTMX)
    assert (answer.status_code, answer.headers.get("HX-Refresh")) == (204, "true")


def test_without_the_billing_right_a_person_lands_on_an_allowed_page(app, world, teammate):
    """P1: after signing in, and by the logo's link."""
    technician = teammate("technical")
    answer = technician.get("/")
    assert (answer.status_code, answer.location) == (302, "/settings/api-keys")
    page = technician.get("/settings/api-keys")
    assert page.status_code == 200
    menu = header_of(page)
    assert "Billing" not in menu
    assert "Sandbox" not in menu


# The profile page


def test_everyone_has_a_profile_page(teammate):
    """P3"""
    for roles in (["technical"], ["commercial", "billing"], ["admin"]):
        page = words(teammate(*roles).get("/settings/profile"))
        assert ", ".join(role.capitalize() for role in roles) in page


def test_a_person_can_change_their_name(client, world):
    """P2: the change is in the audit log; an invalid name stays beside its error."""
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


def test_the_profile_page_needs_a_session(app):
    answer = app.test_client().get("/settings/profile")
    assert (answer.status_code, answer.location) == (303, "/sign-in?next=/settings/profile")
    assert app.test_client().post("/settings/profile/name").status_code == 303
