"""All problem codes. They are part of the API and are never renamed."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    status: int
    meaning: str
    """What happened, and what the client can do."""


CODES: Mapping[str, Code] = {
    # The request could not be read.
    "bad_request": Code(400, "The body is not valid JSON or CSV."),
    "idempotency_key_required": Code(
        400, "Send an `Idempotency-Key`: without one, a repeated request would charge again."
    ),
    "request_entity_too_large": Code(413, "The body is larger than 2 MB. Send less at once."),
    "unsupported_media_type": Code(
        415, "The endpoint does not accept this `Content-Type` or `Content-Encoding`."
    ),
    "invalid": Code(422, "`errors` lists the problem of each field. Nothing was changed."),
    # Authentication and limits.
    "unauthorized": Code(401, "The API key is missing, unknown, revoked or expired."),
    "insufficient_scope": Code(403, "The API key lacks the scope that this operation requires."),
    "address_not_allowed": Code(403, "The API key cannot be used from this IP address."),
    "too_many_requests": Code(429, "Wait the number of seconds in `Retry-After`."),
    # The resource.
    "not_found": Code(404, "The account has no such record, or the path does not exist."),
    "method_not_allowed": Code(405, "`Allow` lists the methods of this path."),
    "conflict": Code(409, "The request conflicts with an existing record. Nothing was changed."),
    "stale": Code(
        412, "The resource has changed since you read it. Read it again. Nothing was changed."
    ),
    "precondition_required": Code(428, "Send the `ETag` of your last read as `If-Match`."),
    "idempotency_key_reused": Code(
        409, "This `Idempotency-Key` was used with a different request."
    ),
    "answer_not_kept": Code(
        409, "The first request with this `Idempotency-Key` succeeded; its secret is shown once."
    ),
    "idempotency_in_progress": Code(
        409, "The first request with this `Idempotency-Key` is still running. Try again later."
    ),
    # Accounts.
    "external_id_taken": Code(409, "Another request has used the external id. Nothing was done."),
    "owner_has_joined": Code(409, "The account has an owner, who can transfer it."),
    "wire_open": Code(409, "A wire transfer is open. Complete or reject it first."),
    # Money.
    "balance_out_of_range": Code(409, "The resulting balance exceeds the largest allowed value."),
    "too_large": Code(
        422, "The usage record is above `USAGE_MAX`; `errors` states the limit. Nothing was posted."
    ),
    "insufficient_balance": Code(
        402, "The balance does not cover the hold, nor its minimum. What was used is debited."
    ),
    "account_suspended": Code(403, "The account is suspended: it gets no holds."),
    "account_closed": Code(403, "The account is closed."),
    "too_many_holds": Code(409, "The account has the maximum number of open holds."),
    "payment_declined": Code(
        402, "Nothing was paid. `decline_code` states why, and `payment` is the failed payment."
    ),
    "payment_key_used": Code(409, "This `Idempotency-Key` was used for another payment."),
    "already_reversed": Code(409, "The usage has been reversed completely. Nothing was changed."),
    "exceeds_usage": Code(
        409, "Less of the usage is left to reverse; `detail` states how much. Nothing was changed."
    ),
    "just_paid": Code(409, "An earlier payment has just succeeded. Nothing was charged."),
    "no_method_with_auto_charge": Code(
        409, "No payment method with auto-charge on can be charged now."
    ),
    "payment_open": Code(409, "A payment with this method is in progress. Wait for its outcome."),
    "not_failed": Code(409, "Only a failed payment can be retried."),
    "already_paid": Code(409, "A retry of this payment has already succeeded."),
    "hold_closed": Code(
        409,
        "The hold has ended, expired or been released, and nothing is held. A report on a released "
        "hold is debited.",
    ),
    "too_many_endpoints": Code(409, "There are already ten webhook endpoints. Remove one first."),
    "events_expired": Code(
        410,
        "The events after `after` are no longer all kept. Read the accounts and their balances, "
        "then read the events without `after`.",
    ),
    # The sandbox.
    "no_sandbox": Code(409, "This installation uses a real card processor. Nothing was done."),
    "card_declined": Code(409, "The bank declined the card. Nothing was saved."),
    "not_saved": Code(409, "The sandbox could not save the card. Try again."),
    "challenge_over": Code(409, "The challenge waited too long for an answer, and is cancelled."),
    "clock_at_its_end": Code(409, "The clock is as far ahead as it can go."),
    # Server errors.
    "internal_error": Code(500, "Unexpected server error. It is safe to send the request again."),
    "updating": Code(503, "An update is being installed. Try again after `Retry-After` seconds."),
    "unavailable": Code(503, "The database is unavailable. Try again after `Retry-After` seconds."),
}
