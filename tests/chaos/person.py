"""An account's owner at a browser: every deed of the payment screens, through their own forms."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from random import Random
from secrets import token_hex
from urllib.parse import urlsplit

import requests

from tests.chaos.client import Client
from tests.chaos.installation import PASSWORD, Account
from tests.chaos.journal import Journal
from tests.chaos.mail_server import MailServer
from tests.chaos.screen import Screen, hidden, read_screen

MAIN = "/billing/payment-methods"
WIRES = "/billing/wire-transfers"
PAGES = ("/billing/payments", "/billing/activity", "/billing/statement", "/billing/balance", WIRES)

PAYING = ("4242424242424242", "5555555555554444", "378282246310005", "6011111111111117")
AWKWARD = ("4000002500003155", "4000002760003184", "4000008260003178", "4000000000000341")
"""Asked about by their bank when saved, at each payment, then declined; and always declined."""

PAYERS = ("ana@example.com", "declined@example.com", "confirm@example.com")

PDF = b"%PDF-1.7\n%%EOF\n"


class Person:
    def __init__(
        self,
        account: Account,
        client: Client,
        journal: Journal,
        random: Random,
        mails: MailServer,
        now: Callable[[], datetime],
    ) -> None:
        self._account, self._client = account, client
        self._journal, self._random = journal, random
        self._mails, self._now = mails, now

    def move_in(self) -> None:
        """Sign in, save two cards and let them refill the balance."""
        self._sign_in()
        for number in self._random.sample(PAYING, 2):
            self._add_card(number, consent=True)
        self._apply(self._look())

    def act(self) -> None:
        deeds: dict[Callable[[Screen], None], int] = {
            self._toggle: 14,
            self._reorder: 8,
            self._apply: 8,
            self._add: 8,
            self._link_paypal: 3,
            self._remove: 5,
            self._retry: 14,
            self._add_funds: 24,
            self._restore: 4,
            self._confirm_by_mail: 4,
            self._wire: 5,
            self._read: 10,
            self._sign_in_again: 1,
        }
        screen = self._look()
        if screen.paused and self._random.random() < 0.7:
            self._resume(screen)
            return
        self._random.choices(list(deeds), list(deeds.values()))[0](screen)

    # The list

    def _toggle(self, screen: Screen) -> None:
        if screen.methods:
            on = "1" if self._random.random() < 0.8 else "0"
            method = self._random.choice(screen.methods)
            self._press(f"{MAIN}/{method}/auto-charge", screen, on=on)

    def _reorder(self, screen: Screen) -> None:
        if len(screen.methods) > 1:
            order = self._random.sample(screen.methods, len(screen.methods))
            self._press(f"{MAIN}/order", screen, order=_joined(order), seen=_joined(screen.methods))

    def _remove(self, screen: Screen) -> None:
        if len(screen.methods) > 2:
            method = self._random.choice(screen.methods)
            self._press(f"{MAIN}/{method}/removal", screen)

    def _restore(self, screen: Screen) -> None:
        if screen.methods:
            method = self._random.choice(screen.methods)
            self._press(f"{MAIN}/{method}/restorations", screen)

    def _resume(self, screen: Screen) -> None:
        self._press("/billing/automatic-payments/resumptions", screen)

    def _add(self, screen: Screen) -> None:
        if len(screen.methods) < 5:
            number = self._random.choice(PAYING * 2 + AWKWARD)
            self._add_card(number, consent=self._random.random() < 0.8)

    def _add_card(self, number: str, *, consent: bool) -> None:
        """Two forms: the card to the processor's own address, its token to ours (M7)."""
        self._journal.did("add a card")
        form = self._client.get(f"{MAIN}/cards/new").text
        answer = self._client.post(
            "/sandbox/cards", data=self._card(number), headers={"Accept": "application/json"}
        )
        if answer.status_code != 201:
            self._journal.fault(f"the card form was refused: {answer.text[:200]}")
            return
        fields = {
            "csrf_token": hidden(form, "csrf_token"),
            "state": hidden(form, "state"),
            "token": answer.json()["token"],
            "consent": "1" if consent else "",
        }
        self._go_to_the_bank(self._client.post(MAIN, data=fields))

    def _card(self, number: str) -> dict[str, str]:
        # Some expire within the run: its clock passes months.
        expiry = self._now().strftime("%m/%y") if self._random.random() < 0.1 else "12/49"
        return {
            "number": number,
            "expiry": expiry,
            "security_code": "1234" if number.startswith("3") else "123",
            "cardholder": "Ana Ruiz",
            "country": "IE",
            "line": "12 Harbour Road",
            "city": "Dublin",
            "postcode": "D18 A4R6",
        }

    def _link_paypal(self, screen: Screen) -> None:
        if len(screen.methods) >= 5:
            return
        answer = self._press(f"{MAIN}/paypal", screen, consent="1")
        self._go_to_the_bank(answer, agree={"email": self._random.choice(PAYERS)})

    # Settings

    def _apply(self, screen: Screen) -> None:
        choose = self._random.choice
        self._press(
            "/billing/low-balance-settings",
            screen,
            seen=screen.version,
            refill_on=choice(self._random, {"1": 9, "": 1}),
            refill_mode=choose(("add", "add", "target")),
            threshold=choose(("20.00", "50.00", "60.00")),
            refill_amount=choose(("30.00", "75.50", "100.00")),
            target=choose(("80.00", "150.00")),
            day_limit=choose(("", "", "", "900.00")),
            month_limit=choose(("", "", "9000.00")),
            notification_on=choose(("1", "")),
            notification_threshold=choose(("25.00", "55.00", "70.00")),
        )

    # Payments

    def _add_funds(self, screen: Screen) -> None:
        if not screen.methods:
            return
        form = self._client.get("/billing/funds/new").text
        kind = self._random.choice(("instant", "instant", "auto_charge"))
        fields = {
            "kind": kind,
            "amount": self._random.choice(("30.00", "45.67", "100.00")),
            "method": str(self._random.choice(screen.methods)),
        }
        self._pay(f"add funds, {kind}", "/billing/funds", [form], fields)

    def _retry(self, screen: Screen) -> None:
        if not screen.failed:
            return
        path = self._random.choice(screen.failed)
        windows = self._random.choice((1, 1, 2))
        forms = [self._client.get(path).text for _ in range(windows)]
        self._pay("retry", path.removesuffix("retry") + "retries", forms, {})

    def _confirm_by_mail(self, screen: Screen) -> None:
        """F7: the link in a mail."""
        if path := self._mails.take_link(self._account.email):
            form = self._client.get(path).text
            self._pay("confirm by a mail's link", path, [form], {})

    def _pay(self, deed: str, path: str, forms: Sequence[str], fields: dict[str, str]) -> None:
        """Press the button of these windows at once; now and then twice each."""
        keyed = [form for form in forms if hidden(form, "request_key")]
        if not keyed:
            return  # there is nothing to pay any more, and the page says so
        clicks = keyed * self._random.choice((1, 1, 2))
        self._journal.did(f"{deed}, pressed {len(clicks)}×" if len(clicks) > 1 else deed)
        requests_ = [
            fields
            | {
                "csrf_token": hidden(form, "csrf_token"),
                "request_key": hidden(form, "request_key"),
            }
            for form in clicks
        ]
        for sent in requests_:
            self._journal.forms[sent["request_key"]] = self._account.id
        answers = self._at_once(
            [lambda c, sent=sent: c.post(path, data=sent) for sent in requests_]
        )
        self._go_to_the_bank(answers[-1])

    def _go_to_the_bank(
        self, answer: requests.Response, agree: dict[str, str] | None = None
    ) -> None:
        """Where the bank asks: confirm, fail or leave; come back once, twice or ten times."""
        address = answer.headers.get("Location", "")
        if not address.startswith(("/sandbox/challenges/", "/sandbox/paypal/")):
            return
        yes, no = ("agree", "cancel") if agree else ("complete", "fail")
        said = choice(self._random, {yes: 7, no: 1, "": 2})
        self._journal.did(f"the bank asks: {said or 'left open'}")
        if not said:
            return
        back = self._client.post(address, data={"answer": said, **(agree or {})})
        if home := back.headers.get("Location", ""):
            times = self._random.choice((1, 1, 2, 10))
            self._journal.did(f"back from the bank {times}×")
            path = urlsplit(home)
            self._at_once([lambda c: c.get(f"{path.path}?{path.query}")] * times)

    # Wire transfers

    def _wire(self, screen: Screen) -> None:
        form = self._client.get(f"{WIRES}/new").text
        fields = {
            "csrf_token": screen.csrf,
            "request_key": hidden(form, "request_key"),
            "amount": "250.00",
            "currency": "USD",
        }
        self._journal.did("request a wire")
        there = self._client.post(WIRES, data=fields).headers.get("Location", "")
        deed = self._random.choice(("prove", "prove", "cancel", "wait"))
        if not there or deed == "wait":
            return
        self._journal.did(f"{deed} a wire")
        if deed == "cancel":
            self._client.post(f"{there}/cancellation", data={"csrf_token": screen.csrf})
            return
        proof = {"proof": ("transfer.pdf", PDF + token_hex(8).encode())}
        self._client.post(f"{there}/proofs", data={"csrf_token": screen.csrf}, files=proof)

    # Looking, and being known

    def _look(self) -> Screen:
        return read_screen(self._client.get(MAIN).text)

    def _read(self, screen: Screen) -> None:
        self._client.get(self._random.choice(PAGES))

    def _sign_in(self) -> None:
        form = self._client.get("/sign-in").text
        fields = {"email": self._account.email, "password": PASSWORD}
        answer = self._client.post(
            "/sign-in", data=fields | {"csrf_token": hidden(form, "csrf_token")}
        )
        if answer.status_code != 303:
            self._journal.fault(f"sign-in was answered {answer.status_code}")

    def _sign_in_again(self, screen: Screen) -> None:
        self._press("/sign-out", screen)
        self._sign_in()

    def _press(self, path: str, screen: Screen, **fields: str) -> requests.Response:
        self._journal.did(path.rpartition("/")[2])
        return self._client.post(path, data=fields | {"csrf_token": screen.csrf})

    def _at_once(
        self, deeds: Sequence[Callable[[Client], requests.Response]]
    ) -> list[requests.Response]:
        """Each from a window of its own."""
        if len(deeds) == 1:
            return [deeds[0](self._client)]
        with ThreadPoolExecutor(len(deeds)) as pool:
            return [
                done.result() for done in [pool.submit(deed, self._client.twin()) for deed in deeds]
            ]


def choice(random: Random, weights: dict[str, int]) -> str:
    return random.choices(list(weights), list(weights.values()))[0]


def _joined(ids: Sequence[int]) -> str:
    return ",".join(map(str, ids))
