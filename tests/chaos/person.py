"""An account's owner: performs every action of the payment screens through their forms."""

from collections.abc import Callable, Sequence
from datetime import datetime
from random import Random
from secrets import token_hex

import requests

from tests.chaos.browser import MAIN, Browser, Screen, challenge_url, charge_to_confirm
from tests.chaos.client import Client
from tests.chaos.installation import Account
from tests.chaos.journal import Journal
from tests.chaos.mail_server import MailServer
from tests.chaos.stripe import StripeBooks

WIRES = "/billing/wire-transfers"
PAGES = ("/billing/payments", "/billing/activity", "/billing/statement", "/billing/balance", WIRES)

PAYING = ("4242424242424242", "5555555555554444", "378282246310005", "6011111111111117")
CHALLENGED_OR_DECLINED = (
    "4000002500003155",
    "4000002760003184",
    "4000008260003178",
    "4000000000000341",
)
"""In this order: challenged when saved; at each payment; then declined; always declined."""

ASKS_EACH_TIME = CHALLENGED_OR_DECLINED[1]

PAYERS = ("ana@example.com", "declined@example.com", "confirm@example.com")

FEWEST, MOST = 2, 5
"""Minimum and maximum number of methods in the list."""

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
        stripe: StripeBooks | None,
    ) -> None:
        self._account, self._browser = account, Browser(client, stripe)
        self._journal, self._random = journal, random
        self._mails, self._now = mails, now

    def set_up(self) -> None:
        """Sign in, save some cards and switch automatic refills on."""
        self._browser.sign_in(self._account.email)
        for number in (*self._random.sample(PAYING, 2), ASKS_EACH_TIME):
            self._go_to_bank(self._browser.add_card(number, consent=True))
        self._apply(self._browser.load_screen())

    def act(self) -> None:
        actions: dict[Callable[[Screen], None], int] = {
            self._toggle: 14,
            self._reorder: 8,
            self._apply: 8,
            self._add_card: 8,
            self._link_paypal: 3,
            self._remove: 6,
            self._retry: 14,
            self._add_funds: 24,
            self._restore: 4,
            self._confirm_by_mail: 4,
            self._wire: 5,
            self._read: 8,
            self._resume: 2,
            self._sign_in_again: 2,
        }
        screen = self._browser.load_screen()
        if screen.paused and self._is_likely(0.7):
            self._resume(screen)
            return
        self._random.choices(list(actions), list(actions.values()))[0](screen)

    # Payment methods

    def _toggle(self, screen: Screen) -> None:
        if screen.methods:
            on = "1" if self._is_likely(0.8) else "0"
            self._press(f"{MAIN}/{self._one_of(screen)}/auto-charge", on=on)

    def _reorder(self, screen: Screen) -> None:
        if len(screen.methods) > 1:
            order = self._random.sample(screen.methods, len(screen.methods))
            self._press(f"{MAIN}/order", order=_joined(order), seen=_joined(screen.methods))

    def _remove(self, screen: Screen) -> None:
        if len(screen.methods) > FEWEST:
            self._press(f"{MAIN}/{self._one_of(screen)}/removal")

    def _restore(self, screen: Screen) -> None:
        if screen.methods:
            self._press(f"{MAIN}/{self._one_of(screen)}/restorations")

    def _add_card(self, screen: Screen) -> None:
        if len(screen.methods) < MOST:
            self._journal.count_action("add a card")
            number = self._random.choice(PAYING + CHALLENGED_OR_DECLINED)
            # Some cards expire during the run, because its clock advances by months.
            expiry = self._now().strftime("%m/%y") if self._is_likely(0.25) else ""
            consent = self._is_likely(0.8)
            self._go_to_bank(self._browser.add_card(number, consent=consent, expiry=expiry))

    def _link_paypal(self, screen: Screen) -> None:
        if len(screen.methods) < MOST:
            asked = self._press(f"{MAIN}/paypal", consent="1")
            self._go_to_bank(asked, "agree", "cancel", email=self._random.choice(PAYERS))

    # Settings

    def _resume(self, screen: Screen) -> None:
        """Resume; another window may have resumed already."""
        self._press("/billing/automatic-payments/resumptions")

    def _apply(self, screen: Screen) -> None:
        choose = self._random.choice
        self._press(
            "/billing/low-balance-settings",
            seen=screen.version,
            refill_on="1" if self._is_likely(0.9) else "",
            refill_mode=choose(("add", "add", "target")),
            threshold=choose(("20.00", "50.00", "60.00")),
            refill_amount=choose(("30.00", "75.50", "100.00")),
            target=choose(("80.00", "150.00")),
            largest_charge=choose(("130.00", "130.00", "300.00", "")),
            day_limit=choose(("", "", "", "900.00")),
            no_day_limit=choose(("", "1")),
            month_limit=choose(("", "", "9000.00")),
            notification_on="1" if self._is_likely(0.8) else "",
            notification_threshold=choose(("25.00", "70.00", "120.00")),
        )

    # Payments

    def _add_funds(self, screen: Screen) -> None:
        if screen.methods:
            kind = self._random.choice(("instant", "instant", "auto_charge"))
            amount = self._random.choice(("30.00", "45.67", "100.00"))
            method = str(self._one_of(screen))
            keys = [self._browser.form_key("/billing/funds/new")]
            self._pay("/billing/funds", keys, kind=kind, amount=amount, method=method)

    def _retry(self, screen: Screen) -> None:
        if screen.failed:
            path = self._random.choice(screen.failed)
            windows = self._random.choice((1, 1, 2))
            keys = [self._browser.form_key(path) for _ in range(windows)]
            self._pay(path.removesuffix("retry") + "retries", keys)

    def _confirm_by_mail(self, screen: Screen) -> None:
        """F7: use the link of an email."""
        if path := self._mails.take_link(self._account.email):
            self._pay(path, [self._browser.form_key(path)])

    def _pay(self, path: str, keys: Sequence[str], **fields: str) -> None:
        """Submit the forms with these keys concurrently, sometimes twice each."""
        offered = [key for key in keys if key]  # empty if nothing is left to pay
        for key in offered:
            self._journal.forms[key] = self._account.id
        clicks = offered * self._random.choice((1, 1, 2))
        if clicks:
            self._journal.count_action(f"pay, pressed {len(clicks)}×")
            answers = self._browser.at_once(
                [
                    lambda window, key=key: window.press(path, request_key=key, **fields)
                    for key in clicks
                ]
            )
            self._go_to_bank(answers[-1])

    def _go_to_bank(
        self, answer: requests.Response, yes: str = "complete", no: str = "fail", **fields: str
    ) -> None:
        """Confirm, fail or leave a challenge; return from the bank once, twice or ten times."""
        if not challenge_url(answer):
            return
        chosen = self._random.choices((yes, no, ""), (8, 1, 1))[0]
        self._journal.count_action(f"a challenge: {chosen or 'left open'}")
        if chosen and (return_path := self._browser.answer_bank(answer, chosen, **fields)):
            times = self._random.choice((1, 2, 10))
            self._journal.count_action(f"back from the bank {times}×")
            self._browser.at_once([lambda window: window.client.get(return_path)] * times)

    # Wire transfers

    def _wire(self, screen: Screen) -> None:
        key = self._browser.form_key(f"{WIRES}/new")
        asked = self._press(WIRES, request_key=key, amount="250.00", currency="USD")
        wire_path = asked.headers.get("Location", "")
        action = self._random.choice(("proofs", "proofs", "cancellation", ""))
        if wire_path and action == "cancellation":
            self._press(f"{wire_path}/{action}")
        elif wire_path and action == "proofs":
            proof = {"proof": ("transfer.pdf", PDF + token_hex(8).encode())}
            self._browser.press(f"{wire_path}/{action}", files=proof)

    # Reading and signing in

    def _read(self, screen: Screen) -> None:
        self._browser.client.get(self._random.choice(PAGES))

    def _sign_in_again(self, screen: Screen) -> None:
        self._press("/sign-out")
        self._browser.sign_in(self._account.email)

    def _press(self, path: str, **fields: str) -> requests.Response:
        """Submit a form. T18: if the action would charge at once, mostly confirm the amount."""
        self._journal.count_action(path.rpartition("/")[2])
        answer = self._browser.press(path, **fields)
        amount = charge_to_confirm(answer)
        if amount and self._is_likely(0.9):
            self._journal.count_action("confirm a charge")
            answer = self._browser.press(path, **fields, confirmed=amount)
        return answer

    def _one_of(self, screen: Screen) -> int:
        return self._random.choice(screen.methods)

    def _is_likely(self, share: float) -> bool:
        return self._random.random() < share


def _joined(ids: Sequence[int]) -> str:
    return ",".join(map(str, ids))
