"""Email previews of each kind, with sample data, in the account's language and currency."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from webapp.domain.accounts.account import Account
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.payment_methods.declines import BANK, FUNDS
from webapp.domain.payments.payment import KIND_NAMES, PaymentKind
from webapp.domain.payments.reversals import NAMES
from webapp.domain.shared import datetimes
from webapp.domain.shared.money import MICROS
from webapp.ports import Letter, Mailer, ReversalKind

VISA, MASTERCARD = "Visa •••• 4242", "Mastercard •••• 4444"


def read_sample(mailer: Mailer, kind: NoticeKind, account: Account, now: datetime) -> Letter:
    sample = {"account_name": account.name, **facts(kind, account, now)}
    return mailer.render(kind, sample, account.language)


def facts(kind: NoticeKind, account: Account, now: datetime) -> Mapping[str, object]:
    _, at = account.translator.gettext, account.mailed(now, now)
    hundred, balance = account.show(100 * MICROS), account.show(149_200_000)
    what_next = _(
        "When your balance falls below %(threshold)s, we’ll charge %(amount)s to %(method)s; "
        "if it is declined, %(others)s.",
        threshold=account.show(50 * MICROS),
        amount=hundred,
        method=VISA,
        others=MASTERCARD,
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
                "kind": _(KIND_NAMES[PaymentKind.AUTOMATIC]),
            }
        case NoticeKind.TAKEN_BACK:
            return {
                "name": f"{_(NAMES[ReversalKind.REFUND], payment='P-000012')}, {VISA}",
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
                "reason": _(FUNDS.sentence),
                "advice": _(FUNDS.advice),
                "at": at,
                "until": at,
                "instead": _(
                    "%(method)s was charged %(amount)s instead.", method=MASTERCARD, amount=hundred
                ),
            }
        case NoticeKind.ALL_FAILED:
            return {
                "balance": account.show(12_300_000),
                "amount": hundred,
                "failures": [
                    {"method": VISA, "reason": _(FUNDS.sentence)},
                    {"method": MASTERCARD, "reason": _(BANK.sentence)},
                ],
                "what_next": _(
                    "Nothing can be charged until %(until)s. Then we’ll try %(method)s again. "
                    "Retry a method or add funds to continue now.",
                    until=at,
                    method=VISA,
                ),
            }
        case NoticeKind.AUTHENTICATION_REQUIRED:
            return {
                "amount": hundred,
                "method": VISA,
                "at": at,
                "until": at,
                "instead": _("Nothing was charged instead."),
                "attempt_id": 0,
            }
        case NoticeKind.LIMIT_REACHED:
            limit = account.show(300 * MICROS)
            return {
                "sentence": _(
                    "Nothing more is charged today: automatic refills have reached your limit of "
                    "%(limit)s a day.",
                    limit=limit,
                ),
                "limit": _("%(limit)s a day", limit=limit),
                "until": at,
            }
        case NoticeKind.PAUSED:
            return {
                "sentence": _(
                    "Automatic refills are paused: a fourth refill within 10 minutes was due. "
                    "Check your usage, then resume them."
                )
            }
        case NoticeKind.REFILL_BLOCKED:
            return {
                "balance": account.show(12_300_000),
                "threshold": account.show(50 * MICROS),
                "at": at,
                "reason": _("Nothing will be charged. No payment method has auto-charge on."),
                "skipped": [],
                "advice": _("Turn on auto-charge for a payment method, or add funds."),
            }
        case NoticeKind.LIMITS_SET:
            return {"day_limit": account.show(500 * MICROS), "largest_charge": ""}
        case NoticeKind.STILL_UNKNOWN:
            return {"amount": hundred, "method": VISA, "since": at, "refused": False}
        case NoticeKind.WEBHOOK_ENDED:
            url = "https://example.com/hooks"
            return {"url": url, "gone": False, "since": at, "last": "HTTP 500"}
        case NoticeKind.CARD_EXPIRING:
            last_day = datetimes.local(now, account.time_zone).date() + timedelta(days=30)
            on = account.mailed_date(last_day, now)
            return {"method": VISA, "days": 30, "on": on, "what_next": what_next}
        case NoticeKind.WIRE_REQUESTED:
            bank = [{"label": _("Beneficiary"), "value": _("Your provider")}]
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
            return {**wire, "reason": _("Your bank recalled the transfer.")}
        case NoticeKind.WIRE_CANCELLED:
            return {**wire, "by": "Ana Ruiz", "at": at}
    raise KeyError(kind)
