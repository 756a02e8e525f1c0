"""Convert an adapter's exceptions into answers, so that none leaves its folder (T7)."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

Params = ParamSpec("Params")
Result = TypeVar("Result")
Converted = TypeVar("Converted")


def converts(
    kinds: tuple[type[Exception], ...], convert: Callable[[Any], Converted]
) -> Callable[[Callable[Params, Result]], Callable[Params, Result | Converted]]:
    """Decorator: return `convert(error)` for an exception of these kinds."""

    def wrap(call: Callable[Params, Result]) -> Callable[Params, Result | Converted]:
        @wraps(call)
        def answer(*args: Params.args, **kwargs: Params.kwargs) -> Result | Converted:
            try:
                return call(*args, **kwargs)
            except kinds as error:
                return convert(error)

        return answer

    return wrap
