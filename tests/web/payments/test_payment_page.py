"""A payment's page, with links to everything related and back (E2)."""

import re
from datetime import timedelta
from html import unescape

import pytest

from tests.factories import MASTERCARD, VISA, micros
from tests.web.conftest import words
from webapp.actions.payments.adjust_balance import adjust_balance
from webapp.domain.shared import datetimes
from webapp.reads.payments.payment_page import read_payment


def page(world, payment_id):
    world.session.rollback()
    now, mailer = world.clock.now(), world.services.mailer
    return read_payment(world.ctx.at(now), world.account_id, payment_id, mailer)


def plain(screen):
    return "".join(run.text for run in screen.sentence)


def chain_steps(screen):
    return [(step.label, step.detail, step.state, step.arrow) for step in screen.chain]


def test_an_automatic_payment_shows_everything_related(account_with_history):
    """E2: attempts in order, ledger entry, emails, decisions, and who applied the settings."""
    payment_id = account_with_history.attempts[0].payment_id
    screen = page(account_with_history, payment_id)
    assert (
        plain(screen)
        == "$100.00 paid with Mastercard •••• 4444, after Visa •••• 4242 was declined."
    )
    assert chain_steps(screen) == [
        ("Balance", "Below $50.00", "will", "solid"),
        ("Visa •••• 4242", "Insufficient funds", "skipped", "solid"),
        ("Mastercard •••• 4444", "Paid", "will", "solid"),
        ("Balance", "+$100.00", "will", ""),
    ]
    assert [(a.method, a.state, a.can_retry) for a in screen.attempts] == [
        ("Visa •••• 4242", "Declined", False),
        ("Mastercard •••• 4444", "Paid", False),
    ]
    assert [(e.amount, e.balance) for e in screen.entries] == [("+100.00", "$140.00")]
    assert sorted(mail.subject.split()[0] for mail in screen.mails) == ["Receipt:", "Visa"]
    assert [line.title for line in screen.decisions] == [
        "Charging", "Declined", "Charging", "Charged",
    ]  # fmt: skip
    assert screen.cause.words == "When the balance falls below $50.00, charge $100.00"
    assert screen.cause.applied == "Applied by Ana Ruiz, today, 10:00"


def test_the_cause_is_the_settings_at_that_time(world):
    """E2: later settings do not change it; limits and mode are included."""
    world.cards(VISA)
    world.refill("50.00", "100.00")
    world.apply(day_limit="300.00", refill_mode="target", target="200.00", largest_charge="400.00")
    world.clock.advance(days=2)
    world.use("60.00")
    world.work()
    world.apply(threshold="20.00", refill_mode="add", day_limit=None)
    cause = page(world, world.attempts[0].payment_id).cause
    below = "When the balance falls below $50.00"
    assert cause.words == f"{below}, refill to $200.00, charging at most $400.00 at once"
    assert cause.limits == "At most $300.00 a day"
    assert cause.applied == "Applied by Ana Ruiz, Sun 22 Nov, 10:00"


def test_a_failed_payment_and_its_retry_link_to_each_other(world):
    """E2, F4: in both directions."""
    visa = world.card(VISA)
    world.next_answer("decline", decline_code="insufficient_funds")
    failed = world.pay(visa, "250.00").id
    screen = page(world, failed)
    assert plain(screen) == (
        "$250.00 to Visa •••• 4242 was declined: Insufficient funds. Nothing was charged."
    )
    assert chain_steps(screen) == [
        ("Ana Ruiz", "Requested $250.00", "will", "solid"),
        ("Visa •••• 4242", "Insufficient funds", "skipped", "broken"),
        ("Balance", "Nothing added", "skipped", ""),
    ]
    assert screen.attempts[0].can_retry
    assert (screen.entries, screen.cause) == ((), None)
    again = world.retry(world.attempts[0]).id
    (after,) = page(world, failed).relatives
    assert (after.payment_id, after.words, after.state) == (again, "Retried by", "Paid")
    assert not page(world, failed).attempts[0].can_retry
    (before,) = page(world, again).relatives
    assert (before.payment_id, before.words, before.state) == (failed, "Retry of", "Declined")


def test_an_open_payment_shows_its_possible_outcome(world):
    visa = world.card(VISA)
    world.next_answer("timeout_after_charge")
    payment_id = world.pay(visa, "30.00").id
    screen = page(world, payment_id)
    assert chain_steps(screen)[1:] == [
        ("Visa •••• 4242", "Waiting for the bank", "active", "dashed"),
        ("Balance", "$30.00 to add", "idle", ""),
    ]
    assert "The bank has not answered yet" in screen.attempts[0].answer
    assert screen.attempts[0].taken == ""
    world.pass_time(minutes=10)
    assert page(world, payment_id).attempts[0].taken == "10 min"


def test_a_failed_chain_names_all_methods(world):
    world.cards(VISA, MASTERCARD)
    for _ in range(2):
        world.next_answer("decline", decline_code="do_not_honor")
    payment = world.pay_by_chain("60.00")
    assert plain(page(world, payment.id)) == (
        "$60.00 was not charged: Visa •••• 4242 and Mastercard •••• 4444 were declined."
    )


def test_an_adjustment_shows_its_reason(world):
    now = world.clock.now()
    payment = adjust_balance(world.ctx.at(now), world.account_id, micros("-5.00"), "Paid twice")
    screen = page(world, payment.id)
    assert plain(screen) == "$5.00 deducted from the balance: Paid twice."
    assert [entry.amount for entry in screen.entries] == ["−5.00"]
    assert (screen.chain, screen.attempts, screen.mails) == ((), (), ())


def test_a_refund_and_its_payment_link_to_each_other_l7(world):
    """L7, E2: in both directions; a refund has no receipt."""
    paid = world.pay(world.card(VISA), "100.00").id
    key = world.attempts[-1].key
    world.books.reversals.refund(key, micros("40.00"), world.clock.now())
    world.deliver()
    (refund,) = page(world, paid).relatives
    assert (refund.words, refund.state) == ("Reversed by", "Refund")
    screen = page(world, refund.payment_id)
    assert (screen.state, screen.tone, screen.receipt) == ("Refunded", "warn", "")
    (back,) = screen.relatives
    assert (back.payment_id, back.words) == (paid, "Reverses")
    assert page(world, paid).receipt == f"R-{world.account_id}-000001"


def test_lists_link_to_the_page_and_back(client, account_with_history):
    """E2: the list, the statement and the timeline link to the page, and it links to each of
    them.
    """
    payment_id = account_with_history.attempts[0].payment_id
    path = f"/billing/payments/{payment_id}"
    answer = client.get(path)
    assert "P-000002" in words(answer)
    for there in ("payments", "statement", "activity"):
        assert f'href="{path}"' in client.get(f"/billing/{there}").text, there
    links = re.findall(r'href="(/billing/(?:statement|activity)\?[^"#]+)#([\w-]+)"', answer.text)
    assert len(links) == 5
    for address, anchor in links:
        assert f'id="{anchor}"' in client.get(unescape(address)).text


def test_settings_link_to_the_payments_they_caused_e2(client, account_with_history):
    """E2: from the audit log's line, and from a payment to its siblings."""
    address = "/billing/payments?settings=1"
    assert f'href="{address}"' in client.get("/settings/audit-log").text
    payment_id = account_with_history.attempts[0].payment_id
    assert f'href="{address}"' in client.get(f"/billing/payments/{payment_id}").text
    listed = client.get(address).text
    assert listed.count(f'href="/billing/payments/{payment_id}"') == 2, "both attempts"
    assert 'name="settings" value="1"' in listed
    assert "No payments match" in words(client.get("/billing/payments?settings=2"))


def test_another_accounts_payment_is_not_found(client, account_with_history, stranger, teammate):
    """P1: 404 for another account, 403 without the right."""
    path = f"/billing/payments/{account_with_history.attempts[0].payment_id}"
    assert stranger.get(path).status_code == 404
    assert teammate("technical").get(path).status_code == 403
    assert teammate("billing").get(path).status_code == 200
    assert client.get("/billing/payments/999999").status_code == 404


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (timedelta(milliseconds=300), "under 1 s"),
        (timedelta(seconds=119), "119 s"),
        (timedelta(minutes=2), "2 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=48), "2 days"),
        (timedelta(seconds=-5), "under 1 s"),
    ],
)
def test_the_duration_of_an_answer_in_words(span, expected):
    assert datetimes.taken(span) == expected
