#!/usr/bin/env python3
"""Posts the requests that the gateway logged as usage to Ballast. Run it each minute.

    BALLAST_KEY=bk_... post_usage.py --price 0.001 /var/spool/ballast

The folder has one file per minute, with the external id of the account of each request. A minute
that is over is posted as one record per account, under the reference of its hold, and its file is
moved to `posted`; or to `refused`, if Ballast refused a record. Posting again has no effect.
"""

import argparse
import json
import os
import socket
import sys
import urllib.request
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

LARGEST_BATCH = 1000
# nginx writes a line at the end of a request. The hold, of ten minutes, is still open.
DELAY = timedelta(minutes=2)


def main() -> int:
    parser = argparse.ArgumentParser(description="Posts what the gateway logged as usage.")
    parser.add_argument("folder", type=Path, help="the folder in which nginx writes")
    parser.add_argument("--price", type=Decimal, required=True, help="of one request")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="address of Ballast")
    parser.add_argument("--gateway", default=socket.gethostname(), help="nginx's $hostname")
    options = parser.parse_args()
    is_refused = False
    for file in sorted(options.folder.glob("*.log")):
        minute = file.stem
        if datetime.fromisoformat(minute) + DELAY > datetime.now(UTC):
            continue
        try:
            refused = post_minute(file, minute, options)
        except OSError as error:
            print(f"{minute} is posted later: {error}", file=sys.stderr)
            return 1
        for record in refused:
            print(f"{minute}: refused {json.dumps(record)}", file=sys.stderr)
        to = options.folder / ("refused" if refused else "posted")
        to.mkdir(exist_ok=True)
        file.rename(to / file.name)
        is_refused = is_refused or bool(refused)
    return int(is_refused)


def post_minute(file: Path, minute: str, options: argparse.Namespace) -> list:
    """Return the records that Ballast refused. Raises OSError if Ballast does not answer."""
    requests = Counter(file.read_text(encoding="utf-8").split())
    records = [
        {
            "external_id": account,
            "reference": f"gateway-{options.gateway}-{account}-{minute}",
            "amount": str(options.price * count),
            "description": f"{count} API requests",
        }
        for account, count in sorted(requests.items())
    ]
    answers = []
    for start in range(0, len(records), LARGEST_BATCH):
        answers += post(options.url, records[start : start + LARGEST_BATCH])
    return [answer for answer in answers if answer["status"] not in ("posted", "duplicate")]


def post(url: str, records: list) -> list:
    request = urllib.request.Request(
        f"{url}/api/v1/usage",
        json.dumps({"records": records}).encode(),
        {
            "Authorization": f"Bearer {os.environ['BALLAST_KEY']}",
            "Content-Type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)["records"]
    except urllib.error.HTTPError as error:
        # 409 and 422: none of the records was posted, and each has its reason. An answer without
        # records is about something else: the minute is posted again.
        answer = error.read()
        if error.code not in (409, 422) or b'"records"' not in answer:
            raise
        return json.loads(answer)["records"]


if __name__ == "__main__":
    sys.exit(main())
