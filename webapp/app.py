"""The application factory: builds the adapters and connects them to web, API and CLI."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from flask import Flask

from webapp import api, cli, outages, request_ids
from webapp.actions.payments.notebook import DatabaseNotebook
from webapp.clock import Clock
from webapp.database import vault
from webapp.database.engine import tune
from webapp.database.schema_version import SCRIPT_LOCATION
from webapp.delivery.mailer import OutboxMailer, SmtpMailer
from webapp.delivery.proof_storage import ProofFolder
from webapp.delivery.webhook_sender import HttpWebhookSender
from webapp.domain.shared import signed_links
from webapp.domain.shared.policy import Automatic, Policy
from webapp.domain.shared.provider import Provider
from webapp.domain.wires.bank_details import BankDetails
from webapp.extensions import Services, csrf, db, login_manager, migrate
from webapp.ports import Mailer
from webapp.processors.registry import choose
from webapp.settings import ROOT, Settings
from webapp.supervisor import Supervisor
from webapp.web import pages
from webapp.web.http import static_files, trusted_proxies

STATIC = ROOT / "static"
TEMPLATES = ROOT / "templates"
LARGEST_BODY = 2 * 1024 * 1024


def do_nothing() -> None:
    """Default `wake`: this process has no worker; the worker of another process polls."""


def create_app(
    settings: Settings,
    *,
    clock: Clock | None = None,
    mailer: Mailer | None = None,
    wake: Callable[[], None] = do_nothing,
    static: Path = STATIC,
    supervisor: Supervisor | None = None,
) -> Flask:
    """Build the application from the settings.

    `clock` is used by all parts; the default is the wall clock, which a sandbox can shift.
    `static` is the folder that static files are served from: `STATIC` or its published copy.
    """
    app = Flask(
        __name__,
        template_folder=str(TEMPLATES),
        static_folder=str(static),
        static_url_path=f"/static/{static_files.digest_of(STATIC)}",
    )
    behind_tls = settings.base_url.startswith("https://")
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings.database_url),
        MAX_CONTENT_LENGTH=LARGEST_BODY,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=behind_tls,
        # Browsers accept a cookie with this prefix only over TLS and from this exact host.
        SESSION_COOKIE_NAME="__Host-session" if behind_tls else "session",
        SESSION_COOKIE_PATH="/",
        # Our pages send no referrer, so Flask-WTF must not require one; the token is required.
        WTF_CSRF_SSL_STRICT=False,
        PERMANENT_SESSION_LIFETIME=timedelta(days=14),
        # Otherwise the response to a concurrent poll could restore an outdated session cookie.
        SESSION_REFRESH_EACH_REQUEST=False,
        WTF_CSRF_TIME_LIMIT=None,  # a token is valid as long as its session
    )
    app.extensions["ballast"] = build_parts(settings, clock, mailer, wake, supervisor)
    db.init_app(app)
    migrate.init_app(app, db, directory=SCRIPT_LOCATION, render_as_batch=True)
    csrf.init_app(app)
    login_manager.init_app(app)
    with app.app_context():
        tune(db.engine)
        vault.give_key(db.engine, settings.secret_key)
    request_ids.init_app(app)
    outages.init_app(app)
    pages.register(app)
    api.register(app)
    cli.register(app)
    static_files.serve(app, static, behind_tls=behind_tls)
    trusted_proxies.trust(app, settings.trusted_proxies)
    return app


def engine_options(database_url: str) -> dict[str, object]:
    options: dict[str, object] = {
        "pool_size": 20,
        "max_overflow": 20,
        # Keeps personal data out of logged statements.
        "hide_parameters": True,
    }
    if database_url.startswith("postgresql"):
        # After a restart of the server, pooled connections are closed.
        options["pool_pre_ping"] = True
        # The defaults wait minutes for an unreachable host, which blocks requests and probes.
        options["connect_args"] = {"connect_timeout": 5, "tcp_user_timeout": 15_000}
    return options


def build_parts(
    settings: Settings,
    clock: Clock | None,
    mailer: Mailer | None,
    wake: Callable[[], None],
    supervisor: Supervisor | None = None,
) -> Services:
    """Build the adapters that the settings select."""
    policy = Policy(
        settings.bounds,
        automatic=Automatic(settings.automatic_payments.value),
        provider=build_provider(settings),
        webhook_networks=settings.webhook_allowed_networks,
    )
    chosen = choose(settings, lambda name: DatabaseNotebook(name, lambda: db.engine), clock)
    return Services(
        settings=settings,
        policy=policy,
        clock=chosen.clock,
        processors=chosen.processors,
        card_processor=chosen.cards.name,
        paypal_processor=chosen.paypal.name if chosen.paypal else "",
        mailer=mailer or build_mailer(settings),
        letters=OutboxMailer(TEMPLATES, settings.base_url, signed_links.masked),
        webhook_sender=HttpWebhookSender(settings.webhook_allowed_networks),
        proofs=ProofFolder(settings.home / "proofs"),
        wake=wake,
        supervisor=supervisor,
        sandbox=chosen.sandbox,
        bank=build_bank(settings) or chosen.bank,
    )


def build_provider(settings: Settings) -> Provider:
    return Provider(
        name=settings.provider_name or Provider.name,
        address=settings.provider_address,
        email=settings.provider_email,
        tax_number=settings.provider_tax_number,
        tax_name=settings.provider_tax_name,
        tax_rate=settings.provider_tax_rate,
    )


def build_bank(settings: Settings) -> BankDetails | None:
    if not settings.wire_beneficiary:
        return None
    return BankDetails(
        beneficiary=settings.wire_beneficiary,
        address=settings.wire_address,
        bank=settings.wire_bank,
        iban=settings.wire_iban,
        bic=settings.wire_bic,
        account=settings.wire_account,
        routing=settings.wire_routing,
    )


def build_mailer(settings: Settings) -> Mailer:
    sign = partial(signed_links.sign, settings.secret_key)
    if not settings.mail_server:
        return OutboxMailer(TEMPLATES, settings.base_url, sign)
    return SmtpMailer(
        TEMPLATES,
        settings.base_url,
        sign,
        server=settings.mail_server,
        port=settings.mail_port,
        sender=settings.mail_sender,
        username=settings.mail_username,
        password=settings.mail_password,
        use_tls=settings.mail_use_tls,
    )
