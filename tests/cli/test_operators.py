"""`flask operators`: the only way to create an operator (P1, P2)."""

import json

from webapp.domain.users.operators import Operator
from webapp.domain.users.user import User

MAKE = "operators create --name Pat --password a-long-password --json --email"


def test_an_operator_is_created_listed_and_removed(flask, world):
    made = json.loads(flask(f"{MAKE} Pat@provider.example").stdout)
    assert made["email"] == "Pat@provider.example"
    (row,) = json.loads(flask("operators list --json").stdout)
    assert (row["email"], row["second_factor"]) == ("pat@provider.example", False)
    before = world.session.get(User, made["user"]).session_version
    world.session.rollback()
    assert flask("operators remove pat@provider.example").exit_code == 0
    world.session.rollback()
    assert world.session.query(Operator).count() == 0
    world.session.expire_all()
    assert world.session.get(User, made["user"]).session_version == before + 1
    assert flask("operators remove pat@provider.example").exit_code == 1


def test_a_customers_user_cannot_become_an_operator(flask, world):
    email = world.session.get(User, world.created.user_id).email
    world.session.rollback()
    refused = flask(f"{MAKE} {email}")
    assert refused.exit_code == 1
    assert "already in use" in refused.output
    assert world.session.query(Operator).count() == 0
