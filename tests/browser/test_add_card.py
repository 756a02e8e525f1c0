"""Adding a card: card data goes to the card processor, never to the application (M7)."""

import re
from urllib.parse import unquote_plus

from playwright.sync_api import expect

from tests.browser.screen import (
    AMEX_NAME,
    MASTERCARD_NAME,
    VISA_NAME,
    dialog,
    expect_primary,
    more,
    press,
    row,
    rows,
    said,
    switch,
)
from tests.factories import AMEX, MASTERCARD, VISA
from webapp.processors.sandbox.card_form import country_names, postcode_error
from webapp.settings import ROOT

INSUFFICIENT_FUNDS = "4000000000009995"
BAD_LUHN = "4242424242424241"
CAPTURE = "/sandbox/cards"
SCRIPTS = ROOT / "static/js"


def open_form(page):
    page.get_by_role("button", name="Add Payment Method").click()
    page.get_by_role("menuitem", name="Credit Card").click()
    expect(page.get_by_role("dialog", name="Add a credit card")).to_be_visible()


def card_field(page, name):
    return dialog(page).get_by_label(name, exact=True)


def fill(page, number=VISA, code="123"):
    for name, text in [
        ("Card number", number),
        ("Expiry date", "1234"),
        ("Security code", code),
        ("Cardholder name", "Ana Ruiz"),
        ("Address", "12 Harbour Road"),
        ("City", "Dublin"),
        ("Postal code", "D18 A4R6"),
    ]:
        card_field(page, name).fill(text)
    card_field(page, "Country").select_option("Ireland")


def visible_brands(page):
    return card_field(page, "Card number").locator("..").locator("[data-brand]:not([hidden])")


def test_the_number_and_the_expiry_date_are_formatted_while_typing(open_page):
    """The number's brand is shown, and typing inside it keeps the caret."""
    page = open_page()
    open_form(page)
    expect(card_field(page, "Card number")).to_be_focused()
    for number, grouped, brand in (
        (VISA, "4242 4242 4242 4242", "visa"),
        (MASTERCARD, "5555 5555 5555 4444", "mastercard"),
        (AMEX, "3782 822463 10005", "amex"),
    ):
        expect(visible_brands(page)).to_have_count(0)
        page.keyboard.type(number)
        expect(card_field(page, "Card number")).to_have_value(grouped)
        expect(visible_brands(page)).to_have_count(1)
        expect(visible_brands(page)).to_have_attribute("data-brand", brand)
        card_field(page, "Card number").clear()

    page.keyboard.type("424242")
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    page.keyboard.type("99")
    expect(card_field(page, "Card number")).to_have_value("4249 9242")
    page.keyboard.type("1")
    expect(card_field(page, "Card number")).to_have_value("4249 9124 2")

    card_field(page, "Expiry date").press_sequentially("834")
    expect(card_field(page, "Expiry date")).to_have_value("08 / 34")


def test_a_mistyped_number_is_reported_beside_the_field_and_not_sent(open_page, world):
    page = open_page()
    open_form(page)
    sent = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    fill(page, BAD_LUHN)
    card_field(page, "Security code").fill("12")
    press(page, "Add card")

    number = card_field(page, "Card number")
    expect(number).to_have_accessible_description(re.compile("a digit is wrong"))
    expect(number).to_have_attribute("aria-invalid", "true")
    expect(number).to_be_focused()
    expect(card_field(page, "Security code")).to_have_accessible_description(re.compile("3 digits"))
    assert sent == []

    number.press("Backspace")
    number.press("2")
    expect(number).not_to_have_attribute("aria-invalid", "true")
    assert world.methods == []


def test_all_missing_fields_are_reported_at_once_and_nothing_is_sent(open_page, world):
    page = open_page()
    open_form(page)
    fill(page)
    sent = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    card_field(page, "Expiry date").fill("0120")
    for name in ("Cardholder name", "Address", "City", "Postal code"):
        card_field(page, name).fill(" ")
    press(page, "Add card")
    for name, message in [
        ("Expiry date", "This card has expired"),
        ("Cardholder name", "Enter the name on the card"),
        ("Address", "Enter the street and number"),
        ("City", "Enter the town or city"),
        ("Postal code", "Enter the postal code"),
    ]:
        expect(card_field(page, name)).to_have_accessible_description(re.compile(message))
    expect(card_field(page, "Expiry date")).to_be_focused()
    assert sent == []

    # Some countries have no postal codes.
    card_field(page, "Country").select_option("Hong Kong SAR China")
    expect(card_field(page, "Postal code")).not_to_have_attribute("aria-invalid", "true")
    card_field(page, "Expiry date").fill("1234")
    for name in ("Cardholder name", "Address", "City"):
        card_field(page, name).fill("Central")
    press(page, "Add card")
    expect(row(page, VISA_NAME)).to_be_visible()


def test_script_and_processor_agree_on_countries_without_postal_codes():
    script = (SCRIPTS / "card_form.js").read_text()
    listed = script.partition("WITHOUT_POSTCODES = new Set(")[2].partition(");")[0]
    without = {code for code in country_names() if not postcode_error(code, "")}
    assert set(re.findall(r"\b[A-Z]{2}\b", listed)) == without


def test_a_processors_error_is_shown_beside_its_field(open_page, world):
    page = open_page()
    open_form(page)
    fill(page)
    card_field(page, "Postal code").fill("10115")
    press(page, "Add card")
    expect(card_field(page, "Postal code")).to_have_accessible_description(
        re.compile("Enter a postal code such as D02 AF30")
    )
    expect(card_field(page, "Card number")).to_have_value("4242 4242 4242 4242")
    assert world.methods == []


def test_a_refused_card_shows_the_reason_and_keeps_the_input(open_page, world):
    page = open_page()
    open_form(page)
    fill(page, INSUFFICIENT_FUNDS)
    press(page, "Add card")
    expect(dialog(page).get_by_role("alert")).to_contain_text("Insufficient funds.")
    expect(card_field(page, "Cardholder name")).to_have_value("Ana Ruiz")
    assert world.methods == []

    card_field(page, "Card number").fill(VISA)
    press(page, "Add card")
    expect(row(page, VISA_NAME)).to_be_visible()


def test_a_saved_card_is_listed_and_its_number_never_reaches_the_application(open_page, world):
    """M2, M4, M7."""
    page = open_page()
    requests = []
    page.on("request", lambda request: requests.append(request))
    open_form(page)
    fill(page)
    press(page, "Add card")

    expect(dialog(page)).to_have_count(0)
    expect(said(page, f"{VISA_NAME} is saved.")).to_be_visible()
    expect(rows(page)).to_have_count(1)
    expect_primary(page, VISA_NAME)
    expect(switch(page, VISA_NAME)).to_be_checked()

    def has_card_data(text):
        return re.search(r"4242\D*4242\D*4242|security_code", unquote_plus(text))

    to_processor = [request for request in requests if request.url.endswith(CAPTURE)]
    assert len(to_processor) == 1
    assert has_card_data(to_processor[0].post_data)
    for request in requests:
        assert not has_card_data(request.url)
        if request not in to_processor:
            assert not has_card_data(request.post_data or "")
    kept = page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])")
    assert not has_card_data(kept)
    assert not has_card_data(page.content())


def test_a_later_card_starts_with_auto_charge_off_and_is_highlighted(open_page, world):
    """M4."""
    world.cards(VISA)
    page = open_page()
    # Record the animation when it starts; it may end before the test checks it.
    page.evaluate(
        """document.addEventListener("animationstart", ({ target, animationName }) => {
             const row = target.closest("li");
             if (row && animationName === "flash") document.title = row.textContent;
           })"""
    )
    open_form(page)
    fill(page, AMEX, "1234")
    press(page, "Add card")
    expect(row(page, AMEX_NAME)).to_be_visible()
    expect(switch(page, AMEX_NAME)).not_to_be_checked()
    expect_primary(page, VISA_NAME)
    expect(page).to_have_title(re.compile(re.escape(AMEX_NAME)))


def test_adding_the_same_card_again_updates_its_row(open_page, world):
    """M8."""
    world.cards(VISA, MASTERCARD)
    page = open_page()
    open_form(page)
    fill(page, MASTERCARD)
    card_field(page, "Expiry date").fill("1133")
    press(page, "Add card")
    expect(row(page, MASTERCARD_NAME)).to_contain_text("Expires 11/33")
    expect(rows(page)).to_have_count(2)


def test_a_double_click_adds_one_card(open_page, world):
    page = open_page()
    open_form(page)
    fill(page)
    captures = []
    page.on("request", lambda r: captures.append(r) if r.url.endswith(CAPTURE) else None)
    dialog(page).get_by_role("button", name="Add card").dblclick()
    expect(row(page, VISA_NAME)).to_be_visible()
    expect(dialog(page)).to_have_count(0)
    assert len(captures) == 1
    assert len(world.methods) == 1


def test_an_unreachable_processor_is_reported(open_page, world):
    page = open_page()
    open_form(page)
    fill(page)
    page.route(f"**{CAPTURE}", lambda route: route.abort())
    press(page, "Add card")
    expect(dialog(page).get_by_role("alert")).to_contain_text("Nothing was saved; try again.")
    page.unroute(f"**{CAPTURE}")
    press(page, "Add card")
    expect(row(page, VISA_NAME)).to_be_visible()


def test_a_closed_form_discards_its_input(open_page, world):
    world.cards(VISA)
    page = open_page()
    open_form(page)
    fill(page, MASTERCARD)
    press(page, "Cancel")
    expect(dialog(page)).to_have_count(0)
    assert "5555" not in page.content()
    open_form(page)
    expect(card_field(page, "Card number")).to_have_value("")
    press(page, "Close")
    more(page, VISA_NAME, "Remove")
    expect(page.get_by_role("dialog", name=f"Remove {VISA_NAME}?")).to_be_visible()
