"""Card numbers and security codes are not stored, logged, emailed or put in addresses (M7)."""

import logging

from sqlalchemy import create_engine, inspect, text

from tests.factories import AMEX, CHALLENGED_ALWAYS, DECLINING, VISA, card_form
from webapp.extensions import db

SECRET_CODE = "9173"
REFUSED = "4000000000009995"


def test_no_file_contains_a_card_number_or_security_code(client, world, home, caplog):
    """M7: after capturing, refusing, charging and failing, every file is searched byte by byte."""
    caplog.set_level(logging.DEBUG)
    answers = []
    for number in (VISA, AMEX, DECLINING, REFUSED, CHALLENGED_ALWAYS, "4242424242424241"):
        form = {**card_form(number), "security_code": SECRET_CODE[: 4 if number == AMEX else 3]}
        wrong = {**form, "cardholder": number}  # as if the browser filled in the wrong field
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

    texts = [answer.text + (answer.location or "") for answer in answers]
    texts += [world.services.mailer.render(n.kind, n.facts, n.language).text for n in world.notices]
    texts.append(caplog.text)
    secrets = [*{VISA, AMEX, DECLINING, REFUSED, CHALLENGED_ALWAYS}, "4242 4242 4242 4242"]
    for words in texts:
        assert not any(secret in words for secret in secrets)
    for file in home.rglob("*"):
        if file.is_file():
            kept = file.read_bytes()
            assert not any(secret.encode() in kept for secret in secrets), file
    stored = values_in(db.engine) | values_in(create_engine(f"sqlite:///{home / 'sandbox.db'}"))
    assert not {value for value in stored if any(secret in value for secret in secrets)}
    # Random keys contain any three or four digits, so only a whole value counts as a code.
    assert not {SECRET_CODE, SECRET_CODE[:3]} & stored


def values_in(books):
    """Return the values of all tables."""
    with books.connect() as connection:
        tables = inspect(connection).get_table_names()
        queries = [text(f'SELECT * FROM "{name}"') for name in tables]
        rows = (row for query in queries for row in connection.execute(query))
        return {str(value) for row in rows for value in row}
