"""The billing details on receipts (L6)."""

from tests.web.conftest import errors, words

PATH = "/billing/details"


def test_saved_details_are_shown_in_the_form(client, world):
    """L6, P2: and in the audit log."""
    sent = {"name": "Harbour <Ltd>", "address": "12 Harbour Road\nDublin", "tax_number": "IE1"}
    assert client.post(PATH, data=sent).status_code == 303
    page = client.get(PATH)
    assert 'value="Harbour &lt;Ltd&gt;"' in page.text
    assert "12 Harbour Road\nDublin</textarea>" in page.text
    assert "Billed to Harbour <Ltd>, 12 Harbour Road, Dublin, IE1." in words(
        client.get("/settings/audit-log")
    )


def test_invalid_details_stay_beside_their_error(client, world):
    answer = client.post(PATH, data={"name": "x" * 121, "address": "a\nb\nc\nd\ne\nf"})
    assert answer.status_code == 422
    assert set(errors(answer)) == {"name", "address"}
    assert "x" * 121 in answer.text


def test_saving_unchanged_details_changes_nothing(client, world, database_rows):
    client.post(PATH, data={"name": "", "address": "Dublin", "tax_number": ""})
    before = database_rows()
    client.post(PATH, data={"name": "", "address": " Dublin ", "tax_number": ""})
    assert database_rows() == before
