"""The installation's settings, read once from the environment.

An invalid value stops the start with one line that names the variable. `.env.example` documents
every variable for the operator.
"""

import hmac
import logging
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from webapp import env, private_files
from webapp.currencies import AMOUNTS, DECIMALS, Bounds
from webapp.env import BadSetting, decimal, sqlite_file, sqlite_url

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent

SECRET_KEYS = "sk_test_… or sk_live_… or rk_test_… or rk_live_…"


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


class SignUp(StrEnum):
    """Whether strangers can open an account on `/sign-up`."""

    ON = "on"
    OFF = "off"


class AutomaticPayments(StrEnum):
    """Whether automatic refills are made; `dry-run` only records what would be charged."""

    ON = "on"
    OFF = "off"
    DRY_RUN = "dry-run"


PAYPAL_LIVE = "https://api-m.paypal.com"
PAYPAL_SANDBOX = "https://api-m.sandbox.paypal.com"


def _paypal_unless_cards_are_live(given: dict[str, Any]) -> PayPalProcessor | None:
    """With live cards the default is no PayPal: sandbox agreements would credit real balance."""
    is_live = given["card_processor"] is CardProcessor.STRIPE and (
        "_live_" in given["stripe_secret_key"]
    )
    return None if is_live else PayPalProcessor.SANDBOX


class Variables(EnvSettingsSource):
    """Environment variables; a secret may be in the file that `<NAME>_FILE` names."""

    def __init__(self, settings: type[BaseSettings], environ: Mapping[str, str]) -> None:
        super().__init__(settings, case_sensitive=True)
        self.env_vars = {name: text for name, raw in environ.items() if (text := raw.strip())}
        for name in SECRETS:
            if path := self.env_vars.get(f"{name}_FILE"):
                if name in self.env_vars:
                    raise BadSetting(f"{name}_FILE: {name} is set as well; remove one of them")
                self.env_vars[name] = _read_secret(f"{name}_FILE", path)


def _read_secret(name: str, path: str) -> str:
    """Read a secret from its file, as container platforms provide them."""
    try:
        secret = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadSetting(f"{name}: cannot read '{path}' ({why})") from error
    if not secret:
        raise BadSetting(f"{name}: '{path}' is empty")
    return secret


Secret = Annotated[str, Field(repr=False)]
"""A value that may be in the file named by `<NAME>_FILE`, and that `repr()` leaves out."""


TOGETHER = (
    ("mail_password", ("mail_username",), "MAIL_USERNAME"),
    ("mail_username", ("mail_password",), "MAIL_PASSWORD"),
    ("wire_routing", ("wire_account",), "WIRE_ACCOUNT"),
    ("wire_account", ("wire_routing",), "WIRE_ROUTING"),
    (
        "wire_beneficiary",
        ("wire_address", "wire_bank", "wire_iban", "wire_bic", "wire_account"),
        "the other WIRE_ variables",
    ),
    (
        "provider_name",
        ("provider_address", "provider_email", "provider_tax_number", "provider_tax_rate"),
        "the other PROVIDER_ variables",
    ),
    ("provider_tax_number", ("provider_tax_rate",), "PROVIDER_TAX_RATE"),
)
"""A field that is needed with any of the others, and what the others are called."""


class Settings(BaseSettings):
    """The settings of one installation. Amounts are in micros.

    Each field is the variable of its name in capitals, unless it has an alias.
    """

    model_config = SettingsConfigDict(
        alias_generator=str.upper,
        enable_decoding=False,
        frozen=True,
        hide_input_in_errors=True,
        validate_default=False,
    )

    home: env.Folder = Field(ROOT / "instance", alias="BALLAST_HOME")
    database_url: Annotated[env.Database, Field(repr=False)] = Field(
        default_factory=lambda data: sqlite_url(data["home"] / "ballast.db")
    )
    secret_key: Secret = ""
    """If SECRET_KEY is not set, empty until `ensure_home` fills it."""

    host: env.Host = "127.0.0.1"
    port: env.Port = 8000
    public_url: env.Url = ""
    """Base URL of links in emails; empty: the address that the server listens on."""
    run_jobs: env.Flag = True

    trusted_proxies: env.Digit = 0
    """Number of reverse proxies whose X-Forwarded headers are trusted."""
    rate_limits: env.Flag = True
    """Off only for load tests."""
    metrics_token: Secret = ""
    """Bearer token for /metrics; empty: only requests from this host are allowed."""

    card_processor: Annotated[CardProcessor, env.word(CardProcessor)] = CardProcessor.SANDBOX
    stripe_secret_key: Annotated[Secret, env.key(SECRET_KEYS)] = ""
    stripe_publishable_key: Annotated[str, env.key("pk_test_… or pk_live_…")] = ""
    stripe_webhook_secret: Annotated[Secret, env.key("whsec_…")] = ""
    stripe_api_base: env.Url = "https://api.stripe.com"
    stripe_js_url: env.Url = "https://js.stripe.com/endive/stripe.js"
    paypal_processor: Annotated[PayPalProcessor | None, env.word(PayPalProcessor)] = Field(
        default_factory=_paypal_unless_cards_are_live
    )
    """None if PayPal is not offered."""
    paypal_client_id: str = ""
    paypal_client_secret: Secret = ""
    paypal_webhook_id: str = ""
    paypal_api_base: env.Url = PAYPAL_LIVE
    sign_up: Annotated[SignUp | None, env.word(SignUp)] = None
    """None: as `offers_sign_up` says."""
    demo_data: Annotated[Demo, env.word(Demo)] = Field(Demo.OFF, alias="DEMO")

    automatic_payments: Annotated[AutomaticPayments, env.word(AutomaticPayments)] = (
        AutomaticPayments.ON
    )
    currency: env.Currency = "USD"
    """Currency of new accounts, unless another is chosen (L1)."""
    # What these leave open is the default of each currency; see `bounds`.
    payment_min: env.Amounts = env.NO_AMOUNTS
    payment_max: env.Amounts = env.NO_AMOUNTS
    usage_max: env.Amounts = env.NO_AMOUNTS
    threshold_advice: env.Amounts = env.NO_AMOUNTS

    api_requests_per_minute: env.Quota = 6_000
    """Limit per API key, counted by each process separately."""
    api_usage_per_minute: env.Quota = 600_000
    """Separate, higher limit for usage records and holds."""

    wire_beneficiary: env.Line = ""
    """Beneficiary of wire transfers; empty: wires are offered in the sandbox only."""
    wire_address: env.Line = ""
    wire_bank: env.Line = ""
    wire_iban: env.Iban = ""
    wire_bic: env.Bic = ""
    wire_account: env.AccountNumber = ""
    wire_routing: env.RoutingNumber = ""

    provider_name: env.Line = ""
    """Seller's name on receipts; empty: Ballast."""
    provider_address: env.Line = ""
    provider_email: env.Address = ""
    provider_tax_number: env.Line = ""
    provider_tax_name: env.Line = "VAT"
    provider_tax_rate: env.Percent = 0
    """Thousandths of a percent."""

    mail_server: env.Host = ""
    """Empty: emails are not sent and stay in the outbox."""
    mail_use_tls: env.Flag = False
    # 587 is the submission port (RFC 6409).
    mail_port: env.Port = Field(default_factory=lambda data: 587 if data["mail_use_tls"] else 25)
    mail_username: str = ""
    mail_password: Secret = ""
    mail_sender: env.Mailbox = "ballast@localhost"

    webhook_allowed_networks: env.Networks = ()
    """Private networks that webhooks may reach, as CIDR."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: Any, *_: Any, **__: Any
    ) -> tuple[Any]:
        """Read nothing but what `from_environment` passes."""
        return (init_settings,)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings without creating or changing any file.

        An empty variable counts as not set.

        Raises:
            BadSetting: one line for each invalid variable.
        """
        try:
            return cls(**Variables(cls, environ)())
        except ValidationError as error:
            raise BadSetting("\n".join(_lines(error))) from None

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Check the variables that depend on each other. Raises `BadSetting`."""
        for needed, others, named in TOGETHER:
            if any(getattr(self, other) for other in others) and not getattr(self, needed):
                raise BadSetting(f"{needed.upper()}: not set; set it, or leave {named} out too")
        if self.wire_beneficiary and not (self.wire_iban or self.wire_account):
            raise BadSetting("WIRE_IBAN: not set; set it, or WIRE_ACCOUNT and WIRE_ROUTING")
        self._check_bounds()
        if self.demo and self.is_live:
            raise BadSetting(
                "DEMO: got '1', which creates an account with a public password; "
                "use 0 with live keys"
            )
        if self.card_processor is CardProcessor.STRIPE:
            self._check_stripe()
        if self.paypal_processor is PayPalProcessor.PAYPAL:
            self._check_paypal()
        return self

    def _check_bounds(self) -> None:
        if names := self.left_out.get(self.currency):
            raise BadSetting(
                f"{names[0]}: has no amount of {self.currency}, the CURRENCY; add {self.currency}=…"
            )
        for currency, bounds in self.bounds.items():
            if bounds.payment_min > bounds.payment_max:
                raise BadSetting(
                    f"PAYMENT_MIN: {decimal(bounds.payment_min)} {currency} is more than "
                    f"PAYMENT_MAX, {decimal(bounds.payment_max)} {currency}; use at most that"
                )

    def _require(self, chosen: str, *fields: str) -> None:
        for field in fields:
            if not getattr(self, field):
                raise BadSetting(f"{field.upper()}: not set; {chosen} needs it")

    def _check_stripe(self) -> None:
        # Without webhooks, refunds and disputes would be missed.
        keys = ("stripe_secret_key", "stripe_publishable_key", "stripe_webhook_secret")
        self._require("CARD_PROCESSOR=stripe", *keys)
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

    def _check_paypal(self) -> None:
        self._require("PAYPAL_PROCESSOR=paypal", "paypal_client_id", "paypal_client_secret")
        if self.paypal_is_live:
            # Without webhooks, refunds and disputes would be missed.
            self._require("PAYPAL_PROCESSOR=paypal", "paypal_webhook_id")
            if self.card_processor is CardProcessor.SANDBOX:
                raise BadSetting(
                    "CARD_PROCESSOR: 'sandbox' would sell real balance for test cards; with live "
                    f"PayPal use a real processor, or PAYPAL_API_BASE={PAYPAL_SANDBOX}"
                )

    @property
    def demo(self) -> bool:
        """Whether demo data is created."""
        return self.demo_data is Demo.ON or (self.demo_data is Demo.AUTO and self.has_sandbox)

    @property
    def offers_sign_up(self) -> bool:
        """Whether strangers can open an account (V4); by default only in a demo."""
        return self.demo if self.sign_up is None else self.sign_up is SignUp.ON

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
    def bounds(self) -> dict[str, Bounds]:
        """Bounds of the offered currencies, CURRENCY first: all that no list leaves out.

        An amount that is not set is the default, also where CURRENCY alone has an amount.
        """
        return {
            currency: Bounds(
                currency,
                *(
                    it.amounts.get(currency, getattr(Bounds.default(currency), name))
                    for name, it in self._amounts.items()
                ),
            )
            for currency in sorted(DECIMALS, key=lambda it: it != self.currency)
            if currency not in self.left_out
        }

    @property
    def left_out(self) -> dict[str, list[str]]:
        """Supported currencies that are not offered, with the lists that do not name them."""
        lists = {name: it.amounts for name, it in self._amounts.items() if it.is_list}
        return {
            currency: names
            for currency in DECIMALS
            if (names := [name.upper() for name, named in lists.items() if currency not in named])
        }

    @property
    def incomplete_currencies(self) -> dict[str, list[str]]:
        """Those left out that another list names."""
        named = {currency for it in self._amounts.values() for currency in it.amounts}
        return {currency: names for currency, names in self.left_out.items() if currency in named}

    def on_default(self, currency: str) -> list[str]:
        """Return the variables that are set for CURRENCY alone, and so not for this currency."""
        return [
            name.upper()
            for name, it in self._amounts.items()
            if it.amounts and not it.is_list and currency not in it.amounts
        ]

    @property
    def _amounts(self) -> dict[str, env.GivenAmounts]:
        return {name: getattr(self, name) for name in AMOUNTS}

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
        self.model_copy(update={"secret_key": key}).mark()
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
            key = self.secret_key or _kept_key(self.key_file)
            made = self.model_copy(update={"secret_key": key})
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

    @property
    def has_real_processor(self) -> bool:
        """Whether a processor other than the sandbox is used, in live or test mode."""
        return (
            self.card_processor is not CardProcessor.SANDBOX
            or self.paypal_processor is PayPalProcessor.PAYPAL
        )


VARIABLES = {str(field.validation_alias): field for field in Settings.model_fields.values()}

SECRETS = tuple(name for name, field in VARIABLES.items() if not field.repr)
"""Variables whose value may instead be in a file, whose path is in `<NAME>_FILE`."""


def _lines(error: ValidationError) -> Iterator[str]:
    """A line for each bad variable; defaults that depend on a bad one add none."""
    for fault in error.errors(include_url=False):
        if fault["type"] == "value_error":
            yield f"{fault['loc'][0]}: {fault['ctx']['error']}"


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
