"""Settings from the environment, and the one-line error for a bad value."""

import re
import stat
from pathlib import Path

import pytest

from tests.conftest import migrate
from webapp import currencies
from webapp.currencies import MICROS as M
from webapp.currencies import Bounds
from webapp.env import BadSetting, GivenAmounts, sqlite_url
from webapp.settings import ROOT, SECRET_KEYS, SECRETS, VARIABLES, Settings

PAYPAL_KEYS = {
    "PAYPAL_PROCESSOR": "paypal",
    "PAYPAL_CLIENT_ID": "id",
    "PAYPAL_CLIENT_SECRET": "secret",
}
PRETEND_CARDS = (
    "CARD_PROCESSOR: 'sandbox' would sell real balance for test cards; with live PayPal use a "
    "real processor, or PAYPAL_API_BASE=https://api-m.sandbox.paypal.com"
)
STRIPE = {
    "CARD_PROCESSOR": "stripe",
    "STRIPE_SECRET_KEY": "sk_test_1",
    "STRIPE_PUBLISHABLE_KEY": "pk_test_1",
    "STRIPE_WEBHOOK_SECRET": "whsec_1",
}
STRIPE_LIVE = {name: value.replace("test", "live") for name, value in STRIPE.items()}
IBAN = "IE29 AIBK 9311 5212 3456 78"


def settings(**environ):
    return Settings.from_environment(environ)


def dollars(micros):
    return GivenAmounts({"USD": micros}, is_list=False)


def test_an_empty_environment_gives_a_local_sandbox():
    given = settings()

    assert given.home == ROOT / "instance"
    assert given.database_url == sqlite_url(ROOT / "instance" / "ballast.db")
    assert given.address == "127.0.0.1:8000"
    assert (given.run_jobs, given.demo) == (True, False)
    assert (given.card_processor, given.paypal_processor) == ("sandbox", "sandbox")
    assert given.automatic_payments == "on"
    assert list(given.bounds) == list(currencies.DECIMALS)
    assert given.bounds["USD"] == Bounds("USD", 30 * M, 10_000 * M, 1_000 * M, 50 * M)
    assert (given.mail_server, given.mail_port, given.mail_use_tls) == ("", 25, False)
    assert given.mail_sender == "ballast@localhost"
    assert given.wire_beneficiary == ""


def test_bounds_are_per_currency_l1():
    """L1: lists name the currencies, and CURRENCY comes first."""
    given = settings(
        CURRENCY="EUR",
        PAYMENT_MIN="JPY=3000, EUR=30.00",
        PAYMENT_MAX="JPY=1000000,EUR=10000",
        USAGE_MAX="JPY=100000.00,EUR=1000.5",
        THRESHOLD_ADVICE="JPY=5000,EUR=50",
    )

    assert list(given.bounds) == ["EUR", "JPY"]
    assert given.bounds["EUR"] == Bounds("EUR", 30 * M, 10_000 * M, 1_000_500_000, 50 * M)
    assert given.bounds["JPY"] == Bounds("JPY", 3_000 * M, 1_000_000 * M, 100_000 * M, 5_000 * M)
    assert given.incomplete_currencies == {}
    assert set(given.left_out) == set(currencies.DECIMALS) - {"EUR", "JPY"}


@pytest.mark.parametrize("currency", currencies.DECIMALS)
def test_every_supported_currency_has_default_bounds_l1(currency):
    given = settings(CURRENCY=currency)

    assert next(iter(given.bounds)) == currency
    assert given.bounds == {code: Bounds.default(code) for code in currencies.DECIMALS}
    smallest = 3_000 if currency == "JPY" else 30
    assert given.bounds[currency].payment_min == smallest * M


def test_one_amount_is_of_the_default_currency_alone_l1():
    """L1: 40.00 dollars are no bound of yen."""
    given = settings(PAYMENT_MIN="40.00", USAGE_MAX="USD=2000,EUR=1800,JPY=250000")

    assert list(given.bounds) == ["USD", "EUR", "JPY"]
    assert given.bounds["USD"] == Bounds("USD", 40 * M, 10_000 * M, 2_000 * M, 50 * M)
    assert given.bounds["EUR"] == Bounds("EUR", 30 * M, 10_000 * M, 1_800 * M, 50 * M)
    assert given.bounds["JPY"] == Bounds("JPY", 3_000 * M, 1_000_000 * M, 250_000 * M, 5_000 * M)
    assert given.on_default("EUR") == given.on_default("JPY") == ["PAYMENT_MIN"]
    assert given.on_default("USD") == []


def test_a_list_leaves_out_the_currencies_that_it_does_not_name_l1():
    given = settings(PAYMENT_MIN="USD=30.00,EUR=30.00", USAGE_MAX="USD=1000,GBP=1000")

    assert list(given.bounds) == ["USD"]
    assert given.incomplete_currencies == {"EUR": ["USAGE_MAX"], "GBP": ["PAYMENT_MIN"]}
    assert given.left_out["JPY"] == ["PAYMENT_MIN", "USAGE_MAX"]


@pytest.mark.parametrize(
    ("environ", "field", "value"),
    [
        ({"BALLAST_HOME": "/srv/b"}, "home", Path("/srv/b")),
        ({"BALLAST_HOME": "/srv/b"}, "database_url", "sqlite:////srv/b/ballast.db"),
        ({"BALLAST_HOME": "here"}, "home", Path.cwd() / "here"),
        ({"DATABASE_URL": "sqlite:///x.db"}, "database_url", "sqlite:///x.db"),
        (
            {"DATABASE_URL": "postgresql+psycopg://u:p@h/d"},
            "database_url",
            "postgresql+psycopg://u:p@h/d",
        ),
        ({"DATABASE_URL": "postgres://u:p@h/d"}, "database_url", "postgresql+psycopg://u:p@h/d"),
        ({"DATABASE_URL": "postgresql://h/d"}, "database_url", "postgresql+psycopg://h/d"),
        (
            {"DATABASE_URL": "postgres://u:p,@h1:5001,h2:5002/d?target_session_attrs=read-write"},
            "database_url",
            "postgresql+psycopg://u:p,@/d?host=h1:5001&host=h2:5002&target_session_attrs=read-write",
        ),
        (
            {"DATABASE_URL": "postgresql+psycopg://h1,h2/d?target_session_attrs=primary"},
            "database_url",
            "postgresql+psycopg:///d?host=h1&host=h2&target_session_attrs=primary",
        ),
        ({"SECRET_KEY": "given"}, "secret_key", "given"),
        ({"HOST": "0.0.0.0", "PORT": "80"}, "address", "0.0.0.0:80"),
        ({"HOST": "::1"}, "address", "[::1]:8000"),
        ({"PORT": "65535"}, "port", 65535),
        ({"TRUSTED_PROXIES": "2"}, "trusted_proxies", 2),
        ({"RATE_LIMITS": "0"}, "rate_limits", False),
        ({"METRICS_TOKEN": "t"}, "metrics_token", "t"),
        ({"PORT": ""}, "port", 8000),
        ({"PORT": " 8001 "}, "port", 8001),
        ({"RUN_JOBS": "0"}, "run_jobs", False),
        ({"DEMO": "1"}, "demo", True),
        ({"DEMO": "1"}, "offers_sign_up", True),
        ({}, "offers_sign_up", False),
        ({"SIGN_UP": "on"}, "offers_sign_up", True),
        ({"SIGN_UP": "off", "DEMO": "1"}, "offers_sign_up", False),
        ({"CARD_PROCESSOR": "sandbox"}, "card_processor", "sandbox"),
        ({"AUTOMATIC_PAYMENTS": "off"}, "automatic_payments", "off"),
        ({"AUTOMATIC_PAYMENTS": "dry-run"}, "automatic_payments", "dry-run"),
        ({"PAYMENT_MIN": "5"}, "payment_min", dollars(5_000_000)),
        ({"PAYMENT_MIN": "0.01"}, "payment_min", dollars(10_000)),
        ({"PAYMENT_MIN": "10000"}, "payment_min", dollars(10_000_000_000)),
        ({"API_REQUESTS_PER_MINUTE": "1"}, "api_requests_per_minute", 1),
        ({"API_USAGE_PER_MINUTE": "999999999"}, "api_usage_per_minute", 999_999_999),
        ({"PAYMENT_MAX": "999999999.99"}, "payment_max", dollars(999_999_999_990_000)),
        (
            {"WIRE_BENEFICIARY": "Pier Ltd", "WIRE_IBAN": "ie29aibk93115212345678"},
            "wire_iban",
            "IE29 AIBK 9311 5212 3456 78",
        ),
        (
            {"WIRE_BENEFICIARY": "Pier Ltd", "WIRE_IBAN": IBAN, "WIRE_BIC": "AIBKIE2D"},
            "wire_bic",
            "AIBKIE2D",
        ),
        (
            {
                "WIRE_BENEFICIARY": "Pier Ltd",
                "WIRE_ACCOUNT": "0012 3456 78",
                "WIRE_ROUTING": "021000021",
            },
            "wire_routing",
            "021000021",
        ),
        (STRIPE, "card_processor", "stripe"),
        (STRIPE, "paypal_processor", "sandbox"),
        (STRIPE, "test_mode", True),
        (STRIPE_LIVE, "paypal_processor", None),
        (STRIPE_LIVE, "test_mode", False),
        ({}, "test_mode", False),
        ({"STRIPE_SECRET_KEY": "rk_test_1"}, "stripe_secret_key", "rk_test_1"),
        ({"STRIPE_API_BASE": "http://[::1]:1/"}, "stripe_api_base", "http://[::1]:1"),
        ({"PAYPAL_API_BASE": "https://a.example"}, "paypal_api_base", "https://a.example"),
        ({"PROVIDER_NAME": "Pier Ltd"}, "provider_name", "Pier Ltd"),
        (
            {"PROVIDER_NAME": "P", "PROVIDER_TAX_NUMBER": "1", "PROVIDER_TAX_RATE": "7.7"},
            "provider_tax_rate",
            7_700,
        ),
        (
            {"PROVIDER_NAME": "P", "PROVIDER_EMAIL": "b@example.com"},
            "provider_email",
            "b@example.com",
        ),
        ({"MAIL_SERVER": "mail.example.com"}, "mail_server", "mail.example.com"),
        ({"MAIL_PORT": "2525"}, "mail_port", 2525),
        ({"MAIL_USE_TLS": "1"}, "mail_port", 587),
        ({"MAIL_USE_TLS": "1", "MAIL_PORT": "25"}, "mail_port", 25),
        ({"MAIL_USERNAME": "u", "MAIL_PASSWORD": "p"}, "mail_password", "p"),
        ({"MAIL_SENDER": "Ballast <b@example.com>"}, "mail_sender", "Ballast <b@example.com>"),
    ],
)
def test_a_good_value_is_accepted(environ, field, value):
    assert getattr(settings(**environ), field) == value


PORT = "use a whole number from 1 to 65535"
PROXIES = "use a whole number from 0 to 9"
AMOUNT = "use an amount such as 30.00, or a list such as USD=30.00,EUR=30.00"
SEVERAL = "names several servers; add target_session_attrs=read-write, so that the primary is used"
DATABASE = "use sqlite:///… or postgresql+psycopg://…"
HOST = "use a host name or an address, without a port"
BENEFICIARY = "set it, or leave the other WIRE_ variables out too"
ADDRESS = "use an address such as https://billing.example.com"
MAILBOX = "use an address such as Ballast <billing@example.com>"


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({"PORT": "0"}, f"PORT: got '0'; {PORT}"),
        ({"PORT": "65536"}, f"PORT: got '65536'; {PORT}"),
        ({"TRUSTED_PROXIES": "10"}, f"TRUSTED_PROXIES: got '10'; {PROXIES}"),
        ({"TRUSTED_PROXIES": "*"}, f"TRUSTED_PROXIES: got '*'; {PROXIES}"),
        ({"RATE_LIMITS": "no"}, "RATE_LIMITS: got 'no'; use 0 or 1"),
        ({"PORT": "-1"}, f"PORT: got '-1'; {PORT}"),
        ({"PORT": "8_000"}, f"PORT: got '8_000'; {PORT}"),
        ({"PORT": "http"}, f"PORT: got 'http'; {PORT}"),
        ({"PORT": "80\n90"}, f"PORT: got '80\\n90'; {PORT}"),
        ({"MAIL_PORT": "smtp"}, f"MAIL_PORT: got 'smtp'; {PORT}"),
        ({"HOST": "127.0.0.1:80"}, f"HOST: got '127.0.0.1:80'; {HOST}"),
        ({"MAIL_SERVER": "smtp://x"}, f"MAIL_SERVER: got 'smtp://x'; {HOST}"),
        ({"RUN_JOBS": "yes"}, "RUN_JOBS: got 'yes'; use 0 or 1"),
        ({"DEMO": "true"}, "DEMO: got 'true'; use 0 or 1 or auto"),
        ({"MAIL_USE_TLS": "2"}, "MAIL_USE_TLS: got '2'; use 0 or 1"),
        (
            {"CARD_PROCESSOR": "stripe"},
            "STRIPE_SECRET_KEY: not set; CARD_PROCESSOR=stripe needs it",
        ),
        (
            {**STRIPE, "STRIPE_WEBHOOK_SECRET": ""},
            "STRIPE_WEBHOOK_SECRET: not set; CARD_PROCESSOR=stripe needs it",
        ),
        (
            {**STRIPE, "STRIPE_PUBLISHABLE_KEY": "pk_live_1"},
            "STRIPE_PUBLISHABLE_KEY: STRIPE_SECRET_KEY is a test key; use a test key here",
        ),
        (
            {**STRIPE, "STRIPE_SECRET_KEY": "rk_live_1"},
            "STRIPE_PUBLISHABLE_KEY: STRIPE_SECRET_KEY is a live key; use a live key here",
        ),
        (
            {**STRIPE_LIVE, "PAYPAL_PROCESSOR": "sandbox"},
            (
                "PAYPAL_PROCESSOR: 'sandbox' would sell real balance for test agreements; "
                "with live cards leave it out, or use a real processor"
            ),
        ),
        (
            {**STRIPE, "PAYPAL_PROCESSOR": "paypal"},
            "PAYPAL_API_BASE: cards are in test mode; use PayPal's test URL",
        ),
        (
            {"PAYPAL_PROCESSOR": "braintree"},
            "PAYPAL_PROCESSOR: got 'braintree'; use sandbox or paypal",
        ),
        (
            {"PAYPAL_PROCESSOR": "paypal"},
            "PAYPAL_CLIENT_ID: not set; PAYPAL_PROCESSOR=paypal needs it",
        ),
        (
            {"PAYPAL_PROCESSOR": "paypal", "PAYPAL_CLIENT_ID": "id"},
            "PAYPAL_CLIENT_SECRET: not set; PAYPAL_PROCESSOR=paypal needs it",
        ),
        (
            PAYPAL_KEYS,
            "PAYPAL_WEBHOOK_ID: not set; PAYPAL_PROCESSOR=paypal needs it",
        ),
        (
            PAYPAL_KEYS | {"PAYPAL_WEBHOOK_ID": "1A"},
            PRETEND_CARDS,
        ),
        ({"CARD_PROCESSOR": "paypal"}, "CARD_PROCESSOR: got 'paypal'; use sandbox or stripe"),
        (
            {"SIGN_UP": "yes"},
            "SIGN_UP: got 'yes'; use on or off",
        ),
        (
            {"AUTOMATIC_PAYMENTS": "dry"},
            "AUTOMATIC_PAYMENTS: got 'dry'; use on or off or dry-run",
        ),
        (
            {"STRIPE_SECRET_KEY": "pk_test_1"},
            f"STRIPE_SECRET_KEY: not a valid key; use {SECRET_KEYS}",
        ),
        (
            {"STRIPE_WEBHOOK_SECRET": "whsec_1 2"},
            "STRIPE_WEBHOOK_SECRET: not a valid key; use whsec_…",
        ),
        (
            {"STRIPE_JS_URL": "js.stripe.com"},
            f"STRIPE_JS_URL: got 'js.stripe.com'; {ADDRESS}",
        ),
        ({"PAYMENT_MIN": "1.234"}, f"PAYMENT_MIN: got '1.234'; {AMOUNT}"),
        ({"PAYMENT_MIN": "-5"}, f"PAYMENT_MIN: got '-5'; {AMOUNT}"),
        ({"PAYMENT_MIN": "1e3"}, f"PAYMENT_MIN: got '1e3'; {AMOUNT}"),
        (
            {"API_REQUESTS_PER_MINUTE": "0"},
            "API_REQUESTS_PER_MINUTE: got '0'; use a whole number above zero",
        ),
        ({"PAYMENT_MAX": "10,000.00"}, f"PAYMENT_MAX: got '10,000.00'; {AMOUNT}"),
        ({"PAYMENT_MAX": "٣٠"}, f"PAYMENT_MAX: got '٣٠'; {AMOUNT}"),
        ({"PAYMENT_MIN": "0.00"}, "PAYMENT_MIN: got '0.00'; use an amount above zero"),
        (
            {"PAYMENT_MIN": "50", "PAYMENT_MAX": "49.99"},
            "PAYMENT_MIN: 50.00 USD is more than PAYMENT_MAX, 49.99 USD; use at most that",
        ),
        ({"PAYMENT_MIN": "USD=30.00,"}, f"PAYMENT_MIN: got 'USD=30.00,'; {AMOUNT}"),
        ({"PAYMENT_MIN": "USD=30;EUR=30"}, f"PAYMENT_MIN: got 'USD=30;EUR=30'; {AMOUNT}"),
        (
            {"PAYMENT_MIN": "USD=30,USD=31"},
            "PAYMENT_MIN: got 'USD=30,USD=31'; use USD only once",
        ),
        (
            {"USAGE_MAX": "EUR=30.00"},
            "USAGE_MAX: has no amount of USD, the CURRENCY; add USD=…",
        ),
        (
            {"PAYMENT_MIN": "USD=30.00,JPY=30.50"},
            "PAYMENT_MIN: got 'USD=30.00,JPY=30.50'; JPY has no decimals",
        ),
        (
            {"CURRENCY": "JPY", "THRESHOLD_ADVICE": "50.50"},
            "THRESHOLD_ADVICE: got '50.50'; JPY has no decimals",
        ),
        (
            {"PAYMENT_MAX": "USD=10000,HUF=10000"},
            (
                "PAYMENT_MAX: got 'USD=10000,HUF=10000'; HUF is not supported: "
                "it has two decimals, but a processor takes none"
            ),
        ),
        (
            {"CURRENCY": "KWD"},
            (
                "CURRENCY: got 'KWD'; KWD is not supported: "
                "it has three decimals, which payment processors round"
            ),
        ),
        (
            {"CURRENCY": "usd"},
            "CURRENCY: got 'usd'; use one of USD, EUR, GBP, CHF, CAD, AUD, PLN, SEK, JPY",
        ),
        (
            {
                "PAYMENT_MIN": "USD=30.00,EUR=30.00",
                "PAYMENT_MAX": "USD=100.00,EUR=29.99",
                "USAGE_MAX": "USD=1000.00,EUR=1000.00",
                "THRESHOLD_ADVICE": "USD=50.00,EUR=50.00",
            },
            "PAYMENT_MIN: 30.00 EUR is more than PAYMENT_MAX, 29.99 EUR; use at most that",
        ),
        (
            {"MAIL_USERNAME": "u"},
            "MAIL_PASSWORD: not set; set it, or leave MAIL_USERNAME out too",
        ),
        (
            {"MAIL_PASSWORD": "hush"},
            "MAIL_USERNAME: not set; set it, or leave MAIL_PASSWORD out too",
        ),
        (
            {"PROVIDER_ADDRESS": "1 Quay Street"},
            "PROVIDER_NAME: not set; set it, or leave the other PROVIDER_ variables out too",
        ),
        (
            {"PROVIDER_NAME": "P", "PROVIDER_TAX_RATE": "23"},
            "PROVIDER_TAX_NUMBER: not set; set it, or leave PROVIDER_TAX_RATE out too",
        ),
        (
            {"PROVIDER_TAX_RATE": "100"},
            "PROVIDER_TAX_RATE: got '100'; use a percentage such as 23 or 7.7, below 100",
        ),
        (
            {"PROVIDER_EMAIL": "Pier <b@example.com>"},
            (
                "PROVIDER_EMAIL: got 'Pier <b@example.com>'; "
                "use an address such as billing@example.com"
            ),
        ),
        ({"WIRE_IBAN": IBAN}, f"WIRE_BENEFICIARY: not set; {BENEFICIARY}"),
        ({"WIRE_BANK": "Pier Bank"}, f"WIRE_BENEFICIARY: not set; {BENEFICIARY}"),
        (
            {"WIRE_BENEFICIARY": "Pier Ltd"},
            "WIRE_IBAN: not set; set it, or WIRE_ACCOUNT and WIRE_ROUTING",
        ),
        (
            {"WIRE_BENEFICIARY": "Pier Ltd", "WIRE_ACCOUNT": "12345678"},
            "WIRE_ROUTING: not set; set it, or leave WIRE_ACCOUNT out too",
        ),
        (
            {"WIRE_BENEFICIARY": "Pier Ltd", "WIRE_IBAN": IBAN, "WIRE_ROUTING": "021000021"},
            "WIRE_ACCOUNT: not set; set it, or leave WIRE_ROUTING out too",
        ),
        (
            {"WIRE_IBAN": "IE29 AIBK 9311 5212 3456 87"},
            ("WIRE_IBAN: got 'IE29 AIBK 9311 5212 3456 87'; use an IBAN with valid check digits"),
        ),
        ({"WIRE_BIC": "AIB"}, "WIRE_BIC: got 'AIB'; use a BIC such as AIBKIE2D or AIBKIE2DXXX"),
        (
            {"WIRE_ROUTING": "021000022"},
            (
                "WIRE_ROUTING: got '021000022'; "
                "use a routing number of nine digits with a valid check digit"
            ),
        ),
        (
            {"WIRE_ACCOUNT": "1"},
            "WIRE_ACCOUNT: got '1'; use an account number of 4 to 34 digits and letters",
        ),
        (
            {"WIRE_BENEFICIARY": "Pier\nLtd"},
            "WIRE_BENEFICIARY: got 'Pier\\nLtd'; use one line of at most 140 characters",
        ),
        ({"MAIL_SENDER": "Ballast"}, f"MAIL_SENDER: got 'Ballast'; {MAILBOX}"),
        ({"MAIL_SENDER": "a@b\nBcc: c@d"}, f"MAIL_SENDER: got 'a@b\\nBcc: c@d'; {MAILBOX}"),
        ({"DATABASE_URL": "mysql://u:hush@h/d"}, f"DATABASE_URL: got mysql://; {DATABASE}"),
        ({"DATABASE_URL": "hush"}, f"DATABASE_URL: got something else; {DATABASE}"),
        (
            {"DATABASE_URL": "postgresql://u:hush@h1,h2/d"},
            f"DATABASE_URL: {SEVERAL}",
        ),
        ({"DATABASE_URL": "sqlite://"}, f"DATABASE_URL: got sqlite://; {DATABASE}"),
    ],
)
def test_a_bad_value_is_rejected_in_one_line_that_names_it(environ, line):
    with pytest.raises(BadSetting) as refused:
        settings(**environ)

    assert str(refused.value) == line
    assert "hush" not in line


def test_secrets_are_hidden_in_the_repr_of_settings():
    given = settings(
        SECRET_KEY="hush",
        DATABASE_URL="postgresql://u:hush@h/d",
        MAIL_USERNAME="u",
        MAIL_PASSWORD="hush",
    )

    assert "hush" not in repr(given)


def test_the_home_folder_and_its_key_are_created_once_and_private(tmp_path):
    given = settings(BALLAST_HOME=str(tmp_path / "new" / "home"))
    assert not given.home.exists()

    first, second = given.ensure_home(), given.ensure_home()

    assert len(first.secret_key) >= 32
    assert first == second
    assert stat.S_IMODE(given.home.stat().st_mode) == 0o700
    assert stat.S_IMODE((given.home / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in given.home.iterdir()] == ["secret_key"]


def test_a_key_from_the_environment_is_not_written_to_a_file(tmp_path):
    given = settings(BALLAST_HOME=str(tmp_path), SECRET_KEY="given").ensure_home()

    assert given.secret_key == "given"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["team%2Fbranch", "what?", "ha#sh", "sp ace", "naïve", "a&b=c"])
def test_the_database_is_inside_the_home_folder_for_any_folder_name(tmp_path, name):
    home = tmp_path / name
    migrate(settings(BALLAST_HOME=str(home), SECRET_KEY="given", RUN_JOBS="0").ensure_home())
    assert (home / "ballast.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_unusable_home_is_rejected(tmp_path):
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(BadSetting, match=r"^BALLAST_HOME: cannot use '.*/file' \(File exists\); "):
        settings(BALLAST_HOME=str(file)).ensure_home()


def test_an_empty_key_file_is_rejected(tmp_path):
    (tmp_path / "secret_key").touch()

    with pytest.raises(BadSetting, match=r"^SECRET_KEY: '.*secret_key' is empty; remove it"):
        settings(BALLAST_HOME=str(tmp_path)).ensure_home()


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_can_be_read_from_a_file(tmp_path, name):
    """Errors never repeat the secret."""
    good = {
        "DATABASE_URL": "sqlite:///x.db",
        "STRIPE_SECRET_KEY": "sk_test_1",
        "STRIPE_WEBHOOK_SECRET": "whsec_1",
    }.get(name, "hush")
    file = tmp_path / "secret"
    file.write_text(f"{good}\n")
    file.chmod(0o600)
    more = {"MAIL_USERNAME": "u"} if name == "MAIL_PASSWORD" else {}
    given = settings(**{f"{name}_FILE": str(file)}, **more)
    assert getattr(given, name.lower()) == good
    with pytest.raises(BadSetting, match=f"^{name}_FILE: {name} is set as well") as caught:
        settings(**{f"{name}_FILE": str(file), name: good}, **more)
    assert good not in str(caught.value)


def test_an_unusable_secret_file_is_rejected(tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for path, why in (("nowhere", "No such file"), ("empty", "is empty"), ("binary", "not UTF-8")):
        with pytest.raises(BadSetting, match=f"^SECRET_KEY_FILE: .*{why}"):
            settings(SECRET_KEY_FILE=str(tmp_path / path))


def test_all_bad_values_are_named_at_once():
    with pytest.raises(BadSetting) as refused:
        settings(
            PORT="x", MAIL_USE_TLS="on", CARD_PROCESSOR="cash", HOST="a:1", DATABASE_URL="hush"
        )
    named = [line.partition(":")[0] for line in str(refused.value).splitlines()]
    assert named == ["DATABASE_URL", "HOST", "PORT", "CARD_PROCESSOR", "MAIL_USE_TLS"]


EXAMPLES = {"PUBLIC_URL": "", "BALLAST_HOME": str(ROOT / "instance"), "DATABASE_URL": ""}
"""Variables whose line in the example file is no default, with the default."""


def test_the_example_file_lists_every_variable_with_its_default():
    example = (ROOT / ".env.example").read_text()
    listed = dict(re.findall(r"^#([A-Z_]+)=(.*)$", example, re.MULTILINE))
    files = {f"{name}_FILE" for name in SECRETS}
    assert listed.keys() == {*VARIABLES, *files}
    given, default = settings(**listed | EXAMPLES), settings()
    assert given.bounds == default.bounds
    amounts = set(currencies.AMOUNTS)
    assert given.model_dump(exclude=amounts) == default.model_dump(exclude=amounts)
