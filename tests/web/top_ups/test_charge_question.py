"""T18: an action that charges at once asks first, and shows the outcome."""

import html
import re

import pytest

from tests.factories import AMEX, MASTERCARD, PASSWORD, VISA, card_form
from tests.web.conftest import words
from webapp.actions.top_ups.pause_automatic import pause_automatic
from webapp.domain.notifications.topics import Topic
from webapp.domain.top_ups.settings import LowBalanceSettings, PausedBy
from webapp.processors.sandbox.card_form import token_for

MAIN = "/billing/payment-methods"
SETTINGS = "/billing/low-balance-settings"
NOTIFICATIONS = "/settings/notifications"
HTMX = {"HX-Request": "true", "HX-Current-URL": f"http://localhost{MAIN}"}
HUNDRED = "100000000"


@pytest.fixture
def pat(sign_in, operator):
    return sign_in(operator)


@pytest.fixture
def low(world):
    """Refill is on, the balance is 41.85, below 50.00, and no method has auto-charge on."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    for last4 in ("4242", "4444"):
        world.consent(world.method(last4), False)
    world.use("58.15")
    assert world.attempts == []
    return world


def switch(world, last4):
    return f"{MAIN}/{world.method(last4).id}/auto-charge"


def question(answer):
    """Return the address and the fields of the form that asks."""
    assert answer.status_code == 409, words(answer)
    form = answer.text.partition("data-charging")[0].rpartition("<form")[2]
    rest = answer.text.partition("data-charging")[2]
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', rest)
    address = html.unescape(re.search(r'action="([^"]+)"', form)[1])
    return address, {name: html.unescape(value) for name, value in fields}


def confirm(client, answer, **headers):
    address, fields = question(answer)
    return client.post(address, data=fields, headers=headers or HTMX)


def message(answer):
    found = answer.text.partition('id="messages"')[2].partition('<div class="page-head"')[0]
    return " ".join(re.sub(r"<[^>]+>", " ", html.unescape(found).partition(">")[2]).split())


def test_a_row_says_what_its_switch_charges(client, low):
    """T18: in the switch's description, and only if it would charge."""
    page = client.get(MAIN)
    visa = low.method("4242").id
    assert f'aria-describedby="hint-{visa}"' in page.text
    assert words(page).count("Turning this on charges $100.00 now.") == 1, "the primary is off: T5"

    low.consent(low.method("4242"), True)
    low.work()
    assert low.balance == "141.85"
    assert "Turning this on charges" not in words(client.get(MAIN))


def test_a_switch_asks_and_then_charges(client, low):
    """T18: the balance before and after; the outcome in the message and in the row."""
    asked = client.post(switch(low, "4242"), data={"on": "1"}, headers=HTMX)
    assert asked.headers["HX-Retarget"] == "#dialog"
    assert "Turn on and charge $100.00? Visa •••• 4242" in words(asked)
    assert "Balance after this payment $41.85 $141.85" in words(asked)
    assert (low.attempts, low.method("4242").auto_charge) == ([], False)

    done = confirm(client, asked)
    assert low.tries == [("4242", "100.00", "paid")]
    assert message(done).startswith(
        "$100.00 paid with Visa •••• 4242. Your balance is $141.85. View payment"
    )
    row = done.text.partition('class="method-message note ok"')[2].partition("</p>")[0]
    assert row.endswith("<span>$100.00 paid.</span>")


def test_without_javascript_the_question_is_a_page(client, low):
    """T18: the page after the redirect shows the outcome."""
    asked = client.post(switch(low, "4242"), data={"on": "1"})
    assert "<title>Turn on and charge $100.00?" in asked.text
    address, fields = question(asked)
    done = client.post(address, data=fields)
    assert done.status_code == 303
    assert "$100.00 paid with Visa •••• 4242" in words(client.get(done.location))


def test_no_more_than_the_confirmed_amount_is_charged(client, low):
    """T18: if the amount has grown since the question, it is asked again."""
    asked = client.post(switch(low, "4242"), data={"on": "1"}, headers=HTMX)
    low.apply(refill_amount="200.00")
    again = confirm(client, asked)
    assert "Turn on and charge $200.00?" in words(again)
    assert low.attempts == []
    confirm(client, again)
    assert low.tries == [("4242", "200.00", "paid")]


@pytest.mark.parametrize("confirmed", ["", "0", "99999999", "-1", "x", "9" * 30, "１００"])
def test_an_invalid_confirmation_charges_nothing(client, low, confirmed):
    """T18: too little, or no amount."""
    form = {"on": "1", "confirmed": confirmed}
    assert client.post(switch(low, "4242"), data=form).status_code == 409
    assert low.attempts == []


def test_an_action_that_charges_nothing_does_not_ask(client, low):
    """T18: switching off, a method below a primary that is off, or a sufficient balance."""
    assert client.post(switch(low, "4444"), data={"on": "1"}).status_code == 303
    assert client.post(switch(low, "4444"), data={"on": "0"}).status_code == 303
    low.consent(low.method("4242"), True)
    low.work()
    for on in "01":
        assert client.post(switch(low, "4242"), data={"on": on}).status_code == 303
    assert len(low.attempts) == 1


def test_an_api_request_is_not_asked(client, low):
    """T18 is for screens; an API request is its own confirmation."""
    low.consent(low.method("4242"), True)
    low.work()
    assert low.tries == [("4242", "100.00", "paid")]


def test_rows_say_what_a_new_order_charges(client, low):
    """T18: on methods that would be charged in first place, and on the first two move buttons."""
    visa, mastercard = low.method("4242").id, low.method("4444").id
    assert "data-charge-if-first" not in client.get(MAIN).text, "neither has auto-charge on"
    low.consent(low.method("4444"), True)
    page = client.get(MAIN).text
    assert re.findall(r'data-id="(\d+)"\s+data-charge-if-first="([^"]*)"', page) == [
        (str(mastercard), "$100.00")
    ]
    assert f'<span id="up-charges-{mastercard}" hidden>First place charges $100.00 now<' in page
    assert f'<span id="down-charges-{visa}" hidden>This order charges $100.00 now<' in page
    assert page.count(f'aria-describedby="up-charges-{mastercard}"') == 3, "handle, row, menu"

    low.consent(low.method("4242"), True)
    low.work()
    assert "data-charge-if-first" not in client.get(MAIN).text, "the balance is high enough"


def test_a_new_order_that_charges_asks(client, low):
    """T18, T5: another primary, with auto-charge on."""
    low.consent(low.method("4444"), True)
    visa, mastercard = low.method("4242").id, low.method("4444").id
    order = {"order": f"{mastercard},{visa}", "seen": f"{visa},{mastercard}"}
    assert "Make Mastercard •••• 4444 primary and charge $100.00" in words(client.get(MAIN))
    asked = client.post(f"{MAIN}/order", data=order, headers=HTMX)
    assert "Save order and charge $100.00? Mastercard •••• 4444" in words(asked)
    assert [m.last4 for m in low.methods] == ["4242", "4444"]
    assert message(confirm(client, asked)).startswith("$100.00 paid with Mastercard •••• 4444.")
    assert [m.last4 for m in low.methods] == ["4444", "4242"]


def test_a_customers_resume_that_charges_asks(client, low):
    """T18, T10: the button names the amount."""
    settings = LowBalanceSettings.of(low.session, low.account_id)
    settings.pause(PausedBy.BURST, low.clock.now())
    low.session.commit()
    low.consent(low.method("4242"), True)
    assert "so resuming charges $100.00 to Visa •••• 4242 now. Resume and charge $100.00" in words(
        client.get(MAIN)
    )
    asked = client.post("/billing/automatic-payments/resumptions", headers=HTMX)
    assert "Resume and charge $100.00?" in words(asked)
    assert low.attempts == []
    assert message(confirm(client, asked)).startswith("$100.00 paid with Visa •••• 4242.")


def test_an_operators_resume_that_charges_asks(pat, low):
    """T18: the form repeats the operator's reason."""
    pause_automatic(low.ctx, low.account_id, "Fraud?")
    low.consent(low.method("4242"), True)
    path = f"/operator/accounts/{low.account_id}/pause"
    asked = pat.post(path, data={"on": "0", "reason": "Cleared"})
    assert "Resume and charge $100.00?" in words(asked)
    address, fields = question(asked)
    assert fields["reason"] == "Cleared"
    assert pat.post(address, data=fields).status_code == 303
    assert low.tries == [("4242", "100.00", "paid")]
    content = words(pat.get(f"/operator/accounts/{low.account_id}"))
    assert "Automatic refills are on again. $100.00 paid with Visa •••• 4242." in content


def test_another_time_zone_that_charges_asks(client, world):
    """T18, T10: in the new zone a day has begun after the daily limit was reached."""
    world.cards(VISA)
    world.refill(day_limit="100.00")
    world.use("60.00")
    world.work()
    world.clock.advance(hours=10)
    world.use("100.00")
    seen = re.search(r'name="seen" value="(\w+)"', client.get(NOTIFICATIONS).text)[1]
    form = {
        "seen": seen, "address-0": "ana@example.com", "topics-0": [str(topic) for topic in Topic],
        "time_zone": "Pacific/Auckland", "locale": "en_US", "language": "en",
    }  # fmt: skip
    asked = client.post(NOTIFICATIONS, data=form)
    assert "Apply and charge $100.00? Visa •••• 4242" in words(asked)
    world.work()
    assert (world.balance, len(world.attempts)) == ("40.00", 1)

    address, fields = question(asked)
    assert asked.text.count('name="topics-0"') == len(Topic)
    assert client.post(address, data=fields | form).status_code == 303
    assert "$100.00 paid with Visa •••• 4242." in words(client.get(NOTIFICATIONS))
    assert world.balance == "140.00"


def test_an_open_refill_confirms_no_larger_charge(client, low):
    """T18, T9: the worker has not charged it yet, and Apply makes it larger."""
    low.consent(low.method("4242"), True)
    seen = re.search(r'name="seen" value="(\w+)"', client.get(MAIN).text)[1]
    form = form_of(refill_amount="900.00", seen=seen)
    asked = client.post(SETTINGS, data=form, headers=HTMX)
    assert "Apply and charge $900.00? Visa •••• 4242" in words(asked)
    assert message(confirm(client, asked)).startswith("$900.00 paid with Visa •••• 4242.")


@pytest.mark.parametrize("withdrawn", ["auto-charge", "automatic refills"])
def test_an_open_refill_that_was_withdrawn_asks_again(client, low, withdrawn):
    """T18: the worker has not closed it yet, but switching on again needs a confirmation."""
    visa = low.method("4242")
    low.consent(visa, True)
    if withdrawn == "auto-charge":
        client.post(switch(low, "4242"), data={"on": "0"}, headers=HTMX)
        asked = client.post(switch(low, "4242"), data={"on": "1"}, headers=HTMX)
    else:
        settings = LowBalanceSettings.of(low.session, low.account_id)
        settings.pause(PausedBy.BURST, low.clock.now())
        low.session.commit()
        asked = client.post("/billing/automatic-payments/resumptions", headers=HTMX)
    assert "and charge $100.00?" in words(asked)
    assert message(confirm(client, asked)).startswith("$100.00 paid with Visa •••• 4242.")


def test_an_action_beside_an_open_refill_does_not_ask(client, low):
    """T18: the refill is charged anyway, and adding a card does not stop it."""
    low.consent(low.method("4242"), True)
    answer = client.post(switch(low, "4444"), data={"on": "1"}, headers=HTMX)
    assert answer.status_code == 200
    low.card(AMEX)
    low.work()
    assert low.tries == [("4242", "100.00", "paid")]


def form_of(**typed):
    return {
        "refill_on": "1", "threshold": "50.00", "refill_amount": "100.00", "refill_mode": "add",
        "seen": "1", **typed,
    }  # fmt: skip


@pytest.fixture
def off(world):
    """Refill is off, and the balance is 41.85."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    world.apply(refill_on=False)
    world.use("58.15")
    return world


def test_apply_names_the_amount_and_the_outcome(client, off):
    """T18: on the button, from the preview; afterwards in the preview's place."""
    preview = client.get(f"{SETTINGS}/preview", query_string=form_of())
    assert re.search(r'data-charge="\$100\.00"\s+data-confirmed="100000000"', preview.text)
    done = client.post(SETTINGS, data=form_of(seen="2", confirmed=HUNDRED), headers=HTMX)
    assert done.status_code == 200
    assert off.tries == [("4242", "100.00", "paid")]
    assert "What happened $100.00 paid with Visa •••• 4242. Your balance is $141.85. P-" in words(
        done
    )
    assert message(done).startswith("$100.00 paid with Visa •••• 4242.")
    assert "Changes applied" in words(done)


def test_apply_without_a_confirmation_asks(client, off):
    """T18: without JavaScript, or before the preview has loaded; the form repeats the input."""
    asked = client.post(SETTINGS, data=form_of(seen="2", refill_amount="130.00"))
    assert "Apply and charge $130.00?" in words(asked)
    assert (off.attempts, off.timeline.count("charging")) == ([], 0)
    address, fields = question(asked)
    assert fields["refill_amount"] == "130.00"
    assert client.post(address, data=fields).status_code == 303
    assert off.tries == [("4242", "130.00", "paid")]


def test_apply_that_charges_nothing_does_not_ask(client, off):
    """T18: above the threshold, and with unchanged settings, the button names no amount."""
    preview = client.get(f"{SETTINGS}/preview", query_string=form_of(threshold="40.00"))
    assert "data-charge" not in preview.text
    done = client.post(SETTINGS, data=form_of(seen="2", threshold="40.00"), headers=HTMX)
    assert (done.status_code, off.attempts) == (200, [])
    assert "What happened" not in words(done)


def test_the_outcome_names_declined_methods_and_the_one_that_paid(client, off):
    """T18, T7: in the message and in the panel."""
    off.next_answer("decline", decline_code="insufficient_funds")
    done = client.post(SETTINGS, data=form_of(seen="2", confirmed=HUNDRED), headers=HTMX)
    content = (
        "Visa •••• 4242 was declined: insufficient funds. "
        "$100.00 paid with Mastercard •••• 4444. Your balance is $141.85."
    )
    assert message(done).startswith(content)
    assert f"What happened {content}" in words(done)


def test_the_outcome_of_only_declines_offers_add_funds(client, off):
    """T18, T11: it says when a method can be charged again."""
    for _ in range(2):
        off.next_answer("decline", decline_code="insufficient_funds")
    done = client.post(SETTINGS, data=form_of(seen="2", confirmed=HUNDRED), headers=HTMX)
    assert message(done).startswith(
        "$100.00 was not charged. Visa •••• 4242 and Mastercard •••• 4444 were declined. Add Funds"
    )
    assert "No method can be charged until Tue 24 Nov, 10:00" in words(done)


def test_an_unknown_outcome_is_shown_as_waiting(client, off):
    """T18, L10."""
    off.next_answer("timeout_after_charge")
    done = client.post(SETTINGS, data=form_of(seen="2", confirmed=HUNDRED), headers=HTMX)
    assert message(done).startswith("$100.00 to Visa •••• 4242 is pending. View")
    assert "#hourglass" in done.text
    assert "Waiting for outcome" in words(done)


def test_a_removal_that_charges_asks(client, low):
    """T18, M10: without the primary that is off, the next method can be charged."""
    low.consent(low.method("4444"), True)
    path = f"{MAIN}/{low.method('4242').id}/removal"
    dialog = client.get(path)
    assert "Removing it charges $100.00 to Mastercard •••• 4444 now." in words(dialog)
    assert "Remove and charge $100.00" in words(dialog)
    assert "Remove and charge $100.00?" in words(client.post(path, headers=HTMX))
    assert low.attempts == []
    done = client.post(path, data={"confirmed": HUNDRED}, headers=HTMX)
    assert message(done).startswith("$100.00 paid with Mastercard •••• 4444.")


def test_a_restore_that_charges_asks(client, world):
    """T18, F4: the restored method is charged at once."""
    world.cards(VISA)
    world.refill()
    world.next_answer("decline", decline_code="insufficient_funds")
    world.use("60.00")
    world.work()
    path = f"{MAIN}/{world.method('4242').id}/restorations"
    asked = client.post(path, headers=HTMX)
    assert "Restore and charge $100.00?" in words(asked)
    assert world.method("4242").suspended_until is not None
    assert message(confirm(client, asked)).startswith("$100.00 paid with Visa •••• 4242.")


def save_card(client, world, number=VISA, **more):
    form = client.get(f"{MAIN}/cards/new", headers=HTMX)
    state = form.text.split('name="state" value="')[1].split('"')[0]
    token = token_for(world.books, card_form(number), world.clock.now())
    sent = {"token": token, "state": state, **more}
    return form, lambda: client.post(MAIN, data=sent, headers=HTMX)


@pytest.fixture
def emptied(world):
    """Refill stayed on after the last method was removed, and the balance is low."""
    (visa,) = world.cards(VISA)
    world.refill()
    world.remove(visa)
    world.use("58.15")
    return world


def test_the_form_of_the_first_card_says_what_it_charges(client, emptied):
    """M12, M4, T18: refill is on and the balance is low, so saving charges."""
    form, send = save_card(client, emptied)
    assert (
        "Saving this card charges $100.00 now. "
        "Refill is on and your balance of $41.85 is below $50.00." in words(form)
    )
    assert "Add card and charge $100.00" in words(form)
    assert message(send()).startswith("$100.00 paid with Visa •••• 4242.")


def test_the_first_card_can_be_saved_without_auto_charge(client, emptied):
    """M12: by the form's checkbox."""
    form, send = save_card(client, emptied, consent="0")
    assert "Save without auto-charge" in words(form)
    assert message(send()) == "Visa •••• 4242 is saved."
    emptied.work()
    assert (emptied.attempts, emptied.method("4242").auto_charge) == ([], False)


def test_a_form_that_announced_no_charge_charges_nothing(client, emptied):
    """T18: the balance fell after the form was loaded; the next usage starts the refill."""
    emptied.apply(threshold="40.00")
    form, send = save_card(client, emptied)
    assert "charges $" not in words(form)
    emptied.apply(threshold="50.00")
    assert message(send()) == "Visa •••• 4242 is saved."
    emptied.run()
    assert emptied.attempts == []
    assert "the refill is on hold" in words(client.get(MAIN))
    emptied.use("1.00")
    emptied.work()
    assert emptied.tries == [("4242", "100.00", "paid")]


def test_a_later_card_asks_for_consent(client, low):
    """M12, M4: the checkbox is unticked and names the amount."""
    low.remove(low.method("4242"))
    low.consent(low.method("4444"), True)
    low.next_answer("decline", decline_code="insufficient_funds")
    low.work()
    form, send = save_card(client, low, AMEX, consent="1")
    assert "Use it for automatic refills" in words(form)
    assert "Saving this card charges $100.00 now." in words(form)
    assert message(send()).startswith("$100.00 paid with American Express •••• 0005.")

    low.use("95.00")
    low.work()
    assert [t[0] for t in low.tries] == ["4444", "0005", "0005"]


def test_the_form_for_an_expired_card_says_what_saving_it_again_charges(client, world):
    """M12, M8: its consent is unchanged."""
    world.card(VISA, expiry="11/26", auto_charge=True)
    world.refill()
    world.pass_time(days=15)
    world.use("60.00")
    world.work()
    form, send = save_card(client, world, proof=PASSWORD)
    assert (
        "Saving Visa •••• 4242 again charges $100.00 now, because its auto-charge is on."
        in words(form)
    )
    assert message(send()).startswith("$100.00 paid with Visa •••• 4242.")


# An operator's debit


@pytest.fixture
def covered(world):
    world.cards(VISA)
    world.refill(threshold="80.00", amount="200.00")
    return world


def debit(**more):
    return {
        "amount": "150.00", "direction": "off", "reason": "Number porting",
        "request_key": "k" * 32, **more,
    }  # fmt: skip


def test_the_preview_of_a_debit_shows_the_refill(pat, covered):
    """T18: the balance before and after, the refill, and a button with both amounts."""
    path = f"/operator/accounts/{covered.account_id}/adjustments"
    content = words(pat.get(f"{path}/preview", query_string=debit()))
    assert "Balance after this debit $100.00 −$50.00" in content
    assert "This starts a refill of $200.00 to Visa •••• 4242" in content
    assert (
        "below the customer’s threshold of $80.00. After the refill it would be $150.00." in content
    )
    assert content.endswith("Debit $150.00 and charge $200.00")
    database_rows = words(pat.get(f"{path}/preview", query_string=debit(refill="hold")))
    assert database_rows.endswith("Debit $150.00")
    small = words(pat.get(f"{path}/preview", query_string=debit(amount="5.00")))
    assert "refill" not in small


def test_a_debit_that_charges_asks_first(pat, covered):
    """T18: nothing is posted before the amount is confirmed."""
    path = f"/operator/accounts/{covered.account_id}/adjustments"
    asked = pat.post(path, data=debit())
    assert asked.status_code == 409
    assert "This starts a refill of $200.00 to Visa •••• 4242" in words(asked)
    assert covered.balance == "100.00"

    done = pat.post(path, data=debit(confirmed="200000000"))
    content = words(pat.get(done.location))
    assert "Debited $150.00. $200.00 paid with Visa •••• 4242. The balance is $150.00." in content
    assert covered.entries == [("adjustment", "-150.00"), ("payment", "200.00")]


def test_a_held_refill_waits_for_the_operator(pat, client, covered):
    """T18, T17: neither a job, usage nor the customer starts it; only the operator's Resume
    does.
    """
    path = f"/operator/accounts/{covered.account_id}"
    assert pat.post(f"{path}/adjustments", data=debit(refill="hold")).status_code == 303
    covered.use("0.01")
    covered.pass_time(hours=1)
    assert covered.attempts == []
    assert {"adjusted", "paused"} <= {what for what, _ in covered.audits}
    assert "Your provider paused automatic refills." in words(client.get("/billing/activity"))
    assert "paused" in covered.mails

    resumed = {"on": "0", "reason": "Agreed by phone", "confirmed": "200000000"}
    assert pat.post(f"{path}/pause", data=resumed).status_code == 303
    covered.work()
    assert covered.tries == [("4242", "200.00", "paid")]


def test_an_operators_decision_that_charges_asks(pat, world):
    """T18, L10: the refill waited only for a charge that the processor never received."""
    world.reject_refill()
    path = f"/operator/attempts/{world.attempts[0].id}/decision"
    asked = pat.post(path, data={"paid": "0", "reason": "Not in its books"})
    assert "Settle and charge $100.00? Visa •••• 4242" in words(asked)
    assert [attempt.state for attempt in world.attempts] == ["refused"]

    address, fields = question(asked)
    assert pat.post(address, data=fields).status_code == 303
    assert world.charges == [("4242", "100.00")]
    content = words(pat.get("/operator/attempts"))
    assert "Settled as not charged. $100.00 paid with Visa •••• 4242." in content
