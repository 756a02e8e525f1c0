"""The people of a company: they sign up, are invited, join late, and leave (P1, P2, P3)."""

import re

import pytest

from webapp.domain.accounts.account import Account
from webapp.domain.events.rows import EventRow
from webapp.domain.notifications.outbox import Notice
from webapp.domain.users.user import Membership, Role, User

pytestmark = pytest.mark.story

USERS = "/settings/users"
PASSWORD = "a-long-password"


def link(world, email, kind):
    world.session.rollback()
    mails = world.session.query(Notice).filter_by(recipient=email, kind=kind).order_by(Notice.id)
    mail = mails.all()[-1]
    text = world.services.mailer.render(mail.kind, mail.facts, mail.language).text
    return re.search(r"https?://[^/\s]+(/\S+)", text)[1]


def test_an_account_changes_hands(app, world):
    """P1, P2, P3."""
    ana, bo = app.test_client(), app.test_client()

    # Sun 22 Nov, 10:00. Quay Telecom signs up; its owner opens the link the next day.
    form = {"company": "Quay Telecom", "name": "Ana Vik", "email": "ana@quay.example"}
    assert ana.post("/sign-up", data={**form, "password": PASSWORD}).status_code == 303
    invited = {"email": "bo@quay.example", "roles": ["commercial", "technical"]}
    assert ana.post(f"{USERS}/invitations", data=invited).status_code == 422, "not confirmed yet"
    world.clock.advance(hours=23, minutes=45)
    assert ana.post(link(world, "ana@quay.example", "confirm_email")).status_code == 303

    # Mon 23 Nov, 10:00. She invites Bo; her sign-in is 15 minutes old, so she re-authenticates.
    world.clock.wait(minutes=15)
    assert ana.post(f"{USERS}/invitations", data=invited).status_code == 401
    answer = ana.post(f"{USERS}/invitations", data={**invited, "proof": PASSWORD})
    assert answer.status_code == 303
    first = link(world, "bo@quay.example", "invitation")

    # Mon 30 Nov, 10:00. Bo opens the invitation after exactly a week, too late. Ana resends it.
    world.clock.advance(days=7)
    joining = {"name": "Bo Lind", "password": PASSWORD}
    assert bo.post(first, data=joining).status_code == 422
    account = world.session.query(Account).filter_by(name="Quay Telecom").one()
    invitation = re.search(r"/invitations/(\d+)/sendings", ana.get(USERS).text)[1]
    assert ana.post(f"{USERS}/invitations/{invitation}/sendings").status_code == 303
    assert bo.post(link(world, "bo@quay.example", "invitation"), data=joining).status_code == 303
    assert bo.get("/billing/payment-methods").status_code == 200
    assert bo.get("/settings/api-keys").status_code == 200
    assert bo.get(USERS).status_code == 403

    # Ana hands the account over and is then removed by the new owner.
    world.session.rollback()
    people = {user.email: user.id for user in world.session.query(User)}
    hand_over = f"{USERS}/{people['bo@quay.example']}/ownership"
    assert ana.post(hand_over, data={"proof": PASSWORD}).status_code == 303
    assert bo.post(f"{USERS}/{people['ana@quay.example']}/removal").status_code == 303
    assert ana.get("/billing/payment-methods").status_code == 303

    world.session.rollback()
    left = world.session.query(Membership).filter_by(account_id=account.id).all()
    assert [(m.user_id, m.role) for m in left] == [(people["bo@quay.example"], Role.OWNER)]
    rows = world.session.query(EventRow).filter_by(account_id=account.id).order_by(EventRow.id)
    assert [row.audit for row in rows if row.audit] == [
        "account_created", "email_confirmed", "invited", "invited_again", "joined", "ownership",
        "person_removed",
    ]  # fmt: skip
