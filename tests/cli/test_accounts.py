"""`flask accounts`."""

import json
from dataclasses import replace
from zipfile import ZipFile

import pytest
from sqlalchemy import func, select

from tests.factories import VISA, with_bounds
from webapp.currencies import DECIMALS
from webapp.domain.accounts.account import Account
from webapp.domain.events.rows import EventRow
from webapp.domain.shared.policy import Policy
from webapp.domain.users.invitations import Invitation
from webapp.domain.users.passwords import is_right
from webapp.domain.users.user import User

CREATE = "accounts create --name 'Pier Telecom' --email ana@pier.example"


def test_an_account_is_created_with_its_owner_and_key(flask, app, session):
    made = flask(f"{CREATE} --password correct-horse --balance 100.00 --json")

    assert made.exit_code == 0
    record = json.loads(made.output)
    assert set(record) == {"account", "user", "api_key"}
    account = session.get_one(Account, record["account"])
    assert (account.name, account.balance, account.time_zone) == (
        "Pier Telecom",
        100_000_000,
        "UTC",
    )
    user = session.get_one(User, record["user"])
    assert is_right("correct-horse", user.password_hash)
    answer = app.test_client().get(
        "/api/v1/balance", headers={"Authorization": f"Bearer {record['api_key']}"}
    )
    assert answer.json["balance"] == "100.00"


@pytest.mark.parametrize("currency", DECIMALS)
def test_every_supported_currency_can_be_chosen_without_a_setting_l1(flask, session, currency):
    made = json.loads(flask(f"{CREATE} --invite --currency {currency} --json").output)

    assert session.get_one(Account, made["account"]).currency == currency


def test_an_account_has_the_chosen_currency_l1(flask, app, session):
    """L1: an offered one, otherwise CURRENCY; the opening balance is in whole minor units."""
    services = app.extensions["ballast"]
    app.extensions["ballast"] = replace(services, policy=with_bounds(Policy(), "JPY"))
    create = f"{CREATE} --password correct-horse"

    refused = flask(f"{create} --currency HUF")
    assert refused.exit_code == 1
    assert "HUF is not supported: it has two decimals, but a processor takes none" in refused.stderr
    assert (
        "EUR is not offered: use one of USD, JPY, or set amounts of it"
        in flask(f"{create} --currency EUR").stderr
    )
    refused = flask(f"{create} --currency JPY --balance 100.50")
    assert "JPY has no decimals" in refused.stderr
    assert session.scalar(select(func.count(Account.id))) == 0
    session.rollback()

    made = json.loads(flask(f"{create} --currency JPY --balance 100.00 --json").output)
    account = session.get_one(Account, made["account"])
    assert (account.currency, account.balance) == ("JPY", 100_000_000)


def test_without_json_the_result_is_printed_in_lines(flask):
    made = flask(f"{CREATE} --password correct-horse")
    assert made.exit_code == 0
    assert "api key" in made.output
    assert "bk_" in made.output


def test_owner_and_time_zone_can_be_given(flask, session):
    line = f"{CREATE} --password correct-horse --owner 'Ana Ruiz' --time-zone Europe/Dublin --json"
    record = json.loads(flask(line).output)
    assert session.get_one(User, record["user"]).name == "Ana Ruiz"
    assert session.get_one(Account, record["account"]).time_zone == "Europe/Dublin"


@pytest.mark.parametrize("balance", ["", "--balance 0", "--balance 0.00"])
def test_the_balance_may_be_zero(flask, session, balance):
    record = json.loads(flask(f"{CREATE} --password correct-horse {balance} --json").output)
    assert session.get_one(Account, record["account"]).balance == 0


def test_the_password_is_asked_for_twice_and_not_shown(flask):
    made = flask(f"{CREATE} --json", input="correct-horse\ncorrect-horse\n")
    assert made.exit_code == 0
    assert json.loads(made.stdout)["account"]
    assert "correct-horse" not in made.output


def test_the_command_is_audited(flask, session):
    account = json.loads(flask(f"{CREATE} --password correct-horse --json").output)["account"]
    entry = session.scalar(select(EventRow).where(EventRow.account_id == account))
    assert (entry.audit, entry.actor_name) == ("account_created", "Command line")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--password short", "password: At least 10 characters"),
        ("--password correct-horse --email nobody", "email: Enter an email address"),
        ("--password correct-horse --time-zone Mars/Base", "time_zone: Must be a time zone"),
        (f"--password correct-horse --owner {'A' * 121}", "owner_name: At most 120 characters"),
    ],
)
def test_an_invalid_option_is_reported_in_one_line_and_creates_nothing(
    flask, session, options, message
):
    before = session.scalar(select(func.count(Account.id)))
    failed = flask(f"{CREATE} {options}")

    assert failed.exit_code == 1
    assert failed.stdout == ""
    assert failed.stderr.count("\n") == 1
    assert message in failed.stderr
    assert session.scalar(select(func.count(Account.id))) == before


def test_an_email_can_be_used_only_once(flask):
    flask(f"{CREATE} --password correct-horse")
    again = flask(f"{CREATE} --password correct-horse")
    assert (again.exit_code, "already" in again.stderr) == (1, True)


@pytest.mark.parametrize("balance", ["ten", "-5.00", "1.234", "1e3", "99999999999"])
def test_an_invalid_amount_is_refused(flask, balance):
    failed = flask(f"{CREATE} --password correct-horse --balance={balance}")
    assert failed.exit_code == 2
    assert "--balance" in failed.stderr
    assert "Traceback" not in failed.output


def test_accounts_are_listed(flask, world):
    world.use("0.000001")
    listed = json.loads(flask("accounts list --json").output)["accounts"]

    assert [(row["id"], row["balance"]) for row in listed] == [(world.account_id, "99.999999")]
    assert listed[0]["owner"].endswith("@example.com")
    line = "99.999999 USD, 0.00 held, 99.999999 available  Harbour Voice"
    assert line in flask("accounts list").output


def test_an_account_is_listed_and_shown_with_what_holds_have_of_it(flask, world):
    assert flask(f"holds open {world.account_id} call-1 3.20").exit_code == 0
    flask(f"accounts update {world.account_id} --credit-limit 10.00")
    [listed] = json.loads(flask("accounts list --json").output)["accounts"]
    shown = json.loads(flask(f"accounts show {world.account_id} --json").output)
    for row in (listed, shown):
        assert (row["balance"], row["held"], row["available"]) == ("100.00", "3.20", "106.80")
    assert "3.20 held, 106.80 available" in flask("accounts list").output


def test_an_installation_without_accounts_has_a_message(flask):
    assert flask("accounts list").output == "End of list.\n"
    assert json.loads(flask("accounts list --json").output) == {"accounts": [], "next_cursor": None}


def test_accounts_are_searched_and_paged_v4(flask, world):
    """V4"""
    pier = world.account(name="Pier Telecom").account_id
    flask(f"accounts update {pier} --external-id cust-7")

    def found(options):
        page = json.loads(flask(f"accounts list {options} --json").output)
        return [row["id"] for row in page["accounts"]], page["next_cursor"]

    assert found("--search pier") == found("--search cust-7") == ([pier], None)
    assert pier in found(f"--search {pier}")[0]
    assert found("--external-id cust") == ([], None)
    assert found("--state suspended") == ([], None)
    assert found("--limit 1") == ([pier], str(pier))
    assert found(f"--limit 1 --cursor {pier}") == ([world.account_id], None)


def test_an_invited_owner_needs_no_password_v4(flask, world, session):
    """V4"""
    line = f"{CREATE} --invite --external-id cust-7 --json"
    made = json.loads(flask(line).output)
    assert (made["user"], made["api_key"][:3]) == (None, "bk_")
    again = json.loads(flask(line).output)
    assert again == {"account": made["account"], "user": None, "api_key": None}
    assert flask(f"{line} --owner Ben").exit_code == 1
    assert flask(f"{CREATE} --invite --password correct-horse").exit_code == 2
    assert session.scalar(select(Invitation.email)) == "ana@pier.example"


def test_everything_about_an_account_can_be_given_when_it_is_created_v4(flask, session):
    flask(
        f"{CREATE} --invite --external-id c-7 --time-zone Europe/Dublin --language de"
        " --credit-limit 12.5 --max-open-holds 4 --metadata plan=gold --metadata crm=81"
    )
    account = session.scalars(select(Account)).one()
    assert (account.external_id, account.time_zone, account.language) == (
        "c-7",
        "Europe/Dublin",
        "de",
    )
    assert (account.credit_limit, account.max_open_holds) == (12_500_000, 4)
    assert account.details == {"plan": "gold", "crm": "81"}


def test_an_account_is_updated_v4(flask, world):
    """V4: an option that is left out changes nothing."""
    line = f"accounts update {world.account_id} --json"
    set_ = json.loads(flask(f"{line} --credit-limit 50 --max-open-holds 3 --metadata a=1").output)
    assert (set_["credit_limit"], set_["max_open_holds"]) == ("50.00", 3)
    more = json.loads(flask(f"{line} --no-hold-limit --no-own-metering --metadata b=2").output)
    assert (more["max_open_holds"], more["own_metering"], more["credit_limit"]) == (
        None, False, "50.00",
    )  # fmt: skip
    assert more["metadata"] == {"a": "1", "b": "2"}
    assert json.loads(flask(f"{line} --metadata a=").output)["metadata"] == {"b": "2"}
    refused = flask(f"{line} --external-id 'a b'")
    assert (refused.exit_code, "external_id" in refused.stderr) == (1, True)


def test_an_account_is_shown_with_its_next_event(flask, world):
    world.card(VISA)
    world.refill("50.00", "100.00")
    shown = json.loads(flask(f"accounts show {world.account_id} --json").output)

    assert shown["methods"] == ["Visa •••• 4242: ready"]
    assert shown["what_next"] == (
        "When your balance falls below $50.00, we’ll charge $100.00 to Visa •••• 4242."
    )
    assert "Visa •••• 4242: ready" in flask(f"accounts show {world.account_id}").output


def test_a_balance_is_adjusted_once_per_reference_v9(flask, world):
    """V9: exactly, with six decimals, and output for scripts."""
    line = (
        f"accounts adjust {world.account_id} 0.0215 --debit --reason fee --reference fee-1 --json"
    )
    posted = json.loads(flask(line).output)
    assert (posted["reference"], posted["amount"], posted["balance"]) == (
        "fee-1", "-0.0215", "99.9785",
    )  # fmt: skip
    assert json.loads(flask(line).output) == posted
    other = flask(line.replace("0.0215", "0.03"))
    assert (other.exit_code, world.balance) == (1, "99.9785")
    for _ in range(2):
        assert flask(f"accounts adjust {world.account_id} 1 --reason gift").exit_code == 0
    assert world.balance == "101.9785"


def test_an_adjustments_reason_has_a_maximum_length_p2(flask, world):
    """P2: the longest reason is stored in full, a longer one is refused in one line."""
    refused = flask(f"accounts adjust {world.account_id} 1.00 --reason {'w' * 501}")
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert "At most 500 characters" in refused.stderr
    assert flask(f"accounts adjust {world.account_id} 1.00 --reason {'w' * 500}").exit_code == 0
    assert world.balance == "101.00"


@pytest.mark.parametrize(("wanted", "code"), [("999", 1), ("0", 2), ("one", 2), ("9" * 30, 2)])
def test_an_unknown_account_is_refused(flask, wanted, code):
    failed = flask(f"accounts show {wanted}")
    assert failed.exit_code == code
    assert "Traceback" not in failed.output


def test_all_data_of_an_account_is_exported_to_a_file(flask, world, tmp_path):
    """P2: it includes operator-only fields and is audited."""
    file = tmp_path / "all.zip"
    made = flask(f"accounts export {world.account_id} {file} --json")
    assert json.loads(made.stdout)["size"] == file.stat().st_size
    archive = ZipFile(file)
    assert archive.testzip() is None
    assert json.loads(archive.read("account.json"))[0]["name"] == "Harbour Voice"
    assert "decline_code" in archive.read("attempts.csv").decode()
    assert flask(f"accounts export {world.account_id} {file}").exit_code == 1
    assert flask(f"accounts export 999 {tmp_path / 'none.zip'}").exit_code == 1
    assert not (tmp_path / "none.zip").exists()
    world.session.rollback()
    assert world.session.query(EventRow).filter_by(audit="exported").count() == 1


def test_an_account_is_suspended_resumed_closed_and_reopened_v4(flask, world):
    """V4, T18: `resume` asks before it charges."""
    account = world.account_id
    world.card(VISA)
    world.refill("50.00", "100.00")

    def state(line):
        return json.loads(flask(f"accounts {line} --reason 'Unpaid' --json").stdout)["state"]

    assert state(f"suspend {account}") == "suspended"
    world.use("60.00")
    asked = flask(f"accounts resume {account} --reason Paid")
    assert (asked.exit_code, "Add --charge" in asked.stderr) == (1, True)
    resumed = flask(f"accounts resume {account} --reason Paid --charge --json")
    assert json.loads(resumed.stdout)["state"] == "active"
    assert world.tries == [("4242", "100.00", "paid")]
    assert flask(f"accounts close {account} --reason Over").exit_code == 1
    assert state(f"close {account} --balance payout") == "closed"
    assert flask(f"accounts resume {account} --reason Paid").exit_code == 1
    assert state(f"reopen {account}") == "active"
    assert flask(f"accounts suspend {account}").exit_code == 2


def test_a_portal_link_is_created_for_a_role_as_the_api_names_it_v8(flask, world):
    """V8"""
    back = "--return-url https://portal.example.com/"
    result = flask(f"accounts portal-link {world.account_id} --role billing {back} --json")
    assert result.exit_code == 0, result.output
    assert "/portal/" in json.loads(result.stdout)["url"]
