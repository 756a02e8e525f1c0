"""The factory: joins the rooms. What a way in needs of the outside is given to it here."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from flask import Flask

from webapp import api, cli, guard
from webapp.actions.notebook import DatabaseNotebook
from webapp.clock import Clock
from webapp.courier import HttpCourier
from webapp.domain import links, vault
from webapp.domain.bank import BankDetails
from webapp.domain.policy import Automatic, Policy
from webapp.domain.provider import Provider
from webapp.domain.schema import SCRIPT_LOCATION
from webapp.extensions import Parts, csrf, db, login_manager, migrate, tune
from webapp.mailer import OutboxMailer, SmtpMailer
from webapp.ports import Mailer
from webapp.processors.chosen import choose
from webapp.proof_files import ProofFolder
from webapp.settings import ROOT, Settings
from webapp.shift import Shift
from webapp.web import (
    access,
    accounts,
    activity,
    addresses,
    api_keys,
    audit_log,
    balance,
    billing_details,
    challenges,
    charge_question,
    compression,
    controls,
    data,
    drawing,
    emails,
    errors,
    funds,
    headers,
    invitations,
    low_balance,
    notifications,
    operator,
    passkey_challenges,
    passkeys,
    passwords,
    payment_methods,
    payments,
    pictures,
    probes,
    profile,
    proof,
    proxies,
    refusal_log,
    sandbox,
    second_factor,
    session,
    sign_up,
    statement,
    static_files,
    throttling,
    unsubscribe,
    users,
    webhook_endpoints,
    webhooks,
    wires,
)

STATIC = ROOT / "static"
TEMPLATES = ROOT / "templates"
LARGEST_BODY = 2 * 1024 * 1024


def do_nothing() -> None:
    """No worker is listening in this process; another one polls."""


def create_app(
    settings: Settings,
    *,
    clock: Clock | None = None,
    mailer: Mailer | None = None,
    wake: Callable[[], None] = do_nothing,
    static: Path = STATIC,
    shift: Shift | None = None,
) -> Flask:
    """Build the application and everything it calls, as the settings say.

    `clock` is the one that every part of it reads; by default the wall clock, which a sandbox
    moves. `static` is the folder to which `STATIC` has been published, if it has been.
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
        # With that prefix a browser takes it from this very host alone, and only by TLS.
        SESSION_COOKIE_NAME="__Host-session" if behind_tls else "session",
        SESSION_COOKIE_PATH="/",
        # Our pages send no referrer, so none may be asked for behind TLS; the token is.
        WTF_CSRF_SSL_STRICT=False,
        PERMANENT_SESSION_LIFETIME=timedelta(days=14),
        # A poll that crosses a redirect would bring back the cookie as it was before.
        SESSION_REFRESH_EACH_REQUEST=False,
        WTF_CSRF_TIME_LIMIT=None,  # a page left open overnight still works; the session ends it
    )
    app.extensions["ballast"] = build_parts(settings, clock, mailer, wake, shift)
    db.init_app(app)
    migrate.init_app(app, db, directory=SCRIPT_LOCATION, render_as_batch=True)
    csrf.init_app(app)
    login_manager.init_app(app)
    with app.app_context():
        tune(db.engine)
        vault.give_key(db.engine, settings.secret_key)
    guard.init_app(app)
    register_pages(app)
    api.register(app)
    cli.register(app)
    static_files.serve(app, static, behind_tls=behind_tls)
    proxies.believe(app, settings.trusted_proxies)
    return app


def engine_options(database_url: str) -> dict[str, object]:
    options: dict[str, object] = {
        "pool_size": 20,
        "max_overflow": 20,
        # A log keeps what a statement was, and not whose names stood in it.
        "hide_parameters": True,
    }
    if database_url.startswith("postgresql"):
        # A server that was started again has closed its connections; a file has none to close.
        options["pool_pre_ping"] = True
        # By itself it waits for minutes for a host that is gone, and people and probes with it.
        options["connect_args"] = {"connect_timeout": 5, "tcp_user_timeout": 15_000}
    return options


def build_parts(
    settings: Settings,
    clock: Clock | None,
    mailer: Mailer | None,
    wake: Callable[[], None],
    shift: Shift | None = None,
) -> Parts:
    """The outside world, as the settings say."""
    policy = Policy(
        payment_min=settings.payment_min,
        payment_max=settings.payment_max,
        automatic=Automatic(settings.automatic_payments.value),
        provider=build_provider(settings),
        usage_max=settings.usage_max,
    )
    chosen = choose(settings, lambda name: DatabaseNotebook(name, lambda: db.engine), clock)
    return Parts(
        settings=settings,
        policy=policy,
        clock=chosen.clock,
        processors=chosen.processors,
        card_processor=chosen.cards.name,
        paypal_processor=chosen.paypal.name if chosen.paypal else "",
        mailer=mailer or build_mailer(settings),
        letters=OutboxMailer(TEMPLATES, settings.base_url, links.masked),
        courier=HttpCourier(settings.webhook_allowed_networks),
        proofs=ProofFolder(settings.home / "proofs"),
        wake=wake,
        shift=shift,
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
    sign = partial(links.sign, settings.secret_key)
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


def register_pages(app: Flask) -> None:
    access.init_app(app)
    addresses.init_app(app)
    pictures.init_app(app)
    errors.init_app(app)
    proof.init_app(app)
    passkey_challenges.init_app(app)
    charge_question.init_app(app)
    throttling.init_app(app)
    refusal_log.init_app(app)
    compression.init_app(app)
    drawing.init_app(app)
    controls.init_app(app)
    headers.init_app(app)
    pages = [
        session,
        accounts,
        profile,
        second_factor,
        passkeys,
        sign_up,
        emails,
        passwords,
        users,
        invitations,
        payment_methods,
        low_balance,
        payments,
        funds,
        challenges,
        balance,
        billing_details,
        activity,
        statement,
        wires,
        notifications,
        unsubscribe,
        api_keys,
        webhook_endpoints,
        data,
        audit_log,
        operator,
        webhooks,
        probes,
    ]
    for page in pages:
        app.register_blueprint(page.blueprint)
    if app.extensions["ballast"].sandbox is not None:
        app.register_blueprint(sandbox.blueprint)
