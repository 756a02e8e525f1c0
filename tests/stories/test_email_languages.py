"""Emails in the language of their account: every sentence in them is translated.

Each kind of email is sent here with a fake translation in which every letter is an x, so that
untranslated text is visible. `tests/domain/shared/test_i18n.py` covers the real languages.
"""

import re
from dataclasses import replace
from datetime import timedelta
from gettext import NullTranslations

import pytest

from tests import wires
from tests.conftest import on_sqlite
from tests.delivery.test_mailer import Page
from tests.factories import CHALLENGED_ALWAYS, MASTERCARD, PASSWORD, VISA, context
from webapp.actions.accounts.change_state import change_state
from webapp.actions.users.change_email import ask_for_email, confirm_email
from webapp.actions.users.invitations import accept_as_new
from webapp.actions.users.members import hand_over
from webapp.actions.users.passwords import change_password, forget_password
from webapp.actions.webhooks import endpoints as webhook_endpoints
from webapp.domain.accounts.account import Account, AccountState
from webapp.domain.accounts.state_change import ClosingBalance, StateChange
from webapp.domain.notifications.outbox import Notice, NoticeKind
from webapp.domain.shared import i18n
from webapp.domain.shared.i18n import N_, Language, Translator
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.users.user import Role, User
from webapp.domain.webhooks.endpoint import PATIENCE
from webapp.ports import Reply, ReversalState

pytestmark = pytest.mark.story

PLACE = re.compile(r"%\(\w+\)s")

DATA = re.compile(
    r"Ballast(?: Demo Ltd)?|Dublin|Harbour Voice|Ana Ruiz|Bo Lind|Visa|Mastercard|Storno"
    r"|transfer\.pdf|\S+@\S+|https?://\S+|hooks\.example\.com|\b(?:P|R|WT)-[\w-]+|\b(?:UTC|USD|EUR)\b"
    r"|IBAN|BIC|IE00[ \w]+|SNBX\w+|Sandbox Bank|(?:So|Mo|Di|Mi|Do|Fr|Sa)\.|November|Dezember"
)
"""Names, references and addresses, which are not translated; dates are German."""


class EveryLetterAnX(NullTranslations):
    def gettext(self, message):
        return "".join(
            part if PLACE.fullmatch(part) else re.sub(r"[^\W\d_]", "x", part)
            for part in re.split(rf"({PLACE.pattern})", message)
        )

    def ngettext(self, one, many, count):
        return self.gettext(one if count == 1 else many)


def money(world):
    """A decline with a fallback, a dispute and its return, and wires."""
    world.cards(VISA, MASTERCARD)
    world.refill(notification_on=True, notification_threshold="75.00")
    world.next_answer("decline", decline_code="insufficient_funds")
    world.use("60.00")
    world.work()
    key = world.attempts[-1].key
    dispute = world.books.reversals.dispute(key, world.clock.now())
    world.deliver()
    world.books.reversals.close(dispute, ReversalState.RETURNED, world.clock.now())
    world.deliver()
    wires.reject(world, wires.prove(world, wires.ask(world)), "Storno")
    wires.cancel(world, wires.ask(world))
    wires.complete(world, wires.ask(world, "900.00", "EUR"), "975.78", "900.00", "1.0842")


def failures(world):
    """All methods fail, a method needs authentication, and an outcome stays unknown."""
    world.card(CHALLENGED_ALWAYS)
    world.refill()
    world.use("60.00")
    world.work()
    declined = world.card(MASTERCARD, auto_charge=True)
    world.next_answer("decline", decline_code="lost_card")
    world.use("1.00")
    world.work()
    assert declined.is_blocked
    world.next_answer("timeout_before_charge")
    world.card(VISA, auto_charge=True, expiry="12/26")
    world.use("1.00")
    world.work()
    for _ in range(2):
        world.next_answer("timeout_before_charge")
        world.pass_time(minutes=61)
    world.pass_time(days=9)  # the Visa is about to expire


def stops(world):
    """A default limit, a reached limit, a burst, and a webhook whose host does not exist."""

    class Away:
        def deliver(self, url, headers, body):
            return Reply(None, N_("The host %(detail)s was not found."), 1, "hooks.example.com")

    world.services = replace(world.services, webhook_sender=Away())
    made = world.webhook()
    world.cards(VISA)
    world.refill()
    LowBalanceSettings.of(world.session, world.account_id).day_limit = None
    world.session.commit()
    world.run("set missing limits")
    world.refill(day_limit="100.00")
    for amount in ("60.00", "100.00"):
        world.use(amount)
        world.work()
    world.apply(day_limit=None, no_day_limit=True)
    for amount in ("0.01", "100.00", "100.00"):
        world.use(amount)
        world.work()
    world.use("100.00")
    world.pay(world.method("4242"), "500.00")
    world.use("500.00")  # still paused when the balance falls again
    world.run("deliver webhooks")
    world.clock.advance(seconds=PATIENCE.total_seconds())
    webhook_endpoints.send_test(world.ctx, world.account_id, made.endpoint_id)
    world.run("deliver webhooks")
    for change in (
        StateChange(AccountState.SUSPENDED, "2026-17"),
        StateChange(AccountState.ACTIVE, "2026-17"),
        StateChange(AccountState.CLOSED, "2026-17", ClosingBalance.WRITE_OFF),
    ):
        change_state(world.ctx, world.account_id, change)
        world.work()


def people(world):
    """Emails to a person are in the language of their first account, or of the inviter's."""
    session, owner, now = world.session, world.owner, world.clock.now()
    email = session.get_one(Account, world.account_id).billing_emails[0]
    forget_password(context(session, now=now), email, "")
    change_password(context(session, actor=owner, now=now), owner.user_id, PASSWORD, f"{PASSWORD}s")
    ask_for_email(context(session, actor=owner, now=now), owner.user_id, "ana@example.org")
    until = int((now + timedelta(hours=1)).timestamp())
    version = session.get_one(User, owner.user_id).session_version
    confirm_email(context(session, now=now), owner.user_id, "ana@example.org", until, version, "")
    roles = [role for role in Role if role is not Role.OWNER]
    invitation = world.invite("bo@example.com", *roles)
    bo = accept_as_new(context(session, now=now), invitation.id, 1, "Bo Lind", PASSWORD, "")
    hand_over(context(session, actor=owner, now=now), world.account_id, bo)


STORIES = {
    money: {
        "low_balance", "method_suspended", "receipt", "taken_back", "wire_requested",
        "wire_proof", "wire_rejected", "wire_cancelled", "wire_completed",
    },
    failures: {"authentication_required", "all_failed", "still_unknown", "card_expiring"},
    stops: {"limits_set", "limit_reached", "paused", "webhook_ended", "refill_blocked",
            "account_state"},
    people: {
        "reset_password", "password_changed", "confirm_email", "email_changed", "invitation",
        "ownership", "security_changed",
    },
}  # fmt: skip


def test_the_stories_send_every_kind_of_email():
    assert set().union(*STORIES.values()) == set(NoticeKind)


@on_sqlite
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_emails_contain_no_untranslated_text(world, story, monkeypatch):
    """F2, F11, L5, M9, N3, T10, T13: subject, both bodies, and the sentences among the facts."""
    spoken = Translator(Language.GERMAN, EveryLetterAnX())
    monkeypatch.setattr(i18n, "translator", {Language.GERMAN: spoken}.__getitem__)
    world.session.get_one(Account, world.account_id).language = Language.GERMAN
    world.session.commit()
    story(world)
    world.session.rollback()
    sent_kinds = set()
    for notice in world.session.query(Notice):
        letter = world.services.mailer.render(notice.kind, notice.facts, notice.language)
        content = f"{letter.subject}\n{letter.text}\n{Page(letter.html).text}"
        left = re.findall(r"\b(?!x+\b)[^\W\d_]{2,}", DATA.sub("", content))
        assert not left, (notice.kind, content)
        sent_kinds.add(notice.kind)
    assert sent_kinds >= STORIES[story]
