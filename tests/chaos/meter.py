"""A meter: posts usage with the account's key, each record until it is answered 201 (L12)."""

import time
from concurrent.futures import ThreadPoolExecutor
from random import Random

from tests.chaos.client import Client
from tests.chaos.installation import Account
from tests.chaos.journal import USAGE, Debit, Hold, Journal

Record = dict[str, str]

BURST_RECORDS = 6
BURST_AMOUNT = 80_000_000
"""In micros; more than most refills add."""

HOLD_SHARE = 0.25
"""Share of actions that begin with a hold."""

REFILL_WAIT = 3.0
"""Maximum seconds to wait for a refill."""


class Meter:
    def __init__(self, account: Account, client: Client, journal: Journal, random: Random) -> None:
        self._account, self._client = account, client
        self._journal, self._random = journal, random
        self._number = 0

    def act(self) -> None:
        """Post one or many records, new or old, sometimes twice at once."""
        if self._random.random() < HOLD_SHARE:
            self._hold()
            return
        actions = (self._post, self._post_twice_at_once, self._post_again, self._post_a_burst)
        action = self._random.choices(actions, (20, 3, 3, 2))[0]
        action([self._new() for _ in range(self._random.choice((1, 1, 1, 3, 20)))])

    def _post(self, records: list[Record]) -> None:
        self._journal.count_action("usage")
        self._send(self._client, records)

    def _post_twice_at_once(self, records: list[Record]) -> None:
        self._journal.count_action("usage twice at once")
        with ThreadPoolExecutor(2) as pool:
            both = [pool.submit(self._send, self._client.clone(), records) for _ in range(2)]
        for one in both:
            one.result()

    def _post_again(self, records: list[Record]) -> None:
        self._journal.count_action("usage again")
        mine = self._journal.answered_of(self._account.id)
        old = self._random.sample(mine, min(len(mine), 3))
        again = [{"reference": ref, "amount": _decimal(debit.amount)} for ref, debit in old]
        self._send(self._client, again + records)

    def _post_a_burst(self, records: list[Record]) -> None:
        """T10: post large amounts until the burst limit pauses refills."""
        self._post(records)
        for _ in range(BURST_RECORDS):
            before = self._balance
            self._post([self._new(BURST_AMOUNT)])
            end = time.monotonic() + REFILL_WAIT
            while self._balance < before and time.monotonic() < end:
                time.sleep(0.1)

    def _hold(self) -> None:
        """T12: open a hold for a call, which is used, released or left to expire."""
        self._number += 1
        reference = f"{self._account.name}-call-{self._number}"
        hold = self._journal.holds[reference] = Hold(self._account.id)
        end = self._random.choices(("used", "released", "forgotten"), (6, 2, 1))[0]
        path, seconds = f"/api/v1/holds/{reference}", 60 if end == "forgotten" else 3600
        sent = {"reference": reference, "amount": "12.5", "expires_in": seconds}
        self._journal.count_action("hold")
        # A hold that expired before its creation was answered is refused.
        hold.answered = self._client.post("/api/v1/holds", json=sent).status_code in (200, 201)
        if self._random.random() < 0.3:
            self._client.ask("PATCH", path, json={"amount": "14.25"})
        if hold.answered and self._random.random() < 0.5:
            self._report(reference, path)
        self._journal.count_action(f"hold {end}")
        if end == "used":
            amount = 1000 * self._random.randrange(1, 20_000)
            self._journal.debits[reference] = Debit(self._account.id, amount)
            post = self._random.choice((self._post, self._post, self._post_twice_at_once))
            post([{"reference": reference, "amount": _decimal(amount)}])
        elif end == "released":
            hold.given_up = True
            self._client.ask("DELETE", path)

    def _report(self, reference: str, path: str) -> None:
        """V6: report use, which is debited once, whether or not the next part is granted."""
        amount = 1000 * self._random.randrange(1, 5_000)
        debit = self._journal.debits[f"{reference}#1"] = Debit(self._account.id, amount)
        self._journal.count_action("hold reported")
        # A total is debited once however often it is sent. With an Idempotency-Key instead, a
        # report that was cut off is in progress for two minutes.
        answer = self._client.ask("PATCH", path, json={"used_total": _decimal(amount)})
        debit.answered = answer.status_code in (200, 402)

    @property
    def _balance(self) -> float:
        return float(self._client.get("/api/v1/balance").json()["balance"])

    def _new(self, amount: int = 0) -> Record:
        """Create a record with up to six decimals, mostly of a small amount."""
        self._number += 1
        reference = f"{self._account.name}-{self._number}"
        scale = self._random.choice((1, 100, 1000, 3000))
        amount = amount or scale * self._random.randrange(1, 20_000)
        self._journal.debits[reference] = Debit(self._account.id, amount)
        return {"reference": reference, "amount": _decimal(amount)}

    def _send(self, client: Client, records: list[Record]) -> None:
        known = {r["reference"] for r in records if self._journal.debits[r["reference"]].answered}
        body = records[0] if len(records) == 1 else {"records": records}
        answer = client.post(USAGE, json=body)
        if answer.status_code != 201:
            self._journal.fault(f"usage was answered {answer.status_code}: {answer.text[:300]}")
            return
        for record in answer.json()["records"]:
            if record["status"] == "posted" and record["reference"] in known:
                self._journal.fault(f"usage {record['reference']} was posted a second time")
            self._journal.debits[record["reference"]].answered = True


def _decimal(amount: int) -> str:
    return f"{amount // 1_000_000}.{amount % 1_000_000:06d}"
