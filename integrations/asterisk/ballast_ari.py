#!/usr/bin/env python3
"""Prepaid calls of Asterisk from Ballast accounts: a Stasis application of ARI.

    ballast_ari.py run [FILE]

A caller who enters `Stasis(ballast)` is connected to the dialled number once Ballast has granted a
hold. While the call runs, what it has used is debited, and the next part is asked for. The call is
cut when the granted seconds are over. FILE has the settings, by default
/etc/asterisk/ballast.ini. `ballast.py` is beside.
"""

import base64
import json
import math
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path

import ballast
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

ARI = ballast.SETTINGS["ari"]
SPOOL = Path(ballast.BALLAST["spool"])
PERIOD, LEAD, RETRY = (ARI.getint(name) for name in ("period", "lead", "retry"))
LONGEST_HOLD = PERIOD + ARI.getint("ring") + ballast.BALLAST.getint("grace")

FINAL = ("insufficient_balance", "account_suspended", "account_closed", "too_many_holds",
         "hold_closed", "not_found")  # fmt: skip
"""Refusals after which a call is not extended any more."""

REJECTED, NO_CIRCUIT, NORMAL = 21, 34, 16
"""Causes of a hang-up (Q.850)."""


@dataclass
class Call:
    """A call, which is on file from its hold to its usage, so that no crash loses it."""

    caller: str
    """The id of its channel; so is `callee`."""
    account: str
    reference: str
    rate: str
    increment: int
    granted: int
    """Seconds from the answer."""
    callee: str
    answered_at: float = 0
    due: float = math.inf
    """When it is to be extended or cut."""
    used: int | None = None
    """Seconds to charge, once it has ended."""

    @property
    def file(self):
        return SPOOL / f"{self.reference}.call"

    @property
    def ends(self):
        return self.answered_at + self.granted

    def charged(self, seconds):
        """Return the whole increments that are charged for so many seconds."""
        return -(-seconds // self.increment) * self.increment

    def cost(self, seconds):
        return str(ballast.cost(Decimal(self.rate), self.increment, seconds))

    def save(self):
        SPOOL.mkdir(parents=True, exist_ok=True)
        self.file.with_suffix(".new").write_text(json.dumps(asdict(self)), encoding="utf-8")
        self.file.with_suffix(".new").rename(self.file)


class Application:
    def __init__(self):
        self.calls = {}
        """By the ids of both channels."""

    def run(self):
        address = f"{ARI['url'].replace('http', 'ws', 1)}/ari/events?app={ARI['application']}"
        while True:
            try:
                with connect(address, additional_headers=HEADERS) as events:
                    self.end_earlier_calls()
                    self.follow(events)
            except (OSError, WebSocketException) as error:
                log(f"no connection to Asterisk: {error}")
                time.sleep(1)

    def end_earlier_calls(self):
        """Nobody has watched them, and their ends may be missed: they end now."""
        self.calls.clear()
        for file in SPOOL.glob("*.call"):
            self.end(Call(**json.loads(file.read_text(encoding="utf-8"))), NORMAL)

    def follow(self, events):
        while True:
            due = min((call.due for call in self.calls.values()), default=math.inf)
            left = None if due == math.inf else max(due - time.time(), 0)
            with suppress(TimeoutError):
                self.handle(json.loads(events.recv(timeout=left)))
            for call in {id(it): it for it in self.calls.values()}.values():
                if call.due <= time.time():
                    self.extend_or_cut(call)

    def handle(self, event):
        channel = event.get("channel", {})
        call = self.calls.get(channel.get("id"))
        if event["type"] == "StasisStart" and event["args"] == ["callee"]:
            if call:
                self.connect(call)
            else:
                hang_up(channel["id"], NORMAL)
        elif event["type"] == "StasisStart":
            self.authorise(channel)
        elif call and event["type"] in ("StasisEnd", "ChannelDestroyed"):
            self.end(call, event.get("cause", NORMAL))

    def authorise(self, channel):
        """Ask for a hold, and dial."""
        number = channel["dialplan"]["exten"]
        rate, increment = ballast.rate_of(number)
        if not rate or not re.fullmatch(r"\+?[0-9]+", number):
            hang_up(channel["id"], REJECTED)
            return
        reference = ballast.reference_of(channel["id"])
        call = Call(channel["id"], channel["accountcode"], reference, str(rate), increment, 0,
                    f"{reference}-callee")  # fmt: skip
        status, answer = ballast.request("POST", "/holds", {
            "external_id": call.account,
            "reference": reference,
            "rate_per_minute": call.rate,
            "increment": increment,
            "amount": call.cost(PERIOD),
            "expires_in": LONGEST_HOLD,
        })  # fmt: skip
        if status not in (200, 201):
            log(f"{reference} was not authorised: {status} {answer['code']}")
            hang_up(call.caller, REJECTED if status in (402, 403) else NO_CIRCUIT)
            return
        call.granted = answer["seconds"]
        call.save()
        self.calls[call.caller] = self.calls[call.callee] = call
        ari("POST", f"/channels/{call.caller}/ring")
        if not ari("POST", "/channels", endpoint=ARI["endpoint"].format(number=number),
                   app=ARI["application"], appArgs="callee", channelId=call.callee,
                   originator=call.caller, timeout=ARI["ring"]):  # fmt: skip
            self.end(call, NO_CIRCUIT)

    def connect(self, call):
        """The callee has answered."""
        call.answered_at = time.time()
        self.schedule(call)
        call.save()
        ari("POST", f"/channels/{call.caller}/answer")
        ari("POST", "/bridges", type="mixing", bridgeId=call.reference)
        both = f"{call.caller},{call.callee}"
        ari("POST", f"/bridges/{call.reference}/addChannel", channel=both)

    def schedule(self, call):
        """Extend the call `lead` seconds before its end; cut it if that is over."""
        early = call.ends - LEAD
        call.due = early if early > time.time() else call.ends

    def extend_or_cut(self, call):
        now = time.time()
        if now >= call.ends:
            self.end(call, NORMAL)
            return
        charged = call.charged(math.ceil(now - call.answered_at))
        status, answer = ballast.request("PATCH", f"/holds/{call.reference}", {
            "external_id": call.account,
            "used_total": call.cost(charged),
            "amount": call.cost(PERIOD),
            "expires_in": LONGEST_HOLD,
        })  # fmt: skip
        if status == 200:
            call.granted = charged + answer["seconds"]
            self.schedule(call)
            call.save()
            return
        log(f"{call.reference} was not extended: {status} {answer['code']}")
        if answer["code"] in FINAL:
            call.granted = charged  # nothing is held any more
            call.due = call.ends
            call.save()
        else:
            call.due = min(now + RETRY, call.ends)

    def end(self, call, cause):
        """Hang up and debit the call; events of its second channel find it no more."""
        if call.used is None:
            elapsed = math.ceil(time.time() - call.answered_at) if call.answered_at else 0
            call.used = min(elapsed, call.granted)
            call.save()
        self.calls.pop(call.caller, None)
        self.calls.pop(call.callee, None)
        for channel in (call.caller, call.callee):
            hang_up(channel, cause)
        ari("DELETE", f"/bridges/{call.reference}")
        if not call.used:
            call.file.unlink()
            ballast.release(call.account, call.reference)
            return
        price = call.cost(call.used)
        usage = ballast.store(call.account, call.reference, price, call.used, in_parts=True)
        call.file.unlink()
        ballast.post(usage)


HEADERS = {
    "Authorization": "Basic "
    + base64.b64encode(f"{ARI['user']}:{ARI['password']}".encode()).decode()
}


def ari(method, path, **query):
    """Send a request to Asterisk; return whether it was accepted. Raises OSError without answer."""
    address = f"{ARI['url']}/ari{path}?{urllib.parse.urlencode(query)}"
    try:
        request = urllib.request.Request(address, headers=HEADERS, method=method)
        urllib.request.urlopen(request, timeout=ARI.getfloat("timeout")).close()
    except urllib.error.HTTPError as error:
        if error.code != 404:  # the channel has gone, which an event says
            log(f"{method} {path}: {error.code}")
        return False
    return True


def hang_up(channel, cause):
    ari("DELETE", f"/channels/{channel}", reason_code=cause)


def log(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    Application().run()
