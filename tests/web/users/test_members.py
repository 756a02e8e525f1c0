"""Users: invitations, roles, removal, and handing the account over (P1, P2, P3)."""

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
def mate(world, teammate):
    """Somebody with the role Billing: their browser and their id."""
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
    """The path of the link in the last invitation to this address."""
    world.session.rollback()
    mail = world.session.query(Notice).filter_by(recipient=email, kind="invitation").all()[-1]
    text = world.services.mailer.render(mail.kind, mail.facts, mail.language).text
    return re.search(r"https?://[^/\s]+(/\S+)", text)[1]


def last(world):
    return world.audits[-1]


# Inviting


def test_the_list_names_everybody_and_their_roles(client, mate):
    page = words(client.get(HERE))
    for told in ("Ana Ruiz You", "Owner", "Bo Lind", "billing@example.com", "Billing"):
        assert told in page


def test_somebody_new_is_invited_and_comes(client, visitor, world):
    """P1, P2: the mail's link asks for a name and a password; their address is confirmed by it."""
    answer = invite(client)
    assert (answer.status_code, answer.location) == (303, HERE)
    page = words(client.get(HERE))
    assert "bo@example.com Billing, Technical · Invited, until Sun 29 Nov, 10:00" in page
    assert last(world) == (
        "invited",
        {"email": "bo@example.com", "roles": ["billing", "technical"]},
    )
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


def test_somebody_who_is_here_signs_in_and_joins(client, visitor, world):
    """P3: they then belong to both accounts, and are in the one that they joined."""
    other = world.account(name="Other Ltd", email="cy@example.com")
    invite(client, "Cy@Example.com", ["commercial"])
    link = link_to(world, "cy@example.com")
    answer = visitor.post(link)
    assert (answer.status_code, answer.location) == (303, f"/sign-in?next={link}")
    visitor.post("/sign-in", data={"email": "cy@example.com", "password": PASSWORD})
    assert "Join" in words(visitor.get(link))
    assert visitor.post(link).location == "/"
    page = visitor.get("/", follow_redirects=True).text.partition("<main")[0]
    assert re.search(r'aria-current="true">.*Harbour Voice', page)
    assert "Other Ltd" in page
    assert roles_of(world, other.user_id) == {Role.COMMERCIAL}


def test_nobody_joins_in_anothers_name(client, stranger, world):
    """P1: the link is for one address, whoever else is signed in."""
    world.account(name="Third Ltd", email="cy@example.com")
    invite(client, "cy@example.com")
    link = link_to(world, "cy@example.com")
    assert "You are signed in as" in words(stranger.get(link))
    answer = stranger.post(link)
    assert answer.status_code == 422
    assert "for cy@example.com" in words(answer)
    assert "Harbour Voice" not in stranger.get(MAIN).text


def test_an_invitation_lasts_seven_days_and_can_be_sent_again(client, visitor, world):
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
    assert last(world) == ("invited_again", {"email": "bo@example.com"})
    assert visitor.get(first).status_code == 422, "the link before stays dead"
    assert visitor.post(link_to(world), data=NEW).status_code == 303


def test_an_invitation_is_read_by_nobody_who_may_not_invite(client, mate, world):
    """P1: its link would make an admin of whoever opens it in the sandbox's outbox."""
    billing, _ = mate
    invite(client, roles=("admin",))
    mail = world.session.query(Notice).filter_by(kind="invitation").one().id
    assert client.get(f"/sandbox/outbox/{mail}/body").status_code == 200
    assert billing.get(f"/sandbox/outbox/{mail}/body").status_code == 404
    for page in ("/sandbox/outbox", "/sandbox"):
        assert f"/sandbox/outbox/{mail}" in client.get(page).text
        assert f"/sandbox/outbox/{mail}" not in billing.get(page).text


def test_an_invitation_can_be_withdrawn(client, visitor, world):
    invite(client)
    (one,) = world.session.query(Invitation)
    path = f"{HERE}/invitations/{one.id}"
    assert client.post(f"{path}/revocation").status_code == 303
    assert last(world) == ("invitation_revoked", {"email": "bo@example.com"})
    assert visitor.post(link_to(world), data=NEW).status_code == 422
    for deed in ("revocation", "sendings"):
        assert client.post(f"{path}/{deed}").status_code == 404
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
def test_each_mistake_stands_beside_its_field(
    client, world, mate, database_rows, email, roles, field
):
    """And what was typed stays."""
    world.invite("waiting@example.com")
    before = database_rows()
    answer = invite(client, email, roles)
    assert answer.status_code == 422
    assert list(errors(answer)) == [field]
    assert f'value="{email}"' in answer.text
    assert database_rows() == before


def test_a_link_that_is_not_ours_is_not_found(visitor, client, world):
    invite(client)
    token = link_to(world).rpartition("/")[2]
    for forged in (token[:-1], "x", token.partition(".")[0] + ".x"):
        assert visitor.get(f"/invitations/{forged}").status_code == 404
        assert visitor.post(f"/invitations/{forged}", data=NEW).status_code == 404


# Roles and removal


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_changing_roles(client, world, mate, headers):
    """P1, P2: the person may do other things at once."""
    browser, user_id = mate
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


def test_roles_that_are_none_are_refused(client, world, mate):
    _, user_id = mate
    for roles in ([], ["owner"], ["billing", "owner"], ["x"]):
        answer = client.post(f"{HERE}/{user_id}/roles", data={"roles": roles})
        assert answer.status_code == 422
        assert "Choose at least one role" in words(answer)
    assert roles_of(world, user_id) == {Role.BILLING}


def test_removing_a_person(client, world, mate):
    """P1, P2: they are out at once, also where they are signed in."""
    browser, user_id = mate
    assert "Remove Bo Lind?" in words(client.get(f"{HERE}/{user_id}/removal"))
    assert client.post(f"{HERE}/{user_id}/removal").status_code == 303
    assert browser.get(MAIN).status_code == 303
    assert last(world)[0] == "person_removed"
    assert client.post(f"{HERE}/{user_id}/removal").status_code == 404


def test_the_owner_stays(client, teammate, world, database_rows):
    """P1: not by an admin, and not by themselves."""
    admin, owner = teammate("admin"), world.created.user_id
    before = database_rows()
    for who in (client, admin):
        for deed, form in (("removal", {}), ("roles", {"roles": ["billing"]})):
            answer = who.post(f"{HERE}/{owner}/{deed}", data=form)
            assert answer.status_code == 422
            assert "The owner cannot be changed or removed" in words(answer)
    assert admin.post(f"{HERE}/{owner}/ownership").status_code == 403
    assert client.post(f"{HERE}/{owner}/ownership").status_code == 422
    assert database_rows() == before


def test_handing_the_account_over(client, world, mate):
    """P1, P2: both are told; the owner from before is an admin and can be removed."""
    browser, user_id = mate
    owner = world.created.user_id
    assert "Make Bo Lind the owner?" in words(client.get(f"{HERE}/{user_id}/ownership"))
    assert client.post(f"{HERE}/{user_id}/ownership").status_code == 303
    assert roles_of(world, user_id) == {Role.OWNER}
    assert roles_of(world, owner) == {Role.ADMIN}
    told = {m.recipient for m in world.session.query(Notice).filter_by(kind="ownership")}
    assert told == {"billing@example.com", world.session.get(User, owner).email}
    assert last(world) == ("ownership", {"before": "Ana Ruiz", "after": "Bo Lind"})
    assert client.post(f"{HERE}/{user_id}/ownership").status_code == 403, "no longer theirs to give"
    assert browser.post(f"{HERE}/{owner}/removal").status_code == 303
    assert client.get(MAIN).status_code == 303


def test_people_of_other_accounts_are_not_found(client, stranger, world, mate):
    """P1: nor are their invitations."""
    _, user_id = mate
    invited = world.invite("bo@example.com").id
    other = world.account(name="Third Ltd")
    for who, ids in ((stranger, (user_id, world.created.user_id)), (client, (other.user_id, 999))):
        for one in ids:
            for deed in ("roles", "removal", "ownership"):
                assert who.get(f"{HERE}/{one}/{deed}").status_code == 404
                form = {"roles": ["billing"]}
                assert who.post(f"{HERE}/{one}/{deed}", data=form).status_code == 404
    for deed in ("sendings", "revocation"):
        assert stranger.post(f"{HERE}/invitations/{invited}/{deed}").status_code == 404
    assert "Bo Lind" not in stranger.get(HERE).text


@pytest.mark.parametrize("role", ["commercial", "billing", "technical"])
def test_who_may_not(teammate, mate, role):
    """P1: a missing right is 403, and the menu shows nothing of it."""
    browser = mate[0] if role == "billing" else teammate(role)
    assert browser.get(HERE).status_code == 403
    assert invite(browser).status_code == 403
    assert browser.post(f"{HERE}/second-factor", data={"on": "1"}).status_code == 403
    assert HERE not in browser.get("/settings/profile").text


def test_what_is_about_people_asks_for_a_proof(client, world, mate):
    """Roles, removal, invitations and the owner: and nothing typed is lost."""
    _, user_id = mate
    world.clock.wait(minutes=15)
    answer = invite(client)
    assert answer.status_code == 401
    assert re.findall(r'name="roles" value="([^"]*)"', answer.text) == ["billing", "technical"]
    for deed in ("roles", "removal", "ownership"):
        assert client.post(f"{HERE}/{user_id}/{deed}").status_code == 401
    assert client.post(f"{HERE}/second-factor", data={"on": "1"}).status_code == 401


def test_everybody_can_be_asked_for_a_second_factor(client, mate, world):
    """P2: who has none sets it up first; the one who asks too."""
    browser, _ = mate
    assert "Optional" in words(client.get(HERE))
    assert "2 of 2 people will have to set it up" in words(client.get(HERE))
    assert client.post(f"{HERE}/second-factor", data={"on": "1"}).status_code == 303
    for who in (client, browser):
        assert who.get(MAIN).location == "/settings/second-factor/new"
    assert last(world) == ("second_factor_required", {"on": True})


def test_what_people_call_themselves_is_never_code(client, world, mate):
    evil = '"><script>alert(1)</script>'
    _, user_id = mate
    world.session.get(User, user_id).name = evil
    world.session.commit()
    invite(client, "bo@example.com")
    for path in (HERE, f"{HERE}/{user_id}/roles", f"{HERE}/{user_id}/removal"):
        page = client.get(path).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;" in page
