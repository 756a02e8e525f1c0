"""`POST /api/v1/usage`: accepted records and the responses to them (L1, L12)."""

import gzip
import io
import json
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from tests.factories import with_bounds
from webapp.api.usage_batch import LARGEST_BATCH
from webapp.domain.ledger import LedgerEntry
from webapp.domain.top_ups.top_up import TopUp
from webapp.extensions import services

PROBLEM = "application/problem+json"


@pytest.fixture
def meter(app, world):
    """An API client without cookies that posts usage."""
    client = app.test_client()

    def post(body, **options):
        headers = {"Authorization": f"Bearer {world.created.api_key}"}
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        return client.post(
            "/api/v1/usage",
            **{"data": data, "headers": headers, "content_type": "application/json", **options},
        )

    return post


def record(amount="12.34", reference="call-981", **fields):
    return {"amount": amount, "reference": reference, **fields}


def entries(session):
    session.rollback()
    query = select(func.count()).select_from(LedgerEntry)
    return session.scalar(query.where(LedgerEntry.reference.is_not(None)))


# One record


def test_a_record_is_posted_and_the_new_balance_returned(meter, world):
    answer = meter(record(description="Ireland mobile", occurred_at="2026-11-22T09:59:00Z"))

    assert answer.status_code == 201
    assert answer.json == {
        "posted": 1,
        "ended": 0,
        "duplicate": 0,
        "conflict": 0,
        "invalid": 0,
        "too_large": 0,
        "balance": "87.66",
        "currency": "USD",
        "index": 0,
        "reference": "call-981",
        "status": "posted",
        "records": [{"index": 0, "reference": "call-981", "status": "posted"}],
    }
    assert world.balance == "87.66"


def test_usage_has_up_to_six_decimals(meter):
    assert meter(record("0.000001")).json["balance"] == "99.999999"


def test_l1_trailing_zeros_are_not_decimals(meter):
    assert meter(record("0.0075000000")).json["balance"] == "99.9925"


def test_usage_is_not_refused_for_lack_of_balance(meter):
    assert meter(record("250.00")).json["balance"] == "-150.00"


def test_l12_a_repeated_record_is_a_duplicate_and_debits_nothing(meter, session):
    meter(record())
    again = meter(record(description="told otherwise"))

    assert again.status_code == 201
    assert again.json["status"] == "duplicate"
    assert again.json["balance"] == "87.66"
    assert entries(session) == 1


def test_l12_the_same_reference_with_another_amount_is_a_conflict(meter, world):
    meter(record())
    answer = meter(record("12.35"))

    assert (answer.status_code, answer.mimetype) == (409, PROBLEM)
    assert answer.json["title"] == "Conflict"
    assert answer.json["status"] == 409
    assert answer.json["code"] == "conflict"
    assert "call-981" in answer.json["detail"]
    assert world.balance == "87.66"


@pytest.mark.parametrize("amount", ["1000.000001", "215000", "1" * 30])
def test_l14_a_record_above_usage_max_is_refused(meter, world, amount):
    answer = meter(record(amount))

    assert (answer.status_code, answer.mimetype) == (422, PROBLEM)
    assert answer.json["code"] == "too_large"
    errors = {"amount": "At most 1000.00 in one usage record"}
    assert answer.json["errors"] == errors
    (judged,) = answer.json["records"]
    assert (judged["status"], judged["errors"]) == ("too_large", errors)
    assert world.balance == "100.00"


def test_l14_usage_max_itself_is_posted(meter):
    assert meter(record("1000.00")).json["balance"] == "-900.00"


def test_l14_in_a_batch_each_record_has_its_own_verdict(meter, world):
    """L14, L12: a refused record claims nothing."""
    sent = {"records": [record("215000"), record("1.00", "call-2"), record("0", "call-3")]}
    answer = meter(sent)

    assert answer.status_code == 201
    statuses = [judged["status"] for judged in answer.json["records"]]
    assert statuses == ["too_large", "posted", "invalid"]
    assert meter(record("215.00")).json["status"] == "posted"
    assert world.balance == "-116.00"


def test_l14_a_batch_of_only_oversized_records_is_refused(meter, world, app):
    """L14: with one timeline line for the account, whatever their number, and a metric."""
    sent = {"records": [record("2000", f"call-{n}") for n in range(3)]}
    answer = meter(sent)
    assert (answer.status_code, answer.json["code"]) == (422, "too_large")
    assert [record["status"] for record in answer.json["records"]] == ["too_large"] * 3
    (line,) = [decision.sentence for decision in world.lines if decision.code == "usage_too_large"]
    assert line.startswith("3 usage records, up to $2,000.00, were refused")
    metrics = app.test_client().get("/metrics").text
    assert "refused_usage 1" in metrics


def test_l14_usage_posted_earlier_stays_a_duplicate(meter, world, app):
    """L14, L12: a repeat is a duplicate even after USAGE_MAX was lowered."""
    meter(record("500.00"))
    lower = with_bounds(app.extensions["ballast"].policy, usage_max=100_000_000)
    app.extensions["ballast"] = replace(app.extensions["ballast"], policy=lower)
    assert meter(record("500.00")).json["status"] == "duplicate"
    assert meter(record("500.01")).status_code == 409


def test_an_equal_amount_written_differently_is_a_duplicate(meter):
    meter(record("12.340"))
    assert meter(record("12.34")).json["status"] == "duplicate"


BAD_RECORDS = [
    (record(amount=12.34), "amount"),
    (record(amount=12), "amount"),
    (record(amount=True), "amount"),
    (record(amount=None), "amount"),
    (record(amount=["1"]), "amount"),
    (record(amount="0"), "amount"),
    (record(amount="-1.00"), "amount"),
    (record(amount="1e3"), "amount"),
    (record(amount="1,50"), "amount"),
    (record(amount="0.0000001"), "amount"),
    (record(amount="0.00750000001"), "amount"),
    (record(amount="NaN"), "amount"),
    (record(amount="Infinity"), "amount"),
    (record(amount="١٢"), "amount"),
    (record(amount="1" * 15), "amount"),
    (record(amount="9" * 5000), "amount"),
    (record(amount="1\x00"), "amount"),
    (record(amount="\ud800"), "amount"),
    (record(reference=""), "reference"),
    (record(reference="   "), "reference"),
    (record(reference=" lead"), "reference"),
    (record(reference="trail\u00a0"), "reference"),
    (record(reference="\ufefflead"), "reference"),
    (record(reference="."), "reference"),
    (record(reference=".."), "reference"),
    (record(reference="/lead"), "reference"),
    (record(reference="trail/"), "reference"),
    (record(reference="a//b"), "reference"),
    (record(reference="a/../b"), "reference"),
    (record(reference=981), "reference"),
    (record(reference="a\x00b"), "reference"),
    (record(reference="\ud800"), "reference"),
    (record(reference="r" * 121), "reference"),
    (record(description="d" * 501), "description"),
    (record(description={"text": "d"}), "description"),
    (record(description="a\u0000b"), "description"),
    (record(occurred_at="yesterday"), "occurred_at"),
    (record(occurred_at="2026-11-22T10:00:00"), "occurred_at"),
    (record(occurred_at="2026-11-24T10:00:00Z"), "occurred_at"),
    (record(occurred_at="1999-12-31T00:00:00Z"), "occurred_at"),
    (record(occurred_at="0001-01-01T00:00:00+14:00"), "occurred_at"),
    (record(occurred_at="9999-12-31T23:59:59-14:00"), "occurred_at"),
    (record(occurred_at=1_790_000_000), "occurred_at"),
    (record(occurred_at="２０２６-11-22T10:00:00Z"), "occurred_at"),
    (record(occurred_at="\ud800"), "occurred_at"),
    (record(currency="EUR"), "currency"),
    (record(currency=[]), "currency"),
    (record(account=7), "account"),
    (record(**{"\ud800": 1}), "\ud800"),
    ([record()], "record"),
    (7, "record"),
    (None, "record"),
]


def test_an_invalid_record_is_reported_by_field(meter, session, subtests):
    for sent, field in BAD_RECORDS:
        with subtests.test(field=field, sent=ascii(sent)[:60]):
            answer = meter(sent)
            assert (answer.status_code, answer.mimetype) == (422, PROBLEM)
            assert list(answer.json["errors"]) == [field]
            assert answer.json["errors"][field]
    assert entries(session) == 0


def test_every_bad_field_is_reported_at_once(meter):
    answer = meter({"amount": 1, "occurred_at": "now", "colour": "red"})
    assert set(answer.json["errors"]) == {"amount", "reference", "occurred_at", "colour"}


def test_a_balance_out_of_range_is_refused(meter, world, monkeypatch):
    monkeypatch.setattr("webapp.domain.ledger.FARTHEST", 500_000_000)
    answer = meter(record("600.000001"))

    assert (answer.status_code, answer.json["code"]) == (409, "balance_out_of_range")
    assert world.balance == "100.00"
    assert meter(record("600.00")).status_code == 201


def test_final_usage_of_zero_ends_an_open_hold_v6(meter, world):
    """V6"""
    world.hold("10.00", "call-981")
    ended = meter(record("0.00"))
    assert (ended.status_code, ended.json["status"], ended.json["ended"]) == (201, "ended", 1)
    assert ended.json["balance"] == "100.00"
    again = meter(record("0"))
    assert (again.status_code, again.json["status"]) == (201, "duplicate")
    without = meter(record("0", "call-0"))
    assert (without.status_code, list(without.json["errors"])) == (422, ["amount"])
    assert without.json["detail"] == f"amount: {without.json['errors']['amount']}"


# Batches


def test_l12_each_record_of_a_batch_has_its_own_verdict(meter, world):
    meter(record("1.00", "old"))
    answer = meter(
        {
            "records": [
                record("2.00", "new"),
                record("1.00", "old"),
                record("1.50", "old"),
                record(3.5, "number"),
                record("2.00", "new"),
                record("9.00", "new"),
                "no record",
            ]
        }
    )

    assert answer.status_code == 201
    assert answer.json["balance"] == "97.00"
    assert [(r["index"], r["reference"], r["status"]) for r in answer.json["records"]] == [
        (0, "new", "posted"),
        (1, "old", "duplicate"),
        (2, "old", "conflict"),
        (3, "number", "invalid"),
        (4, "new", "duplicate"),
        (5, "new", "conflict"),
        (6, None, "invalid"),
    ]
    assert list(answer.json["records"][3]["errors"]) == ["amount"]
    assert world.balance == "97.00"


def test_l12_a_refused_record_claims_nothing(meter):
    refused = meter({"records": [record("0.0000001"), record("1.00", "other")]})
    assert [r["status"] for r in refused.json["records"]] == ["invalid", "posted"]
    assert meter(record("2.00")).json["status"] == "posted"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ([record("1.00", "old")], 201),
        ([record("2.00", "old")], 409),
        ([record("2.00", "old"), record("1.00", "old")], 409),
        ([record("2.00", "old"), record(1, "bad")], 409),
        ([record("2.00", "old"), record("1.00", "new")], 201),
        ([record(1, "bad")], 422),
        ([record(1, "bad"), record("1.00", "old")], 422),
        ([record(1, "bad"), record("1.00", "new")], 201),
    ],
)
def test_l12_409_and_422_only_where_nothing_was_posted(meter, sent, status):
    meter(record("1.00", "old"))
    answer = meter({"records": sent})

    assert answer.status_code == status
    assert len(answer.json["records"]) == len(sent)
    assert "balance" in answer.json
    if status != 201:
        assert (answer.mimetype, answer.json["status"]) == (PROBLEM, status)


def test_a_full_batch_is_posted_in_one_request(meter, world):
    sent = [record("0.000100", f"call-{n}") for n in range(LARGEST_BATCH)]
    answer = meter({"records": sent})

    assert answer.status_code == 201
    assert {r["status"] for r in answer.json["records"]} == {"posted"}
    assert world.balance == "99.90"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"records": []}, "records"),
        ({"records": [record()] * (LARGEST_BATCH + 1)}, "records"),
        ({"records": {"0": record()}}, "records"),
        ({"records": None}, "records"),
        ({"records": [record()], "amount": "1.00"}, "amount"),
    ],
)
def test_an_invalid_batch_is_refused_as_a_whole(meter, session, body, field):
    answer = meter(body)

    assert (answer.status_code, answer.mimetype) == (422, PROBLEM)
    assert list(answer.json["errors"]) == [field]
    assert entries(session) == 0


# CSV


def test_l15_csv_is_read_like_an_import(meter, world):
    """L12, L15: account and currency columns, semicolons with decimal commas, Windows-1252."""
    text = f"account;amount;reference;description;currency\n{world.account_id};0,0215;a;café;USD\n"
    answer = meter(text.encode("cp1252"), content_type="text/csv")
    assert (answer.status_code, answer.json["balance"]) == (201, "99.9785")


def test_l15_each_csv_record_is_judged_despite_stray_quotes(meter, world):
    """L12, L15: a stray quote spoils its own line; two of them spoil the lines between."""
    rows = ['1.00,a,"Bob', "1.00,b,", '1.00,c,"d"', '1.00,e,"f', "1.00,g,", '1.00,h,i"', "7,j"]
    answer = meter("amount,reference,description\n" + "\n".join(rows), content_type="text/csv")
    verdicts = [(record["status"], *record.get("errors", ())) for record in answer.json["records"]]
    assert verdicts == [
        ("invalid", "line"),
        ("posted",),
        ("posted",),
        *[("invalid", "line")] * 3,
        ("invalid", "line"),
    ]
    assert answer.json["records"][4]["errors"]["line"].startswith("Quoted text spans lines 5 to 7")
    assert world.balance == "98.00"


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("", "no header"),
        ("amount,colour\n", "no reference"),
        ("external_id,amount,reference\n", "unknown column 'external_id'"),
        ("sep=:\namount:reference\n", "separator ':'"),
        (b"PK\x03\x04", "an Excel workbook"),
    ],
)
def test_l15_unreadable_csv_is_a_bad_request(meter, body, detail):
    answer = meter(body, content_type="text/csv")
    assert (answer.status_code, answer.mimetype) == (400, PROBLEM)
    assert detail in answer.json["detail"]


@pytest.mark.parametrize("lines", [0, LARGEST_BATCH + 1])
def test_l15_csv_has_the_same_record_limits_as_json(meter, world, lines):
    text = "amount,reference\n" + "".join(f"0.01,{n}\n" for n in range(lines))
    answer = meter(text, content_type="text/csv")
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["records"])
    assert world.balance == "100.00"


def test_l15_a_record_of_another_account_is_refused(meter, world):
    other = world.account().account_id
    answer = meter(f"account,amount,reference\n{other},1.00,a\n", content_type="text/csv")
    assert answer.status_code == 422
    assert list(answer.json["records"][0]["errors"]) == ["account"]


# Bodies


NOT_JSON = [
    b"",
    b"{",
    b"amount=1",
    b'{"amount": NaN, "reference": "a"}',
    b'{"amount": Infinity}',
    b'{"amount": "1.00", "amount": "2.00", "reference": "a"}',
    b'{"reference": "\xff"}',
    json.dumps(record()).encode("utf-16"),
    b"[" * 100_000,
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
]


def test_a_body_that_is_not_json_is_a_bad_request(meter, subtests):
    for body in NOT_JSON:
        with subtests.test(body=body[:40]):
            answer = meter(body)
            assert (answer.status_code, answer.mimetype) == (400, PROBLEM)
            assert answer.json["detail"]


def test_a_byte_order_mark_before_json_is_ignored(meter):
    assert meter("\ufeff".encode() + json.dumps(record()).encode()).status_code == 201


@pytest.mark.parametrize("content_type", ["application/json", "text/csv"])
def test_a_compressed_body_is_refused(meter, world, content_type):
    headers = {
        "Authorization": f"Bearer {world.created.api_key}",
        "Content-Encoding": "gzip",
    }
    body = gzip.compress(json.dumps(record()).encode())
    answer = meter(body, headers=headers, content_type=content_type)
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")
    assert "Content-Encoding" in answer.json["detail"]


@pytest.mark.parametrize("number", ["1" * 100_000, "1e999999", "-0", "1" * 30 + ".5"])
def test_a_json_number_is_refused_as_an_amount(meter, number):
    answer = meter(f'{{"amount": {number}, "reference": "a"}}')
    assert answer.status_code == 422
    assert "decimal string" in answer.json["errors"]["amount"]


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/xml", "multipart/x"])
def test_another_media_type_is_refused(meter, content_type):
    answer = meter(record(), content_type=content_type)
    assert (answer.status_code, answer.mimetype) == (415, PROBLEM)
    assert "application/json" in answer.json["detail"]


def test_a_charset_in_the_content_type_is_allowed(meter):
    answer = meter(record(), content_type="application/json; charset=utf-8")
    assert answer.status_code == 201


def test_a_body_that_is_too_large_is_refused(meter):
    answer = meter(b" " * 3_000_000)
    assert (answer.status_code, answer.mimetype) == (413, PROBLEM)
    assert answer.json["detail"] == "The body is larger than 2 MB. Send less at once."


def test_a_large_body_without_a_length_is_refused(meter):
    """Valid JSON that would fill the limit to the byte."""
    body = json.dumps(record()).encode().ljust(3_000_000)
    answer = meter(
        b"",
        data=None,
        input_stream=io.BytesIO(body),
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert (answer.status_code, answer.mimetype) == (413, PROBLEM)
    assert answer.json["detail"] == "The body is larger than 2 MB. Send less at once."


# Keys


WRONG_KEYS = [
    None,
    "",
    "Bearer",
    "Bearer ",
    "Bearer bk_wrong",
    "Bearer bk_\xe9",
    "Bearer a=b",
    "Basic b3duZXI6cGFzc3dvcmQ=",
    "Basic \xff",
]


def test_without_a_known_key_nothing_is_posted(meter, session, subtests):
    for authorization in WRONG_KEYS:
        with subtests.test(authorization=authorization):
            headers = {} if authorization is None else {"Authorization": authorization}
            answer = meter(record(), headers=headers)
            assert (answer.status_code, answer.mimetype) == (401, PROBLEM)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert entries(session) == 0


def test_the_authorization_scheme_is_case_insensitive(meter, world):
    headers = {"Authorization": f"bEARER {world.created.api_key}"}
    assert meter(record(), headers=headers).status_code == 201


def test_a_key_posts_only_to_its_own_account(meter, world):
    other = world.account(balance="10.00")
    meter(record())
    answer = meter(record("1.00"), headers={"Authorization": f"Bearer {other.api_key}"})

    assert answer.json["balance"] == "9.00"  # the same reference is no conflict in another account
    assert world.balance == "87.66"


def test_a_session_cookie_does_not_authenticate_the_api(client):
    answer = client.post("/api/v1/usage", json=record())
    assert answer.status_code == 401


def test_the_api_needs_no_csrf_token(app, meter):
    app.config["WTF_CSRF_ENABLED"] = True
    assert meter(record()).status_code == 201


# Effects


def test_t4_a_debit_below_the_threshold_opens_a_top_up(app, meter, world, session):
    woken = []
    app.extensions["ballast"] = replace(services(), wake=lambda: woken.append(True))
    world.cards("4242424242424242")
    world.refill("50.00", "100.00")

    meter(record("50.00"))
    assert session.scalar(select(func.count()).select_from(TopUp)) == 0
    meter(record("0.000001", "last"))
    assert session.scalar(select(func.count()).select_from(TopUp)) == 1
    assert woken

    world.work()
    assert world.balance == "149.999999"


# Internal errors


def test_an_internal_error_is_reported_without_its_trace(meter, monkeypatch):
    def broken(*args):
        raise RuntimeError("secret detail")

    monkeypatch.setattr("webapp.actions.usage.post_requests.post_usage", broken)
    answer = meter(record())

    assert (answer.status_code, answer.mimetype) == (500, PROBLEM)
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
