"""Register the web interface with Flask: request hooks and pages."""

from flask import Flask

from webapp.web import api_keys, operator, probes, wires
from webapp.web import webhooks as webhook_endpoints
from webapp.web.accounts import activity, audit_log, billing_details, import_export, switcher
from webapp.web.http import (
    access,
    compression,
    controls,
    errors,
    passkey_challenges,
    refusal_log,
    restrictions,
    security_headers,
)
from webapp.web.ledger import balance, statement
from webapp.web.notifications import settings as notifications
from webapp.web.notifications import unsubscribe
from webapp.web.payment_methods import challenges, main_screen
from webapp.web.payments import add_funds, payment_list, processor_webhooks
from webapp.web.sandbox import control_page
from webapp.web.templating import icons, mount_point_cache, partial_cache
from webapp.web.top_ups import charge_question
from webapp.web.top_ups import settings as low_balance
from webapp.web.users import (
    emails,
    invitations,
    members,
    passkeys,
    passwords,
    portal,
    profile,
    reauthentication_form,
    second_factor,
    session,
    sign_up,
)

HOOKS = (
    access,
    restrictions,
    mount_point_cache,
    icons,
    errors,
    reauthentication_form,
    passkey_challenges,
    charge_question,
    refusal_log,
    compression,
    partial_cache,
    controls,
    security_headers,
)

PAGES = (
    session,
    switcher,
    profile,
    second_factor,
    passkeys,
    sign_up,
    portal,
    emails,
    passwords,
    members,
    invitations,
    main_screen,
    low_balance,
    payment_list,
    add_funds,
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
    import_export,
    audit_log,
    operator,
    processor_webhooks,
    probes,
)


def register(app: Flask) -> None:
    for hook in HOOKS:
        hook.init_app(app)
    for page in PAGES:
        app.register_blueprint(page.blueprint)
    if app.extensions["ballast"].sandbox is not None:
        app.register_blueprint(control_page.blueprint)
