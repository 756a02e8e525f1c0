"""A browser window without scripts: it fills in the product's forms and follows where they lead."""

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
    """The main screen, as far as it is acted on."""

    methods: list[int]
    """In the customer's order."""
    version: str
    """Of the low-balance settings that the form showed."""
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
        self.look()
        return answer

    def look(self) -> Screen:
        html = self.client.get(MAIN).text
        self._csrf = hidden(html, "csrf_token")
        return Screen(
            methods=[int(number) for number in re.findall(r'<li [^>]*id="method-(\d+)"', html)],
            version=hidden(html.partition('id="settings-form"')[2], "seen"),
            failed=re.findall(r'href="(/billing/attempts/\d+/retry)"', html),
            paused="/billing/automatic-payments/resumptions" in html,
        )

    def form_key(self, path: str) -> str:
        """Of a form that makes one payment, however often it is sent; empty if none is offered."""
        return hidden(self.client.get(path).text, "request_key")

    def press(
        self, path: str, files: dict[str, tuple[str, bytes]] | None = None, **fields: str
    ) -> requests.Response:
        # The clock goes fast here: whatever asks for a fresh proof has it with the form.
        sent = {"proof": PASSWORD, **fields, "csrf_token": self._csrf}
        return self.client.post(path, data=sent, files=files)

    def add_card(self, number: str, *, consent: bool, expiry: str = "") -> requests.Response:
        """The card goes to the processor's own address, and its token to ours (M7)."""
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

    def answer_bank(self, asked: requests.Response, said: str, **fields: str) -> str:
        """Where the bank then leads back to; empty where it leads nowhere."""
        back = self.client.post(bank_of(asked), data={"answer": said, **fields})
        home = urlsplit(back.headers.get("Location", ""))
        return f"{home.path}?{home.query}" if home.path else ""

    def at_once(
        self, deeds: Sequence[Callable[["Browser"], requests.Response]]
    ) -> list[requests.Response]:
        """Each from a window of its own."""
        windows = [self.twin() for _ in deeds]
        with ThreadPoolExecutor(len(deeds)) as pool:
            return list(pool.map(lambda deed, window: deed(window), deeds, windows))

    def twin(self) -> "Browser":
        other = Browser(self.client.twin(), self._stripe)
        other._csrf = self._csrf
        return other


def bank_of(answer: requests.Response) -> str:
    """The bank's or PayPal's page that it leads to; empty where nobody asks."""
    there = answer.headers.get("Location", "")
    return there if there.startswith(AT_THE_BANK) else ""


def asked_to_confirm(answer: requests.Response) -> str:
    """The amount that the press would charge at once; empty where nothing is asked (T18)."""
    return hidden(answer.text.partition("data-charging")[2], "confirmed")


def hidden(html: str, name: str) -> str:
    """A hidden field's value; empty where there is none."""
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    return found[1] if found else ""
