"""Every code that a problem can have. Stable: what is sent to a machine is not renamed."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    status: int
    meaning: str
    """What has happened, and what to do."""


CODES: Mapping[str, Code] = {
    # The request could not be read.
    "bad_request": Code(400, "The body is not valid JSON, or is no CSV."),
    "request_entity_too_large": Code(413, "More than 2 MB at once. Send less."),
    "unsupported_media_type": Code(415, "The `Content-Type` is none that this address takes."),
    "invalid": Code(422, "`errors` says by field what is wrong. Nothing was changed."),
    # Who asks.
    "unauthorized": Code(401, "No key, or one that is not known or does not work any more."),
    "insufficient_scope": Code(403, "The key works, and lacks the scope that this asks for."),
    "address_not_allowed": Code(403, "The key may not be used from this address."),
    "too_many_requests": Code(429, "Wait as many seconds as `Retry-After` says."),
    # What is asked for.
    "not_found": Code(404, "There is no such record in this account, or no such address."),
    "method_not_allowed": Code(405, "`Allow` says what this address takes."),
    "conflict": Code(409, "It clashes with what is there. Nothing was changed."),
    "stale": Code(412, "Someone has changed it meanwhile: read it again. Nothing was changed."),
    "precondition_required": Code(428, "Send the `ETag` that you have read as `If-Match`."),
    "idempotency_key_reused": Code(409, "This `Idempotency-Key` came with another request."),
    "idempotency_in_progress": Code(
        409, "The first request with this `Idempotency-Key` is still running. Send it again."
    ),
    # Money.
    "balance_out_of_range": Code(409, "That is more than a balance can hold."),
    "too_large": Code(
        422, "The usage record is above `USAGE_MAX`; its `errors` say how much. Nothing was posted."
    ),
    "form_used": Code(409, "This `Idempotency-Key` has made another payment."),
    "just_paid": Code(409, "An earlier payment has just succeeded. Nothing more was done."),
    "no_method_with_auto_charge": Code(
        409, "No payment method with auto-charge on can be charged now."
    ),
    "payment_open": Code(409, "A payment with that method is under way. Wait for its outcome."),
    "not_failed": Code(409, "Only a failed payment can be retried."),
    "already_paid": Code(409, "The payment has been retried with success."),
    "hold_over": Code(409, "The hold has ended, was released or has expired. Nothing was changed."),
    "too_many_endpoints": Code(409, "There are ten webhook endpoints already. Remove one first."),
    # Our side.
    "internal_error": Code(500, "A fault of ours. It is safe to send the request again."),
    "updating": Code(503, "An update is being installed. Send it again after `Retry-After`."),
    "unavailable": Code(503, "The database cannot be used. Send it again after `Retry-After`."),
}
