"""The Wire Transfer tab, a request's page, proofs, and access to them."""

import re
from html import unescape
from io import BytesIO

import pytest

from tests import wires
from webapp.domain.users.user import Membership, Role
from webapp.domain.wires.proofs import LARGEST
from webapp.domain.wires.wire import WireRequest

TAB = "/billing/wire-transfers"


def words(answer):
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", answer.text, flags=re.DOTALL)
    return " ".join(unescape(text).split())


def errors(answer):
    found = re.findall(r'id="(\w+)-error">([^<]*)<', answer.text)
    return {field: unescape(error) for field, error in found if error}


def create(client, amount="1000.00", currency="USD", key="k" * 32, **headers):
    form = {"amount": amount, "currency": currency, "request_key": key}
    return client.post(TAB, data=form, headers=headers)


def send(client, wire_id, content, name="transfer.pdf", kind="application/pdf", **headers):
    form = {"proof": (BytesIO(content), name, kind)}
    return client.post(f"{TAB}/{wire_id}/proofs", data=form, headers=headers)


@pytest.fixture
def wire(world):
    return wires.ask(world)


def every_page(wire_id=1):
    one = f"{TAB}/{wire_id}"
    return [
        ("get", TAB),
        ("get", f"{TAB}/new"),
        ("post", TAB),
        ("get", one),
        ("get", f"{one}/proofs/new"),
        ("post", f"{one}/proofs"),
        ("get", f"{one}/proofs/1"),
        ("get", f"{one}/cancellation"),
        ("post", f"{one}/cancellation"),
    ]


EVERY_PAGE = pytest.mark.parametrize(("method", "path"), every_page())


# Access


@EVERY_PAGE
def test_a_signed_out_visitor_is_redirected_to_sign_in(app, world, method, path):
    """P1"""
    answer = getattr(app.test_client(), method)(path)
    assert answer.status_code == 303
    assert "/sign-in" in answer.location


@EVERY_PAGE
def test_wires_need_the_billing_right(client, session, method, path):
    """P1"""
    session.query(Membership).update({"role": Role.TECHNICAL})
    session.commit()
    assert getattr(client, method)(path).status_code == 403


@pytest.mark.parametrize("role", [Role.ADMIN, Role.COMMERCIAL, Role.BILLING])
def test_each_billing_role_can_request_wires(client, session, role):
    """P1"""
    session.query(Membership).update({"role": role})
    session.commit()
    created = create(client)
    assert created.status_code == 303
    assert send(client, created.location.split("/")[-1], wires.PDF).status_code == 303


@pytest.mark.parametrize(
    ("method", "path"), [page for page in every_page() if page[1].startswith(f"{TAB}/1")]
)
def test_another_accounts_request_is_not_found(client, world, method, path):
    """P1"""
    own = world.account_id
    world.account_id = world.account().account_id
    wire = wires.prove(world, wires.ask(world))
    assert wire.id == 1
    world.account_id = own

    data = {"proof": (BytesIO(wires.PDF), "x.pdf")} if path.endswith("/proofs") else None
    assert getattr(client, method)(path, data=data).status_code == 404
    assert wires.again(world, wire).state == "proof_uploaded"


@pytest.mark.parametrize("path", ["", "/cancellation", "/proofs/new", "/proofs/1"])
@pytest.mark.parametrize("wire_id", ["999", "9" * 30])
def test_an_unknown_request_is_not_found(client, wire_id, path):
    assert client.get(f"{TAB}/{wire_id}{path}").status_code == 404


@pytest.mark.parametrize("path", [TAB, f"{TAB}/1/proofs", f"{TAB}/1/cancellation"])
def test_every_change_needs_a_csrf_token(app, client, wire, path):
    app.config["WTF_CSRF_ENABLED"] = True
    assert client.post(path).status_code == 400


# The tab


def test_the_tab_is_linked_beside_saved_methods(client):
    saved, tab = client.get("/billing/payment-methods"), client.get(TAB)
    assert f'<a href="{TAB}">Wire Transfer</a>' in saved.text
    assert f'<a href="{TAB}" aria-current="page">Wire Transfer</a>' in tab.text
    assert re.search(rf'role="menuitem" href="{TAB}">.*Wire Transfer</a>', saved.text)
    assert "No wire transfers yet" in words(tab)
    assert "$30.00 to $10,000.00, or the equivalent in EUR" in words(tab)


def test_a_request_shows_its_bank_details(client, world):
    """L5"""
    created = create(client)
    assert created.status_code == 303
    page = client.get(created.location)
    (wire,) = world.session.query(WireRequest)
    for expected in (
        "Send $1,000.00 to this account",
        wire.reference,
        "Ballast Demo Ltd",
        "IE00 SNBX 0000 1234 5678 90",
        "SNBXIE2DXXX",
        "Sandbox: these bank details are not real",
        "Requested Today, 10:00 · Ana Ruiz",
    ):
        assert expected in words(page)
    assert 'data-copy="IE00SNBX00001234567890"' in page.text
    assert f'data-copy="{wire.reference}"' in page.text
    assert 'aria-label="Copy IBAN"' in page.text
    assert 'aria-label="Copy payment reference"' in page.text

    tab = client.get(TAB)
    assert "Send $1,000.00 to this account" in words(tab)
    assert f"{wire.reference} Today, 10:00 · Ana Ruiz New" in words(tab)


def test_the_same_form_sent_twice_is_one_request(client, world):
    assert create(client).location == create(client).location
    assert world.session.query(WireRequest).count() == 1


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("29.99", "EUR", {"amount": "At least €30.00"}),
        ("10000.01", "USD", {"amount": "At most $10,000.00"}),
        ("", "USD", {"amount": "Enter an amount"}),
        ("-5", "USD", {"amount": "Must be above zero"}),
        ("1.001", "USD", {"amount": "At most 2 decimals. For 1001, leave out the separator"}),
        ("ten", "USD", {"amount": "Enter an amount such as 50.00"}),
        ("100", "GBP", {"currency": "Choose USD or EUR"}),
    ],
)
def test_invalid_input_is_kept_beside_its_error(client, world, amount, currency, expected):
    answer = create(client, amount, currency)
    assert answer.status_code == 422
    assert errors(answer) == expected
    assert f'value="{amount}"' in answer.text
    assert world.session.query(WireRequest).count() == 0


@pytest.mark.parametrize("key", ["", "short", "k" * 65, "k" * 31 + "é"])
def test_an_invalid_request_key_is_refused(client, key):
    assert create(client, key=key).status_code == 400


def test_too_many_open_requests_are_refused(client, world):
    for _ in range(10):
        wires.ask(world)
    answer = create(client)
    assert answer.status_code == 409
    assert "Cancel one of them first." in words(answer)


def test_older_requests_are_paged(client, world, monkeypatch):
    monkeypatch.setattr("webapp.reads.wires.PAGE", 2)
    asked = [wires.ask(world) for _ in range(3)]
    first = client.get(TAB)
    assert asked[0].reference not in first.text
    older = client.get(f"{TAB}?before={asked[1].id}")
    assert asked[0].reference in older.text
    assert "Back to the newest" in older.text
    assert client.get(f"{TAB}?before=x").status_code == 200
    assert client.get(f"{TAB}?before={'9' * 30}").status_code == 200


class TestWithoutABank:
    @pytest.fixture(autouse=True)
    def no_bank(self, app, world, wire):
        from dataclasses import replace

        app.extensions["ballast"] = replace(app.extensions["ballast"], bank=None)

    def test_the_tab_has_a_message_and_lists_old_requests(self, client, wire):
        page = client.get(TAB)
        assert "Wire transfer is not offered here" in words(page)
        assert wire.reference in page.text
        assert "Create request" not in page.text

    def test_no_request_can_be_created(self, client, world):
        assert "not offered" in words(client.get(f"{TAB}/new"))
        answer = create(client)
        assert answer.status_code == 409
        assert world.session.query(WireRequest).count() == 1

    def test_an_old_request_shows_no_bank_details(self, client, wire):
        page = client.get(f"{TAB}/{wire.id}")
        assert page.status_code == 200
        assert "IBAN" not in page.text


class TestWithABank:
    @pytest.fixture
    def environ(self):
        return {
            "WIRE_BENEFICIARY": "Pier Ltd",
            "WIRE_IBAN": "IE29AIBK93115212345678",
            "WIRE_BIC": "AIBKIE2D",
            "WIRE_ACCOUNT": "12345678",
            "WIRE_ROUTING": "021000021",
        }

    def test_bank_details_are_shown_by_currency(self, client, world):
        euros = client.get(f"{TAB}/{wires.ask(world, currency='EUR').id}")
        dollars = client.get(f"{TAB}/{wires.ask(world, currency='USD').id}")
        assert "IE29 AIBK 9311 5212 3456 78" in euros.text
        assert "021000021" not in euros.text
        assert "021000021" in dollars.text
        assert "IE29" not in dollars.text
        for page in (euros, dollars):
            assert "Usually 1 to 3 business days" in page.text
            assert "Sandbox: no bank" not in page.text


# Proof


@pytest.mark.parametrize(
    ("content", "name", "kind", "ending"),
    [
        (wires.PDF, "transfer.pdf", "application/pdf", "pdf"),
        (wires.PNG, "screen.png", "image/png", "png"),
        (wires.JPEG, "photo.jpeg", "image/jpeg", "jpg"),
        (wires.PDF, "transfer.html", "text/html", "pdf"),
    ],
)
def test_a_proof_can_be_downloaded(client, world, wire, content, name, kind, ending):
    """Its type follows from its content, and its name is in no header."""
    sent = send(client, wire.id, content, name, kind)
    assert (sent.status_code, sent.location) == (303, f"{TAB}/{wire.id}")
    page = client.get(sent.location)
    assert "Proof uploaded" in words(page)
    assert name in words(page)

    [(address)] = re.findall(rf'href="({TAB}/{wire.id}/proofs/\d+)"', page.text)
    file = client.get(address)
    assert file.data == content
    assert file.headers["Content-Disposition"] == (
        f"attachment; filename={wire.reference}-proof-1.{ending}"
    )
    assert file.mimetype == {"pdf": "application/pdf", "png": "image/png"}.get(ending, "image/jpeg")
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in file.headers["Content-Security-Policy"]
    assert file.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (wires.HTML, "transfer.pdf", "Must be a PDF, PNG or JPEG file"),
        (wires.HTML, "transfer.png", "Must be a PDF, PNG or JPEG file"),
        (b"MZ\x90\x00", "transfer.jpg", "Must be a PDF, PNG or JPEG file"),
        (b"<svg onload='x()'/>", "transfer.svg", "Must be a PDF, PNG or JPEG file"),
        (b"", "transfer.pdf", "The file is empty"),
        (b"", "", "Choose a file"),
        (wires.PDF + b"x" * (LARGEST + 1 - len(wires.PDF)), "large.pdf", "At most 10 MB"),
        (wires.PDF + b"x" * (20 * 1024 * 1024), "huge.pdf", "At most 10 MB"),
    ],
    ids=[
        "html as pdf",
        "html as png",
        "exe as jpg",
        "svg",
        "zero bytes",
        "none",
        "10 MB + 1",
        "20 MB",
    ],
)
@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}], ids=["page", "dialog"])
def test_an_invalid_file_has_an_error_beside_the_field(
    client, world, wire, content, name, expected, headers
):
    answer = send(client, wire.id, content, name, **headers)
    assert answer.status_code == 422
    assert errors(answer) == {"proof": expected}
    assert ("<html" in answer.text) is (not headers)
    assert wires.again(world, wire).state == "new"
    assert wires.proof_files(world) == []


def test_exactly_10_mb_are_accepted_with_csrf_protection(app, client, world, wire):
    """The larger body is allowed before the token is read."""
    app.config["WTF_CSRF_ENABLED"] = True
    form = client.get(f"{TAB}/{wire.id}/proofs/new")
    token = re.search(r'name="csrf_token" value="([^"]+)"', form.text)[1]
    content = wires.PDF + b"x" * (LARGEST - len(wires.PDF))
    data = {"csrf_token": token, "proof": (BytesIO(content), "large.pdf")}
    assert client.post(f"{TAB}/{wire.id}/proofs", data=data).status_code == 303
    assert len(wires.proof_files(world)) == 1


@pytest.mark.parametrize("path", [TAB, f"{TAB}/1/cancellation", "/billing/funds"])
def test_other_forms_accept_no_large_body(app, client, wire, path):
    app.config["WTF_CSRF_ENABLED"] = True
    data = {"proof": (BytesIO(b"x" * 3_000_000), "x")}
    assert client.post(path, data=data).status_code == 413


def test_a_signed_out_visitor_can_upload_no_large_body(app, wire):
    data = {"proof": (BytesIO(b"x" * 3_000_000), "x")}
    app.config["WTF_CSRF_ENABLED"] = True
    assert app.test_client().post(f"{TAB}/{wire.id}/proofs", data=data).status_code == 413


def test_a_too_large_file_for_another_accounts_request_is_not_found(client, world):
    """P1"""
    own = world.account_id
    world.account_id = world.account().account_id
    wire_id = wires.ask(world).id
    world.account_id = own
    answer = send(client, wire_id, wires.PDF + b"x" * (20 * 1024 * 1024))
    assert answer.status_code == 404


def test_a_path_in_a_file_name_is_removed(client, world, wire):
    send(client, wire.id, wires.PDF, "../../../webapp/app.py")
    (path,) = wires.proof_files(world)
    assert path.parent == world.services.settings.home / "proofs" / str(world.account_id)
    assert re.fullmatch(r"[0-9a-f]{32}", path.name)
    assert path.stat().st_mode & 0o777 == 0o600
    (proof,) = wires.again(world, wire).proofs
    assert proof.name == "app.py"


def test_a_file_name_is_escaped(client, wire):
    send(client, wire.id, wires.PDF, "<img src=x onerror=alert(1)>.pdf")
    page = client.get(f"{TAB}/{wire.id}")
    assert "<img src=x" not in page.text
    assert "<img src=x onerror=alert(1)>.pdf" in words(page)


def test_proofs_are_not_served_as_static_files(client, world, wire):
    send(client, wire.id, wires.PDF)
    (path,) = wires.proof_files(world)
    for address in (f"/static/../proofs/{world.account_id}/{path.name}", f"/proofs/{path.name}"):
        assert client.get(address).status_code == 404


def test_another_requests_proof_is_not_found(client, world, wire):
    other = wires.prove(world, wires.ask(world))
    proof_id = wires.again(world, other).proofs[0].id
    assert client.get(f"{TAB}/{wire.id}/proofs/{proof_id}").status_code == 404


def test_a_proof_without_its_file_is_not_found(client, world, wire):
    send(client, wire.id, wires.PDF)
    wires.proof_files(world)[0].unlink()
    proof_id = wires.again(world, wire).proofs[0].id
    assert client.get(f"{TAB}/{wire.id}/proofs/{proof_id}").status_code == 404


def test_a_completed_request_accepts_no_proof(client, world, wire):
    wires.complete(world, wire)
    answer = send(client, wire.id, wires.PDF)
    assert answer.status_code == 409
    assert f"{wire.reference} is already completed." in errors(answer)["proof"]


# Cancelling


def test_cancelling_asks_first_and_confirms_afterwards(client, world, wire):
    asked = client.get(f"{TAB}/{wire.id}/cancellation")
    assert f"Cancel {wire.reference}?" in words(asked)
    assert wires.again(world, wire).state == "new"

    for _ in range(2):
        done = client.post(f"{TAB}/{wire.id}/cancellation", follow_redirects=True)
        assert f"{wire.reference} is cancelled." in words(done)
    assert wires.again(world, wire).state == "cancelled"
    assert "IBAN" not in words(done)


def test_a_dialogs_response_redirects_the_whole_page(client, wire):
    headers = {"HX-Request": "true"}
    assert "<html" not in client.get(f"{TAB}/{wire.id}/cancellation", headers=headers).text
    done = client.post(f"{TAB}/{wire.id}/cancellation", headers=headers)
    assert (done.status_code, done.headers["HX-Redirect"]) == (200, f"{TAB}/{wire.id}")


def test_a_completed_request_cannot_be_cancelled(client, world, wire):
    wires.complete(world, wire)
    answer = client.post(f"{TAB}/{wire.id}/cancellation")
    assert answer.status_code == 409
    assert f"{wire.reference} is already completed." in words(answer)


# Outcomes


def test_both_amounts_and_the_rate_are_shown(client, world):
    """L11"""
    wire = wires.ask(world, "900.00", "EUR")
    wires.complete(world, wire, "975.78", received="900.00", rate="1.0842")
    page = words(client.get(f"{TAB}/{wire.id}"))
    for expected in (
        "Wire transfer of €900.00",
        "Received €900.00",
        "Rate 1 EUR = 1.0842 USD",
        "Added to your balance $975.78",
        "Completed Today, 10:00",
    ):
        assert expected in page
    assert "Cancel request" not in page
    assert "Upload proof" not in page
    assert "Completed Sun 22 Nov" in words(client.get(TAB))
    assert f"{wire.reference}, €900.00 at 1.0842" in words(client.get("/billing/payments"))
    assert "Wire transfer by Ana Ruiz" in words(client.get("/billing/payments"))
    assert f"Wire transfer, {wire.reference}" in words(client.get("/billing/statement"))


def test_a_rejected_request_shows_the_reason(client, world, wire):
    wires.reject(world, wire, "Called back by your bank")
    page = words(client.get(f"{TAB}/{wire.id}"))
    assert "Rejected" in page
    assert "Reason Called back by your bank" in page


def test_metrics_count_wires_that_await_the_operator(client, world, wire):
    wires.prove(world, wire)
    assert "ballast_wires_to_confirm 1.0" in client.get("/metrics").text
