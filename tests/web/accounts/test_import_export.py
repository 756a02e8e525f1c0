"""Import and Export: usage from a file, safe to repeat; and all data of an account as a zip
file.
"""

import csv
import json
from decimal import Decimal
from io import BytesIO, StringIO
from secrets import token_hex
from zipfile import ZipFile

import pytest
from hypothesis import HealthCheck, given, settings

from tests.domain.usage.test_csv_reader import HEADER, damaged
from tests.factories import MASTERCARD, VISA
from tests.web.conftest import errors, words
from webapp.domain.accounts.account import Account
from webapp.domain.usage.imports import UsageImport

HERE = "/settings/data"
KEY = "k" * 32
GOOD = "amount,reference,description\n1.50,call-a,Ireland\n0.0215,call-b,\n"
MIXED = """\
account,amount,reference
,1.00,call-1
7777,1.00,call-2
,none,call-3
,2.00,call-1
,1.00
,3.00,=1+1
"""


@pytest.fixture
def send(client):
    def send(text, key=KEY, name="usage.csv", client=client, **more):
        content = text.encode() if isinstance(text, str) else text
        form = {"request_key": key, "file": (BytesIO(content), name)}
        return client.post(f"{HERE}/imports", data=form, **more)

    return send


def imports(world):
    world.session.rollback()
    return world.session.query(UsageImport).order_by(UsageImport.id).all()


def test_a_file_is_imported(client, send, world):
    """L12"""
    answer = send(GOOD, follow_redirects=True)
    assert "2 imported, 0 duplicates, 0 errors" in words(answer)
    assert "No errors." in words(answer)
    assert world.balance == "98.4785"
    assert "usage.csv" in words(client.get(HERE))
    log = words(client.get("/settings/audit-log"))
    assert "usage.csv: 2 imported, 0 duplicates, 0 errors." in log


def test_importing_the_same_file_again_posts_nothing(send, world):
    """L12: whether a person or a browser repeats it."""
    send(GOOD)
    again = send(GOOD, key="j" * 32, follow_redirects=True)
    assert "0 imported, 2 duplicates, 0 errors" in words(again)
    twice = send(GOOD)  # the same form leads to the existing report
    assert twice.location == f"{HERE}/imports/{imports(world)[0].id}"
    assert len(imports(world)) == 2
    assert world.balance == "98.4785"


def test_bad_lines_are_reported_and_the_others_posted(client, send, world):
    """L12, L13: by number and reason, and as a CSV file safe for spreadsheets."""
    report = send(MIXED, follow_redirects=True)
    content = words(report)
    assert "2 imported, 0 duplicates, 4 errors" in content
    assert "3 account: This record is for another account: '7777'" in content
    assert "5 reference: call-1 was posted before with another amount" in content
    assert "6 Has 2 fields, not 3" in content
    file = client.get(f"{HERE}/imports/{imports(world)[0].id}/bad-lines")
    assert file.mimetype == "text/csv"
    rows = list(csv.reader(StringIO(file.text.lstrip("\ufeff"))))
    assert rows[0] == ["line", "reason"]
    assert sorted(row[0] for row in rows[1:]) == ["3", "4", "5", "6"]
    assert world.balance == "96.00"


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("", "The file has no header"),
        ("amount,description\n", "The header has no reference"),
        ("amount,reference,colour\n", "The header has the unknown column 'colour'"),
        (b"\x89PNG\r\n\x1a\n", "The header has no"),
    ],
)
def test_a_file_of_another_format_is_refused_as_a_whole(send, world, text, content):
    answer = send(text, follow_redirects=True)
    assert content in words(answer)
    assert world.balance == "100.00"


def test_l15_records_joined_by_quotes_are_counted_and_named(client, send, world):
    """L15: as a range of lines, on the page and in the file of bad lines."""
    text = 'amount,reference,description\n1.00,a,"x\n1.00,b,y\n1.00,c,z"\n1.00,d,\n'
    report = words(send(text, follow_redirects=True))
    assert "1 imported, 0 duplicates, 3 errors" in report
    assert "2–4 Quoted text spans lines 2 to 4, so none of them is imported" in report
    assert "more in the file" not in report
    file = client.get(f"{HERE}/imports/{imports(world)[0].id}/bad-lines").text
    assert [row[0] for row in csv.reader(StringIO(file.lstrip("\ufeff")))] == ["line", "2–4"]
    assert world.balance == "99.00"


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damaged())
def test_l15_posted_duplicate_and_bad_add_up_to_all_records(world, case):
    """L15: whatever quotes and separators the file contains; the ledger has the posted records."""
    lines, _ = case
    before = Decimal(world.balance)
    text = "".join(lines).replace("2,0.0215,", f"{world.account_id},0.0215,")
    world.import_usage(HEADER + text, key=token_hex(8))
    run = imports(world)[-1]
    assert run.posted + run.duplicate + run.bad == len(lines)
    assert before - Decimal(world.balance) == run.posted * Decimal("0.0215")


def test_a_report_from_before_line_ranges_is_shown(client, send, world):
    send(MIXED)
    run = imports(world)[0]
    run.faults = [
        [number, reason] for number, reason, _ in ((int(a), b, c) for a, b, c in run.faults)
    ]
    world.session.commit()
    assert "3 account: This record is for another account: '7777'" in words(
        client.get(f"{HERE}/imports/{run.id}")
    )


def test_l15_a_file_from_a_spreadsheet_is_read(send, world):
    """L15: UTF-16, tabs and a decimal comma, as spreadsheets write "Unicode text"."""
    text = "amount\treference\tcurrency\r\n0,0215\tcall-1\tUSD\r\n"
    send(text.encode("utf-16"))
    assert world.balance == "99.9785"


def test_a_missing_and_a_too_large_file_are_refused(client, send, world):
    refused = client.post(f"{HERE}/imports", data={"request_key": KEY})
    assert (refused.status_code, errors(refused)) == (422, {"file": "Choose a file"})
    large = b"amount,reference\n" + b"x" * (33 * 1024 * 1024)
    refused = send(large)
    assert (refused.status_code, errors(refused)) == (422, {"file": "At most 32 MB at once"})
    assert imports(world) == []


def test_many_lines_are_posted_in_batches_with_progress(client, world):
    text = "amount,reference\n" + "".join(f"0.01,line-{n}\n" for n in range(2_500))
    assert client.get(f"{HERE}/progress?key={KEY}").json == {"percent": 0, "words": ""}
    world.import_usage(text, key=KEY)
    content = client.get(f"{HERE}/progress?key={KEY}").json
    assert content == {"percent": 100, "words": "2,500 imported, 0 duplicates, 0 errors"}
    assert world.balance == "75.00"


def test_an_interrupted_import_has_an_error_and_can_be_repeated(client, send, world):
    import_id = world.import_usage(GOOD)
    run = imports(world)[0]
    run.state, run.read = "running", run.size // 2
    world.session.commit()
    assert "Running" in words(client.get(HERE))
    world.clock.advance(minutes=1)
    content = words(client.get(f"{HERE}/imports/{import_id}"))
    assert "The import stopped at" in content
    assert "0 imported, 2 duplicates" in words(send(GOOD, follow_redirects=True))


def test_an_import_triggers_a_refill(send, world):
    """T4"""
    world.cards(VISA)
    world.refill()
    send("amount,reference\n60.00,call-a\n")
    world.work()
    assert world.balance == "140.00"


# Export


def unzipped(answer):
    return ZipFile(BytesIO(answer.data))


@pytest.fixture
def account_with_data(account_with_history):
    account_with_history.session.rollback()
    account_with_history.card(MASTERCARD)
    account_with_history.key(name="=HYPERLINK(1)")
    account_with_history.webhook()
    account_with_history.hold("1.00", "running-1")
    return account_with_history


def test_the_export_is_one_zip_file_with_all_data(client, account_with_data):
    """L13: each list as CSV, safe for spreadsheets, and as JSON."""
    answer = client.post(f"{HERE}/export")
    assert answer.mimetype == "application/zip"
    archive = unzipped(answer)
    assert archive.testzip() is None
    names = set(archive.namelist())
    for name in ("account", "people", "statement", "payments", "audit_log", "holds", "settings"):
        assert {f"{name}.csv", f"{name}.json"} <= names
    entries = json.loads(archive.read("statement.json"))
    rows = list(csv.DictReader(StringIO(archive.read("statement.csv").decode("utf-8-sig"))))
    assert [row["amount"] for row in rows] == [entry["amount"] for entry in entries]
    assert entries[-1]["balance_after"] == json.loads(archive.read("account.json"))[0]["balance"]
    keys = list(csv.DictReader(StringIO(archive.read("api_keys.csv").decode("utf-8-sig"))))
    assert keys[-1]["name"] == "'=HYPERLINK(1)"
    assert "exported" in [e["what"] for e in json.loads(archive.read("audit_log.json"))]
    lines = json.loads(archive.read("activity.json"))
    assert all(line["sentence"] and line["times"] and line["last_at"] for line in lines)
    assert not any("actor_name" in line for line in lines)


def test_the_export_contains_no_secrets(client, account_with_data):
    """F12: nor the decline codes that only operators see."""
    archive = unzipped(client.post(f"{HERE}/export"))
    everything = b"".join(archive.read(name) for name in archive.namelist()).decode()
    assert "whsec_" not in everything
    assert "key_hash" not in everything
    assert "password_hash" not in everything
    assert "processor_reference" not in everything
    assert "decline_code" not in everything
    assert account_with_data.created.api_key not in everything


def test_the_export_contains_no_other_accounts_rows(client, account_with_data):
    """P1"""
    other = account_with_data.account(name="Other Ltd", email="other@example.com")
    archive = unzipped(client.post(f"{HERE}/export"))
    everything = b"".join(archive.read(name) for name in archive.namelist()).decode()
    assert "Other Ltd" not in everything
    assert "other@example.com" not in everything
    for name in archive.namelist():
        if name.endswith(".json"):
            for row in json.loads(archive.read(name)):
                assert (
                    row.get("account_id", account_with_data.account_id)
                    == account_with_data.account_id
                )
                assert row.get("account_id") != other.account_id


def test_an_account_without_history_can_be_exported(client):
    archive = unzipped(client.post(f"{HERE}/export"))
    assert json.loads(archive.read("payment_methods.json")) == []


def test_the_export_is_offered_only_to_people_with_all_rights(client, teammate):
    """P1"""
    assert "Export everything" in words(client.get(HERE))
    assert "Export everything" not in words(teammate("technical").get(HERE))


def test_only_an_account_that_meters_itself_imports_usage_v3(world, client):
    """V3: otherwise a customer could post the references of running calls for nothing."""
    world.session.get_one(Account, world.account_id).own_metering = False
    world.session.commit()
    page = client.get("/settings/data").text
    assert "Your provider meters this account" in page
    file = (BytesIO(b"amount,reference\n0.000001,call-1\n"), "usage.csv")
    answer = client.post(
        "/settings/data/imports", data={"file": file, "request_key": token_hex(16)}
    )
    assert answer.status_code == 403
    assert world.balance == "100.00"
