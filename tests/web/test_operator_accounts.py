"""The operator's pages create accounts, change what the provider sets, and filter by state (V4)."""

import re

import pytest
from sqlalchemy import select

from tests.factories import VISA, micros
from tests.web.conftest import errors, words
from webapp.actions.accounts.change_account import change_account
from webapp.actions.accounts.change_state import change_state
from webapp.domain.accounts.account import Account, AccountState
from webapp.domain.accounts.state_change import ClosingBalance, StateChange
from webapp.domain.users.invitations import Invitation

FORM = {
    "name": "Atlantic Carrier",
    "external_id": "cust-7",
    "metadata": "plan = wholesale\n\nsite=https://crm.example/?a=b",
    "email": "Bo@Example.com",
    "owner_name": "Bo Lind",
    "currency": "USD",
    "credit_limit": "1,250.505",
    "max_open_holds": "12",
    "own_metering": "1",
    "time_zone": "Europe/Dublin",
    "language": "de",
    "request_key": "k" * 32,
}

FIELD = r'<{0}[^>]* name="(\w+)".*?>(.*?)</{0}>'


@pytest.fixture
def pat(sign_in, operator):
    return sign_in(operator)


@pytest.fixture
def path(world):
    return f"/operator/accounts/{world.account_id}/change"


def stored(world, account_id):
    world.session.rollback()
    return world.session.get(Account, account_id, populate_existing=True)


def count(world):
    world.session.rollback()
    return world.session.query(Account).count()


def filled(page, **changes):
    """What a browser sends from the page, with these changes."""
    form = {}
    for tag in re.findall(r"<input[^>]*>", page.text):
        its = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if its.get("type") != "checkbox" or " checked" in tag:
            form[its["name"]] = its.get("value", "")
    for name, options in re.findall(FIELD.format("select"), page.text, re.DOTALL):
        form[name] = re.search(r'value="([^"]*)" selected', options)[1]
    return form | dict(re.findall(FIELD.format("textarea"), page.text, re.DOTALL)) | changes


def test_an_account_is_created_and_its_owner_is_invited_v4(pat, world):
    answer = pat.post("/operator/accounts", data=FORM)
    assert answer.status_code == 303
    made = stored(world, int(answer.location.rpartition("/")[2]))
    assert (made.name, made.external_id, made.currency) == ("Atlantic Carrier", "cust-7", "USD")
    assert made.details == {"plan": "wholesale", "site": "https://crm.example/?a=b"}
    assert (made.credit_limit, made.max_open_holds) == (micros("1250.505"), 12)
    assert (made.own_metering, made.time_zone, made.language) == (True, "Europe/Dublin", "de")
    invited = world.session.scalar(select(Invitation).where(Invitation.account_id == made.id))
    assert (invited.email, invited.name, invited.roles) == ("bo@example.com", "Bo Lind", ["owner"])
    page = words(pat.get(answer.location))
    assert "bo@example.com, invited" in page
    assert "At most 12" in page


def test_a_double_click_creates_one_account_v4(pat, world):
    """V4: also without an external id; another form with the same values makes another account."""
    before = count(world)
    form = FORM | {"external_id": ""}
    first, second = (pat.post("/operator/accounts", data=form) for _ in range(2))
    assert first.status_code == second.status_code == 303
    assert first.location == second.location
    assert count(world) == before + 1
    another = pat.post("/operator/accounts", data=form | {"request_key": "m" * 32})
    assert another.location != first.location
    assert count(world) == before + 2


def test_every_invalid_field_has_its_error_and_nothing_is_saved(pat, world):
    before = count(world)
    wrong = {
        "name": " ",
        "external_id": "a b",
        "metadata": "plan",
        "email": "nobody",
        "currency": "HUF",
        "credit_limit": "-1",
        "max_open_holds": "many",
        "time_zone": "Mars/Base",
        "language": "xx",
    }
    answer = pat.post("/operator/accounts", data=FORM | wrong)
    assert answer.status_code == 422
    assert set(errors(answer)) == set(wrong)
    assert errors(answer)["credit_limit"] == "Must be zero or above"
    assert 'value="a b"' in answer.text
    assert count(world) == before


def test_a_taken_external_id_is_refused_beside_its_field(pat, world):
    assert pat.post("/operator/accounts", data=FORM).status_code == 303
    before = count(world)
    answer = pat.post("/operator/accounts", data=FORM | {"name": "Other Ltd"})
    assert answer.status_code == 409
    assert "cust-7" in errors(answer)["external_id"]
    assert count(world) == before


def test_the_form_without_edits_changes_nothing(pat, world, path):
    facts = {"credit_limit": 1_234_560_000, "details": {"a=b": "c", "plan": " x "}}
    change_account(world.ctx, world.account_id, facts)
    shown = pat.get(path)
    answer = pat.post(path, data=filled(shown, reason="Looked"))
    assert answer.status_code == 303
    after = stored(world, world.account_id)
    assert after.details == facts["details"]
    assert after.credit_limit == facts["credit_limit"]
    refused = pat.post(path, data=filled(pat.get(path), reason="Try", metadata="plan = y"))
    assert "by API" in errors(refused)["metadata"]


def test_an_account_is_changed_with_its_reason(pat, world, path):
    """P2, V4"""
    form = filled(pat.get(path), credit_limit="50.00", max_open_holds="", metadata="plan = retail")
    assert errors(pat.post(path, data=form | {"reason": " "})).keys() == {"reason"}
    assert pat.post(path, data=form | {"reason": "New contract"}).status_code == 303
    after = stored(world, world.account_id)
    assert (after.credit_limit, after.max_open_holds) == (50_000_000, None)
    assert after.details == {"plan": "retail"}
    changed = dict(world.audits)["account_updated"]
    assert changed["reason"] == "New contract"
    assert changed["changed"]["credit_limit"] == [0, 50_000_000]


def test_a_form_that_is_older_than_the_account_is_refused(pat, world, path):
    form = filled(pat.get(path), name="Typed Ltd", reason="Renamed")
    change_account(world.ctx, world.account_id, {"credit_limit": 7_000_000})
    refused = pat.post(path, data=form)
    assert refused.status_code == 409
    assert "Saving now replaces that change; Cancel shows it." in words(refused)
    assert stored(world, world.account_id).name == "Harbour Voice"
    assert pat.post(path, data=filled(refused)).status_code == 303
    after = stored(world, world.account_id)
    assert (after.name, after.credit_limit) == ("Typed Ltd", 0)


def test_amounts_are_taken_in_the_accounts_number_format_l1(pat, world, path):
    world.session.get_one(Account, world.account_id).locale = "de_DE"
    world.session.commit()
    form = filled(pat.get(path), credit_limit="1.234,56", reason="More")
    assert pat.post(path, data=form).status_code == 303
    assert stored(world, world.account_id).credit_limit == 1_234_560_000
    assert filled(pat.get(path))["credit_limit"] == "1234,56"


def test_a_wrong_owner_is_replaced_on_the_page_v4(pat, world):
    location = pat.post("/operator/accounts", data=FORM).location
    change, account_id = f"{location}/change", int(location.rpartition("/")[2])
    assert "bo@example.com is invited" in words(pat.get(change))
    form = filled(pat.get(change), email="cy@example.com", reason="Typing error")
    assert pat.post(change, data=form).status_code == 303
    page = words(pat.get(location))
    assert "cy@example.com, invited" in page
    assert "bo@example.com" not in page
    states = select(Invitation.email, Invitation.state).where(Invitation.account_id == account_id)
    world.session.rollback()
    assert dict(world.session.execute(states).all()) == {
        "bo@example.com": "revoked",
        "cy@example.com": "open",
    }


def test_an_account_with_an_owner_takes_no_other(pat, world, path):
    page = pat.get(path)
    assert 'name="email"' not in page.text
    form = filled(page, email="cy@example.com", reason="Other owner")
    refused = pat.post(path, data=form)
    assert refused.status_code == 409
    assert "has an owner" in words(refused)


def test_the_form_requires_reauthentication(pat, world, path):
    form = filled(pat.get(path), name="Other", reason="Renamed")
    world.clock.wait(minutes=16)
    for address, sent in (("/operator/accounts", FORM), (path, form)):
        assert pat.post(address, data=sent).status_code == 401
    assert stored(world, world.account_id).name == "Harbour Voice"


def test_accounts_are_filtered_by_state_and_search(pat, world):
    suspended = world.account(name="Suspended Ltd").account_id
    closed = world.account(name="Closed Ltd").account_id
    change_state(world.ctx, suspended, StateChange(AccountState.SUSPENDED, "Unpaid"))
    change = StateChange(AccountState.CLOSED, "Ended", ClosingBalance.PAYOUT)
    change_state(world.ctx, closed, change)
    names = {"active": "Harbour Voice", "suspended": "Suspended Ltd", "closed": "Closed Ltd"}
    for state, name in names.items():
        page = words(pat.get("/operator", query_string={"state": state}))
        assert [it for it in names.values() if it in page] == [name]
    both = {"state": "closed", "search": "Harbour"}
    assert "No accounts match" in words(pat.get("/operator", query_string=both))
    page = words(pat.get("/operator?state=nonsense"))
    assert all(name in page for name in names.values())


def test_money_that_comes_after_closing_is_settled_on_the_page_v4_l7(world, pat):
    """V4, L7: the button is there while there is something to settle."""
    page = f"/operator/accounts/{world.account_id}"
    world.pay(world.card(VISA), "100.00")
    charge = world.attempts[-1].key
    change = StateChange(AccountState.CLOSED, "Over", ClosingBalance.PAYOUT)
    change_state(world.ctx, world.account_id, change)
    assert "Settle the balance" not in pat.get(page).text
    world.books.reversals.refund(charge, micros("40.00"), world.clock.now())
    world.deliver()
    assert "Settle the balance" in pat.get(page).text
    form = {"state": "closed", "reason": "Over", "closing_balance": "write_off"}
    assert pat.post(f"{page}/state", data=form).status_code == 303
    assert stored(world, world.account_id).balance == 0
    assert "Settle the balance" not in pat.get(page).text
