"""Render the emails of `templates/email/` and hand them to the mail server."""

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
"""Seconds to wait for each answer of the mail server."""

BREAKS = re.compile(r"[\r\n]")

BREAKABLE = re.compile("[^\\S\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]+")
"""White space at which a line may break."""

REFUSALS = (
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPSenderRefused,
    smtplib.SMTPDataError,
)

CLOSING = 421
"""SMTP status with which a server closes the connection."""

Compose = Callable[[Letter, list[str], str, str], bytes]

Sign = Callable[[str, object], str]
"""Makes a link's token from its purpose and subject; see `domain/shared/signed_links.py`."""


class OutboxMailer:
    """Mailer of an installation without a mail server: renders emails and sends none."""

    delivers = False

    def __init__(self, templates: Path, public_url: str, sign: Sign) -> None:
        """`templates` is the folder that contains `email/`; links start with `public_url`.

        `sign` makes the tokens of signed links.
        """
        self._templates, self._public_url, self._sign = templates, public_url.rstrip("/"), sign
        self._env = cache(self._new_env)

    def _new_env(self, language: str) -> Environment:
        """A Jinja environment per language, so that no email mixes languages."""
        env = Environment(
            loader=FileSystemLoader(self._templates / "email"),
            autoescape=select_autoescape(enabled_extensions=("html",)),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        translations = i18n.translator(language).translations
        env.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
        env.policies["ext.i18n.trimmed"] = True
        env.globals["language"], env.globals["stop_link"] = language, ""
        env.globals["public_url"] = self._public_url
        env.globals["signed"] = self._sign
        return env

    def render(self, kind: str, facts: Mapping[str, object], language: str) -> Letter:
        """Render the email of this kind with `facts` as template variables.

        Raises:
            jinja2.TemplateNotFound: unknown kind.
            jinja2.UndefinedError: a template uses a variable that is not in `facts`.
            ValueError: unsupported language.
        """
        subject, text, html = (
            _unbroken(self._env(language).get_template(f"{kind}/{part}").render(facts))
            for part in ("subject.txt", "body.txt", "body.html")
        )
        return Letter(_one_line(subject), text, html, language)

    def stop_link(self, notice_id: int) -> str:
        return f"{self._public_url}/unsubscribe/{self._sign(signed_links.STOP, notice_id)}"

    def connected(self) -> AbstractContextManager[Outgoing]:
        raise RuntimeError("no mail server is configured: emails are kept in the outbox")


class SmtpMailer(OutboxMailer):
    """Sends emails through one SMTP server."""

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
        """`sender` is an address, with or without a name; the default name is Ballast.

        `use_tls`: use STARTTLS and require a certificate valid for `server`.
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
        # Not by EmailMessage: it encodes a long URL in List-Unsubscribe, which mail programs then
        # do not recognize, and it takes five times as long.
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
        """Treat a closed connection as a refusal: nothing of the email has been handed over yet."""
        try:
            return super().mail(sender, options)
        except smtplib.SMTPServerDisconnected as error:
            return CLOSING, str(error).encode()


class SmtpConnection(AbstractContextManager["SmtpConnection"]):
    """A connection to the mail server, opened for the first email and closed at the end.

    A mail server may close the connection between two emails or limit the emails per connection.
    The email is then sent over a new connection, as long as nothing of it has been handed over.
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
        """Hand the email to the mail server. `message_id` is the same in repeats.

        `stop_link` goes into the List-Unsubscribe header (RFC 8058).

        Raises:
            MailRefused: an address is invalid, or the server does not accept the email.
            MailServerUnavailable: any other failure. The server may have accepted the email.
        """
        addresses = [_checked(recipient) for recipient in recipients]
        if not addresses:
            raise MailRefused("The email has no recipient")
        mail = self._compose(letter, addresses, message_id, stop_link)
        try:
            refused = self._hand_over(mail, addresses)
        except REFUSALS as error:
            code, answer = _answer(error)
            if code == CLOSING:
                self._drop()
                raise MailServerUnavailable(f"The mail server cannot be used: {answer}") from error
            raise MailRefused(answer) from error
        # A user name or password with characters that SMTP cannot transmit raises UnicodeError.
        except (OSError, smtplib.SMTPException, UnicodeError) as error:
            self._drop()  # the state of the conversation is not known
            why = str(error) or type(error).__name__
            raise MailServerUnavailable(f"The mail server cannot be used: {why}") from error
        for code, _ in refused.values():
            # Not retried, because the other recipients have the email. The server's text is not
            # logged, because it may contain addresses.
            log.warning("Email %s: a recipient was refused with code %d", message_id, code)

    def _hand_over(self, mail: bytes, addresses: list[str]) -> dict[str, tuple[int, bytes]]:
        """Send the email. Returns the refused recipients if at least one was accepted."""
        used_before = self._smtp is not None
        try:
            return self._ready().sendmail(self._sender, addresses, mail)
        except smtplib.SMTPSenderRefused:
            if not used_before:
                raise
            # The server has closed the connection or accepts no more emails in it.
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
    """The server's status code and reply, such as 550 and "550 No such user"."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        (code, text), *_ = error.recipients.values()
    else:
        code, text = error.args[:2]
    return code, f"{code} {text.decode(errors='replace')}"


def _part(kind: str, text: str) -> str:
    """A MIME part, quoted-printable because lines must not exceed 998 bytes."""
    headers = {
        "Content-Type": f'text/{kind}; charset="utf-8"',
        "Content-Transfer-Encoding": "quoted-printable",
    }
    lines = "".join(f"{line}\r\n" for line in text.splitlines())
    return _written(headers) + b2a_qp(lines.encode()).decode()


def _written(headers: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"


def _one_line(subject: str) -> str:
    """Replace line breaks in a subject, because a second line would start another header."""
    return BREAKABLE.sub(" ", subject).strip()


def _unbroken(text: str) -> str:
    """Keep card names ("Visa •••• 4242") on one line."""
    return text.replace(" •••• ", "\N{NO-BREAK SPACE}••••\N{NO-BREAK SPACE}")


def _checked(address: str) -> str:
    """The address with its domain in ASCII (IDNA). Raises `MailRefused` for an invalid address."""
    if not is_address(address):
        raise MailRefused(f"{address!r} is not an address")
    local, _, domain = address.partition("@")
    try:
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError as error:
        raise MailRefused(f"{address!r} is not an address") from error
