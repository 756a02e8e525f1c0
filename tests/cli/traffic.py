"""A process that debits and charges until its input is closed; prints a line for each round."""

import os
import select
import sys
from pathlib import Path

from tests.conftest import settings_in
from tests.factories import World
from webapp.app import create_app
from webapp.extensions import db


def main(home: Path) -> None:
    app = create_app(settings_in(home, DATABASE_URL=os.environ["DATABASE_URL"]))
    with app.app_context():
        world = World(app, db.session())
        card = world.card()
        while not select.select([sys.stdin], [], [], 0)[0]:
            world.use("1.234567")
            world.pay(card, "30.00")
            print(world.balance, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
