"""Operator pages: operators need two-step sign-in, and each action needs a reason."""

from flask import Blueprint

from webapp.web.operator import accounts, attempts, mails, views, wires
from webapp.web.webhooks import provider_blueprint

blueprint = Blueprint("operator", __name__, url_prefix="/operator")

for module in (accounts, views, wires, attempts, mails):
    blueprint.register_blueprint(module.blueprint)
blueprint.register_blueprint(provider_blueprint)
