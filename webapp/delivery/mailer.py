"""Renders the mails of `templates/email/` and hands them to the mail server."""

import logging
import re
import smtplib
import ssl
from binascii import b2a_qp
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from email.header import Header
from email.utils import format_datetime, formataddr, parseaddr
from functools import cache
from pathlib import Path
from secrets import token_hex

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from webapp.clock import Clock
from webapp.domain.shared import i18n, signed_links
from webapp.domain.shared.email_address import is_address
from webapp.ports import Letter, MailRefused, MailServerUnavailable, Outgoing

log = logging.getLogger(__name__)

TIMEOUT = 10.0
"""Seconds for each answer of the mail server."""

BREAKS = re.compile(r"[\r\n]")

BREAKABLE = re.compile("[^\\S\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]+")
"""White space at which a line may end."""

ABOUT_THIS_MAIL = (
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPSenderRefused,
    smtplib.SMTPDataError,
)

CLOSING = 421
"""A mail server's answer when it ends the connection."""

Compose = Callable[[Letter, list[str], str, str], bytes]

Sign = Callable[[str, object], str]
"""Purpose and subject of a link → its token; see `domain/shared/signed_links.py`."""


class OutboxMailer:
    """For an installation without a mail server: renders, and sends nothing."""

    delivers = False

    def __init__(self, templates: Path, public_url: str, sign: Sign) -> None:
        """`templates` is the folder that holds `email/`; links in mails start with `public_url`.

        `sign` makes the tokens of links that only we can have written.
        """
        self._templates, self._public_url, self._sign = templates, public_url.rstrip("/"), sign
        self._env = cache(self._new_env)

    def _new_env(self, language: str) -> Environment:
        """Each language has its own, so that no mail can speak another's."""
        env = Environment(
            loader=FileSystemLoader(self._templates / "email"),
            autoescape=select_autoescape(enabled_extensions=("html",)),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        tongue = i18n.translator(language)
        env.install_gettext_translations(tongue.translations, newstyle=True)  # type: ignore[attr-defined]
        env.policies["ext.i18n.trimmed"] = True
        env.globals["language"], env.globals["stop_link"] = language, ""
        env.globals["public_url"] = self._public_url
        env.globals["signed"] = self._sign
        return env

    def render(self, kind: str, facts: Mapping[str, object], language: str) -> Letter:
        """The mail that says these facts.

        Raises:
            jinja2.TemplateNotFound: there is no such kind.
            jinja2.UndefinedError: its templates name a fact that is not given.
            ValueError: we do not speak that language.
        """
        subject, text, html = (
            _unbroken(self._env(language).get_template(f"{kind}/{part}").render(facts))
            for part in ("subject.txt", "body.txt", "body.html")
        )
        return Letter(_one_line(subject), text, html, language)

    def stop_link(self, notice_id: int) -> str:
        return f"{self._public_url}/unsubscribe/{self._sign(signed_links.STOP, notice_id)}"

    def connected(self) -> AbstractContextManager[Outgoing]:
        raise RuntimeError("no mail server is set: this mail is kept in the outbox")


class SmtpMailer(OutboxMailer):
    """Hands emails to one server."""

    delivers = True

    def __init__(
        self,
        templates: Path,
        public_url: str,
        sign: Sign,
        *,
        server: str,
        port: int,
        sender: str,
        username: str = "",
        password: str = "",
        use_tls: bool = False,
        timeout: float = TIMEOUT,
    ) -> None:
        """`sender` is an address, named Ballast unless it brings its own name.

        `use_tls` means STARTTLS with a certificate that is valid for `server`.
        """
        super().__init__(templates, public_url, sign)
        self._server, self._port, self._timeout = server, port, timeout
        self._username, self._password, self._use_tls = username, password, use_tls
        name, self._sender = parseaddr(sender)
        self._from = formataddr((name or "Ballast", self._sender))

    def connected(self) -> AbstractContextManager[Outgoing]:
        return SmtpConnection(self._open, self._sender, self._compose)

    def _open(self) -> smtplib.SMTP:
        smtp = Smtp(self._server, self._port, timeout=self._timeout)
        try:
            if self._use_tls:
                smtp.starttls(context=ssl.create_default_context())
            if self._username:
                smtp.login(self._username, self._password)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _compose(
        self, letter: Letter, addresses: list[str], message_id: str, stop_link: str
    ) -> bytes:
        headers = {
            "Message-ID": f"<{message_id}>",
            "Date": format_datetime(Clock().wall()),
            "From": self._from,
            "To": ", ".join(addresses),
            "Auto-Submitted": "auto-generated",  # no out-of-office answers
            "Content-Language": letter.language,
        }
        if stop_link:
            headers["List-Unsubscribe"] = f"<{stop_link}>"
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        if any(BREAKS.search(value) for value in headers.values()):
            raise ValueError("a header of an email has a line break")
        subject = Header(_one_line(letter.subject), "utf-8", header_name="Subject")
        headers["Subject"] = subject.encode(linesep="\r\n")
        boundary = f"=_{token_hex(16)}"
        headers["MIME-Version"] = "1.0"
        headers["Content-Type"] = f'multipart/alternative; boundary="{boundary}"'
        parts = (_part("plain", letter.text), _part("html", letter.html))
        body = "".join(f"--{boundary}\r\n{part}" for part in parts)
        return f"{_written(headers)}{body}--{boundary}--\r\n".encode()


class Smtp(smtplib.SMTP):
    def mail(self, sender: str, options: Sequence[str] = ()) -> tuple[int, bytes]:
        """A closed connection counts as a refusal: nothing of the email is handed over yet."""
        try:
            return super().mail(sender, options)
        except smtplib.SMTPServerDisconnected as error:
            return CLOSING, str(error).encode()


class SmtpConnection(AbstractContextManager["SmtpConnection"]):
    """One connection to the mail server, opened when the first email is sent, closed at the end.

    A mail server may close a connection between two emails, or take only so many in one. The
    email is then sent in a new connection, as long as nothing of it has been handed over.
    """

    def __init__(self, connect: Callable[[], smtplib.SMTP], sender: str, compose: Compose) -> None:
        self._connect, self._sender, self._compose = connect, sender, compose
        self._smtp: smtplib.SMTP | None = None

    def __exit__(self, *_: object) -> None:
        if self._smtp is not None:
            with suppress(OSError, smtplib.SMTPException):
                self._smtp.quit()
            self._drop()

    def send(
        self, letter: Letter, recipients: Sequence[str], message_id: str, *, stop_link: str = ""
    ) -> None:
        """Hand over to the mail server; `message_id` is stable over repeats.

        `stop_link` goes where mail programs show their own button for it (RFC 8058).

        Raises:
            MailRefused: for an address that is none, and for what the server does not accept.
            MailServerUnavailable: for any other failure. The server may have accepted the email.
        """
        addresses = [_checked(recipient) for recipient in recipients]
        if not addresses:
            raise MailRefused("The mail has no recipient")
        mail = self._compose(letter, addresses, message_id, stop_link)
        try:
            refused = self._hand_over(mail, addresses)
        except ABOUT_THIS_MAIL as error:
            code, answer = _answer(error)
            if code == CLOSING:
                self._drop()
                raise MailServerUnavailable(f"The mail server cannot be used: {answer}") from error
            raise MailRefused(answer) from error
        # A name or a password with letters that SMTP cannot carry is a UnicodeError.
        except (OSError, smtplib.SMTPException, UnicodeError) as error:
            self._drop()  # what the server has understood so far is not known
            why = str(error) or type(error).__name__
            raise MailServerUnavailable(f"The mail server cannot be used: {why}") from error
        for code, _ in refused.values():
            # Not to be tried again: the others have the mail. What the server says names people.
            log.warning("Mail %s: one recipient refused: %d", message_id, code)

    def _hand_over(self, mail: bytes, addresses: list[str]) -> dict[str, tuple[int, bytes]]:
        """Returns who was refused, where at least one recipient was accepted."""
        used_before = self._smtp is not None
        try:
            return self._ready().sendmail(self._sender, addresses, mail)
        except smtplib.SMTPSenderRefused:
            if not used_before:
                raise
            # It has closed the connection, or takes no more emails in it.
            self._drop()
            return self._ready().sendmail(self._sender, addresses, mail)

    def _ready(self) -> smtplib.SMTP:
        if self._smtp is None:
            self._smtp = self._connect()
        return self._smtp

    def _drop(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None


def _answer(error: smtplib.SMTPException) -> tuple[int, str]:
    """The mail server's own: 550, and "550 No such user"."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        (code, words), *_ = error.recipients.values()
    else:
        code, words = error.args[:2]
    return code, f"{code} {words.decode(errors='replace')}"


def _part(kind: str, text: str) -> str:
    """Quoted-printable: a line may be no longer than 998 bytes, and a long sentence is one line."""
    headers = {
        "Content-Type": f'text/{kind}; charset="utf-8"',
        "Content-Transfer-Encoding": "quoted-printable",
    }
    lines = "".join(f"{line}\r\n" for line in text.splitlines())
    return _written(headers) + b2a_qp(lines.encode()).decode()


def _written(headers: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"


def _one_line(subject: str) -> str:
    """Whatever a fact holds: a second line would be a header of its own."""
    return BREAKABLE.sub(" ", subject).strip()


def _unbroken(text: str) -> str:
    """With the name of a card on one line."""
    return text.replace(" •••• ", "\N{NO-BREAK SPACE}••••\N{NO-BREAK SPACE}")


def _checked(address: str) -> str:
    """Raises `MailRefused` for what is no address; an international domain goes as ASCII."""
    if not is_address(address):
        raise MailRefused(f"{address!r} is not an address")
    local, _, domain = address.partition("@")
    try:
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError as error:
        raise MailRefused(f"{address!r} is not an address") from error
