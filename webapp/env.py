"""Readers of environment variables: one method for each type of value, with validation."""

import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from email.utils import parseaddr
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, unquote, urlsplit

MICROS = 1_000_000
"""Micros per unit of the currency; amounts are integers of micros."""

Word = TypeVar("Word", bound=StrEnum)

LINE_LENGTH = 140
"""Maximum length of a line, which banks accept as well."""


class BadSetting(Exception):
    """A variable has an invalid value. `str()` is one line for the operator, without secrets."""


class Environment:
    """Reads and validates variables; every method raises `BadSetting` for an invalid value."""

    def __init__(self, environ: Mapping[str, str], secrets: Collection[str]) -> None:
        """`secrets`: variables whose value may be in the file that `<NAME>_FILE` names."""
        self._environ, self._secrets = environ, secrets

    def text(self, name: str, default: str = "") -> str:
        given = self._environ.get(name, "").strip()
        return (self._from_file(name, given) if name in self._secrets else given) or default

    def _from_file(self, name: str, given: str) -> str:
        """Read a secret from its file, as container platforms provide them."""
        path = self._environ.get(f"{name}_FILE", "").strip()
        if not path:
            return given
        if given:
            raise BadSetting(f"{name}_FILE: {name} is set as well; remove one of them")
        try:
            secret = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise BadSetting(f"{name}_FILE: cannot read '{path}' ({why})") from error
        if not secret:
            raise BadSetting(f"{name}_FILE: '{path}' is empty")
        return secret

    def flag(self, name: str, default: bool) -> bool:
        raw = self.text(name)
        if raw not in ("", "0", "1"):
            raise _refused(name, raw, "use 0 or 1")
        return raw == "1" if raw else default

    def word(self, name: str, default: Word) -> Word:
        return self.word_or_none(name, type(default), default) or default

    def word_or_none(self, name: str, kind: type[Word], default: Word | None) -> Word | None:
        raw = self.text(name, default or "")
        words = {word.value: word for word in kind}
        if not raw or raw in words:
            return words.get(raw)
        raise _refused(name, raw, f"use {' or '.join(words)}")

    def port(self, name: str, default: int) -> int:
        raw = self.text(name, str(default))
        # int() alone would accept '8_000', '+80' and digits of other scripts.
        if re.fullmatch(r"[0-9]{1,5}", raw) and 1 <= int(raw) <= 65_535:
            return int(raw)
        raise _refused(name, raw, "use a whole number from 1 to 65535")

    def count(self, name: str, default: int, *, most: int) -> int:
        raw = self.text(name, str(default))
        if re.fullmatch(r"[0-9]", raw) and int(raw) <= most:
            return int(raw)
        raise _refused(name, raw, f"use a whole number from 0 to {most}")

    def quota(self, name: str, default: int) -> int:
        raw = self.text(name, str(default))
        if re.fullmatch(r"[1-9][0-9]{0,8}", raw):
            return int(raw)
        raise _refused(name, raw, "use a whole number above zero")

    def money(self, name: str, default: int) -> int:
        raw = self.text(name)
        if not raw:
            return default
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,2})?", raw):
            raise _refused(name, raw, "use an amount such as 30.00")
        return int(Decimal(raw) * MICROS)

    def networks(self, name: str) -> tuple[str, ...]:
        found = self.text(name).replace(",", " ").split()
        for text in found:
            try:
                ip_network(text)
            except ValueError:
                raise _refused(name, text, "use networks such as 10.0.0.0/8") from None
        return tuple(found)

    def folder(self, name: str, default: Path) -> Path:
        return Path(self.text(name, str(default))).expanduser().absolute()

    def host(self, name: str, default: str) -> str:
        raw = self.text(name, default)
        if re.fullmatch(r"[A-Za-z0-9._-]*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", raw):
            return raw
        raise _refused(name, raw, "use a host name or an address, without a port")

    def url(self, name: str, default: str) -> str:
        raw = self.text(name, default)
        if re.fullmatch(r"(https?://[A-Za-z0-9._:\[\]-]+(/[^\s?#]*)?)?", raw):
            return raw.rstrip("/")
        raise _refused(name, raw, "use an address such as https://billing.example.com")

    def key(self, name: str, use: str) -> str:
        """Read a processor's key, recognised by its prefix. Errors never repeat the value."""
        raw = self.text(name)
        starts = tuple(word.removesuffix("…") for word in use.split(" or "))
        if not raw or (raw.startswith(starts) and re.fullmatch(r"[A-Za-z0-9_]+", raw)):
            return raw
        raise BadSetting(f"{name}: not a valid key; use {use}")

    def mailbox(self, name: str, default: str) -> str:
        raw = self.text(name, default)
        if is_mailbox(raw):
            return raw
        raise _refused(name, raw, "use an address such as Ballast <billing@example.com>")

    def line(self, name: str) -> str:
        raw = self.text(name)
        if raw.isprintable() and len(raw) <= LINE_LENGTH:
            return raw
        raise _refused(name, raw, f"use one line of at most {LINE_LENGTH} characters")

    def address(self, name: str) -> str:
        raw = self.text(name)
        if not raw or (is_mailbox(raw) and parseaddr(raw)[1] == raw):
            return raw
        raise _refused(name, raw, "use an address such as billing@example.com")

    def percent(self, name: str) -> int:
        """Read a percentage, in thousandths of a percent."""
        raw = self.text(name)
        if not re.fullmatch(r"([0-9]{1,2}(\.[0-9]{1,3})?)?", raw):
            raise _refused(name, raw, "use a percentage such as 23 or 7.7, below 100")
        return int(Decimal(raw or "0") * 1000)

    def iban(self, name: str) -> str:
        """Read an IBAN, checked against typing errors; returns it in groups of four."""
        raw = self.text(name)
        iban = raw.replace(" ", "").upper()
        if not iban or _is_iban(iban):
            return " ".join(iban[at : at + 4] for at in range(0, len(iban), 4))
        raise _refused(name, raw, "use an IBAN with valid check digits")

    def bic(self, name: str) -> str:
        raw = self.text(name)
        if re.fullmatch(r"([A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?)?", raw):
            return raw
        raise _refused(name, raw, "use a BIC such as AIBKIE2D or AIBKIE2DXXX")

    def account_number(self, name: str) -> str:
        raw = self.text(name)
        if re.fullmatch(r"([0-9A-Za-z -]{4,34})?", raw):
            return raw
        raise _refused(name, raw, "use an account number of 4 to 34 digits and letters")

    def routing(self, name: str) -> str:
        raw = self.text(name)
        if not raw or _is_routing_number(raw):
            return raw
        raise _refused(name, raw, "use a routing number of nine digits with a valid check digit")

    def database(self, name: str, default: str) -> str:
        return database_url(name, self.text(name, default))


def database_url(name: str, raw: str) -> str:
    """Convert a database URL to SQLAlchemy's form.

    Raises:
        BadSetting: for an invalid or unsupported URL, with the variable's name.
    """
    # Hosting providers use these prefixes, for which SQLAlchemy would choose another driver.
    for prefix in ("postgres://", "postgresql://"):
        if raw.startswith(prefix):
            raw = "postgresql+psycopg://" + raw.removeprefix(prefix)
    raw = _with_hosts_apart(raw)
    if raw.startswith("sqlite:///"):
        return raw
    if raw.startswith("postgresql+psycopg://"):
        try:
            urlsplit(raw).port  # noqa: B018  # raises if the port is not a number
        except ValueError:
            raise BadSetting(
                f"{name}: not a URL; use postgresql+psycopg://user:password@host:5432/name, "
                "with special characters of the password percent-encoded (%40 for @)"
            ) from None
        if raw.count("host=") > 1 and "target_session_attrs=" not in raw:
            raise BadSetting(
                f"{name}: names several servers; add target_session_attrs=read-write, "
                "so that the primary is used"
            )
        return raw
    # The value may contain a password, so the message repeats only the scheme.
    scheme, found, _ = raw.partition("://")
    got = scheme + found if found and scheme.isprintable() else "something else"
    raise BadSetting(f"{name}: got {got}; use sqlite:///… or postgresql+psycopg://…")


SEVERAL_HOSTS = r"(postgresql\+psycopg://(?:[^/]*@)?)([^@/?]*,[^@/?]*)([^?]*)\??(.*)"
"""A PostgreSQL URL with several hosts: the part before the hosts, hosts, path, parameters."""


def _with_hosts_apart(url: str) -> str:
    """Convert `host:port,host:port` (libpq) to one `host` parameter each (SQLAlchemy)."""
    several = re.fullmatch(SEVERAL_HOSTS, url)
    if not several:
        return url
    start, hosts, path, parameters = several.groups()
    apart = [f"host={host}" for host in hosts.split(",")]
    return f"{start}{path}?{'&'.join([*apart, *filter(None, [parameters])])}"


def sqlite_url(file: Path) -> str:
    """Return the database URL of an SQLite file, whose path may contain any character."""
    return f"sqlite:///{quote(str(file))}"


def sqlite_file(url: str) -> Path | None:
    """Return the file of a database URL; None for PostgreSQL."""
    path, _, _ = url.removeprefix("sqlite:///").partition("?")
    return None if path == url else Path(unquote(path)).absolute()


def is_mailbox(raw: str) -> bool:
    local, at, domain = parseaddr(raw)[1].rpartition("@")
    return bool(local and at and domain and raw.isprintable())


def _refused(name: str, raw: str, use: str) -> BadSetting:
    return BadSetting(f"{name}: got {raw!r}; {use}")


def _is_iban(text: str) -> bool:
    """Check an IBAN (ISO 13616): with letters as 10 to 35, the number modulo 97 is 1."""
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", text):
        return False
    turned = text[4:] + text[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1


def _is_routing_number(text: str) -> bool:
    """Check an ABA routing number: its digits with weights 3, 7, 1 sum to a multiple of 10."""
    if not re.fullmatch(r"[0-9]{9}", text):
        return False
    weighted = (int(digit) * weight for digit, weight in zip(text, (3, 7, 1) * 3, strict=True))
    return sum(weighted) % 10 == 0


def decimal(micros: int) -> str:
    return f"{Decimal(micros) / MICROS:.2f}"
