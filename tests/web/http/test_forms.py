"""Forms of the pages, as whole pages without JavaScript and as fragments.

Invalid input gets a plain error and changes nothing.
"""

import re

import pytest

from tests.factories import AMEX, DISCOVER, MASTERCARD, VISA
from tests.web.conftest import errors, words
from webapp.domain.payments.payment import AttemptState
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.processors.sandbox.card_form import token_for

HTMX = {"HX-Request": "true"}
BOTH = ({}, HTMX)
MAIN = "/billing/payment-methods"
SETTINGS = "/billing/low-balance-settings"

BAD_AMOUNTS = [
    "0", "0.00", "-5", "−5", "30.001", "1e3", "NaN", "inf", "٣٠", "abc", "1,00", "$50", "50 USD",
    "9" * 12, "9" * 400, "50\x00", "<b>50</b>", "--50", "5 0",
]  # fmt: skip
BAD_KEYS = [None, "", "short", "k" * 15, "k" * 65, "k" * 5000, "k" * 31 + "!", "ключ" * 8]


def fund(client, *, headers=None, **more):
    form = {"kind": "instant", "amount": "75.00", "request_key": "k" * 32, **more}
    form = {name: value for name, value in form.items() if value is not None}
    return client.post("/billing/funds", data=form, headers=headers or {})


def apply(client, *, headers=None, **more):
    form = {
        "seen": "0",
        "refill_on": "1",
        "threshold": "50.00",
        "refill_amount": "100.00",
        "notification_on": "0",
        **more,
    }
    form = {name: value for name, value in form.items() if value is not None}
    return client.post(SETTINGS, data=form, headers=headers or {})


def settings(world):
    world.session.rollback()
    return LowBalanceSettings.of(world.session, world.account_id)


def is_fragment(answer):
    return "<html" not in answer.text


# Add Funds


def test_add_funds_as_a_page_l4(client, world):
    """L4: the redirect makes a reload safe, and the next page shows the result."""
    visa = world.card(VISA)
    answer = fund(client, method=visa.id)
    assert (answer.status_code, answer.location) == (303, MAIN)
    assert "$75.00 paid with Visa •••• 4242. Your balance is $175.00." in words(client.get(MAIN))
    assert "$75.00 paid" not in words(client.get(MAIN)), "said once"
    assert world.charges == [("4242", "75.00")]


def test_add_funds_as_a_fragment_l4(client, world):
    """L4: the response contains the changed parts, including the balance."""
    visa = world.card(VISA)
    answer = fund(client, method=visa.id, headers=HTMX)
    assert answer.status_code == 200
    assert is_fragment(answer)
    assert 'id="balance"' in answer.text
    assert "$175.00" in words(answer)


def test_add_funds_by_auto_charge_ignores_the_method_field_l4(client, world):
    """L4: no method is chosen."""
    world.cards(VISA, MASTERCARD)
    world.next_answer("decline", decline_code="insufficient_funds")
    assert fund(client, kind="auto_charge", method="999").status_code == 303
    assert world.tries == [("4242", "75.00", "declined"), ("4444", "75.00", "paid")]


@pytest.mark.parametrize("headers", BOTH)
def test_an_invalid_amount_has_an_error_beside_its_field_l1(client, world, database_rows, headers):
    """L1, L4: the input is kept, and nothing is charged."""
    visa = world.card(VISA)
    before = database_rows()
    for amount in [None, "", "  ", "29.99", "10000.01", *BAD_AMOUNTS]:
        answer = fund(client, amount=amount, method=visa.id, headers=headers)
        assert answer.status_code == 422, amount
        assert set(errors(answer)) == {"amount"}, amount
        assert is_fragment(answer) == bool(headers)
        assert "<b>" not in answer.text
    assert 'value="5 0"' in answer.text
    assert "At least $30.00" in words(fund(client, amount="29.99", method=visa.id))
    assert "At most $10,000.00" in words(fund(client, amount="10000.01", method=visa.id))
    assert database_rows() == before


def test_a_missing_or_invalid_method_has_an_error_l4(client, world, database_rows):
    """L4, P1: an unknown method is not found."""
    world.card(VISA)
    before = database_rows()
    for method in [None, "", "x", "1.5", "-1", "9" * 30]:
        answer = fund(client, method=method)
        assert answer.status_code == 422, method
        assert "Choose a payment method" in words(answer)
    for method in ["0", "999"]:
        assert fund(client, method=method).status_code == 404
    assert database_rows() == before


def test_a_form_without_its_request_key_is_refused_l3(client, world, database_rows):
    """L3: without the key a double click could not be detected."""
    visa = world.card(VISA)
    before = database_rows()
    for key in BAD_KEYS:
        assert fund(client, method=visa.id, request_key=key).status_code == 400, key
    assert database_rows() == before


def test_the_same_form_sent_twice_charges_once_l4(client, world):
    visa = world.card(VISA)
    page = client.get("/billing/funds/new").text
    key = re.search(r'name="request_key" value="(\w+)"', page)[1]
    for _ in range(3):
        assert fund(client, method=visa.id, request_key=key).status_code == 303
    assert world.charges == [("4242", "75.00")]
    assert key not in client.get("/billing/funds/new").text, "each form has its own"


def test_a_refused_payment_is_explained_in_the_form_l4(client, world, database_rows):
    """L4, T5: without any method with auto-charge, and with a method whose payment is open."""
    before = database_rows()
    answer = fund(client, kind="auto_charge")
    assert answer.status_code == 409
    assert "No payment method with auto-charge on can be charged now" in words(answer)
    assert database_rows() == before

    visa = world.card(VISA)
    world.next_answer("timeout_after_charge")
    opened = world.pay(visa, "30.00")
    answer = fund(client, method=visa.id, headers=HTMX, seen_open=opened.id)
    assert answer.status_code == 409
    assert "is in progress" in words(answer)


def test_an_open_payment_is_shown_before_a_second_one(client, world):
    """T15: the button and the totals include it."""
    visa, mastercard = world.cards(VISA, MASTERCARD)
    world.next_answer("timeout_after_charge")
    opened = world.pay(visa, "100.00")
    for kind in ("instant", "auto_charge"):
        answer = fund(client, method=mastercard.id, kind=kind, headers=HTMX)
        assert answer.status_code == 409
        content = words(answer)
        assert "Nothing was charged: a payment of $100.00 is still open." in content
        assert "A payment of $100.00 is pending Visa •••• 4242, started" in content
        assert "Pay again" in content
        assert f'name="seen_open" value="{opened.id}"' in answer.text
    assert len(world.attempts) == 1

    form = client.get("/billing/funds/new?amount=250.00")
    assert "Balance after this payment $100.00 $350.00" in words(form)
    assert "If the open payment succeeds too $450.00" in words(form)
    assert fund(client, method=mastercard.id, seen_open=opened.id).status_code == 303
    assert world.tries[1:] == [("4444", "75.00", "paid")]


def test_without_an_open_payment_none_is_shown(client, account_with_history):
    """T15: nor once its outcome is known."""
    form = words(client.get("/billing/funds/new"))
    assert "waiting for" not in form
    assert "succeeds too" not in form


def test_a_decline_is_explained_without_its_code_f2(client, world):
    """F2, F12: in plain words."""
    visa = world.card(VISA)
    for code, sentence in [
        ("insufficient_funds", "Insufficient funds"),
        ("stolen_card", "the bank"),
    ]:
        world.next_answer("decline", decline_code=code)
        answer = fund(client, method=visa.id, headers=HTMX, request_key=code.replace("_", "") * 2)
        assert answer.status_code == 200
        assert sentence in words(answer)
        assert "stolen" not in answer.text
        assert "insufficient_funds" not in answer.text


# Low Balance Settings


def test_apply_changes_as_a_page_t1(client, world):
    """T1: the next page says "Changes applied"."""
    world.cards(VISA)
    answer = apply(client)
    assert (answer.status_code, answer.location) == (303, MAIN)
    assert "Changes applied" in words(client.get(MAIN))
    assert settings(world).refill_on


def test_apply_changes_as_a_fragment_t1(client, world):
    world.cards(VISA)
    answer = apply(client, headers=HTMX)
    assert answer.status_code == 200
    assert is_fragment(answer)
    assert "Changes applied" in words(answer)
    assert "we’ll charge $100.00" in words(answer)


@pytest.mark.parametrize(
    "field",
    [
        "threshold",
        "refill_amount",
        "largest_charge",
        "day_limit",
        "month_limit",
        "notification_threshold",
    ],
)
def test_an_invalid_setting_has_an_error_beside_its_field_t1(client, world, database_rows, field):
    """T1, L1: the input is kept, and nothing is saved."""
    world.cards(VISA)
    before = database_rows()
    for headers in BOTH:
        for amount in BAD_AMOUNTS:
            more = {"notification_on": "1", "notification_threshold": "75.00", field: amount}
            answer = apply(client, headers=headers, **more)
            assert answer.status_code == 422, amount
            assert list(errors(answer)) == [field], amount
            assert is_fragment(answer) == bool(headers)
    assert 'value="5 0"' in answer.text
    assert database_rows() == before


def test_an_invalid_target_has_an_error_t9(client, world, database_rows):
    world.cards(VISA)
    before = database_rows()
    for amount in ["", "49.99", *BAD_AMOUNTS]:
        answer = apply(client, refill_mode="target", target=amount)
        assert answer.status_code == 422
        assert list(errors(answer)) == ["target"], amount
    assert database_rows() == before


def test_a_target_needs_its_largest_charge_t9(client, world, database_rows):
    """T9: the panel opens its further options."""
    world.cards(VISA)
    before = database_rows()
    for amount in ["", "99.99", "10000.01", *BAD_AMOUNTS]:
        answer = apply(client, refill_mode="target", target="150", largest_charge=amount)
        assert (answer.status_code, list(errors(answer))) == (422, ["largest_charge"]), amount
        assert '<details class="more" open>' in answer.text
    assert database_rows() == before
    apply(client, refill_mode="target", target="150", largest_charge="300")
    assert settings(world).largest_charge == 300_000_000
    assert '<details class="more" open>' in client.get(MAIN).text


def test_the_default_daily_limit_is_shown_in_the_panel_t10(client, world):
    """T10: Apply sets it if the field was empty."""
    world.cards(VISA)
    apply(client)
    page = client.get(MAIN)
    assert settings(world).day_limit == 500_000_000
    assert 'value="500.00"' in page.text
    assert "5 refills a day at most. $0.00 used today." in words(page)


def test_the_checkbox_removes_the_daily_limit_without_javascript_t10(client, world):
    """T10: the value in the field is ignored."""
    world.cards(VISA)
    for amount in ("", "300.00", "x"):
        apply(client, seen=str(settings(world).version), no_day_limit="1", day_limit=amount)
        saved = settings(world)
        assert (saved.day_limit, saved.no_day_limit) == (None, True)
    page = client.get(MAIN)
    assert 'name="no_day_limit" value="1" checked' in page.text
    assert "used today" not in words(page)
    refused = apply(client, no_day_limit="1", day_limit="300.00", threshold="x")
    assert 'name="no_day_limit" value="1" checked' in refused.text
    assert 'value="300.00"' not in refused.text


def test_all_invalid_settings_are_reported_at_once_t1(client, world, database_rows):
    """T1, T2: one submission lists every error."""
    before = database_rows()
    answer = apply(client, threshold="x", refill_amount="", day_limit="1", notification_on="1")
    assert answer.status_code == 422
    assert set(errors(answer)) >= {
        "threshold",
        "refill_amount",
        "day_limit",
        "notification_threshold",
    }
    assert "Needs a payment method with auto-charge on" in words(answer)
    assert "5 fields to fix" in words(answer)
    assert database_rows() == before


def test_turning_refill_on_without_a_method_is_refused_t2(client, world, database_rows):
    """T2: with the reason and a link to fix it."""
    before = database_rows()
    answer = apply(client, headers=HTMX)
    assert answer.status_code == 422
    assert "Needs a payment method with auto-charge on" in words(answer)
    assert f"{MAIN}/cards/new" in client.get(MAIN).text
    assert database_rows() == before


def test_a_stale_form_is_refused_and_keeps_the_input_t1_p5(client, world):
    """T1, P5: with the current value beside it, and the reason."""
    world.cards(VISA)
    world.refill(threshold="60.00")
    for headers in BOTH:
        answer = apply(client, headers=headers, threshold="70.00")
        assert answer.status_code == 409
        assert "You changed these settings in another tab at" in words(answer)
        assert 'value="70.00"' in answer.text
        assert "Now $60.00 Use" in words(answer)
    assert settings(world).threshold == 60_000_000


def test_a_form_without_its_version_is_refused_t1(client, world, database_rows):
    world.cards(VISA)
    before = database_rows()
    for seen in [None, "", "x", "-1", "1.5", "9" * 30, "٣"]:
        assert apply(client, seen=seen).status_code == 400, seen
    assert database_rows() == before


def test_a_body_that_is_no_form_is_refused_t1(client, world, database_rows):
    """T1: JSON, files and lists; nothing is saved and nothing breaks."""
    world.cards(VISA)
    before = database_rows()
    assert client.post(SETTINGS, json={"seen": 0, "refill_on": True}).status_code == 400
    assert client.post(SETTINGS, data=b"\xff\x00", content_type="text/plain").status_code == 400
    assert client.post("/billing/funds", json=[1]).status_code == 400
    assert client.post(f"{MAIN}/order", json={"order": [1]}).status_code == 400
    assert client.post(SETTINGS, data={"seen": "0", "x": "y" * 3_000_000}).status_code == 413
    assert database_rows() == before


# Order


def order_form(methods, seen=None):
    ids = [",".join(str(m.id) for m in rows) for rows in (methods, seen or methods)]
    return dict(zip(("order", "seen"), ids, strict=True))


def test_methods_are_reordered_as_page_and_as_fragment_m5(client, world):
    """M5, M2: by buttons without JavaScript, and by dragging."""
    a, b, c = world.cards(VISA, MASTERCARD, DISCOVER)
    answer = client.post(f"{MAIN}/order", data=order_form([b, a, c], [a, b, c]))
    assert (answer.status_code, answer.location) == (303, MAIN)
    assert "Mastercard •••• 4444 is now primary" in words(client.get(MAIN))

    form = order_form([b, c, a], [b, a, c])
    answer = client.post(f"{MAIN}/order", data=form, headers=HTMX)
    assert answer.status_code == 200
    assert is_fragment(answer)
    assert [m.last4 for m in world.methods] == ["4444", "1117", "4242"]
    assert 'id="methods"' in answer.text


def test_the_move_buttons_of_the_page_reorder_m5(client, world):
    """M5: Move up and Move down submit the whole order; the star is on the first row."""
    world.cards(VISA, MASTERCARD)
    page = client.get(MAIN).text
    button = re.search(r'<button[^>]*aria-label="Move Mastercard •••• 4444 up"[^>]*>', page)[0]
    new_order = re.search(r'value="([\d,]+)"', button)[1]
    seen = re.search(r'name="seen" value="([\d,]+)"', page)[1]
    client.post(f"{MAIN}/order", data={"order": new_order, "seen": seen})
    assert [m.last4 for m in world.methods] == ["4444", "4242"]
    rows = re.findall(r'<li class="method.*?</li>', client.get(MAIN).text, re.DOTALL)
    assert ['aria-label="Primary"' in row for row in rows] == [True, False]


@pytest.mark.parametrize("headers", BOTH)
def test_a_stale_order_is_refused_with_the_current_list_m5(client, world, headers, database_rows):
    """M5: also if ids are repeated, missing, or of a removed method."""
    a, b, gone = world.cards(VISA, MASTERCARD, AMEX)
    world.remove(gone)
    before = database_rows()
    stale = [
        order_form([b, a], [b, a]),
        order_form([b], [a, b]),
        order_form([a, a], [a, b]),
        order_form([gone, b, a], [a, b, gone]),
    ]
    for form in stale:
        answer = client.post(f"{MAIN}/order", data=form, headers=headers)
        assert answer.status_code == 409, form
        assert "The list has changed meanwhile" in words(answer)
        assert is_fragment(answer) == bool(headers)
        assert words(answer).index("4242") < words(answer).index("4444")
    assert database_rows() == before


@pytest.mark.parametrize("headers", BOTH)
def test_an_order_with_another_accounts_method_is_not_found_p1(
    client, world, headers, database_rows
):
    """P1: like a method that does not exist."""
    a, b = world.cards(VISA, MASTERCARD)
    other = world.account()
    theirs = world.card(VISA, account_id=other.account_id)
    before = database_rows()
    for form in (
        order_form([b, a, theirs], [a, b]),
        order_form([theirs, a], [a, b]),
        order_form([theirs], [theirs]),
        {"order": "999,1000", "seen": "999,1000"},
    ):
        assert client.post(f"{MAIN}/order", data=form, headers=headers).status_code == 404
    assert database_rows() == before


def test_a_malformed_order_is_refused_m5(client, world, database_rows):
    a, b = world.cards(VISA, MASTERCARD)
    good = order_form([b, a], [a, b])
    before = database_rows()
    bad = ["", ",", "1,", "a,b", "1;2", "1.5", "-1,2", "٣", "1,\x00", "9" * 30]
    bad.append(",".join("1" * 1001))
    for name in ("order", "seen"):
        for value in bad:
            answer = client.post(f"{MAIN}/order", data={**good, name: value})
            assert answer.status_code == 400, (name, value)
        missing = {key: value for key, value in good.items() if key != name}
        assert client.post(f"{MAIN}/order", data=missing).status_code == 400
    assert database_rows() == before


# Auto-charge


def test_the_switch_submits_its_new_state_m3(client, world):
    """M3: submitting it twice gives the same result."""
    visa = world.card(VISA)
    address = f"{MAIN}/{visa.id}/auto-charge"
    for _ in range(2):
        answer = client.post(address, data={"on": "0"})
        assert (answer.status_code, answer.location) == (303, MAIN)
        assert not world.methods[0].auto_charge
    answer = client.post(address, data={"on": "1"}, headers=HTMX)
    assert answer.status_code == 200
    assert is_fragment(answer)
    assert world.methods[0].auto_charge


def test_a_malformed_switch_state_is_refused_m3(client, world, database_rows):
    visa = world.card(VISA)
    before = database_rows()
    for on in [None, "", "true", "on", "2", "-1", "01", "٠"]:
        data = {} if on is None else {"on": on}
        assert client.post(f"{MAIN}/{visa.id}/auto-charge", data=data).status_code == 400, on
    assert database_rows() == before


def test_the_banner_explains_and_offers_a_fix_t5(client, account_with_history):
    """T5: why nothing is charged, with a one-click fix."""
    assert "Auto-charge is off for" not in words(client.get(MAIN))
    visa = account_with_history.method("4242")
    client.post(f"{MAIN}/{visa.id}/auto-charge", data={"on": "0"})
    page = client.get(MAIN)
    assert "Auto-charge is off for Visa •••• 4242, your primary method" in words(page)
    fix = re.search(r'<section class="banner warn".*?</section>', page.text, re.DOTALL)[0]
    assert f'action="{MAIN}/{visa.id}/auto-charge"' in fix
    assert 'name="on" value="1"' in fix


# Retry and restore


def failed(world):
    return next(a for a in world.attempts if a.state == AttemptState.DECLINED)


def test_retry_asks_first_and_charges_once_f4(client, account_with_history):
    """F4: the dialog shows the new balance; submitting the form twice charges once."""
    address = f"/billing/attempts/{failed(account_with_history).id}"
    page = client.get(f"{address}/retry")
    assert "Retry $100.00?" in words(page)
    assert "Restore without paying" in words(page)
    assert "$140.00" in words(page)
    assert "$240.00" in words(page)
    key = re.search(r'name="request_key" value="(\w+)"', page.text)[1]
    assert len(account_with_history.charges) == 1, "looking charges nothing"
    for _ in range(2):
        answer = client.post(f"{address}/retries", data={"request_key": key})
        assert (answer.status_code, answer.location) == (303, MAIN)
    assert account_with_history.charges == [("4444", "100.00"), ("4242", "100.00")]
    assert "Suspended" not in words(client.get(MAIN))


def test_a_payment_that_did_not_fail_cannot_be_retried_f4(
    client, account_with_history, database_rows
):
    """F4, P1."""
    paid = next(a for a in account_with_history.attempts if a.state == AttemptState.PAID)
    before = database_rows()
    for headers in BOTH:
        assert client.get(f"/billing/attempts/{paid.id}/retry", headers=headers).status_code == 404
        answer = client.post(
            f"/billing/attempts/{paid.id}/retries", data={"request_key": "k" * 32}, headers=headers
        )
        assert answer.status_code == 409
        assert "Only a failed payment can be retried" in words(answer)
    assert database_rows() == before


def test_a_retry_without_its_request_key_is_refused_f4(client, account_with_history, database_rows):
    address = f"/billing/attempts/{failed(account_with_history).id}/retries"
    before = database_rows()
    for key in BAD_KEYS:
        data = {} if key is None else {"request_key": key}
        assert client.post(address, data=data).status_code == 400, key
    assert database_rows() == before


def test_a_retry_that_is_declined_says_why_f4(client, account_with_history):
    account_with_history.next_answer("decline", decline_code="insufficient_funds")
    answer = client.post(
        f"/billing/attempts/{failed(account_with_history).id}/retries",
        data={"request_key": "k" * 32},
        headers=HTMX,
    )
    assert answer.status_code == 200
    assert "was declined: Insufficient funds" in words(answer)


def test_a_method_is_restored_without_paying_f4(client, account_with_history):
    visa = account_with_history.method("4242")
    answer = client.post(f"{MAIN}/{visa.id}/restorations", headers=HTMX)
    assert answer.status_code == 200
    assert is_fragment(answer)
    assert "back in use" in words(answer)
    assert len(account_with_history.charges) == 1


# Adding and removing


def test_removal_asks_first_m10(client, account_with_history):
    """M10: the dialog says what will change, and opening it removes nothing."""
    visa = account_with_history.method("4242")
    page = client.get(f"{MAIN}/{visa.id}/removal")
    assert "Mastercard •••• 4444 becomes primary" in words(page)
    assert len(account_with_history.methods) == 3
    answer = client.post(f"{MAIN}/{visa.id}/removal")
    assert (answer.status_code, answer.location) == (303, MAIN)
    assert "Visa •••• 4242 was removed" in words(client.get(MAIN))
    assert "Visa •••• 4242" in words(client.get("/billing/payments")), "history stays readable"


def test_removal_is_refused_while_a_payment_is_open_m10(client, world):
    visa = world.card(VISA)
    world.next_answer("timeout_after_charge")
    world.pay(visa, "30.00")
    for headers in BOTH:
        answer = client.post(f"{MAIN}/{visa.id}/removal", headers=headers)
        assert answer.status_code == 409
        assert "is in progress" in words(answer)
        assert is_fragment(answer) == bool(headers)
    assert len(world.methods) == 1


def card_token(world, number=VISA):
    form = {
        "number": number,
        "expiry": "12/34",
        "security_code": "123",
        "cardholder": "Ana Ruiz",
        "country": "IE",
        "line": "12 Harbour Road",
        "city": "Dublin",
        "postcode": "D18 A4R6",
    }
    return token_for(world.books, form, world.clock.now())


def state_of(client):
    page = client.get(f"{MAIN}/cards/new").text
    return re.search(r'name="state" value="([^"]+)"', page)[1]


@pytest.mark.parametrize("route", ["page", "fragment", "redirect"])
def test_a_captured_card_is_saved_m7(client, world, route):
    """M7, M4: only a token reaches our own routes."""
    form = {"state": state_of(client), "token": card_token(world)}
    if route == "redirect":
        answer = client.get(f"{MAIN}/cards/captured", query_string=form)
    else:
        answer = client.post(MAIN, data=form, headers=HTMX if route == "fragment" else {})
    assert answer.status_code == (200 if route == "fragment" else 303)
    assert [(m.last4, m.auto_charge) for m in world.methods] == [("4242", True)]


def test_a_state_of_another_person_is_refused_m7(client, stranger, world, database_rows):
    """M7: a person cannot be made to add another person's card."""
    token, theirs = card_token(world), state_of(stranger)
    before = database_rows()
    for state in [None, "", "x", "x.y.z", theirs, state_of(client)[:-1], "\x00"]:
        form = {"token": token} if state is None else {"token": token, "state": state}
        for headers in BOTH:
            assert client.post(MAIN, data=form, headers=headers).status_code == 400, state
        answer = client.get(f"{MAIN}/cards/captured", query_string=form)
        assert answer.status_code == 400, state
    assert database_rows() == before


def test_an_invalid_card_token_is_refused_m6(client, world, database_rows):
    """M6: with a plain error, and nothing is saved."""
    used = card_token(world)
    client.post(MAIN, data={"state": state_of(client), "token": used})
    before = database_rows()
    for token in [None, "", "tok_unknown", used, "x" * 5000, "a\x00"]:
        form = {"state": state_of(client), **({} if token is None else {"token": token})}
        answer = client.post(MAIN, data=form, headers=HTMX)
        assert answer.status_code == 422, token
        assert "could not be saved" in words(answer)
    assert database_rows() == before


def test_resume_charges_once_t10(client, world):
    """T10: resuming again changes nothing."""
    world.cards(VISA)
    world.refill()
    for _ in range(4):
        world.use("100.00")
        world.work()
    assert "Resume and charge $100.00" in words(client.get(MAIN))
    before = len(world.charges)
    for _ in range(2):
        confirmed = {"confirmed": "100000000"}
        answer = client.post("/billing/automatic-payments/resumptions", data=confirmed)
        assert (answer.status_code, answer.location) == (303, MAIN)
    world.work()
    assert len(world.charges) == before + 1
    assert world.timeline.count("resumed") == 1


def test_an_amount_with_a_thousands_separator_is_accepted(client, account_with_history):
    """L1: "1,000.00" is a thousand."""
    form = {
        "amount": "1,000.00",
        "method": account_with_history.methods[0].id,
        "request_key": "g" * 32,
    }
    assert client.post("/billing/funds", data=form).status_code == 303
    assert account_with_history.tries[-1][1] == "1000.00"
