"""Everything that an installation can set, read once from the environment.

A bad value stops the start with one line that names it. `.env.example` lists
every variable for the operator; this file is what makes that list true.
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
"""Each may lie in a file that NAME_FILE names."""


class CardProcessor(StrEnum):
    """Who charges cards."""

    SANDBOX = "sandbox"
    STRIPE = "stripe"


class PayPalProcessor(StrEnum):
    """Who charges PayPal agreements."""

    SANDBOX = "sandbox"
    PAYPAL = "paypal"


class Demo(StrEnum):
    """Whether there is demo data; `auto`, for `make run`, wherever a sandbox processor is used."""

    OFF = "0"
    ON = "1"
    AUTO = "auto"


class AutomaticPayments(StrEnum):
    """Whether this installation charges unasked; `dry-run` only says what it would do."""

    ON = "on"
    OFF = "off"
    DRY_RUN = "dry-run"


PAYPAL_LIVE = "https://api-m.paypal.com"
PAYPAL_SANDBOX = "https://api-m.sandbox.paypal.com"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One installation's settings; all money in micros."""

    home: Path
    database_url: str = field(repr=False)
    secret_key: str = field(default="", repr=False)
    """Empty until `ensure_home` has filled it, where SECRET_KEY is not set."""

    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = ""
    """Where people reach Ballast, for links in mails; empty: where it listens."""
    run_jobs: bool = True
    demo: bool = False

    trusted_proxies: int = 0
    """How many proxies in front are believed what they say of the client; 0: none."""
    rate_limits: bool = True
    """Off only where a load test must not be slowed down."""
    metrics_token: str = field(default="", repr=False)
    """Who sends it may read /metrics; empty: only who asks from this host."""

    card_processor: CardProcessor = CardProcessor.SANDBOX
    paypal_processor: PayPalProcessor | None = PayPalProcessor.SANDBOX
    """None: PayPal is not offered."""

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
    """A larger usage record is refused."""

    api_requests_per_minute: int = 6_000
    """Of one API key, and each process counts for itself."""

    api_usage_per_minute: int = 600_000
    """The same of usage and holds, of which a meter sends many."""

    wire_beneficiary: str = ""
    """Who receives wire transfers; empty: outside the sandbox they are not offered."""

    wire_address: str = ""
    wire_bank: str = ""
    wire_iban: str = ""
    wire_bic: str = ""
    wire_account: str = ""
    wire_routing: str = ""

    provider_name: str = ""
    """Whom receipts name; empty: Ballast."""

    provider_address: str = ""
    provider_email: str = ""
    provider_tax_number: str = ""
    provider_tax_name: str = "VAT"
    provider_tax_rate: int = 0
    """Thousandths of a percent."""

    mail_server: str = ""
    """Empty: nothing is sent, mails stay in the outbox."""

    mail_port: int = 25
    mail_username: str = ""
    mail_password: str = field(default="", repr=False)
    mail_use_tls: bool = False
    mail_sender: str = "ballast@localhost"

    webhook_allowed_networks: tuple[str, ...] = ()
    """Private networks that webhooks may reach, as CIDR."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings, touching nothing.

        A variable that is empty counts as one that is not set.

        Raises:
            BadSetting: on the first value that cannot be used.
        """
        env = Environment(environ, SECRETS)
        home = env.folder("BALLAST_HOME", ROOT / "instance")
        mail_use_tls = env.flag("MAIL_USE_TLS", cls.mail_use_tls)
        cards = env.word("CARD_PROCESSOR", cls.card_processor)
        stripe_secret_key = env.key("STRIPE_SECRET_KEY", SECRET_KEYS)
        live_cards = cards is CardProcessor.STRIPE and "_live_" in stripe_secret_key
        # Beside live cards nobody unless it is set: a default may not sell balance for nothing.
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
            # 587 is where servers expect mail under TLS from a client (RFC 6409).
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
        """Where to listen, as `host:port`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def base_url(self) -> str:
        return self.public_url or f"http://{self.address}"

    @property
    def paypal_is_live(self) -> bool:
        """Agreements are charged with real money."""
        is_chosen = self.paypal_processor is PayPalProcessor.PAYPAL
        return is_chosen and self.paypal_api_base == PAYPAL_LIVE

    @property
    def key_file(self) -> Path:
        """Where the secret key is kept, unless SECRET_KEY is set."""
        return self.home / "secret_key"

    @property
    def private_paths(self) -> tuple[Path, ...]:
        """What other users of the host may not read. A closed folder closes all that is in it."""
        databases = [self.home / "sandbox.db"]
        if file := sqlite_file(self.database_url):
            databases.append(file)
        beside = [Path(f"{file}{end}") for file in databases for end in ("", "-wal", "-shm")]
        return (self.home, self.key_file, self.home / "proofs", *beside)

    @property
    def keeps_its_key(self) -> bool:
        """The key in use is the one in that file."""
        return (
            self.key_file.exists()
            and self.key_file.read_text(encoding="utf-8").strip() == self.secret_key
        )

    @property
    def mark_file(self) -> Path:
        """Is there once a database has been set up; holds a digest of the secret key."""
        return self.home / "installation"

    def mark(self) -> None:
        """Remember that this folder has a database, and with which key."""
        fresh = self.mark_file.with_name(f"{self.mark_file.name}.{secrets.token_hex(8)}")
        fresh.touch(mode=0o600)
        fresh.write_text(f"{_digest(self.secret_key)}\n", encoding="utf-8")
        fresh.replace(self.mark_file)

    @property
    def next_key_file(self) -> Path:
        """The key that is about to replace the kept one."""
        return self.home / "secret_key.next"

    def next_key(self) -> str:
        """Make the key that replaces the kept one, or read the one of a replacement cut short."""
        return _kept_key(self.next_key_file)

    def take_key(self, key: str) -> None:
        """Go on with another key, under which the database is already.

        Without the mark in between, so that a start after a crash is never refused for it.
        """
        self.mark_file.unlink(missing_ok=True)
        if self.next_key_file.exists():
            self.next_key_file.replace(self.key_file)
        replace(self, secret_key=key).mark()
        _sync_folder(self.home)

    def ensure_home(self) -> Self:
        """Make the home folder, and the secret key where none was given; close files to others.

        Safe to call again, and from two processes at once: all get the same key.

        Returns:
            The settings with `secret_key` filled.

        Raises:
            BadSetting: when the folder cannot be used, or was set up with another key.
        """
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            if closed := private_files.close(self.private_paths):
                log.warning("Closed to other users: %s", ", ".join(map(str, closed)))
            marked = self.mark_file.exists()
            if marked and not self.secret_key and not self.key_file.exists():
                raise BadSetting(f"SECRET_KEY: '{self.key_file}' is gone; {self._key_remedy}")
            made = replace(self, secret_key=self.secret_key or _kept_key(self.key_file))
            if marked and self.mark_file.read_text("utf-8").strip() != _digest(made.secret_key):
                raise BadSetting(f"SECRET_KEY: not the one in use so far; {self._key_remedy}")
            return made
        except OSError as error:
            raise BadSetting(
                f"BALLAST_HOME: cannot use '{self.home}' ({error.strerror}); "
                "use a folder that can be written"
            ) from error

    @property
    def _key_remedy(self) -> str:
        return "put the earlier one back; to replace it, use flask --app wsgi keys rotate-secret"

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
        """Cards are charged with real money."""
        return self.card_processor is CardProcessor.STRIPE and "_live_" in self.stripe_secret_key

    @property
    def is_live(self) -> bool:
        """Real money moves."""
        return self.stripe_is_live or self.paypal_is_live

    @property
    def has_sandbox(self) -> bool:
        return (
            self.card_processor is CardProcessor.SANDBOX
            or self.paypal_processor is PayPalProcessor.SANDBOX
        )

    @property
    def test_mode(self) -> bool:
        """A real processor is used, and no real money moves."""
        stripe = self.card_processor is CardProcessor.STRIPE and not self.stripe_is_live
        paypal = self.paypal_processor is PayPalProcessor.PAYPAL and not self.paypal_is_live
        return stripe or paypal

    def _check_demo(self) -> None:
        if self.demo and self.is_live:
            raise BadSetting(
                "DEMO: got '1', which makes an account with a public password; use 0 with live keys"
            )

    def _check_stripe(self) -> None:
        if self.card_processor is not CardProcessor.STRIPE:
            return
        needed = {
            "STRIPE_SECRET_KEY": self.stripe_secret_key,
            "STRIPE_PUBLISHABLE_KEY": self.stripe_publishable_key,
            # Without it nobody would hear of refunds and disputes.
            "STRIPE_WEBHOOK_SECRET": self.stripe_webhook_secret,
        }
        for name, value in needed.items():
            if not value:
                raise BadSetting(f"{name}: not set; CARD_PROCESSOR=stripe needs it")
        mode = "live" if self.stripe_is_live else "test"
        if f"_{mode}_" not in self.stripe_publishable_key:
            raise BadSetting(
                f"STRIPE_PUBLISHABLE_KEY: STRIPE_SECRET_KEY is a {mode} key; use one of that kind"
            )
        if self.paypal_processor is PayPalProcessor.SANDBOX and self.stripe_is_live:
            raise BadSetting(
                "PAYPAL_PROCESSOR: 'sandbox' would sell real balance for pretend agreements; "
                "beside live cards leave it out, or use a real one"
            )
        if self.paypal_processor is PayPalProcessor.PAYPAL and (
            self.paypal_is_live != self.stripe_is_live
        ):
            raise BadSetting(f"PAYPAL_API_BASE: cards are in {mode} mode; use PayPal's {mode} one")

    @property
    def has_real_processor(self) -> bool:
        """One that is not the sandbox, be it in test mode."""
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
            # Without it nobody would hear of refunds and disputes.
            needed["PAYPAL_WEBHOOK_ID"] = self.paypal_webhook_id
        for name, value in needed.items():
            if not value:
                raise BadSetting(f"{name}: not set; PAYPAL_PROCESSOR=paypal needs it")
        if self.paypal_is_live and self.card_processor is CardProcessor.SANDBOX:
            raise BadSetting(
                "CARD_PROCESSOR: 'sandbox' would sell real balance for pretend cards; beside live "
                f"PayPal use a real one, or PAYPAL_API_BASE={PAYPAL_SANDBOX}"
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
    """Read the key file; make it first if it is not there."""
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        fresh.touch(mode=0o600, exist_ok=False)
        with fresh.open("w", encoding="utf-8") as stream:
            stream.write(secrets.token_urlsafe(48))
            # Secrets are encrypted under it: it is on the disk before they are.
            stream.flush()
            os.fsync(stream.fileno())
        # A link appears whole or not at all, and never replaces the key of
        # another process that came first.
        with suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
        _sync_folder(path.parent)
    key = path.read_text(encoding="utf-8").strip()
    if not key:
        raise BadSetting(f"SECRET_KEY: '{path}' is empty; remove it, or set SECRET_KEY")
    return key


def _sync_folder(folder: Path) -> None:
    """Names of files, too, survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
