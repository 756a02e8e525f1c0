"""Endpoints of `/api/v1`: a route, its handler and its description, registered at once.

    resource = Resource("holds", Group.HOLDS)

    @resource.put("/holds/<path:reference>", "Replace a hold", Scope.USAGE_WRITE)
    def replace_hold(ctx: Context, client: ApiClient, reference: str, body: NewHold) -> HoldRecord:

The handler gets the context and the key's client, the values in the path, and what its annotations
of `body` and `query` ask for. It returns a record, an `Answer` with more than that, or None.
"""

from collections.abc import Callable
from functools import partialmethod
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

from flask import Blueprint, Response, make_response
from flask.typing import ResponseReturnValue

from webapp.api.http import answers, bodies, idempotency, problems, rate_limits
from webapp.api.http.answers import Answer
from webapp.api.http.authentication import permit
from webapp.api.openapi.operations import Group, Operation
from webapp.domain.api_keys.api_key import Scope
from webapp.extensions import csrf, make_context

PREFIX = "/api/v1"

Handler = TypeVar("Handler", bound=Callable[..., Any])


class Resource:
    """A blueprint with problem responses and rate limits, and the operations of one group."""

    def __init__(self, name: str, group: Group) -> None:
        self.group = group
        self.operations: list[Operation] = []
        self.blueprint = Blueprint(f"api_v1_{name}", __name__, url_prefix=PREFIX)
        # A browser never adds the key header by itself, so CSRF does not apply.
        csrf.exempt(self.blueprint)
        problems.init_blueprint(self.blueprint)
        rate_limits.init_blueprint(self.blueprint)

    def _register(
        self, method: str, path: str, summary: str, *scopes: Scope, **more: Any
    ) -> Callable[[Handler], Handler]:
        """Register the decorated handler, for keys with one of the scopes.

        `more`: further fields of `Operation`.
        """

        def register(handler: Handler) -> Handler:
            operation = Operation(
                method, PREFIX + path, handler.__name__, self.group, summary, scopes,
                " ".join((handler.__doc__ or "").split()), **(_described(handler) | more),
            )  # fmt: skip
            self.operations.append(operation)
            view = _view(operation, handler)
            self.blueprint.add_url_rule(path, operation.name, view, methods=[method])
            return handler

        return register

    get = partialmethod(_register, "GET")
    post = partialmethod(_register, "POST")
    put = partialmethod(_register, "PUT")
    patch = partialmethod(_register, "PATCH")
    delete = partialmethod(_register, "DELETE")


def _described(handler: Callable[..., Any]) -> dict[str, Any]:
    """The operation's types, as the handler's annotations state them."""
    hints = get_type_hints(handler)
    answer, body = hints["return"], hints.get("body")
    is_optional = NoneType in get_args(body)
    return {
        "answer": None if answer is NoneType else next(iter(get_args(answer)), answer),
        "body": (get_args(body)[0] if is_optional else body,) if body else (),
        "body_is_optional": is_optional,
        "query": hints.get("query"),
    }


def _view(operation: Operation, handler: Callable[..., Any]) -> Callable[..., ResponseReturnValue]:
    reads_body = "body" in get_type_hints(handler)

    def respond(**arguments: Any) -> Response:
        ctx = make_context()
        client = permit(ctx, *operation.scopes)

        def once() -> Response:
            if reads_body and (not operation.body_is_optional or bodies.is_sent()):
                arguments["body"] = bodies.read(operation.body[0])
            if operation.query is not None:
                arguments["query"] = bodies.read_query(operation.query)
            return _rendered(handler(ctx.by(client.actor), client, **arguments), operation)

        if not operation.is_repeatable:
            return once()
        return idempotency.once(ctx, client.account_id, once, operation)

    respond.operation = operation  # type: ignore[attr-defined]
    return respond


def _rendered(result: Any, operation: Operation) -> Response:
    if result is None or isinstance(result, Response):
        return result or make_response("", operation.status)
    if not isinstance(result, Answer):
        result = Answer(result, operation.status)
    return answers.render(result)
