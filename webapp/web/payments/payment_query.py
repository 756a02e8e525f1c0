"""The filters of the payment list in the query string. Invalid values count as not sent."""

from flask import request

from webapp.domain.payments.payment import PaymentKind
from webapp.reads.payments.payment_filters import LONGEST_TEXT, Filters, Order, Shown
from webapp.web.http import forms
from webapp.web.http.query_args import choice, day, line


def filters() -> Filters:
    return Filters(
        first=day("from"),
        last=day("to"),
        method_id=request.args.get("method", type=forms.record_id),
        state=choice("state", Shown),
        kind=choice("kind", PaymentKind),
        text=line("q", LONGEST_TEXT),
        settings=request.args.get("settings", type=forms.record_id),
        order=choice("sort", Order) or Order.NEWEST,
    )
