"""The machine interface: one file for each noun, each endpoint with its own description."""

from flask import Flask

from webapp.api import holds, reference, v1, v3


def register(app: Flask) -> None:
    for room in (v1, holds, v3, reference):
        app.register_blueprint(room.blueprint)
