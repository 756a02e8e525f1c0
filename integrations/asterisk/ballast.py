#!/usr/bin/env python3
"""Prepaid calls of Asterisk from Ballast accounts: an AGI script.

    AGI(ballast.py,authorise)   sets BALLAST_SECONDS, or BALLAST_REFUSAL to the reason
    AGI(ballast.py,end)         posts the price of the call, in a hangup handler
    ballast.py flush            posts what Ballast could not take then; run it each minute

A further argument is the file of the settings, by default /etc/asterisk/ballast.ini.
"""

import configparser
import json
import socket
import sys
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress
from decimal import ROUND_UP, Decimal
from pathlib import Path

MICRO = Decimal("0.000001")

REFUSALS = ("conflict", "invalid", "too_large")
"""Codes of usage that Ballast will never take. After any other answer it is posted again."""

SETTINGS = configparser.ConfigParser()
SETTINGS.read(sys.argv[2] if len(sys.argv) > 2 else "/etc/asterisk/ballast.ini")
BALLAST = SETTINGS["ballast"]


class Call:
    """A channel of Asterisk, which is at the other end of stdin and stdout."""

    def __init__(self):
        self.facts = {}
        while line := sys.stdin.readline().strip():
            name, _, value = line.partition(": ")
            self.facts[name] = value
        self.account = self.facts["agi_accountcode"]
        self.reference = reference_of(self.facts["agi_uniqueid"])

    def get(self, variable):
        answer = self._command(f"GET FULL VARIABLE ${{{variable}}}")  # 200 result=1 (VALUE)
        return answer.partition("(")[2].rpartition(")")[0]

    def set(self, variable, value):
        self._command(f'SET VARIABLE {variable} "{value}"')

    @staticmethod
    def _command(text):
        print(text, flush=True)
        return sys.stdin.readline()


def authorise(call):
    rate, increment = rate_of(call.facts["agi_extension"])
    if not rate:
        call.set("BALLAST_REFUSAL", "no_rate")
        return
    # A new rate applies to new calls only.
    call.set("BALLAST_RATE", f"{rate} {increment}")
    longest = BALLAST.getint("longest_call")
    status, answer = request(
        "POST",
        "/holds",
        {
            "external_id": call.account,
            "reference": call.reference,
            "rate_per_minute": str(rate),
            "increment": increment,
            "amount": str(cost(rate, increment, longest)),
            "expires_in": longest + BALLAST.getint("grace"),
        },
    )
    if status in (200, 201):
        call.set("BALLAST_SECONDS", answer["seconds"])
    else:
        call.set("BALLAST_REFUSAL", answer["code"])


def end(call):
    if not (price := call.get("BALLAST_RATE").split()):
        return
    seconds = int(call.get("ANSWEREDTIME") or 0)
    if seconds:
        amount = cost(Decimal(price[0]), int(price[1]), seconds)
        post(store(call.account, call.reference, amount, seconds))
    else:
        release(call.account, call.reference)


def reference_of(unique_id):
    """Return the reference of a call: Asterisk's unique ids are unique on one host."""
    return f"asterisk-{socket.gethostname()}-{unique_id}"


def store(account, reference, amount, seconds, in_parts=False):
    """Write a call's usage to a file, so that it outlasts a process that ends too early.

    `amount` is the price of the whole call. `in_parts`: a part of it may have been reported.
    """
    usage = {
        "external_id": account,
        "reference": reference,
        "amount": str(amount),
        "description": f"{seconds} s",
        "in_parts": in_parts,
    }
    spool = Path(BALLAST["spool"])
    spool.mkdir(parents=True, exist_ok=True)
    unfinished = spool / f"{reference}.new"
    unfinished.write_text(json.dumps(usage), encoding="utf-8")
    return unfinished.rename(unfinished.with_suffix(".json"))


def release(account, reference):
    of = urllib.parse.urlencode({"external_id": account})
    status, answer = request("DELETE", f"/holds/{urllib.parse.quote(reference)}?{of}")
    if status not in (200, 404):
        expires = "its hold expires later"
        print(f"{reference}: {expires}: {status} {answer['code']}", file=sys.stderr)


def flush():
    for file in sorted(Path(BALLAST["spool"]).glob("*.json")):
        post(file)


def post(file):
    """Post the usage in this file; keep the file if Ballast does not answer for the usage."""
    try:
        usage = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return  # `flush` has posted it meanwhile
    in_parts, total = usage.pop("in_parts"), Decimal(usage["amount"])
    if in_parts or total > Decimal(BALLAST["usage_max"]):
        status, answer = report(usage["external_id"], usage["reference"], total)
        if "used" not in answer:
            print(f"{file.stem} is reported later: {status} {answer['code']}", file=sys.stderr)
            return
        usage["amount"] = str(max(total - Decimal(answer["used"]), 0))
    status, answer = request("POST", "/usage", usage)
    is_nothing = not Decimal(usage["amount"])  # of which a refusal says that there is no open hold
    if status == 201 or (is_nothing and answer["code"] in REFUSALS):
        file.unlink(missing_ok=True)
    elif answer["code"] in REFUSALS:
        with suppress(FileNotFoundError):
            file.rename(file.with_suffix(".refused"))
        print(f"{file.stem} was refused: {answer}", file=sys.stderr)
    else:
        print(f"{file.stem} is posted later: {status} {answer['code']}", file=sys.stderr)


def report(account, reference, total):
    """Report the price of a call, in parts of at most `usage_max`; return the last answer.

    Its `used`, also in a refusal, is what reports have debited; it is absent if Ballast does not
    answer for the call. Reports of the same total debit nothing twice.
    """
    most, used = Decimal(BALLAST["usage_max"]), Decimal(0)
    while True:
        status, answer = request(
            "PATCH",
            f"/holds/{urllib.parse.quote(reference)}",
            {"external_id": account, "used_total": str(min(total, used + most))},
        )
        if (status, answer["code"]) == (404, "not_found"):
            answer["used"] = "0.00"  # no hold, hence no report
        if "used" not in answer:
            return status, answer
        before, used = used, Decimal(answer["used"])
        if used >= total or used == before:
            return status, answer


def rate_of(number):
    """Return the price per minute and the increment in seconds; zeros if there is none."""
    number = number.lstrip("+")
    fitting = [prefix for prefix in SETTINGS["rates"] if number.startswith(prefix)]
    if not fitting:
        return Decimal(0), 0
    rate, increment = SETTINGS["rates"][max(fitting, key=len)].split()
    return Decimal(rate), int(increment)


def cost(rate, increment, seconds):
    """Return the price in whole increments, rounded up to six decimals."""
    charged = -(-seconds // increment) * increment
    return (rate * charged / 60).quantize(MICRO, ROUND_UP)


def request(method, path, body=None):
    """Return the status and the JSON of the answer; status 0 if there is none."""
    headers = {"Authorization": f"Bearer {BALLAST['key']}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body else None
    address = f"{BALLAST['url']}/api/v1{path}"
    asked = urllib.request.Request(address, data, headers, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=BALLAST.getfloat("timeout")) as response:
            return response.status, parsed(response)
    except urllib.error.HTTPError as error:
        return error.code, parsed(error)
    except OSError:
        return 0, {"code": "unreachable"}


def parsed(response):
    try:
        return {"code": "", **json.load(response)}
    except (OSError, ValueError):
        return {"code": "no_json"}


if __name__ == "__main__":
    task = sys.argv[1]
    if task == "flush":
        flush()
    else:
        {"authorise": authorise, "end": end}[task](Call())
