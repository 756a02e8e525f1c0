"""The sentences about a body that is refused."""

from enum import StrEnum
from typing import Literal

import pytest

from webapp.api.http import bodies
from webapp.api.openapi.fields import Body
from webapp.domain.shared.errors import Invalid


class Fruit(StrEnum):
    APPLE = "apple"
    PEAR = "pear"
    PLUM = "plum"


class Basket(Body):
    fruit: Literal[Fruit.APPLE, Fruit.PEAR]


def test_the_values_of_an_enum_are_named_as_programs_send_them(app):
    with app.test_request_context(json={"fruit": "plum"}), pytest.raises(Invalid) as refused:
        bodies.read(Basket)
    assert refused.value.fields == {"fruit": "Must be 'apple' or 'pear'"}
