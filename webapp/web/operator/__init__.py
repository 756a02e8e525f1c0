"""Operator pages: operators need two-step sign-in, and each action needs a reason."""

from flask import Blueprint

from webapp.web import api_keys, webhooks
from webapp.web.operator import account_form, accounts, attempts, mails, views, wires

blueprint = Blueprint("operator", __name__, url_prefix="/operator")

for module in (accounts, account_form, views, wires, attempts, mails):
    blueprint.register_blueprint(module.blueprint)
for shared in (api_keys, webhooks):
    blueprint.register_blueprint(shared.provider_blueprint)
