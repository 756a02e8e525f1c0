"""A browser window without JavaScript: submits the product's forms and follows redirects."""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests

from tests.chaos.client import Client
from tests.chaos.installation import PASSWORD
from tests.chaos.stripe import StripeBooks
from tests.factories import card_form, valid_expiry
from webapp.clock import Clock

MAIN = "/billing/payment-methods"

AT_THE_BANK = ("/sandbox/challenges/", "/sandbox/paypal/")


@dataclass(frozen=True)
class Screen:
    """The relevant content of the main screen."""

    methods: list[int]
    """In the customer's order."""
    version: str
    """Version of the low-balance settings in the form."""
    failed: list[str]
    """Paths of the Retry dialogs."""
    paused: bool


class Browser:
    def __init__(self, client: Client, stripe: StripeBooks | None = None) -> None:
        self.client, self._stripe = client, stripe
        self._csrf = ""

    def sign_in(self, email: str) -> requests.Response:
        self._csrf = hidden(self.client.get("/sign-in").text, "csrf_token")
        answer = self.press("/sign-in", email=email, password=PASSWORD)
        self.load_screen()
        return answer

    def load_screen(self) -> Screen:
        html = self.client.get(MAIN).text
        self._csrf = hidden(html, "csrf_token")
        return Screen(
            methods=[int(number) for number in re.findall(r'<li [^>]*id="method-(\d+)"', html)],
            version=hidden(html.partition('id="settings-form"')[2], "seen"),
            failed=re.findall(r'href="(/billing/attempts/\d+/retry)"', html),
            paused="/billing/automatic-payments/resumptions" in html,
        )

    def form_key(self, path: str) -> str:
        """Return the request key of a payment form, or an empty string if none is offered."""
        return hidden(self.client.get(path).text, "request_key")

    def press(
        self, path: str, files: dict[str, tuple[str, bytes]] | None = None, **fields: str
    ) -> requests.Response:
        # The clock advances fast here, so each form carries the password for reauthentication.
        sent = {"proof": PASSWORD, **fields, "csrf_token": self._csrf}
        return self.client.post(path, data=sent, files=files)

    def add_card(self, number: str, *, consent: bool, expiry: str = "") -> requests.Response:
        """Send the card to the processor and its token to the product (M7)."""
        form = self.client.get(f"{MAIN}/cards/new").text
        if self._stripe:
            token = self._stripe.capture(form, number)
        else:
            json = {"Accept": "application/json"}
            card = card_form(number, expiry or valid_expiry(Clock().now()))
            captured = self.client.post("/sandbox/cards", data=card, headers=json)
            token = captured.json().get("token", "")
        state = hidden(form, "state")
        return self.press(MAIN, state=state, token=token, consent="1" if consent else "")

    def answer_bank(self, asked: requests.Response, chosen: str, **fields: str) -> str:
        """Answer the bank's page and return the path it redirects to, or an empty string."""
        back = self.client.post(challenge_url(asked), data={"answer": chosen, **fields})
        target = urlsplit(back.headers.get("Location", ""))
        return f"{target.path}?{target.query}" if target.path else ""

    def at_once(
        self, actions: Sequence[Callable[["Browser"], requests.Response]]
    ) -> list[requests.Response]:
        """Run each action in its own window, concurrently."""
        windows = [self.clone() for _ in actions]
        with ThreadPoolExecutor(len(actions)) as pool:
            return list(pool.map(lambda action, window: action(window), actions, windows))

    def clone(self) -> "Browser":
        other = Browser(self.client.clone(), self._stripe)
        other._csrf = self._csrf
        return other


def challenge_url(answer: requests.Response) -> str:
    """Return the URL of the bank's or PayPal's page in the redirect, or an empty string."""
    location = answer.headers.get("Location", "")
    return location if location.startswith(AT_THE_BANK) else ""


def charge_to_confirm(answer: requests.Response) -> str:
    """Return the amount the product asks to confirm before charging, or an empty string (T18)."""
    return hidden(answer.text.partition("data-charging")[2], "confirmed")


def hidden(html: str, name: str) -> str:
    """Return a hidden field's value, or an empty string."""
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    return found[1] if found else ""
