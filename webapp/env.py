"""The kinds of values that environment variables have, each with the sentence of its refusal."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from email.utils import parseaddr
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, unquote, urlsplit

from pydantic import BeforeValidator, ValidationInfo

from webapp import currencies
from webapp.currencies import MICROS

LINE_LENGTH = 140
"""Maximum length of a line, which banks accept as well."""


class BadSetting(Exception):
    """Variables have invalid values. `str()` is one line for each, without secrets."""


def matching(
    pattern: str,
    use: str,
    convert: Callable[[str], Any] = str,
    check: Callable[[Any], bool] = lambda value: True,
) -> BeforeValidator:
    """Accept texts that match `pattern`, if `check` accepts what `convert` makes of them."""

    def read(raw: str) -> Any:
        if re.fullmatch(pattern, raw) and check(value := convert(raw)):
            return value
        raise ValueError(f"got {raw!r}; use {use}")

    return BeforeValidator(read)


def key(use: str) -> BeforeValidator:
    """Accept a processor's key, recognized by its prefix. The refusal does not repeat the value."""
    starts = tuple(word.removesuffix("…") for word in use.split(" or "))

    def read(raw: str) -> str:
        if raw.startswith(starts) and re.fullmatch(r"[A-Za-z0-9_]+", raw):
            return raw
        raise ValueError(f"not a valid key; use {use}")

    return BeforeValidator(read)


def word(kind: type[StrEnum]) -> BeforeValidator:
    """Accept the values of an enumeration."""
    words = " or ".join(kind)
    return matching("|".join(map(re.escape, kind)), words, kind)


def _grouped_iban(raw: str) -> str:
    iban = raw.replace(" ", "").upper()
    return " ".join(iban[at : at + 4] for at in range(0, len(iban), 4))


def _is_iban(text: str) -> bool:
    """Check an IBAN (ISO 13616): with letters as 10 to 35, the number modulo 97 is 1."""
    iban = text.replace(" ", "")
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", iban):
        return False
    turned = iban[4:] + iban[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1


def _is_routing_number(text: str) -> bool:
    """Check an ABA routing number: its digits with weights 3, 7, 1 sum to a multiple of 10."""
    weighted = (int(digit) * weight for digit, weight in zip(text, (3, 7, 1) * 3, strict=True))
    return sum(weighted) % 10 == 0


def is_mailbox(raw: str) -> bool:
    local, at, domain = parseaddr(raw)[1].rpartition("@")
    return bool(local and at and domain and raw.isprintable())


def _currency(raw: str) -> str:
    if fault := currencies.fault(raw):
        raise ValueError(f"got {raw!r}; {fault}")
    return raw


@dataclass(frozen=True)
class GivenAmounts:
    """What the operator has set, in micros by currency."""

    amounts: Mapping[str, int]
    is_list: bool
    """Whether other currencies are left out, instead of having the default."""


NO_AMOUNTS = GivenAmounts({}, is_list=False)


def _amounts(raw: str, settings: ValidationInfo) -> GivenAmounts:
    """Read one amount of CURRENCY, or a list of amounts with their currencies."""
    is_list = "=" in raw
    if is_list:
        pairs = [part.strip().partition("=")[::2] for part in raw.split(",")]
    else:
        pairs = [(settings.data.get("currency", ""), raw)]
    amounts: dict[str, int] = {}
    for currency, amount in pairs:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,2})?", amount):
            raise ValueError(
                f"got {raw!r}; use an amount such as 30.00, or a list such as USD=30.00,EUR=30.00"
            )
        micros = int(Decimal(amount) * MICROS)
        if currency and (fault := currencies.fault(currency)):
            raise ValueError(f"got {raw!r}; {fault}")
        if currency in amounts:
            raise ValueError(f"got {raw!r}; use {currency} only once")
        if micros == 0:
            raise ValueError(f"got {amount!r}; use an amount above zero")
        if micros % currencies.minor_unit(currency):
            raise ValueError(f"got {raw!r}; {currency} has no decimals")
        amounts[currency] = micros
    return GivenAmounts(amounts, is_list)


def _networks(raw: str) -> tuple[str, ...]:
    found = raw.replace(",", " ").split()
    for network in found:
        try:
            ip_network(network)
        except ValueError:
            raise ValueError(f"got {network!r}; use networks such as 10.0.0.0/8") from None
    return tuple(found)


ANY = r"(?s:.*)"

Flag = Annotated[bool, matching("[01]", "0 or 1", lambda raw: raw == "1")]
# int() alone would accept '8_000', '+80' and digits of other scripts.
Port = Annotated[
    int,
    matching("[0-9]{1,5}", "a whole number from 1 to 65535", int, range(1, 65_536).__contains__),
]
Digit = Annotated[int, matching("[0-9]", "a whole number from 0 to 9", int)]
Quota = Annotated[int, matching("[1-9][0-9]{0,8}", "a whole number above zero", int)]
Folder = Annotated[Path, BeforeValidator(lambda raw: Path(raw).expanduser().absolute())]
Host = Annotated[
    str,
    matching(
        r"[A-Za-z0-9._-]*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*",
        "a host name or an address, without a port",
    ),
]
Url = Annotated[
    str,
    matching(
        r"https?://[A-Za-z0-9._:\[\]-]+(/[^\s?#]*)?",
        "an address such as https://billing.example.com",
        lambda raw: raw.rstrip("/"),
    ),
]
Mailbox = Annotated[
    str, matching(ANY, "an address such as Ballast <billing@example.com>", check=is_mailbox)
]
Address = Annotated[
    str,
    matching(
        ANY,
        "an address such as billing@example.com",
        check=lambda raw: is_mailbox(raw) and parseaddr(raw)[1] == raw,
    ),
]
Line = Annotated[
    str,
    matching(
        f"(?s:.{{1,{LINE_LENGTH}}})",
        f"one line of at most {LINE_LENGTH} characters",
        check=str.isprintable,
    ),
]
Currency = Annotated[str, BeforeValidator(_currency)]
"""A supported currency (L1)."""

Amounts = Annotated[GivenAmounts, BeforeValidator(_amounts)]
"""One amount of CURRENCY, or a list such as USD=30.00,JPY=3000."""

Percent = Annotated[
    int,
    matching(
        r"[0-9]{1,2}(\.[0-9]{1,3})?",
        "a percentage such as 23 or 7.7, below 100",
        lambda raw: int(Decimal(raw) * 1000),
    ),
]
"""A percentage, in thousandths of a percent."""

Iban = Annotated[str, matching(ANY, "an IBAN with valid check digits", _grouped_iban, _is_iban)]
"""An IBAN, checked against typing errors, in groups of four."""

Bic = Annotated[
    str, matching("[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?", "a BIC such as AIBKIE2D or AIBKIE2DXXX")
]
AccountNumber = Annotated[
    str, matching("[0-9A-Za-z -]{4,34}", "an account number of 4 to 34 digits and letters")
]
RoutingNumber = Annotated[
    str,
    matching(
        "[0-9]{9}",
        "a routing number of nine digits with a valid check digit",
        check=_is_routing_number,
    ),
]
Networks = Annotated[tuple[str, ...], BeforeValidator(_networks)]


def database_url(raw: str) -> str:
    """Convert a database URL to SQLAlchemy's form. Raises `ValueError` if it cannot be used."""
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
            raise ValueError(
                "not a URL; use postgresql+psycopg://user:password@host:5432/name, "
                "with special characters of the password percent-encoded (%40 for @)"
            ) from None
        if raw.count("host=") > 1 and "target_session_attrs=" not in raw:
            raise ValueError(
                "names several servers; add target_session_attrs=read-write, "
                "so that the primary is used"
            )
        return raw
    # The value may contain a password, so the message repeats only the scheme.
    scheme, found, _ = raw.partition("://")
    got = scheme + found if found and scheme.isprintable() else "something else"
    raise ValueError(f"got {got}; use sqlite:///… or postgresql+psycopg://…")


Database = Annotated[str, BeforeValidator(database_url)]

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


def decimal(micros: int) -> str:
    return f"{Decimal(micros) / MICROS:.2f}"
