"""Notifications: who gets which emails, further low-balance alerts, and unsubscribe links."""

import re
from html import unescape

import pytest

from tests.factories import VISA
from tests.web.conftest import words
from webapp.domain.accounts.account import Account
from webapp.domain.notifications.outbox import NOTICE_NAMES, TOPICS, NoticeKind
from webapp.domain.notifications.settings import NotificationSettings
from webapp.domain.notifications.topics import MOST_ADDRESSES, Topic
from webapp.domain.shared import signed_links
from webapp.domain.top_ups.settings import LowBalanceSettings

PATH = "/settings/notifications"
ALL = [str(topic) for topic in Topic]


@pytest.fixture
def form(client, world):
    """Returns the form as the page shows it, with two addresses and these changes."""

    def filled(**changes):
        seal = re.search(r'name="seen" value="(\w+)"', client.get(PATH).text)
        return {
            "seen": seal and seal[1],
            "address-0": "ana@example.com",
            "topics-0": ALL,
            "address-1": "books@example.com",
            "topics-1": ["receipts"],
            "time_zone": "Europe/Dublin",
            "locale": "en_IE",
            "language": "de",
        } | changes

    return filled


@pytest.fixture
def account(world):
    def read():
        world.session.rollback()
        return world.session.get_one(Account, world.account_id, populate_existing=True)

    return read


def test_applied_settings_are_saved(client, form, account, world):
    """N3, P4, P2: several addresses with their topics; time zone, format and language are
    separate.
    """
    world.apply(notification_on=True, notification_threshold="75.00")
    answer = client.post(PATH, data=form(**{"step-0": "50", "step-1": "10.00"}))
    assert answer.status_code == 303
    assert "Changes applied" in words(client.get(PATH))
    it = account()
    assert it.billing_emails == ["ana@example.com", "books@example.com"]
    assert it.addresses_for(Topic.RECEIPTS) == ["ana@example.com", "books@example.com"]
    assert it.addresses_for(Topic.LOW_BALANCE) == ["ana@example.com"]
    assert (it.time_zone, it.locale, it.language) == ("Europe/Dublin", "en_IE", "de")
    (changed,) = (details["changed"] for what, details in world.audits if what == "notifications")
    assert changed["language"] == ["en", "de"]
    steps = LowBalanceSettings.of(world.session, it.id).notification_steps
    assert steps == [50_000_000, 10_000_000]


def test_each_topic_goes_to_its_addresses(client, form, world):
    """N3, L6: the receipt goes to both, the low balance email to one."""
    world.cards(VISA)
    world.refill(notification_on=True, notification_threshold="75.00")
    client.post(PATH, data=form())
    world.use("60.00")
    world.work()
    details = {(str(n.kind), n.recipient) for n in world.notices}
    assert details == {
        ("low_balance", "ana@example.com"),
        ("receipt", "ana@example.com"),
        ("receipt", "books@example.com"),
    }


@pytest.mark.parametrize(
    ("changes", "field", "error"),
    [
        ({"address-0": "nobody"}, "address-0", "Enter an email address such as ana@example.com"),
        ({"address-1": "ANA@example.com "}, "address-1", "This address is already in the list"),
        ({"step-0": "75"}, "step-0", "Must be below the first alert, $75.00"),
        ({"step-0": "50", "step-1": "50"}, "step-1", "This alert is already in the list"),
        ({"step-1": "ten"}, "step-1", "Enter an amount such as 50.00"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "Choose a time zone from the list"),
        ({"locale": "tlh"}, "locale", "Choose a format from the list"),
        ({"language": "tlh"}, "language", "Choose a language from the list"),
    ],
)
def test_an_invalid_field_saves_nothing_and_keeps_the_input(
    client, form, database_rows, world, changes, field, error
):
    world.apply(notification_on=True, notification_threshold="75.00")
    sent, before = form(**changes), database_rows()
    answer = client.post(PATH, data=sent)
    assert answer.status_code == 422
    assert re.sub(r"-\d", "-n", field) in re.sub(r"-\d", "-n", answer.text)
    assert unescape(re.search(rf'id="{field}-error">([^<]*)<', answer.text)[1]) == error
    assert 'value="books@example.com"' in answer.text or "address-1" in changes
    assert database_rows() == before


def test_emails_about_money_need_an_address(client, form, database_rows):
    """L6, F11: receipts, failures and wire transfers cannot be switched off for every address."""
    sent, before = form(**{"topics-0": ["receipts"], "topics-1": []}), database_rows()
    answer = client.post(PATH, data=sent)
    assert answer.status_code == 422
    assert "At least one address must receive emails about failed payments" in words(answer)
    assert database_rows() == before
    assert client.post(PATH, data=form(**{"address-0": "", "address-1": ""})).status_code == 422


def test_too_many_addresses_are_refused(client, form):
    many = {f"address-{n}": f"p{n}@example.com" for n in range(MOST_ADDRESSES + 1)}
    answer = client.post(PATH, data=form(**many))
    assert f"At most {MOST_ADDRESSES} addresses" in words(answer)


def test_a_stale_form_keeps_the_input(client, form, account):
    """P5: the current values are beside it, and it can be applied after all."""
    theirs = {"address-0": "bo@example.com", "step-0": "33.00", "language": "de"}
    mine, theirs = form(**{"step-0": "44.00", "language": "fr"}), form(**theirs)
    client.post(PATH, data=theirs)
    answer = client.post(PATH, data=mine)
    assert answer.status_code == 409
    assert "You changed these settings in another tab at" in words(answer)
    assert 'value="bo@example.com"' not in answer.text
    assert 'value="44.00"' in answer.text
    for current in ("Now bo@example.com (Receipts", "Now 33.00", "Now Deutsch"):
        assert current in words(answer)
    assert account().billing_emails[0] == "bo@example.com"
    seal = re.search(r'name="seen" value="(\w+)"', answer.text)[1]
    assert client.post(PATH, data=mine | {"seen": seal}).status_code == 303
    assert account().billing_emails[0] == mine["address-0"]


def test_an_error_in_a_stale_form_does_not_hide_the_conflict(client, form, account):
    """P5: the next submission would otherwise replace the changes of others unnoticed."""
    mine = form(**{"step-0": "x"})
    client.post(PATH, data=form(**{"address-0": "bo@example.com"}))
    refused = client.post(PATH, data=mine)
    assert refused.status_code == 422
    seal = re.search(r'name="seen" value="(\w+)"', refused.text)[1]
    assert client.post(PATH, data=mine | {"step-0": "", "seen": seal}).status_code == 409


CHANGES = {
    "recipients": ("address-1", "bo@example.com", "cy@example.com", "Recipients: ana@example.com"),
    "steps": ("step-0", "20.00", "30.00", "More low-balance alerts: US$20.00"),
    "time_zone": ("time_zone", "Europe/Berlin", "UTC", "Time zone from Europe/Dublin to"),
    "locale": ("locale", "de_DE", "en_US", "Number format from US$1,234.50 to 1.234,50 $"),
    "language": ("language", "fr", "es", "Email language from Deutsch to Français"),
}
"""Of each setting: a control, a value, another value, and the line of the audit log."""


@pytest.mark.parametrize("name", NotificationSettings.__dataclass_fields__)
def test_every_setting_is_saved_logged_and_can_conflict(client, form, world, name):
    """P2, P5"""
    control, theirs, mine, line = CHANGES[name]
    client.post(PATH, data=form())
    stale, chosen = form(**{control: mine}), " selected" if control == name else ""

    assert client.post(PATH, data=form(**{control: theirs})).status_code == 303

    assert f'value="{theirs}"{chosen}' in client.get(PATH).text
    assert [*world.audits[-1][1]["changed"]] == [name]
    assert line in words(client.get("/settings/audit-log"))
    refused = client.post(PATH, data=stale)
    assert (refused.status_code, "Now " in words(refused)) == (409, True)
    assert f'value="{mine}"{chosen}' in refused.text


def test_every_kind_of_email_has_a_topic_a_name_and_a_sample(client):
    assert set(NOTICE_NAMES) == set(NoticeKind)
    for kind in TOPICS:
        page, body = client.get(f"{PATH}/mails/{kind}"), client.get(f"{PATH}/mails/{kind}/body")
        assert NOTICE_NAMES[kind] in words(page)
        assert "Harbour Voice" in words(body)
        assert "stop-link" not in body.text
    assert client.get(f"{PATH}/mails/nonsense").status_code == 404


def test_emails_and_their_previews_are_in_the_chosen_language(client, form, account, world):
    """N3: pages stay English, and the number format is unchanged."""
    client.post(PATH, data=form(language="fr", locale="en_US", time_zone="UTC"))
    assert (account().language, account().locale) == ("fr", "en_US")
    page, body = (client.get(f"{PATH}/mails/low_balance{part}") for part in ("", "/body"))
    assert "An example with sample figures" in words(page)
    assert 'lang="fr">Votre solde est de $63.40, en dessous de $75.00' in page.text
    assert '<html lang="fr">' in body.text
    world.apply(notification_on=True, notification_threshold="75.00")
    world.use("60.00")
    (mail,) = world.mails_of("low_balance")
    assert mail.language == "fr"
    assert mail.facts["what_next"].startswith("Rien n’est débité automatiquement.")


class TestUnsubscribeLink:
    @pytest.fixture
    def mail(self, world):
        """A low balance email to the owner."""
        world.apply(notification_on=True, notification_threshold="75.00")
        world.use("60.00")
        return world.mails_of("low_balance")[0]

    @pytest.fixture
    def link(self, app, mail):
        token = signed_links.sign(app.config["SECRET_KEY"], signed_links.STOP, mail.id)
        return f"/unsubscribe/{token}"

    def test_a_link_asks_first_and_then_unsubscribes(self, app, account, mail, link):
        """RFC 8058: without a session and without a CSRF token."""
        app.config["WTF_CSRF_ENABLED"] = True
        visitor, recipient = app.test_client(), mail.recipient
        assert "Stop these emails?" in words(visitor.get(link))
        assert account().addresses_for(Topic.LOW_BALANCE) == [recipient]
        answer = visitor.post(link, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
        assert account().addresses_for(Topic.LOW_BALANCE) == []
        assert account().addresses_for(Topic.RECEIPTS) == [recipient]
        assert "Stopped" in words(visitor.get(link))
        assert visitor.post(link).status_code == 200

    def test_a_receipt_cannot_be_unsubscribed(self, app, world, client):
        """L6: emails about money need an address."""
        (visa,) = world.cards(VISA)
        world.pay(visa)
        (receipt,) = world.mails_of("receipt")
        assert not receipt.can_be_stopped
        token = signed_links.sign(app.config["SECRET_KEY"], signed_links.STOP, receipt.id)
        assert client.get(f"/unsubscribe/{token}").status_code == 404

    def test_an_altered_link_is_not_found(self, client, link):
        assert client.get(link + "x").status_code == 404
        assert client.post("/unsubscribe/12").status_code == 404
