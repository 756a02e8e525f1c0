"""The installation's settings, read once from the environment.

An invalid value stops the start with one line that names the variable. `.env.example` documents
every variable for the operator.
"""

import hmac
import logging
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Self

from webapp import private_files
from webapp.env import MICROS, BadSetting, Environment, decimal, sqlite_file, sqlite_url

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent

SECRET_KEYS = "sk_test_… or sk_live_… or rk_test_… or rk_live_…"

SECRETS = (
    "SECRET_KEY",
    "DATABASE_URL",
    "METRICS_TOKEN",
    "MAIL_PASSWORD",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "PAYPAL_CLIENT_SECRET",
)
"""Variables whose value may instead be in a file, whose path is in `<NAME>_FILE`."""


class CardProcessor(StrEnum):
    """Processor that charges cards."""

    SANDBOX = "sandbox"
    STRIPE = "stripe"


class PayPalProcessor(StrEnum):
    """Processor that charges PayPal agreements."""

    SANDBOX = "sandbox"
    PAYPAL = "paypal"


class Demo(StrEnum):
    """Whether demo data is created; `auto` creates it if a sandbox processor is configured."""

    OFF = "0"
    ON = "1"
    AUTO = "auto"


class AutomaticPayments(StrEnum):
    """Whether automatic payments are made; `dry-run` only records what would be charged."""

    ON = "on"
    OFF = "off"
    DRY_RUN = "dry-run"


PAYPAL_LIVE = "https://api-m.paypal.com"
PAYPAL_SANDBOX = "https://api-m.sandbox.paypal.com"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one installation. Amounts are in micros."""

    home: Path
    database_url: str = field(repr=False)
    secret_key: str = field(default="", repr=False)
    """If SECRET_KEY is not set, empty until `ensure_home` fills it."""

    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = ""
    """Base URL of links in emails; empty: the address that the server listens on."""
    run_jobs: bool = True
    demo: bool = False

    trusted_proxies: int = 0
    """Number of reverse proxies whose X-Forwarded headers are trusted."""
    rate_limits: bool = True
    """Off only for load tests."""
    metrics_token: str = field(default="", repr=False)
    """Bearer token for /metrics; empty: only requests from this host are allowed."""

    card_processor: CardProcessor = CardProcessor.SANDBOX
    paypal_processor: PayPalProcessor | None = PayPalProcessor.SANDBOX
    """None if PayPal is not offered."""

    stripe_secret_key: str = field(default="", repr=False)
    stripe_publishable_key: str = ""
    stripe_webhook_secret: str = field(default="", repr=False)
    stripe_api_base: str = "https://api.stripe.com"
    stripe_js_url: str = "https://js.stripe.com/endive/stripe.js"
    paypal_client_id: str = ""
    paypal_client_secret: str = field(default="", repr=False)
    paypal_webhook_id: str = ""
    paypal_api_base: str = PAYPAL_LIVE
    automatic_payments: AutomaticPayments = AutomaticPayments.ON
    payment_min: int = 30 * MICROS
    payment_max: int = 10_000 * MICROS
    usage_max: int = 1_000 * MICROS
    """Largest usage record that is accepted (L14)."""

    api_requests_per_minute: int = 6_000
    """Limit per API key, counted by each process separately."""

    api_usage_per_minute: int = 600_000
    """Separate, higher limit for usage records and holds."""

    wire_beneficiary: str = ""
    """Beneficiary of wire transfers; empty: wires are offered in the sandbox only."""

    wire_address: str = ""
    wire_bank: str = ""
    wire_iban: str = ""
    wire_bic: str = ""
    wire_account: str = ""
    wire_routing: str = ""

    provider_name: str = ""
    """Seller's name on receipts; empty: Ballast."""

    provider_address: str = ""
    provider_email: str = ""
    provider_tax_number: str = ""
    provider_tax_name: str = "VAT"
    provider_tax_rate: int = 0
    """Thousandths of a percent."""

    mail_server: str = ""
    """Empty: emails are not sent and stay in the outbox."""

    mail_port: int = 25
    mail_username: str = ""
    mail_password: str = field(default="", repr=False)
    mail_use_tls: bool = False
    mail_sender: str = "ballast@localhost"

    webhook_allowed_networks: tuple[str, ...] = ()
    """Private networks that webhooks may reach, as CIDR."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings without creating or changing any file.

        An empty variable counts as not set.

        Raises:
            BadSetting: for the first invalid value.
        """
        env = Environment(environ, SECRETS)
        home = env.folder("BALLAST_HOME", ROOT / "instance")
        mail_use_tls = env.flag("MAIL_USE_TLS", cls.mail_use_tls)
        cards = env.word("CARD_PROCESSOR", cls.card_processor)
        stripe_secret_key = env.key("STRIPE_SECRET_KEY", SECRET_KEYS)
        live_cards = cards is CardProcessor.STRIPE and "_live_" in stripe_secret_key
        # With live cards the default is no PayPal: sandbox agreements would credit real balance.
        paypal = env.word_or_none(
            "PAYPAL_PROCESSOR", PayPalProcessor, None if live_cards else PayPalProcessor.SANDBOX
        )
        has_sandbox = cards is CardProcessor.SANDBOX or paypal is PayPalProcessor.SANDBOX
        demo = env.word("DEMO", Demo.OFF)
        settings = cls(
            home=home,
            database_url=env.database("DATABASE_URL", sqlite_url(home / "ballast.db")),
            secret_key=env.text("SECRET_KEY"),
            host=env.host("HOST", cls.host),
            port=env.port("PORT", cls.port),
            public_url=env.url("PUBLIC_URL", cls.public_url),
            run_jobs=env.flag("RUN_JOBS", cls.run_jobs),
            demo=demo is Demo.ON or (demo is Demo.AUTO and has_sandbox),
            trusted_proxies=env.count("TRUSTED_PROXIES", cls.trusted_proxies, most=9),
            rate_limits=env.flag("RATE_LIMITS", cls.rate_limits),
            metrics_token=env.text("METRICS_TOKEN"),
            card_processor=cards,
            paypal_processor=paypal,
            stripe_secret_key=stripe_secret_key,
            stripe_publishable_key=env.key("STRIPE_PUBLISHABLE_KEY", "pk_test_… or pk_live_…"),
            stripe_webhook_secret=env.key("STRIPE_WEBHOOK_SECRET", "whsec_…"),
            stripe_api_base=env.url("STRIPE_API_BASE", cls.stripe_api_base),
            stripe_js_url=env.url("STRIPE_JS_URL", cls.stripe_js_url),
            paypal_client_id=env.text("PAYPAL_CLIENT_ID"),
            paypal_client_secret=env.text("PAYPAL_CLIENT_SECRET"),
            paypal_webhook_id=env.text("PAYPAL_WEBHOOK_ID"),
            paypal_api_base=env.url("PAYPAL_API_BASE", cls.paypal_api_base),
            automatic_payments=env.word("AUTOMATIC_PAYMENTS", cls.automatic_payments),
            payment_min=env.money("PAYMENT_MIN", cls.payment_min),
            payment_max=env.money("PAYMENT_MAX", cls.payment_max),
            usage_max=env.money("USAGE_MAX", cls.usage_max),
            api_requests_per_minute=env.quota(
                "API_REQUESTS_PER_MINUTE", cls.api_requests_per_minute
            ),
            api_usage_per_minute=env.quota("API_USAGE_PER_MINUTE", cls.api_usage_per_minute),
            wire_beneficiary=env.line("WIRE_BENEFICIARY"),
            wire_address=env.line("WIRE_ADDRESS"),
            wire_bank=env.line("WIRE_BANK"),
            wire_iban=env.iban("WIRE_IBAN"),
            wire_bic=env.bic("WIRE_BIC"),
            wire_account=env.account_number("WIRE_ACCOUNT"),
            wire_routing=env.routing("WIRE_ROUTING"),
            provider_name=env.line("PROVIDER_NAME"),
            provider_address=env.line("PROVIDER_ADDRESS"),
            provider_email=env.address("PROVIDER_EMAIL"),
            provider_tax_number=env.line("PROVIDER_TAX_NUMBER"),
            provider_tax_name=env.line("PROVIDER_TAX_NAME") or cls.provider_tax_name,
            provider_tax_rate=env.percent("PROVIDER_TAX_RATE"),
            mail_server=env.host("MAIL_SERVER", cls.mail_server),
            # 587 is the submission port (RFC 6409).
            mail_port=env.port("MAIL_PORT", 587 if mail_use_tls else cls.mail_port),
            mail_username=env.text("MAIL_USERNAME"),
            mail_password=env.text("MAIL_PASSWORD"),
            mail_use_tls=mail_use_tls,
            mail_sender=env.mailbox("MAIL_SENDER", cls.mail_sender),
            webhook_allowed_networks=env.networks("WEBHOOK_ALLOWED_NETWORKS"),
        )
        settings._check_pairs()
        settings._check_demo()
        settings._check_stripe()
        settings._check_paypal()
        settings._check_wires()
        settings._check_provider()
        return settings

    @property
    def address(self) -> str:
        """Address to listen on, as `host:port`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def base_url(self) -> str:
        return self.public_url or f"http://{self.address}"

    @property
    def paypal_is_live(self) -> bool:
        """Whether agreements are charged with real money."""
        is_chosen = self.paypal_processor is PayPalProcessor.PAYPAL
        return is_chosen and self.paypal_api_base == PAYPAL_LIVE

    @property
    def key_file(self) -> Path:
        """File of the secret key, used if SECRET_KEY is not set."""
        return self.home / "secret_key"

    @property
    def private_paths(self) -> tuple[Path, ...]:
        """Paths that other users of the host must not be able to read."""
        databases = [self.home / "sandbox.db"]
        if file := sqlite_file(self.database_url):
            databases.append(file)
        beside = [Path(f"{file}{end}") for file in databases for end in ("", "-wal", "-shm")]
        return (self.home, self.key_file, self.home / "proofs", *beside)

    @property
    def keeps_its_key(self) -> bool:
        """Whether the secret key in use is the one in `key_file`."""
        return (
            self.key_file.exists()
            and self.key_file.read_text(encoding="utf-8").strip() == self.secret_key
        )

    @property
    def mark_file(self) -> Path:
        """File with a digest of the secret key; exists once a database has been set up."""
        return self.home / "installation"

    def mark(self) -> None:
        """Write `mark_file`: this folder has a database, encrypted under the current key."""
        fresh = self.mark_file.with_name(f"{self.mark_file.name}.{secrets.token_hex(8)}")
        fresh.touch(mode=0o600)
        fresh.write_text(f"{_digest(self.secret_key)}\n", encoding="utf-8")
        fresh.replace(self.mark_file)

    @property
    def next_key_file(self) -> Path:
        """File of the new secret key during a rotation."""
        return self.home / "secret_key.next"

    def next_key(self) -> str:
        """Create the new secret key, or read the one of an interrupted rotation."""
        return _kept_key(self.next_key_file)

    def take_key(self, key: str) -> None:
        """Switch to a new secret key, after the database has been encrypted under it.

        The mark is removed meanwhile, so that a start after a crash is not refused.
        """
        self.mark_file.unlink(missing_ok=True)
        if self.next_key_file.exists():
            self.next_key_file.replace(self.key_file)
        replace(self, secret_key=key).mark()
        _sync_folder(self.home)

    def ensure_home(self) -> Self:
        """Create the home folder and, if SECRET_KEY is not set, the secret key.

        Also removes other users' permissions on private files. Idempotent and safe to run in
        several processes at once: all get the same key.

        Returns:
            The settings with `secret_key` filled.

        Raises:
            BadSetting: if the folder cannot be used, or was set up with another key.
        """
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            if closed := private_files.close(self.private_paths):
                log.warning("Closed to other users: %s", ", ".join(map(str, closed)))
            marked = self.mark_file.exists()
            if marked and not self.secret_key and not self.key_file.exists():
                raise BadSetting(f"SECRET_KEY: '{self.key_file}' is missing; {self._key_remedy}")
            made = replace(self, secret_key=self.secret_key or _kept_key(self.key_file))
            if marked and self.mark_file.read_text("utf-8").strip() != _digest(made.secret_key):
                raise BadSetting(f"SECRET_KEY: not the key used before; {self._key_remedy}")
            return made
        except OSError as error:
            raise BadSetting(
                f"BALLAST_HOME: cannot use '{self.home}' ({error.strerror}); use a writable folder"
            ) from error

    @property
    def _key_remedy(self) -> str:
        return "restore the previous key; to replace it, use flask --app wsgi keys rotate-secret"

    def _check_pairs(self) -> None:
        if self.payment_min == 0:
            raise BadSetting("PAYMENT_MIN: got '0'; use an amount above zero")
        if self.usage_max == 0:
            raise BadSetting("USAGE_MAX: got '0'; use an amount above zero")
        if self.payment_min > self.payment_max:
            raise BadSetting(
                f"PAYMENT_MIN: {decimal(self.payment_min)} is more than "
                f"PAYMENT_MAX, {decimal(self.payment_max)}; use at most that"
            )
        if self.mail_username and not self.mail_password:
            raise BadSetting("MAIL_PASSWORD: not set; set it, or leave MAIL_USERNAME out too")
        if self.mail_password and not self.mail_username:
            raise BadSetting("MAIL_USERNAME: not set; set it, or leave MAIL_PASSWORD out too")

    @property
    def stripe_is_live(self) -> bool:
        """Whether cards are charged with real money."""
        return self.card_processor is CardProcessor.STRIPE and "_live_" in self.stripe_secret_key

    @property
    def is_live(self) -> bool:
        """Whether any processor charges real money."""
        return self.stripe_is_live or self.paypal_is_live

    @property
    def has_sandbox(self) -> bool:
        return (
            self.card_processor is CardProcessor.SANDBOX
            or self.paypal_processor is PayPalProcessor.SANDBOX
        )

    @property
    def test_mode(self) -> bool:
        """Whether a real processor is used in its test mode."""
        stripe = self.card_processor is CardProcessor.STRIPE and not self.stripe_is_live
        paypal = self.paypal_processor is PayPalProcessor.PAYPAL and not self.paypal_is_live
        return stripe or paypal

    def _check_demo(self) -> None:
        if self.demo and self.is_live:
            raise BadSetting(
                "DEMO: got '1', which creates an account with a public password; "
                "use 0 with live keys"
            )

    def _check_stripe(self) -> None:
        if self.card_processor is not CardProcessor.STRIPE:
            return
        needed = {
            "STRIPE_SECRET_KEY": self.stripe_secret_key,
            "STRIPE_PUBLISHABLE_KEY": self.stripe_publishable_key,
            # Without webhooks, refunds and disputes would be missed.
            "STRIPE_WEBHOOK_SECRET": self.stripe_webhook_secret,
        }
        for name, value in needed.items():
            if not value:
                raise BadSetting(f"{name}: not set; CARD_PROCESSOR=stripe needs it")
        mode = "live" if self.stripe_is_live else "test"
        if f"_{mode}_" not in self.stripe_publishable_key:
            raise BadSetting(
                f"STRIPE_PUBLISHABLE_KEY: STRIPE_SECRET_KEY is a {mode} key; use a {mode} key here"
            )
        if self.paypal_processor is PayPalProcessor.SANDBOX and self.stripe_is_live:
            raise BadSetting(
                "PAYPAL_PROCESSOR: 'sandbox' would sell real balance for test agreements; "
                "with live cards leave it out, or use a real processor"
            )
        if self.paypal_processor is PayPalProcessor.PAYPAL and (
            self.paypal_is_live != self.stripe_is_live
        ):
            raise BadSetting(f"PAYPAL_API_BASE: cards are in {mode} mode; use PayPal's {mode} URL")

    @property
    def has_real_processor(self) -> bool:
        """Whether a processor other than the sandbox is used, in live or test mode."""
        return (
            self.card_processor is not CardProcessor.SANDBOX
            or self.paypal_processor is PayPalProcessor.PAYPAL
        )

    def _check_paypal(self) -> None:
        if self.paypal_processor is not PayPalProcessor.PAYPAL:
            return
        needed = {
            "PAYPAL_CLIENT_ID": self.paypal_client_id,
            "PAYPAL_CLIENT_SECRET": self.paypal_client_secret,
        }
        if self.paypal_is_live:
            # Without webhooks, refunds and disputes would be missed.
            needed["PAYPAL_WEBHOOK_ID"] = self.paypal_webhook_id
        for name, value in needed.items():
            if not value:
                raise BadSetting(f"{name}: not set; PAYPAL_PROCESSOR=paypal needs it")
        if self.paypal_is_live and self.card_processor is CardProcessor.SANDBOX:
            raise BadSetting(
                "CARD_PROCESSOR: 'sandbox' would sell real balance for test cards; with live "
                f"PayPal use a real processor, or PAYPAL_API_BASE={PAYPAL_SANDBOX}"
            )

    def _check_wires(self) -> None:
        others = (self.wire_address, self.wire_bank, self.wire_iban, self.wire_bic)
        if self.wire_account and not self.wire_routing:
            raise BadSetting("WIRE_ROUTING: not set; set it, or leave WIRE_ACCOUNT out too")
        if self.wire_routing and not self.wire_account:
            raise BadSetting("WIRE_ACCOUNT: not set; set it, or leave WIRE_ROUTING out too")
        if (any(others) or self.wire_account) and not self.wire_beneficiary:
            raise BadSetting(
                "WIRE_BENEFICIARY: not set; set it, or leave the other WIRE_ variables out too"
            )
        if self.wire_beneficiary and not (self.wire_iban or self.wire_account):
            raise BadSetting("WIRE_IBAN: not set; set it, or WIRE_ACCOUNT and WIRE_ROUTING")

    def _check_provider(self) -> None:
        others = (self.provider_address, self.provider_email, self.provider_tax_number)
        if (any(others) or self.provider_tax_rate) and not self.provider_name:
            raise BadSetting(
                "PROVIDER_NAME: not set; set it, or leave the other PROVIDER_ variables out too"
            )
        if self.provider_tax_rate and not self.provider_tax_number:
            raise BadSetting(
                "PROVIDER_TAX_NUMBER: not set; set it, or leave PROVIDER_TAX_RATE out too"
            )


def _digest(key: str) -> str:
    return hmac.new(key.encode(), b"Ballast installation", "sha256").hexdigest()


def _kept_key(path: Path) -> str:
    """Read a key file, creating it with a new key if it does not exist."""
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        fresh.touch(mode=0o600, exist_ok=False)
        with fresh.open("w", encoding="utf-8") as stream:
            stream.write(secrets.token_urlsafe(48))
            # The key must be on disk before any secret is encrypted under it.
            stream.flush()
            os.fsync(stream.fileno())
        # A hard link is atomic, and does not replace a key that another process created first.
        with suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
        _sync_folder(path.parent)
    key = path.read_text(encoding="utf-8").strip()
    if not key:
        raise BadSetting(f"SECRET_KEY: '{path}' is empty; remove it, or set SECRET_KEY")
    return key


def _sync_folder(folder: Path) -> None:
    """Sync the directory entries, so that new file names survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
