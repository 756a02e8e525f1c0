"""Wire transfers in a browser: request, copy, proof and cancel."""

import re

from playwright.sync_api import expect

from tests import wires
from tests.browser.screen import dialog, press, said, until
from webapp.domain.wires.wire import WireRequest

TAB = "/billing/wire-transfers"
LARGE = 10 * 1024 * 1024 + 1


def file(content, name="transfer.pdf"):
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def state(world, wire_id):
    world.session.rollback()
    return world.session.get_one(WireRequest, wire_id, populate_existing=True).state


def test_a_request_leads_to_the_bank_details(open_page, world):
    """L5"""
    page = open_page()
    page.get_by_role("button", name="Add Payment Method").click()
    page.get_by_role("menuitem", name="Wire Transfer").click()
    expect(page.get_by_role("link", name="Wire Transfer", exact=True)).to_have_attribute(
        "aria-current", "page"
    )
    form = page.get_by_role("region", name="Request a wire transfer")
    form.get_by_label("Amount").fill("29.99")
    form.get_by_label("Currency").select_option("EUR")
    form.get_by_role("button", name="Create request").click()
    expect(form.get_by_label("Amount")).to_have_value("29.99")
    expect(form.get_by_text("At least €30.00")).to_be_visible()

    form.get_by_label("Amount").fill("450.00")
    form.get_by_role("button", name="Create request").click()
    expect(page).to_have_url(re.compile(rf"{TAB}/\d+$"))
    card = page.get_by_role("region", name="Send €450.00 to this account")
    expect(card).to_contain_text("IE00 SNBX 0000 1234 5678 90")
    expect(said(page, "is ready. Use it as the payment reference.")).to_be_visible()


def test_the_copy_buttons_copy_values_for_a_bank_form(open_page, world):
    wire = wires.ask(world)
    page = open_page(f"{TAB}/{wire.id}", permissions=["clipboard-read", "clipboard-write"])
    for name, copied in (
        ("Copy IBAN", "IE00SNBX00001234567890"),
        ("Copy payment reference", wire.reference),
        ("Copy beneficiary", "Ballast Demo Ltd"),
    ):
        page.get_by_role("button", name=name).click()
        expect(page.locator("[aria-live=polite]")).to_contain_text("copied")
        until(page, lambda c=copied: page.evaluate("navigator.clipboard.readText()") == c)


def test_a_proof_is_uploaded_in_a_dialog(open_page, world, tmp_path):
    """L5: an invalid file is reported beside the field, and the dialog stays open."""
    wire_id = wires.ask(world).id
    page = open_page(TAB)
    page.get_by_role("button", name="Upload proof of payment").click()
    field = dialog(page).get_by_label("File")
    press(page, "Upload")
    expect(dialog(page).get_by_text("Choose a file")).to_be_visible()

    field.set_input_files(file(wires.HTML, "transfer.png"))
    press(page, "Upload")
    expect(dialog(page).get_by_text("Must be a PDF, PNG or JPEG file")).to_be_visible()

    # A path, because Playwright encodes and sends the content of a file without one.
    large = tmp_path / "transfer.pdf"
    large.write_bytes(b"%PDF-1.7" + b"x" * LARGE)
    field.set_input_files(large)
    expect(dialog(page).get_by_text("At most 10 MB")).to_be_visible()
    press(page, "Upload")
    expect(dialog(page).get_by_text("At most 10 MB")).to_be_visible()
    assert state(world, wire_id) == "new"

    field.set_input_files(file(wires.PDF))
    expect(dialog(page).get_by_text("At most 10 MB")).to_have_count(0)
    press(page, "Upload")
    expect(page).to_have_url(re.compile(f"{TAB}/{wire_id}$"))
    proof = page.get_by_role("region", name="Proof of payment")
    with page.expect_download() as download:
        proof.get_by_role("link", name="Download transfer.pdf").click()
    assert re.fullmatch(r"WT-\w{4}-\w{4}-proof-1\.pdf", download.value.suggested_filename)
    assert state(world, wire_id) == "proof_uploaded"


def test_cancelling_asks_first(open_page, world):
    wire_id = wires.ask(world).id
    page = open_page(TAB)
    for answer, expected in (("Keep request", "new"), ("Cancel request", "cancelled")):
        page.get_by_role("button", name="Cancel request").click()
        expect(dialog(page)).to_contain_text("If you have already sent the money")
        press(page, answer)
        until(page, lambda t=expected: state(world, wire_id) == t)
    expect(page).to_have_url(re.compile(f"{TAB}/{wire_id}$"))
    expect(page.get_by_text("Copy IBAN")).to_have_count(0)


def test_an_open_page_shows_that_the_money_arrived(open_page, world):
    """L5, L11"""
    wire = wires.ask(world, "900.00", "EUR")
    page = open_page(f"{TAB}/{wire.id}")
    wires.complete(world, wire, "975.78", received="900.00", rate="1.0842")
    card = page.get_by_role("region", name="Wire transfer of €900.00")
    expect(card).to_contain_text("1 EUR = 1.0842 USD")
    expect(card).to_contain_text("$975.78")


def test_printing_hides_menus_and_buttons(open_page, world):
    page = open_page(f"{TAB}/{wires.ask(world).id}")
    page.emulate_media(media="print")
    expect(page.get_by_text("IE00 SNBX 0000 1234 5678 90")).to_be_visible()
    expect(page.get_by_role("navigation", name="Menu")).to_be_hidden()
    expect(page.get_by_role("button")).to_have_count(0)
