"""Whether keys, features, address, webhook and clock are right, with the remedy for what is not."""

from collections.abc import Iterator
from datetime import timedelta

from webapp.clock import Clock
from webapp.ports import Finding
from webapp.processors.paypal.client import Client, NoAnswer, NotSent
from webapp.processors.paypal.events import FOLLOWED

SKEW = timedelta(seconds=30)
"""More than this a host with working time synchronisation never has."""

MODES = {
    "https://api-m.paypal.com": "live: real money moves",
    "https://api-m.sandbox.paypal.com": "PayPal's sandbox: no real money moves",
}

WHERE = "developer.paypal.com, Apps & Credentials"

FEATURES = {
    "Save payment methods": "/services/vault/payment-tokens/readwrite",
    "Disputes": "/services/disputes/read-seller",
}
"""What the app needs, as PayPal names it there: how its scope ends."""


def check(
    client: Client, clock: Clock, base: str, webhook_id: str, webhook_url: str
) -> Iterator[Finding]:
    asked_at = clock.now()
    try:
        reply = client.get(f"/v1/notifications/webhooks/{webhook_id or 'NONE'}")
    except NotSent as error:
        yield Finding(
            "keys",
            False,
            f"{error}. The sandbox and live have keys of their own: take those of {base} from "
            f"{WHERE}.",
        )
        return
    except NoAnswer as error:
        yield Finding("keys", False, f"{error}. Check the network, then try again.")
        return
    yield Finding(
        "keys", True, f"Accepted by {base}; {MODES.get(base, 'not PayPal’s own address')}"
    )
    yield _features(client.scopes())
    if not webhook_id:
        yield Finding("webhook", False, f"PAYPAL_WEBHOOK_ID is not set. Add one in {WHERE}.")
    elif not reply.is_ok:
        yield Finding(
            "webhook",
            False,
            f"{reply}: this app has no webhook {webhook_id}. Take its id from {WHERE}.",
        )
    else:
        yield _webhook(reply.body, webhook_url)
    yield _clock(reply.at - asked_at)


def _features(scopes: frozenset[str]) -> Finding:
    """As the access token has them, which PayPal gives without those that are switched off."""
    off = [
        name for name, end in FEATURES.items() if not any(scope.endswith(end) for scope in scopes)
    ]
    if not off:
        return Finding("features", True, f"{' and '.join(FEATURES)} are switched on")
    return Finding(
        "features",
        False,
        f"The app may not use {' and '.join(off)}. Switch that on among the app's features in "
        f"{WHERE}, then start Ballast again.",
    )


def _webhook(body: dict[str, object], url: str) -> Finding:
    there = str(body.get("url", ""))
    if there.rstrip("/") != url:
        return Finding(
            "webhook", False, f"It leads to {there} and not to {url}. Change it in {WHERE}."
        )
    types = body.get("event_types")
    told = {str(one.get("name")) for one in types} if isinstance(types, list) else set()
    missing = sorted(set(FOLLOWED) - told) if "*" not in told else []
    if missing:
        return Finding(
            "webhook", False, f"{url} is not told of {', '.join(missing)}. Add them in {WHERE}."
        )
    return Finding("webhook", True, f"{url} is told of every event that is followed")


def _clock(ahead: timedelta) -> Finding:
    """PayPal's own is rounded to seconds, and its answer took a moment."""
    seconds = round(ahead.total_seconds())
    if abs(ahead) <= SKEW:
        return Finding("clock", True, f"{abs(seconds)} s from PayPal's")
    way = "behind" if seconds > 0 else "ahead of"
    return Finding(
        "clock", False, f"{abs(seconds)} s {way} PayPal's. Switch time synchronisation on."
    )
