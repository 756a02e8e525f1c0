"""The operator's side: staff with a second factor, and each deed with its reason."""

from flask import Blueprint

from webapp.web.operator import accounts, attempts, mails, views, wires

blueprint = Blueprint("operator", __name__, url_prefix="/operator")

for room in (accounts, views, wires, attempts, mails):
    blueprint.register_blueprint(room.blueprint)
