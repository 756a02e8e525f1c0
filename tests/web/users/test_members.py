"""Users: invitations, roles, removal, and transfer of the account (P1, P2, P3)."""

import re

import pytest

from tests.factories import PASSWORD
from tests.web.conftest import errors, words
from webapp.domain.notifications.outbox import Notice
from webapp.domain.users.invitations import Invitation
from webapp.domain.users.user import Membership, Role, User

HERE = "/settings/users"
MAIN = "/billing/payment-methods"
HTMX = {"HX-Request": "true"}
NEW = {"name": "Bo Lind", "password": "a-long-password"}


@pytest.fixture
def visitor(app, world):
    return app.test_client()


@pytest.fixture
def member(world, teammate):
    """The browser and the id of a person with the Billing role."""
    return teammate("billing"), user_of(world, "billing@example.com").id


def user_of(world, email):
    world.session.rollback()
    return world.session.query(User).filter_by(email=email).one()


def roles_of(world, user_id):
    world.session.rollback()
    mine = world.session.query(Membership).filter_by(user_id=user_id, account_id=world.account_id)
    return {m.role for m in mine}


def invite(client, email="bo@example.com", roles=("billing", "technical"), **more):
    form = {"email": email, "roles": list(roles)}
    return client.post(f"{HERE}/invitations", data=form, **more)


def link_to(world, email="bo@example.com"):
    """Return the path of the link in the last invitation to this address."""
    world.session.rollback()
    mail = world.session.query(Notice).filter_by(recipient=email, kind="invitation").all()[-1]
    text = world.services.mailer.render(mail.kind, mail.facts, mail.language).text
    return re.search(r"https?://[^/\s]+(/\S+)", text)[1]


def last(world):
    return world.audits[-1]


# Invitations


def test_the_list_names_everyone_and_their_roles(client, member):
    page = words(client.get(HERE))
    for expected in ("Ana Ruiz You", "Owner", "Bo Lind", "billing@example.com", "Billing"):
        assert expected in page


def test_a_new_person_is_invited_and_joins(client, visitor, world):
    """P1, P2: the link asks for a name and a password, and confirms the email address."""
    answer = invite(client)
    assert (answer.status_code, answer.location) == (303, HERE)
    page = words(client.get(HERE))
    assert "bo@example.com Billing, Technical · Invited, until Sun 29 Nov, 10:00" in page
    what, facts = last(world)
    assert (what, facts["email"]) == ("invited", "bo@example.com")
    assert facts["roles"] == ["billing", "technical"]
    link = link_to(world)
    assert "Join Harbour Voice" in words(visitor.get(link))
    for form, field in (({**NEW, "name": " "}, "name"), ({**NEW, "password": "x"}, "password")):
        answer = visitor.post(link, data=form)
        assert (answer.status_code, list(errors(answer))) == (422, [field])
    answer = visitor.post(link, data=NEW)
    assert (answer.status_code, answer.location) == (303, "/")
    assert visitor.get(MAIN).status_code == 200
    bo = user_of(world, "bo@example.com")
    assert bo.is_confirmed
    assert roles_of(world, bo.id) == {Role.BILLING, Role.TECHNICAL}
    assert last(world)[0] == "joined"
    assert visitor.post(link, data=NEW).status_code == 422, "it works once"
    assert "Invited" not in words(client.get(HERE))


def test_an_existing_person_signs_in_and_joins(client, visitor, world):
    """P3: they then belong to both accounts, and are in the one they joined."""
    other = world.account(name="Other Ltd", email="cy@example.com")
    invite(client, "Cy@Example.com", ["commercial"])
    link = link_to(world, "cy@example.com")
    answer = visitor.post(link)
    assert (answer.status_code, answer.location) == (303, f"/sign-in?next={link}")
    visitor.post("/sign-in", data={"email": "cy@example.com", "password": PASSWORD})
    assert "Join" in words(visitor.get(link))
    assert visitor.post(link).location == "/"
    page = visitor.get("/", follow_redirects=True).text.partition("<main")[0]
    assert re.search(r'(?s)aria-current="true">(?:(?!</button>).)*Harbour Voice', page)
    assert "Other Ltd" in page
    assert roles_of(world, other.user_id) == {Role.COMMERCIAL}


def test_another_person_cannot_use_an_invitation(client, stranger, world):
    """P1: the link is for one address, regardless of who is signed in."""
    world.account(name="Third Ltd", email="cy@example.com")
    invite(client, "cy@example.com")
    link = link_to(world, "cy@example.com")
    assert "You are signed in as" in words(stranger.get(link))
    answer = stranger.post(link)
    assert answer.status_code == 422
    assert "for cy@example.com" in words(answer)
    assert "Harbour Voice" not in stranger.get(MAIN).text


def test_an_invitation_lasts_seven_days_and_can_be_resent(client, visitor, world):
    invite(client)
    first = link_to(world)
    world.clock.advance(days=6, hours=23, minutes=59)
    assert visitor.get(first).status_code == 200
    world.clock.advance(minutes=1)
    for answer in (visitor.get(first), visitor.post(first, data=NEW)):
        assert answer.status_code == 422
        assert "no longer works" in words(answer)
    assert "Expired Sun 29 Nov, 10:00" in words(client.get(HERE))
    (one,) = world.session.query(Invitation)
    assert client.post(f"{HERE}/invitations/{one.id}/sendings").status_code == 303
    what, facts = last(world)
    assert (what, facts["email"]) == ("invited_again", "bo@example.com")
    assert visitor.get(first).status_code == 422, "the link before stays dead"
    assert visitor.post(link_to(world), data=NEW).status_code == 303


def test_an_invitation_is_hidden_from_people_who_may_not_invite(client, member, world):
    """P1: anyone who opens its link in the sandbox's outbox would become an admin."""
    billing, _ = member
    invite(client, roles=("admin",))
    mail = world.session.query(Notice).filter_by(kind="invitation").one().id
    assert client.get(f"/sandbox/outbox/{mail}/body").status_code == 200
    assert billing.get(f"/sandbox/outbox/{mail}/body").status_code == 404
    for page in ("/sandbox/outbox", "/sandbox"):
        assert f"/sandbox/outbox/{mail}" in client.get(page).text
        assert f"/sandbox/outbox/{mail}" not in billing.get(page).text


def test_an_invitation_can_be_revoked(client, visitor, world):
    invite(client)
    (one,) = world.session.query(Invitation)
    path = f"{HERE}/invitations/{one.id}"
    assert client.post(f"{path}/revocation").status_code == 303
    assert last(world) == ("invitation_revoked", {"email": "bo@example.com"})
    assert visitor.post(link_to(world), data=NEW).status_code == 422
    for action in ("revocation", "sendings"):
        assert client.post(f"{path}/{action}").status_code == 404
    assert invite(client).status_code == 303, "and the address can be invited anew"


@pytest.mark.parametrize(
    ("email", "roles", "field"),
    [
        ("nobody", ["billing"], "email"),
        ("", ["billing"], "email"),
        ("bo@example.com", [], "roles"),
        ("bo@example.com", ["owner"], "roles"),
        ("bo@example.com", ["king"], "roles"),
        ("waiting@example.com", ["billing"], "email"),
        ("billing@example.com", ["billing"], "email"),
    ],
)
def test_each_error_is_beside_its_field(client, world, member, database_rows, email, roles, field):
    """The input is kept."""
    world.invite("waiting@example.com")
    before = database_rows()
    answer = invite(client, email, roles)
    assert answer.status_code == 422
    assert list(errors(answer)) == [field]
    assert f'value="{email}"' in answer.text
    assert database_rows() == before


def test_a_forged_link_is_not_found(visitor, client, world):
    invite(client)
    token = link_to(world).rpartition("/")[2]
    for forged in (token[:-1], "x", token.partition(".")[0] + ".x"):
        assert visitor.get(f"/invitations/{forged}").status_code == 404
        assert visitor.post(f"/invitations/{forged}", data=NEW).status_code == 404


# Roles and removal


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_changed_roles_apply_at_once(client, world, member, headers):
    """P1, P2: without signing in again."""
    browser, user_id = member
    assert browser.get(MAIN).status_code == 200
    page = client.get(f"{HERE}/{user_id}/roles", headers=headers)
    assert re.search(r'value="billing" checked', page.text)
    form = {"roles": ["technical"]}
    answer = client.post(f"{HERE}/{user_id}/roles", data=form, headers=headers)
    assert (answer.location or answer.headers.get("HX-Redirect")) == HERE
    assert browser.get(MAIN).status_code == 403
    assert last(world) == (
        "roles",
        {"person": "Bo Lind", "before": ["billing"], "after": ["technical"]},
    )


def test_invalid_roles_are_refused(client, world, member):
    _, user_id = member
    for roles in ([], ["owner"], ["billing", "owner"], ["x"]):
        answer = client.post(f"{HERE}/{user_id}/roles", data={"roles": roles})
        assert answer.status_code == 422
        assert "Choose at least one role" in words(answer)
    assert roles_of(world, user_id) == {Role.BILLING}


def test_a_removed_person_is_signed_out_of_the_account(client, world, member):
    """P1, P2: at once, also in open sessions."""
    browser, user_id = member
    assert "Remove Bo Lind?" in words(client.get(f"{HERE}/{user_id}/removal"))
    assert client.post(f"{HERE}/{user_id}/removal").status_code == 303
    assert browser.get(MAIN).status_code == 303
    assert last(world)[0] == "person_removed"
    assert client.post(f"{HERE}/{user_id}/removal").status_code == 404


def test_the_owner_cannot_be_removed(client, teammate, world, database_rows):
    """P1: neither by an admin nor by themselves."""
    admin, owner = teammate("admin"), world.created.user_id
    before = database_rows()
    for who in (client, admin):
        for action, form in (("removal", {}), ("roles", {"roles": ["billing"]})):
            answer = who.post(f"{HERE}/{owner}/{action}", data=form)
            assert answer.status_code == 422
            assert "The owner cannot be changed or removed" in words(answer)
    assert admin.post(f"{HERE}/{owner}/ownership").status_code == 403
    assert client.post(f"{HERE}/{owner}/ownership").status_code == 422
    assert database_rows() == before


def test_the_account_can_be_transferred(client, world, member):
    """P1, P2: both are emailed; the previous owner becomes an admin and can be removed."""
    browser, user_id = member
    owner = world.created.user_id
    assert "Make Bo Lind the owner?" in words(client.get(f"{HERE}/{user_id}/ownership"))
    assert client.post(f"{HERE}/{user_id}/ownership").status_code == 303
    assert roles_of(world, user_id) == {Role.OWNER}
    assert roles_of(world, owner) == {Role.ADMIN}
    recipients = {m.recipient for m in world.session.query(Notice).filter_by(kind="ownership")}
    assert recipients == {"billing@example.com", world.session.get(User, owner).email}
    assert last(world) == ("ownership", {"before": "Ana Ruiz", "after": "Bo Lind"})
    assert client.post(f"{HERE}/{user_id}/ownership").status_code == 403, "no longer theirs to give"
    assert browser.post(f"{HERE}/{owner}/removal").status_code == 303
    assert client.get(MAIN).status_code == 303


def test_people_of_other_accounts_are_not_found(client, stranger, world, member):
    """P1: nor are their invitations."""
    _, user_id = member
    invited = world.invite("bo@example.com").id
    other = world.account(name="Third Ltd")
    for who, ids in ((stranger, (user_id, world.created.user_id)), (client, (other.user_id, 999))):
        for one in ids:
            for action in ("roles", "removal", "ownership"):
                assert who.get(f"{HERE}/{one}/{action}").status_code == 404
                form = {"roles": ["billing"]}
                assert who.post(f"{HERE}/{one}/{action}", data=form).status_code == 404
    for action in ("sendings", "revocation"):
        assert stranger.post(f"{HERE}/invitations/{invited}/{action}").status_code == 404
    assert "Bo Lind" not in stranger.get(HERE).text


@pytest.mark.parametrize("role", ["commercial", "billing", "technical"])
def test_managing_people_needs_the_right(teammate, member, role):
    """P1: 403 without it, and no link in the menu."""
    browser = member[0] if role == "billing" else teammate(role)
    assert browser.get(HERE).status_code == 403
    assert invite(browser).status_code == 403
    assert browser.post(f"{HERE}/second-factor", data={"on": "1"}).status_code == 403
    assert HERE not in browser.get("/settings/profile").text


def test_managing_people_requires_reauthentication(client, world, member):
    """Invitations, roles, removal and transfer; the input is kept."""
    _, user_id = member
    world.clock.wait(minutes=15)
    answer = invite(client)
    assert answer.status_code == 401
    assert re.findall(r'name="roles" value="([^"]*)"', answer.text) == ["billing", "technical"]
    for action in ("roles", "removal", "ownership"):
        assert client.post(f"{HERE}/{user_id}/{action}").status_code == 401
    assert client.post(f"{HERE}/second-factor", data={"on": "1"}).status_code == 401


def test_a_second_factor_can_be_required_of_everyone(client, member, world):
    """P2: people without one set it up first, including the person who required it."""
    browser, _ = member
    assert "Optional" in words(client.get(HERE))
    assert "2 of 2 people will have to set it up" in words(client.get(HERE))
    assert client.post(f"{HERE}/second-factor", data={"on": "1"}).status_code == 303
    for who in (client, browser):
        assert who.get(MAIN).location == "/settings/second-factor/new"
    assert last(world) == ("second_factor_required", {"on": True})


def test_names_are_escaped(client, world, member):
    evil = '"><script>alert(1)</script>'
    _, user_id = member
    world.session.get(User, user_id).name = evil
    world.session.commit()
    invite(client, "bo@example.com")
    for path in (HERE, f"{HERE}/{user_id}/roles", f"{HERE}/{user_id}/removal"):
        page = client.get(path).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;" in page
