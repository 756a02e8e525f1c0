"""`flask usage import`."""

import json
import os
import threading
from dataclasses import replace

import pytest

from tests.factories import with_bounds
from webapp.actions.usage.post_usage import post_usage
from webapp.domain.accounts.account import Account, AccountState
from webapp.domain.ledger import FARTHEST
from webapp.domain.shared import money
from webapp.domain.usage.record import Usage

HEADER = "account,amount,reference,occurred_at,description\n"


@pytest.fixture
def load(flask, tmp_path):
    """Return a function that imports text or bytes as a file."""

    def run(content, *options):
        file = tmp_path / "usage.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return flask(["usage", "import", str(file), *options])

    return run


def line(account, amount="1.00", reference="call-1", at="", description=""):
    return f"{account},{amount},{reference},{at},{description}\n"


def faults(result):
    return [fault for fault in result.stderr.splitlines() if fault.startswith(("line ", "lines "))]


def test_usage_is_posted_and_counted(load, world):
    account = world.account_id
    file = HEADER + line(account, "0.000123", "a", "2026-11-22T09:00:00Z", '"Ireland, mobile"')
    done = load(file + line(account, "2.00", "b"))

    assert done.exit_code == 0
    assert done.stdout == "2 imported, 0 duplicates, 0 errors.\n"
    assert world.balance == "97.999877"


def test_the_same_file_can_be_imported_again(load, world):
    file = HEADER + line(world.account_id)
    load(file)
    again = load(file, "--json")

    assert again.exit_code == 0
    assert json.loads(again.stdout) == {"posted": 0, "duplicate": 1, "bad": 0}
    assert world.balance == "99.00"


def test_bad_lines_are_reported_by_number_and_reason_and_stop_nothing(load, world):
    account = world.account_id
    done = load(
        HEADER
        + line(account, "1.00", "good-1")  # 2
        + line(account, "1.0000001", "too-fine")
        + line(999, "1.00", "nobody")
        + line("x", "1.00", "no-number")
        + f"{account},1.00\n"
        + line(account, "1.00", "")
        + "\n"  # line 8: empty lines are allowed
        + line(account, "2.00", "good-1")
        + line(account, "1.00", "late", "tomorrow")
        + f'{account},1.00,"two\nlines",,\n'  # lines 11 and 12: one record
        + line(account, "1.00", "good-2")
    )

    assert done.exit_code == 1
    assert done.stdout == "2 imported, 0 duplicates, 8 errors.\n"
    reasons = dict(fault.removeprefix("line ").split(": ", 1) for fault in faults(done))
    assert set(reasons) == {"3", "4", "5", "6", "7", "9", "10", "lines 11–12"}
    assert "6 decimals" in reasons["3"]
    assert reasons["4"] == "account: There is no account 999"
    assert reasons["6"] == "Has 2 fields, not 5"
    assert reasons["7"].startswith("reference: ")
    assert "another amount" in reasons["9"]
    assert reasons["10"].startswith("occurred_at: ")
    assert world.balance == "98.00"


def test_accounts_are_named_by_either_id_v2(load, world):
    """V2: as in the API."""
    account = world.session.get_one(Account, world.account_id)
    account.external_id = "cust-1"
    world.session.commit()
    done = load(
        "external_id,account,amount,reference\n"
        "cust-1,,1.00,a\n"
        f",{world.account_id},1.00,b\n"
        "cust-2,,1.00,c\n"
        f"cust-1,{world.account_id + 1},1.00,d\n"
        ",,1.00,e\n"
    )
    assert done.stdout == "2 imported, 0 duplicates, 3 errors.\n"
    assert faults(done) == [
        "line 4: external_id: There is no account with external id cust-2",
        f"line 5: account: There is no account {world.account_id + 1}",
        "line 6: account: Name the account by account or external_id",
    ]
    assert world.balance == "98.00"


def test_usage_of_a_closed_account_is_an_error_v4(load, world):
    """V4"""
    account = world.session.get_one(Account, world.account_id)
    account.state = AccountState.CLOSED
    world.session.commit()
    done = load(HEADER + line(world.account_id))
    assert done.stdout == "0 imported, 0 duplicates, 1 error.\n"
    assert faults(done) == ["line 2: account: The account is closed"]


def test_a_record_above_usage_max_is_refused_l14(load, world):
    """L14: the error names its line and affects no other line."""
    account = world.account_id
    done = load(HEADER + line(account, "215000", "a") + line(account, "1000.00", "b"))

    assert (done.exit_code, done.stdout) == (1, "1 imported, 0 duplicates, 1 error.\n")
    assert faults(done) == ["line 2: amount: At most 1000.00 in one usage record"]
    assert world.balance == "-900.00"


def test_one_record_above_usage_max_is_refused_l14(flask, world):
    done = flask(["usage", "post", str(world.account_id), "1000.000001", "call-1", "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {
        "status": "too_large",
        "balance": "100.00",
        "amount": "At most 1000.00 in one usage record",
    }


def test_usage_is_reversed_l16(flask, world):
    """L16"""
    world.use("0.0215", "call-1")
    line = f"usage reverse {world.account_id} call-1 credit-1 --amount 0.0043 --reason rate --json"
    reversed_ = json.loads(flask(line).stdout)
    assert (reversed_["amount"], reversed_["left"]) == ("0.0043", "0.0172")
    assert json.loads(flask(line).stdout) == reversed_
    refused = flask(f"usage reverse {world.account_id} call-2 credit-2 --reason rate")
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert world.balance == "99.9828"


def test_a_byte_that_is_not_utf_8_affects_only_its_line(load, world):
    """L15: since other lines are UTF-8, the file is not read as Windows-1252."""
    account = str(world.account_id).encode()
    rows = [b"%s,1.00,a,,caf\xc3\xa9\n" % account, b"%s,1.00,b,,caf\xe9\n" % account]
    done = load(HEADER.encode() + b"".join(rows))

    assert faults(done) == ["line 3: Is not UTF-8; save the file as CSV in UTF-8"]
    assert world.balance == "99.00"


@pytest.mark.parametrize("cell", ["a\x00b", b"\x81", "a\x07b"])
def test_control_characters_are_refused(load, world, cell):
    cell = cell if isinstance(cell, bytes) else cell.encode()
    done = load(HEADER.encode() + b"%d,1.00,%s,,\n" % (world.account_id, cell))
    assert (done.exit_code, len(faults(done))) == (1, 1)
    assert world.balance == "100.00"


def test_a_quote_inside_a_field_affects_only_its_line(load, world):
    account = world.account_id
    done = load(HEADER + f'{account},1.00,"a"b,,\n' + line(account, "1.00", "c"))
    assert [fault.split(":")[0] for fault in faults(done)] == ["line 2"]
    assert world.balance == "99.00"


def test_l15_an_unclosed_quote_affects_only_its_line(load, world):
    """L15: the text it swallowed is read again, in a file of any length."""
    account = world.account_id
    rows = [
        line(account, "0.01", f"call-{n}", "2026-11-20T10:00:00Z", "a" * 40) for n in range(4_000)
    ]
    rows[10] = f'{account},0.01,stray,,"Bob\n'
    done = load(HEADER + "".join(rows), "--json")

    assert json.loads(done.stdout) == {"posted": 3_999, "duplicate": 0, "bad": 1}
    assert faults(done) == ["line 12: This line has an unclosed quote"]
    assert world.balance == "60.01"


def test_l15_records_between_two_stray_quotes_are_counted_and_named(load, world):
    """L15: quoted content may be text, so it is not posted."""
    account = world.account_id
    file = HEADER + line(account, reference="a") + line(account, reference="b", description='"Bob')
    file += line(account, reference="c") + line(account, reference="d", description='Bob"')
    done = load(file + line(account, reference="e"), "--json")

    assert json.loads(done.stdout) == {"posted": 2, "duplicate": 0, "bad": 3}
    assert faults(done) == [
        "lines 3–5: Quoted text spans lines 3 to 5, so none of them is imported"
    ]
    assert world.balance == "98.00"


def content_of(accounts):
    """A file with more records than one progress step."""
    rows = "".join(line(accounts, "0.01", f"call-{n}") for n in range(350))
    return (HEADER + rows).encode()


def test_l15_usage_is_read_from_standard_input(flask, world):
    done = flask("usage import -", input=content_of(world.account_id))
    assert (done.exit_code, done.stdout) == (0, "350 imported, 0 duplicates, 0 errors.\n")
    assert world.balance == "96.50"


def test_l15_usage_is_read_from_a_pipe(flask, world):
    """L15: a pipe has no size and cannot be rewound."""
    begin, end = os.pipe()

    def write():
        with os.fdopen(end, "wb") as stream:
            stream.write(content_of(world.account_id))

    writer = threading.Thread(target=write)
    writer.start()
    done = flask(["usage", "import", f"/dev/fd/{begin}"])
    os.close(begin)
    writer.join()
    assert (done.exit_code, done.stdout) == (0, "350 imported, 0 duplicates, 0 errors.\n")
    assert world.balance == "96.50"


def test_l15_imports_accept_the_same_formats_as_the_api(load, world):
    """L15: semicolons, decimal commas, Windows-1252, the account's currency, trailing zeros."""
    account = world.account_id
    file = (
        f"account;amount;reference;description;currency\r\n{account};0,0215000000;a;München;USD\r\n"
    )
    done = load(file.encode("cp1252"))
    assert (done.exit_code, done.stdout) == (0, "1 imported, 0 duplicates, 0 errors.\n")
    assert world.balance == "99.9785"
    other = load(f"account,amount,reference,currency\n{account},1.00,b,EUR\n")
    assert faults(other) == ["line 2: currency: This account's currency is USD"]


def test_a_utf_8_byte_order_mark_is_accepted(load, world):
    done = load(
        "\ufeff" + HEADER.replace("\n", "\r\n") + line(world.account_id).replace("\n", "\r\n")
    )
    assert done.exit_code == 0
    assert world.balance == "99.00"


def test_columns_may_be_reordered_and_optional_ones_omitted(load, world):
    done = load(f"Reference,Amount,Account\ncall-1,1.00,{world.account_id}\n")
    assert done.exit_code == 0
    assert world.balance == "99.00"


@pytest.mark.parametrize("content", [b"", b"account,amount\n", b"PK\x03\x04xlsx"])
def test_an_unreadable_file_is_refused_as_a_whole(load, content):
    failed = load(content)
    assert (failed.exit_code, failed.stdout) == (2, "")
    assert failed.stderr.splitlines()[-1].startswith("Error: The ")


def test_a_missing_file_is_refused(flask):
    failed = flask("usage import nowhere.csv")
    assert failed.exit_code == 2
    assert "nowhere.csv" in failed.stderr


def test_large_files_are_posted_in_batches_per_account(load, world):
    other = world.account()
    rows = [
        line(account, "0.010000", f"call-{n}")
        for n in range(2_500)
        for account in (world.account_id, other.account_id)
    ]
    done = load(HEADER + "".join(rows))

    assert done.stdout == "5,000 imported, 0 duplicates, 0 errors.\n"
    assert world.balance == "75.00"


def test_an_account_at_its_balance_limit_does_not_stop_others(load, world):
    """L12. Regression of 26 November 2026: such an account stopped the whole file."""
    full, other = world.account().account_id, world.account_id
    now = world.clock.now()
    policy = with_bounds(world.policy, usage_max=FARTHEST)
    post_usage(replace(world.ctx.at(now), policy=policy), full, [Usage(FARTHEST, "much", now)])
    file = HEADER + line(other, reference="a") + line(full, "200.00") + line(other, reference="b")

    done = load(file)

    assert done.exit_code == 1
    assert done.stdout == "2 imported, 0 duplicates, 1 error.\n"
    assert faults(done) == ["line 3: account: That is more than a balance can hold."]
    assert world.balance == "98.00"
    assert load(file).stdout == "0 imported, 2 duplicates, 1 error.\n"


def test_imported_usage_opens_a_top_up(load, world):
    world.card()
    world.refill("50.00", "100.00")
    load(HEADER + line(world.account_id, "60.00"))
    world.work()
    assert world.balance == money.decimal_text(140_000_000)


def test_the_progress_is_printed_to_standard_error(load, world):
    done = load(HEADER + line(world.account_id))
    assert "Posting usage.csv" in done.stderr
