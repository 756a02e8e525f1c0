"""Billed to: a small form (L6)."""

from tests.web.conftest import errors, words

PATH = "/billing/details"


def test_what_is_saved_stands_in_the_form(client, world):
    """L6, P2: and on the audit log."""
    sent = {"name": "Harbour <Ltd>", "address": "12 Harbour Road\nDublin", "tax_number": "IE1"}
    assert client.post(PATH, data=sent).status_code == 303
    page = client.get(PATH)
    assert 'value="Harbour &lt;Ltd&gt;"' in page.text
    assert "12 Harbour Road\nDublin</textarea>" in page.text
    assert "Billed to Harbour <Ltd>, 12 Harbour Road, Dublin, IE1." in words(
        client.get("/settings/audit-log")
    )


def test_what_cannot_be_kept_stays_beside_its_error(client, world):
    answer = client.post(PATH, data={"name": "x" * 121, "address": "a\nb\nc\nd\ne\nf"})
    assert answer.status_code == 422
    assert set(errors(answer)) == {"name", "address"}
    assert "x" * 121 in answer.text


def test_saved_unchanged_it_is_no_change(client, world, held):
    client.post(PATH, data={"name": "", "address": "Dublin", "tax_number": ""})
    before = held()
    client.post(PATH, data={"name": "", "address": " Dublin ", "tax_number": ""})
    assert held() == before
