"""Convert parse errors of Stripe's responses into `Unknown`, so that no exception leaves (T7)."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from webapp.ports import Unknown

log = logging.getLogger(__name__)

Params = ParamSpec("Params")
Result = TypeVar("Result")

UNREADABLE = Unknown("Stripe's answer could not be read")


def safe_response(call: Callable[Params, Result]) -> Callable[Params, Result | Unknown]:
    """Return `Unknown` for a response in an unknown format: the request may have taken money."""

    @wraps(call)
    def answer(*args: Params.args, **kwargs: Params.kwargs) -> Result | Unknown:
        try:
            return call(*args, **kwargs)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError):
            log.exception("Stripe's answer could not be read")
            return UNREADABLE

    return answer
