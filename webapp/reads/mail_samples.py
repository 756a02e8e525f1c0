"""A mail of each kind as this account would get it, with facts that are made up and say so."""

from collections.abc import Mapping
from datetime import datetime

from webapp.domain import moments
from webapp.domain.accounts import Account
from webapp.domain.money import MICROS
from webapp.domain.notices import NoticeKind
from webapp.ports import Letter, Mailer

VISA, MASTERCARD = "Visa •••• 4242", "Mastercard •••• 4444"


def read_sample(mailer: Mailer, kind: NoticeKind, account: Account, now: datetime) -> Letter:
    return mailer.render(kind, {"account_name": account.name, **facts(kind, account, now)})


def facts(kind: NoticeKind, account: Account, now: datetime) -> Mapping[str, object]:
    at = moments.mailed(now, account.time_zone, now)
    hundred, balance = account.show(100 * MICROS), account.show(149_200_000)
    what_next = (
        f"When your balance falls below {account.show(50 * MICROS)} we charge {hundred} to {VISA}; "
        f"if it is declined, {MASTERCARD}."
    )
    wire = {"request_id": "17", "reference": "WT-CDFG-HJKX", "amount": account.show(1000 * MICROS)}
    match kind:
        case NoticeKind.LOW_BALANCE:
            return {
                "balance": account.show(63_400_000),
                "threshold": account.show(75 * MICROS),
                "at": at,
                "what_next": what_next,
            }
        case NoticeKind.RECEIPT:
            return {
                "amount": hundred,
                "method": VISA,
                "reference": "P-000012",
                "balance_after": balance,
                "at": at,
                "kind": "Automatic refill",
            }
        case NoticeKind.TAKEN_BACK:
            return {
                "name": f"Refund of P-000012, {VISA}",
                "came_back": False,
                "amount": account.show(40 * MICROS),
                "balance_after": account.show(23_400_000),
                "reference": "P-000012",
                "at": at,
            }
        case NoticeKind.METHOD_SUSPENDED:
            return {
                "method": VISA,
                "amount": hundred,
                "reason": "Insufficient funds",
                "advice": "Put money on the account behind it, or use another method.",
                "at": at,
                "until": at,
                "instead": f"{MASTERCARD} was charged {hundred} instead.",
            }
        case NoticeKind.ALL_FAILED:
            return {
                "balance": account.show(12_300_000),
                "amount": hundred,
                "failures": [
                    {"method": VISA, "reason": "Insufficient funds"},
                    {"method": MASTERCARD, "reason": "Declined by the bank"},
                ],
                "what_next": f"We try again on {at}, or when a Retry succeeds.",
            }
        case NoticeKind.AUTHENTICATION_REQUIRED:
            return {
                "amount": hundred,
                "method": VISA,
                "at": at,
                "until": at,
                "instead": "Nothing was charged instead.",
                "attempt_id": 0,
            }
        case NoticeKind.LIMIT_REACHED:
            return {
                "sentence": f"A refill of {hundred} would pass your limit of "
                f"{account.show(300 * MICROS)} a day.",
                "limit": f"{account.show(300 * MICROS)} a day",
                "until": at,
            }
        case NoticeKind.PAUSED:
            return {"sentence": "More than 3 automatic refills were made within 10 minutes."}
        case NoticeKind.STILL_UNKNOWN:
            return {"amount": hundred, "method": VISA, "since": at}
        case NoticeKind.WEBHOOK_ENDED:
            url = "https://example.com/hooks"
            return {"url": url, "gone": False, "since": at, "last": "HTTP 500"}
        case NoticeKind.CARD_EXPIRING:
            on = moments.day(now, account.time_zone, now)
            return {"method": VISA, "days": 30, "on": on, "what_next": what_next}
        case NoticeKind.WIRE_REQUESTED:
            bank = [{"label": "Beneficiary", "value": "Your provider"}]
            return {**wire, "bank": bank}
        case NoticeKind.WIRE_PROOF:
            return {**wire, "file": "transfer.pdf", "at": at}
        case NoticeKind.WIRE_COMPLETED:
            return {
                **wire,
                "received": wire["amount"],
                "rate": "",
                "payment": "P-000012",
                "balance_after": balance,
                "at": at,
            }
        case NoticeKind.WIRE_REJECTED:
            return {**wire, "reason": "The transfer was called back by your bank."}
        case NoticeKind.WIRE_CANCELLED:
            return {**wire, "by": "Ana Ruiz", "at": at}
    raise KeyError(kind)
