"""Card numbers and security codes are kept nowhere: not in files, logs, mails or addresses (M7)."""

import logging

from sqlalchemy import create_engine, inspect, text

from tests.factories import AMEX, CHALLENGED_ALWAYS, DECLINING, VISA, card_form
from webapp.extensions import db

SECRET_CODE = "9173"
REFUSED = "4000000000009995"


def test_nothing_holds_a_number_or_a_code(client, world, home, caplog):
    """M7: after capturing, refusing, charging and failing, every file is searched, byte by byte."""
    caplog.set_level(logging.DEBUG)
    answers = []
    for number in (VISA, AMEX, DECLINING, REFUSED, CHALLENGED_ALWAYS, "4242424242424241"):
        form = {**card_form(number), "security_code": SECRET_CODE[: 4 if number == AMEX else 3]}
        wrong = {**form, "cardholder": number}  # the browser filled the wrong field
        asks_json = {"Accept": "application/json"}
        answers += [
            client.post("/sandbox/cards", data=form),
            client.post("/sandbox/cards", data=form, headers=asks_json),
            client.post("/sandbox/cards", data=wrong),
        ]
    world.cards(VISA, DECLINING)
    world.refill()
    world.use("60.00")
    world.work()

    said = [answer.text + (answer.location or "") for answer in answers]
    said += [world.services.mailer.render(n.kind, n.facts, n.language).text for n in world.notices]
    said.append(caplog.text)
    secrets = [*{VISA, AMEX, DECLINING, REFUSED, CHALLENGED_ALWAYS}, "4242 4242 4242 4242"]
    for words in said:
        assert not any(secret in words for secret in secrets)
    for file in home.rglob("*"):
        if file.is_file():
            kept = file.read_bytes()
            assert not any(secret.encode() in kept for secret in secrets), file
    stored = values_in(db.engine) | values_in(create_engine(f"sqlite:///{home / 'sandbox.db'}"))
    assert not {value for value in stored if any(secret in value for secret in secrets)}
    # Three or four digits turn up in any random key, so only a whole value would be a code.
    assert not {SECRET_CODE, SECRET_CODE[:3]} & stored


def values_in(books):
    """Of every table."""
    with books.connect() as connection:
        tables = inspect(connection).get_table_names()
        queries = [text(f'SELECT * FROM "{name}"') for name in tables]
        rows = (row for query in queries for row in connection.execute(query))
        return {str(value) for row in rows for value in row}
