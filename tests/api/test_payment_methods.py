"""Payment methods by API: list, consent, order and removal."""

from tests.factories import AMEX, MASTERCARD, VISA
from webapp.domain.events.rows import EventRow

PROBLEM = "application/problem+json"


def ids(program):
    return [method["id"] for method in program.get("/payment-methods").json["payment_methods"]]


def test_m2_the_list_is_in_the_customers_order_with_each_status(program, world):
    visa, _ = world.cards(VISA, MASTERCARD)
    world.card(AMEX)
    world.next_answer("decline", decline_code="insufficient_funds")
    world.pay(visa, "60.00")

    methods = program.get("/payment-methods").json["payment_methods"]

    assert [(m["position"], m["name"], m["status"], m["auto_charge"]) for m in methods] == [
        (1, "Visa •••• 4242", "suspended", True),
        (2, "Mastercard •••• 4444", "ready", True),
        (3, "American Express •••• 0005", "auto_charge_off", False),
    ]
    assert methods[0]["suspended_until"] == "2026-11-24T10:00:00Z"
    assert methods[0]["reason"] == "Insufficient funds"
    assert methods[1] == program.get(f"/payment-methods/{methods[1]['id']}").json


def test_m3_setting_consent_is_idempotent(program, world):
    card = world.card(VISA)
    for wished in (False, False, True):
        answer = program("PUT", f"/payment-methods/{card.id}/auto-charge", {"on": wished})
        assert (answer.status_code, answer.json["auto_charge"]) == (200, wished)
    assert world.method("4242").auto_charge is True


def test_an_invalid_consent_is_reported_by_field(program, world):
    card = world.card(VISA)
    for body, field in [({}, "on"), ({"on": 1}, "on"), ({"on": True, "of": 1}, "of"), ([], "body")]:
        answer = program("PUT", f"/payment-methods/{card.id}/auto-charge", body)
        assert (answer.status_code, answer.mimetype) == (422, PROBLEM)
        assert list(answer.json["errors"]) == [field]


def test_m5_the_order_is_replaced_with_if_match(program, world):
    world.cards(VISA, MASTERCARD, AMEX)
    read = program.get("/payment-methods/order")
    turned = list(reversed(read.json["order"]))

    answer = program(
        "PUT", "/payment-methods/order", {"order": turned}, If_Match=read.headers["ETag"]
    )

    assert (answer.status_code, answer.json["order"]) == (200, turned)
    assert ids(program) == turned
    assert answer.headers["ETag"] == program.get("/payment-methods/order").headers["ETag"]


def test_m5_a_stale_order_is_refused_with_the_current_one(program, world):
    world.cards(VISA, MASTERCARD)
    read = program.get("/payment-methods/order")
    order = read.json["order"]
    world.card(AMEX)

    for sent, seen in [
        (list(reversed(order)), read.headers["ETag"]),
        (list(reversed(order)), "*"),
        ([order[0]] * 3, program.get("/payment-methods/order").headers["ETag"]),
    ]:
        answer = program("PUT", "/payment-methods/order", {"order": sent}, If_Match=seen)
        assert (answer.status_code, answer.json["code"]) == (412, "stale")
        assert answer.json["order"] == ids(program)
        assert answer.headers["ETag"] == program.get("/payment-methods/order").headers["ETag"]


def test_replacing_the_order_requires_if_match(program, world):
    world.cards(VISA, MASTERCARD)
    answer = program("PUT", "/payment-methods/order", {"order": ids(program)})
    assert (answer.status_code, answer.json["code"]) == (428, "precondition_required")


def test_m10_after_a_removal_the_next_method_is_primary(program, world):
    visa, _ = world.cards(VISA, MASTERCARD)

    assert program("DELETE", f"/payment-methods/{visa.id}").status_code == 204
    assert program.get(f"/payment-methods/{visa.id}").status_code == 404
    assert program("DELETE", f"/payment-methods/{visa.id}").status_code == 404
    [left] = program.get("/payment-methods").json["payment_methods"]
    assert (left["position"], left["last4"]) == (1, "4444")


def test_m10_a_method_with_an_open_payment_is_not_removed(program, world):
    visa = world.card(VISA)
    world.next_answer("timeout_after_charge")
    world.pay(visa, "40.00")
    answer = program("DELETE", f"/payment-methods/{visa.id}")
    assert (answer.status_code, answer.json["code"]) == (409, "payment_open")


def test_p1_another_accounts_method_is_not_found(stranger, world):
    visa = world.card(VISA)
    for method, path, body in [
        ("GET", "", None),
        ("DELETE", "", None),
        ("PUT", "/auto-charge", {"on": False}),
    ]:
        answer = stranger(method, f"/payment-methods/{visa.id}{path}", body)
        assert (answer.status_code, answer.mimetype) == (404, PROBLEM)
    assert world.method("4242").auto_charge is True


def test_an_id_too_large_for_the_database_returns_a_problem(program):
    for number in (999_999_999, 2_147_483_648, 10**30):
        answer = program.get(f"/payment-methods/{number}")
        assert (answer.status_code, answer.mimetype) == (404, PROBLEM)


def test_an_unchanged_list_is_not_sent_again(program, world):
    world.cards(VISA, MASTERCARD)
    tag = program.get("/payment-methods").headers["ETag"]
    again = program.get("/payment-methods", If_None_Match=tag)
    assert (again.status_code, again.data) == (304, b"")
    world.card(AMEX)
    assert program.get("/payment-methods", If_None_Match=tag).status_code == 200


def test_p2_the_audit_log_names_the_key(program, world):

    card = world.card(VISA)
    program("PUT", f"/payment-methods/{card.id}/auto-charge", {"on": False})
    entry = world.session.query(EventRow).order_by(EventRow.id.desc()).first()
    assert (entry.audit, entry.actor_name) == ("auto_charge", "API key First key")
