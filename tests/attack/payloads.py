"""Malicious and malformed input."""

import random

SCRIPT = '"><script>xss(1)</script>'
IMAGE = "'><img src=x onerror=xss(2)>"
MARKUP = (SCRIPT, IMAGE, "{{7*7}}", "${7*7}", "javascript:xss(3)", "</title><svg onload=xss(4)>")

TEXTS = (
    "", " ", "\x00", "a\x00b", "\r\nBcc: x@evil.example", "\n\n", "\u202e", "😀",
    "é" * 300, "x" * 5_000, "%00", "%s%n", "../../etc/passwd", "..\\..\\", "' OR 1=1 --",
    "'; DROP TABLE user;--", "null", "None", "true", "NaN", "Infinity", "-0", "0", "-1", "1e309",
    "1e-400", "0x10", "1_000", "१२३", "9" * 40, "2147483648", "9223372036854775808",
    "-9223372036854775809", "0.0000001", "1,2,3", ",", "1,,2", "1;2", "[]", "{}", "<>", "=1+1",
    "@SUM(1)", "//evil.example", "https://evil.example", "\\\\evil", "a@b", "a@b.c\nCc: d@e",
    "2026-13-45", "0001-01-01", "9999-12-31T23:59:59Z", "1970-01-01T00:00:00+99:99", "k" * 32,
    "k" * 64, "K!" * 16, *MARKUP,
)  # fmt: skip

NAMES = (
    "id", "account_id", "user_id", "balance", "amount", "currency", "state", "role", "roles",
    "paid", "is_operator", "paypal_allowed", "paused_by", "session_version", "totp_secret",
    "next", "before", "seen", "order", "_method", "csrf_token", "records", "__proto__", "reference",
)  # fmt: skip

JSON = (
    b"", b"null", b"[]", b"{}", b"1", b'"x"', b"[[[[", b"{" * 2_000, b"[" * 3_000, b'{"a":1e999}',
    b'{"amount":NaN}', b'{"amount":1}', b'{"amount":"1","amount":"2"}', b"\xff\xfe",
    b"\xef\xbb\xbf{}", b'{"records":[]}', b'{"records":{}}', b'{"records":[null,1,"x",[],{}]}',
    b'{"\\u0000":"\\u0000"}', b'{"amount":"12.34","reference":"\\ud800"}',
    b'{"amount":"-1","reference":"r"}', b'{"amount":"1","reference":"' + b"r" * 5_000 + b'"}',
    b'{"amount":"1","reference":["r"]}',
    b'{"amount":"1","reference":"r","occurred_at":"9999-12-31T23:59:59+14:00"}',
    b'{"amount":"1","reference":"r","description":{"a":"b"}}', b'{"expires_in":1e308}',
)  # fmt: skip


class Dice:
    """Seeded random choices."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def text(self) -> str:
        text = self._random.choice(TEXTS)
        return text + self._random.choice(TEXTS) if self._random.random() < 0.2 else text

    def form(self, good: dict[str, str]) -> dict[str, str]:
        """A valid form with some wrong values."""
        form = {name: self.text() if self._random.random() < 0.5 else good[name] for name in good}
        for _ in range(self._random.randrange(3)):
            form[self._random.choice(NAMES)] = self.text()
        if form and self._random.random() < 0.2:
            del form[self._random.choice(sorted(form))]
        return form

    def json(self) -> bytes:
        body = bytearray(self._random.choice(JSON))
        if body and self._random.random() < 0.3:
            body[self._random.randrange(len(body))] = self._random.randrange(256)
        return bytes(body)

    def headers(self) -> dict[str, str]:
        """Some requests come from HTMX, some with a malformed current URL."""
        found = {}
        if self._random.random() < 0.4:
            found["HX-Request"] = "true"
        if self._random.random() < 0.2:
            found["HX-Current-URL"] = self._random.choice(("/billing/payments", "::", "//x"))
        if self._random.random() < 0.1:
            found["Accept"] = self._random.choice(("application/json", "*/*;q=x", ""))
        return found

    def one_of(self, things):
        return self._random.choice(things)
