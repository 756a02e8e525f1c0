"""No exception leaves the adapter: what cannot be read says nothing (T7)."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from webapp.ports import Unknown

log = logging.getLogger(__name__)

Asked = ParamSpec("Asked")
Heard = TypeVar("Heard")

UNREADABLE = Unknown("Stripe's answer could not be read")


def safe_response(call: Callable[Asked, Heard]) -> Callable[Asked, Heard | Unknown]:
    """An object of another shape than the pinned version has may have taken money all the same."""

    @wraps(call)
    def answer(*args: Asked.args, **kwargs: Asked.kwargs) -> Heard | Unknown:
        try:
            return call(*args, **kwargs)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError):
            log.exception("an answer of Stripe's could not be read")
            return UNREADABLE

    return answer
