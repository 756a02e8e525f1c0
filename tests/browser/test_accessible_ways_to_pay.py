"""axe checks of the bank's window, PayPal, consent, an email's link and wire transfers."""

from playwright.sync_api import expect

from tests import wires
from tests.browser.screen import MAIN, dialog, press, suspend, until
from tests.browser.test_accessibility import expect_no_violations
from tests.browser.test_add_card import open_form
from tests.browser.test_bank_window import window
from tests.browser.test_challenges import begin
from tests.browser.test_paypal import choose
from tests.factories import CHALLENGED_ALWAYS, VISA, resume_token
from webapp.actions.payment_methods.allow_paypal import allow_paypal
from webapp.domain.shared.context import Actor

TAB = "/billing/wire-transfers"


def expect_no_violations_while_busy(page, where):
    """Run axe after cancelling endless animations, which would never finish."""
    page.evaluate(
        """document.getAnimations()
             .filter((it) => it.effect.getComputedTiming().endTime === Infinity)
             .forEach((it) => it.cancel())"""
    )
    expect_no_violations(page, where)


def test_axe_on_the_bank_window_and_its_page(open_calm, world):
    world.card(CHALLENGED_ALWAYS)
    page = open_calm()
    begin(page, "funds")
    expect_no_violations_while_busy(page, "the bank's window")
    address = window(page).locator("iframe").get_attribute("src")
    page.goto(address)
    expect(page.get_by_role("button", name="Complete authentication")).to_be_visible()
    expect_no_violations(page, "the bank's own page")


def test_axe_on_paypal(open_calm, world):
    page = open_calm(f"{MAIN}/paypal/new")
    expect_no_violations(page, "PayPal, not allowed")

    operator = Actor(name="Operator")
    allow_paypal(world.ctx.by(operator), world.account_id, True)
    visa = world.card(VISA, auto_charge=True)
    world.refill()
    world.consent(visa, False)
    page.goto(MAIN)
    choose(page)
    expect(dialog(page).get_by_role("checkbox")).to_be_visible()
    expect_no_violations(page, "PayPal, allowed, with consent")
    press(page, "Continue to PayPal")
    expect(page.get_by_role("button", name="Agree")).to_be_visible()
    expect_no_violations(page, "PayPal's own page")
    page.get_by_role("button", name="Agree").click()
    expect(page.get_by_text("Enter an email address")).to_be_visible()
    expect_no_violations(page, "PayPal's own page, refused")


def test_axe_on_consent_in_the_card_dialog(open_calm, world):
    visa = world.card(VISA)
    world.refill()
    suspend(world, visa)
    world.use("60.00")
    page = open_calm()
    open_form(page)
    box = dialog(page).get_by_role("checkbox", name="Use it for automatic refills")
    expect(box).to_have_accessible_description("Ticking this charges $100.00 now.")
    expect_no_violations(page, "consent in the card dialog")


def test_axe_on_the_page_of_an_email_link(open_calm, app, world):
    world.card(CHALLENGED_ALWAYS)
    world.refill()
    page = open_calm(None)
    world.use("60.00")
    world.run("top up")
    until(page, lambda: world.mails_of("authentication_required"))
    attempt = world.attempts[0]
    link = f"/billing/authentications/{resume_token(app.config['SECRET_KEY'], attempt.id)}"
    page.goto(link)
    expect(page.get_by_role("button", name="Confirm payment")).to_be_visible()
    expect_no_violations(page, "a payment to confirm")

    page.get_by_role("button", name="Confirm payment").click()
    expect(window(page)).to_be_visible()
    expect_no_violations_while_busy(page, "the bank's window above that page")
    page.goto(link)
    expect(page.get_by_role("heading", name="Nothing to confirm")).to_be_visible()
    expect_no_violations(page, "a link that has been used")


def test_axe_on_wire_transfers(open_calm, world):
    page = open_calm(TAB)
    expect_no_violations(page, "no wire transfer yet")
    wire = wires.ask(world)
    proven = wires.ask(world, "450.00", "EUR")
    wires.prove(world, proven)
    cancelled = wires.ask(world, "70.00")
    wires.cancel(world, cancelled)
    for path in (TAB, f"{TAB}/new", f"{TAB}/{wire.id}", f"{TAB}/{proven.id}"):
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect_no_violations(page, path)
    page.goto(f"{TAB}/{cancelled.id}")
    expect_no_violations(page, "a cancelled request")

    page.goto(f"{TAB}/{wire.id}")
    page.get_by_role("button", name="Upload proof of payment").click()
    expect(dialog(page)).to_be_visible()
    expect_no_violations(page, "the proof dialog")
    press(page, "Upload")
    expect(dialog(page).get_by_text("Choose a file")).to_be_visible()
    expect_no_violations(page, "the proof dialog, refused")
    page.keyboard.press("Escape")
    expect(dialog(page)).to_have_count(0)
    page.get_by_role("button", name="Cancel request").click()
    expect(dialog(page)).to_be_visible()
    expect_no_violations(page, "cancelling a request")
