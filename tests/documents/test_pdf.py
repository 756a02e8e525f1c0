"""PDF receipts and statements: content and fonts (L6)."""

import logging
from io import BytesIO

import pytest
from pypdf import PdfReader

from tests.factories import VISA
from webapp.documents.paper import FALLBACKS, is_needed
from webapp.documents.receipt import receipt_pdf
from webapp.domain.shared.provider import Provider
from webapp.reads.payments.receipt import ReceiptPaper

NAMES = {
    "Latin": "Łódź Øresund Æther Việt Nam",
    "Greek": "Ελληνική Εταιρεία",
    "Cyrillic": "Общество Связь",
    "Armenian": "Հայաստան",
    "Georgian": "საქართველო",
    "Hebrew": "שלום תקשורת",
    "Arabic": "شركة الاتصالات",
    "Chinese": "港湾语音有限公司",
    "Japanese": "港の声 ホールディングス",
    "Korean": "하버 보이스",
}


def text_of(data):
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(data)).pages)


def receipt(customer=("Harbour Voice Ltd", "12 Harbour Road", "Dublin")):
    return ReceiptPaper(
        number="R-1-000007",
        issued="16 Nov 2026",
        provider=("Tidewater Networks", "1 Quay Street", "VAT no. IE9876543B"),
        customer=customer,
        facts=(("Payment", "P-000007"), ("Paid with", "Visa •••• 4242")),
        lines=(("Net", "$81.30"), ("VAT 23 %", "$18.70")),
        total="$100.00",
        closing="Paid in full.",
    )


def test_a_receipt_has_all_required_facts_l6():
    """L6: both names and addresses, number, date, method, amount and tax."""
    content = text_of(receipt_pdf(receipt()))
    for text in (
        "Receipt", "R-1-000007", "16 Nov 2026", "Tidewater Networks", "1 Quay Street",
        "VAT no. IE9876543B", "Harbour Voice Ltd", "12 Harbour Road", "Dublin", "P-000007",
        "Visa •••• 4242", "$81.30", "VAT 23 %", "$18.70", "Total paid", "$100.00",
    ):  # fmt: skip
        assert text in content, text


@pytest.mark.parametrize("script", NAMES)
def test_names_in_other_scripts_are_drawn_l6(caplog, script):
    """L6: the bundled fonts have every character."""
    with caplog.at_level(logging.WARNING, "fpdf"):
        data = receipt_pdf(receipt(customer=(NAMES[script], "Dublin")))
    assert "missing" not in caplog.text
    assert "Dublin" in text_of(data)


def test_an_unsupported_script_does_not_prevent_a_receipt_l6():
    assert receipt_pdf(receipt(customer=("ไทย", "Bangkok"))).startswith(b"%PDF")


def test_a_fallback_font_is_loaded_only_when_needed():
    plain = receipt().words
    assert not any(is_needed(name, plain) for name in FALLBACKS)
    assert is_needed("droid", "港")
    assert not is_needed("dejavu", "港")
    assert is_needed("dejavu", "שלום")


def test_a_customer_downloads_a_receipt_and_a_statement_l6(app, client, world):
    """L6: unpaid payments have no receipt."""
    visa = world.card(VISA)
    paid = world.pay(visa, "30.00").id
    world.next_answer("decline", decline_code="insufficient_funds")
    declined = world.pay(visa, "30.00").id
    path = f"/billing/payments/{paid}/receipt.pdf"
    answer = client.get(path)
    assert answer.mimetype == "application/pdf"
    number = f"R-{world.account_id}-000001"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="receipt-{number}.pdf"'
    content = text_of(answer.data)
    for text in (number, "$30.00", "Visa •••• 4242", "Harbour Voice", "Ballast"):
        assert text in content
    assert client.get(f"/billing/payments/{declined}/receipt.pdf").status_code == 404
    assert path in client.get("/billing/payments").text
    assert path in client.get(f"/billing/payments/{paid}").text

    world.use("7.123456")
    world.use("0.5")
    content = text_of(client.get("/billing/statement.pdf?month=2026-11").data)
    for text in (
        "Statement", "November 2026", "Opening balance", "$0.00", "Balance so far", "$122.37",
        "Usage, 2 entries", "−7.623456", "+30.00",
    ):  # fmt: skip
        assert text in content, text


def test_the_provider_on_a_receipt_comes_from_the_settings_l6():
    provider = Provider(name="Pier Ltd", address="1 Quay Street,  Galway,, Ireland", tax_rate=7_700)
    assert provider.lines == ("1 Quay Street", "Galway", "Ireland")
    assert provider.tax_label == "VAT 7.7 %"
