"""`flask usage import`."""

import json

import pytest

from webapp.actions.post_usage import post_usage
from webapp.domain import money
from webapp.domain.ledger import FARTHEST
from webapp.domain.usage import Usage

HEADER = "account,amount,reference,occurred_at,description\n"


@pytest.fixture
def load(flask, tmp_path):
    """Import this text, or these bytes, as a file."""

    def run(content, *options):
        file = tmp_path / "usage.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return flask(["usage", "import", str(file), *options])

    return run


def line(account, amount="1.00", reference="call-1", at="", description=""):
    return f"{account},{amount},{reference},{at},{description}\n"


def faults(result):
    return [told for told in result.stderr.splitlines() if told.startswith("line ")]


def test_usage_is_posted_and_counted(load, world):
    account = world.account_id
    file = HEADER + line(account, "0.000123", "a", "2026-11-22T09:00:00Z", '"Ireland, mobile"')
    done = load(file + line(account, "2.00", "b"))

    assert done.exit_code == 0
    assert done.stdout == "2 posted, 0 already there, 0 bad.\n"
    assert world.balance == "97.999877"


def test_the_same_file_can_be_imported_again(load, world):
    file = HEADER + line(world.account_id)
    load(file)
    again = load(file, "--json")

    assert again.exit_code == 0
    assert json.loads(again.stdout) == {"posted": 0, "duplicate": 1, "bad": 0}
    assert world.balance == "99.00"


def test_bad_lines_are_told_by_number_and_reason_and_stop_nothing(load, world):
    account = world.account_id
    done = load(
        HEADER
        + line(account, "1.00", "good-1")  # 2
        + line(account, "1.0000001", "too-fine")
        + line(999, "1.00", "nobody")
        + line("x", "1.00", "no-number")
        + f"{account},1.00\n"
        + line(account, "1.00", "")
        + "\n"  # 8: an empty line is no fault
        + line(account, "2.00", "good-1")
        + line(account, "1.00", "late", "tomorrow")
        + f'{account},1.00,"two\nlines",,\n'  # 11 and 12
        + line(account, "1.00", "good-2")
    )

    assert done.exit_code == 1
    assert done.stdout == "2 posted, 0 already there, 8 bad.\n"
    told = dict(fault.removeprefix("line ").split(": ", 1) for fault in faults(done))
    assert set(told) == {"3", "4", "5", "6", "7", "9", "10", "11"}
    assert "6 decimals" in told["3"]
    assert told["4"] == "account: There is no account '999'"
    assert told["6"] == "Has 2 fields, not 5"
    assert told["7"].startswith("reference: ")
    assert "another amount" in told["9"]
    assert told["10"].startswith("occurred_at: ")
    assert world.balance == "98.00"


def test_a_byte_that_is_no_utf_8_costs_its_line_only(load, world):
    account = str(world.account_id).encode()
    rows = [b"%s,1.00,a,,caf\xe9\n" % account, b"%s,1.00,b,,caf\xc3\xa9\n" % account]
    done = load(HEADER.encode() + b"".join(rows))

    assert faults(done) == ["line 2: Is not UTF-8"]
    assert world.balance == "99.00"


@pytest.mark.parametrize("cell", ["a\x00b", "\ud800".encode("utf-8", "surrogatepass"), "a\x07b"])
def test_control_characters_are_refused(load, world, cell):
    cell = cell if isinstance(cell, bytes) else cell.encode()
    done = load(HEADER.encode() + b"%d,1.00,%s,,\n" % (world.account_id, cell))
    assert (done.exit_code, len(faults(done))) == (1, 1)
    assert world.balance == "100.00"


def test_a_missing_quote_is_told_and_the_rest_is_read_on(load, world):
    account = world.account_id
    done = load(HEADER + f'{account},1.00,"a"b,,\n' + line(account, "1.00", "c"))
    assert [fault.split(":")[0] for fault in faults(done)] == ["line 2"]
    assert world.balance == "99.00"


def test_a_quote_that_never_ends_is_told(load, world):
    done = load(HEADER + line(world.account_id) + f'{world.account_id},1.00,"b,,\n')
    assert [fault.split(":")[0] for fault in faults(done)] == ["line 3"]
    assert world.balance == "99.00"


def test_spreadsheets_mark_their_utf_8(load, world):
    done = load(
        "\ufeff" + HEADER.replace("\n", "\r\n") + line(world.account_id).replace("\n", "\r\n")
    )
    assert done.exit_code == 0
    assert world.balance == "99.00"


def test_columns_may_stand_in_another_order_and_optional_ones_be_absent(load, world):
    done = load(f"Reference,Amount,Account\ncall-1,1.00,{world.account_id}\n")
    assert done.exit_code == 0
    assert world.balance == "99.00"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"account;amount;reference\n1;1.00;a\n",
        b"account,amount\n",
        b"account,amount,reference,colour\n",
        b"account,amount,reference,amount\n",
        HEADER.encode("utf-16"),
        b"\x89PNG\r\n\x1a\n\x00\x00",
    ],
)
def test_a_file_with_another_header_is_refused_as_a_whole(load, content):
    failed = load(content)
    assert (failed.exit_code, failed.stdout) == (2, "")
    error = failed.stderr.splitlines()[-1]
    assert error.startswith("Error: The ")
    assert error.endswith("the first line must be account,amount,reference,occurred_at,description")


def test_a_file_that_is_not_there(flask):
    failed = flask("usage import nowhere.csv")
    assert failed.exit_code == 2
    assert "nowhere.csv" in failed.stderr


def test_large_files_go_in_batches_for_each_account(load, world):
    other = world.account()
    rows = [
        line(account, "0.010000", f"call-{n}")
        for n in range(2_500)
        for account in (world.account_id, other.account_id)
    ]
    done = load(HEADER + "".join(rows))

    assert done.stdout == "5,000 posted, 0 already there, 0 bad.\n"
    assert world.balance == "75.00"


def test_an_account_that_can_hold_no_more_stops_no_other(load, world):
    """L12; 26 November 2026: one account at the end of what can be counted stopped the file."""
    full, other = world.account().account_id, world.account_id
    now = world.clock.now()
    post_usage(world.session, full, [Usage(FARTHEST, "much", now)], now, world.policy)
    file = HEADER + line(other, reference="a") + line(full, "200.00") + line(other, reference="b")

    done = load(file)

    assert done.exit_code == 1
    assert done.stdout == "2 posted, 0 already there, 1 bad.\n"
    assert faults(done) == ["line 3: account: That is more than a balance can hold."]
    assert world.balance == "98.00"
    assert load(file).stdout == "0 posted, 2 already there, 1 bad.\n"


def test_imported_usage_opens_the_top_up(load, world):
    world.card()
    world.refill("50.00", "100.00")
    load(HEADER + line(world.account_id, "60.00"))
    world.work()
    assert world.balance == money.decimal_text(140_000_000)


def test_how_far_it_is_stands_on_the_error_stream(load, world):
    done = load(HEADER + line(world.account_id))
    assert "Posting usage.csv" in done.stderr
