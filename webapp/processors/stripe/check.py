"""Check keys, webhook and clock of a Stripe configuration; findings name the remedy."""

from collections.abc import Iterator
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime

from stripe import AuthenticationError, StripeClient, StripeError
from stripe import PermissionError as NotPermitted

from webapp.clock import Clock
from webapp.ports import Finding
from webapp.processors.stripe.client import API_VERSION
from webapp.processors.stripe.events import FOLLOWED, TOLERANCE

SKEW = timedelta(seconds=30)
"""Maximum clock difference of a host with working time synchronisation."""

KEYS = "Copy both keys again from the Dashboard, Developers → API keys, and restart Ballast."


def check(client: StripeClient, clock: Clock, webhook_url: str) -> Iterator[Finding]:
    try:
        balance = client.v1.balance.retrieve()
    except AuthenticationError as error:
        yield Finding("keys", False, f"Stripe does not know the secret key ({error}). {KEYS}")
        return
    except StripeError as error:
        yield Finding(
            "keys", False, f"Stripe did not answer ({error}). Check the network, then try again."
        )
        return
    mode = "live: real money moves" if balance.livemode else "test: no real money moves"
    yield Finding("keys", True, f"Accepted; {mode}")
    yield Finding("API version", True, f"{API_VERSION}, accepted by Stripe")
    yield _endpoint(client, webhook_url)
    headers = balance.last_response.headers if balance.last_response else {}
    yield _clock(clock, str(headers.get("Date") or ""))


def _endpoint(client: StripeClient, url: str) -> Finding:
    name, where = "webhook", "the Dashboard, Developers → Webhooks"
    try:
        endpoints = client.v1.webhook_endpoints.list({"limit": 100}).to_dict()["data"]
    except NotPermitted:
        return Finding(
            name,
            False,
            f"The key may not read webhook endpoints. Allow it, or check {url} in {where}.",
        )
    except StripeError as error:
        return Finding(name, False, f"Stripe did not answer ({error}). Try again.")
    found = next((one for one in endpoints if one["url"].rstrip("/") == url), None)
    if found is None:
        return Finding(
            name, False, f"No endpoint for {url}. Add it in {where}; see docs/processors.md."
        )
    if found["status"] != "enabled":
        return Finding(
            name, False, f"The endpoint for {url} is {found['status']}. Enable it in {where}."
        )
    wanted = set(found["enabled_events"])
    missing = sorted(set(FOLLOWED) - wanted) if "*" not in wanted else []
    if missing:
        return Finding(
            name, False, f"{url} does not get {', '.join(missing)}. Add these events in {where}."
        )
    return Finding(name, True, f"{url} gets every event that Ballast processes")


def _clock(clock: Clock, date: str) -> Finding:
    if not date:
        return Finding("clock", False, "Stripe returned no time to compare with. Try again.")
    skew = clock.now() - parsedate_to_datetime(date).astimezone(UTC)
    seconds = round(skew.total_seconds())
    if abs(skew) <= SKEW:
        return Finding("clock", True, f"{abs(seconds)} s from Stripe's")
    way = "ahead of" if seconds > 0 else "behind"
    return Finding(
        "clock",
        False,
        f"{abs(seconds)} s {way} Stripe's; from {TOLERANCE // timedelta(minutes=1)} minutes on, "
        "webhooks are refused. Switch time synchronisation on.",
    )
