"""Check keys, features, webhook and clock of a PayPal configuration; findings name the remedy."""

from collections.abc import Iterator
from datetime import timedelta

from webapp.clock import Clock
from webapp.ports import Finding
from webapp.processors.paypal.client import Client, NoAnswer, NotSent
from webapp.processors.paypal.events import FOLLOWED

SKEW = timedelta(seconds=30)
"""Maximum clock difference of a host with working time synchronisation."""

MODES = {
    "https://api-m.paypal.com": "live: real money moves",
    "https://api-m.sandbox.paypal.com": "PayPal's sandbox: no real money moves",
}

WHERE = "developer.paypal.com, Apps & Credentials"

FEATURES = {
    "Save payment methods": "/services/vault/payment-tokens/readwrite",
    "Disputes": "/services/disputes/read-seller",
}
"""Features the app needs, by PayPal's name, and the end of each one's OAuth scope."""


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
            f"{error}. Sandbox and live have different keys: copy those of {base} from {WHERE}.",
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
            f"{reply}: this app has no webhook {webhook_id}. Copy its id from {WHERE}.",
        )
    else:
        yield _webhook(reply.body, webhook_url)
    yield _clock(reply.at - asked_at)


def _features(scopes: frozenset[str]) -> Finding:
    """Check the access token's scopes; PayPal omits those of features that are switched off."""
    off = [
        name for name, end in FEATURES.items() if not any(scope.endswith(end) for scope in scopes)
    ]
    if not off:
        return Finding("features", True, f"{' and '.join(FEATURES)} are switched on")
    return Finding(
        "features",
        False,
        f"The app may not use {' and '.join(off)}. Switch this on in the app's features in "
        f"{WHERE}, then restart Ballast.",
    )


def _webhook(body: dict[str, object], url: str) -> Finding:
    configured = str(body.get("url", ""))
    if configured.rstrip("/") != url:
        return Finding(
            "webhook", False, f"Its URL is {configured}, not {url}. Change it in {WHERE}."
        )
    types = body.get("event_types")
    sent = {str(one.get("name")) for one in types} if isinstance(types, list) else set()
    missing = sorted(set(FOLLOWED) - sent) if "*" not in sent else []
    if missing:
        return Finding(
            "webhook", False, f"{url} does not get {', '.join(missing)}. Add them in {WHERE}."
        )
    return Finding("webhook", True, f"{url} gets every event that Ballast processes")


def _clock(ahead: timedelta) -> Finding:
    """Check the clock. PayPal's time is rounded to seconds and delayed by the response time."""
    seconds = round(ahead.total_seconds())
    if abs(ahead) <= SKEW:
        return Finding("clock", True, f"{abs(seconds)} s from PayPal's")
    way = "behind" if seconds > 0 else "ahead of"
    return Finding(
        "clock", False, f"{abs(seconds)} s {way} PayPal's. Switch time synchronisation on."
    )
