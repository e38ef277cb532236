"""Mail through any SMTP server: submission over TLS, one message a delivery, over kept connections.

SMTP takes a message at one moment: when it answers the dot that ends it. Before that nothing was taken and repeating
is safe; after that, without an answer, nobody knows (RFC 5321 §4.2.5, RFC 1047).
"""

import os
import re
import smtplib
import ssl
import weakref
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from urllib.parse import parse_qs, unquote, urlsplit

from engage.channels.mail_sender import mail_sender
from engage.domain.delivery.delivery import FailReason
from engage.ports.channel import (
    Accepted,
    Answer,
    Busy,
    CannotSay,
    EmailContent,
    NotTaken,
    Outbound,
    Question,
    Rejected,
    Taken,
    Unknown,
)

PROVIDER = "smtp"
SUBMISSION, SUBMISSIONS = 587, 465
"""Ports of RFC 6409 and RFC 8314."""
MAX_IDLE = 20
_ENHANCED = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_MAILBOX = re.compile(r"[!#-'*+\-./0-9=?A-Z^-~]+@[A-Za-z0-9.-]+|[!#-'*+\-./0-9=?A-Z^-~]+@\[[A-Za-z0-9.:]+\]")
"""One address of ASCII without quotes (RFC 5322's atoms); letters beyond it would need SMTPUTF8, which few servers speak."""
_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class SmtpServer:
    """Where mail is handed in, and how: TLS from the first byte (`smtps`) or by STARTTLS (`smtp`), never without."""

    host: str
    port: int
    user: str
    password: str
    is_tls: bool
    is_bare: bool
    """No TLS at all: for a server on this machine, by `?tls=none`."""
    ca_file: str | None

    @classmethod
    def parse(cls, url: str) -> "SmtpServer":
        """Return the server of `smtp(s)://user:password@host[:port][?ca=FILE|tls=none]`.

        Raises:
            ValueError: it is no such address.
        """
        parts = urlsplit(url)
        options = parse_qs(parts.query)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or set(options) - {"ca", "tls"}:
            raise ValueError("an SMTP server is smtp(s)://user:password@host[:port]")
        is_tls = parts.scheme == "smtps"
        return cls(
            host=parts.hostname,
            port=parts.port or (SUBMISSIONS if is_tls else SUBMISSION),
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            is_tls=is_tls,
            is_bare=options.get("tls") == ["none"],
            ca_file=options.get("ca", [None])[0],
        )


class _RefusedError(Exception):
    """The server said no, at a moment at which it has taken nothing."""

    def __init__(self, code: int, text: bytes, blames: FailReason) -> None:
        super().__init__(code)
        self.code, self.text, self.blames = code, text.decode("utf-8", "replace"), blames


class _Connection:
    def __init__(self, session: smtplib.SMTP) -> None:
        self.session, self.pid, self.is_fresh = session, os.getpid(), True
        # A sender that is dropped takes its idle connections along; in a forked child this closes only the copy.
        weakref.finalize(self, session.close).atexit = False


class SmtpEmail:
    """Sends mail. Thread-safe; a fork starts with none of its parent's connections.

    Args:
        url: see `SmtpServer.parse`.
        timeout: seconds for each answer of the server.
    """

    provider = PROVIDER

    def __init__(self, url: str, sender: str | None, timeout: float) -> None:
        self._server, self._sender, self._timeout = SmtpServer.parse(url), sender, timeout
        # deque.append and pop are atomic; the newest is taken first.
        self._idle: deque[_Connection] = deque()

    def send(self, outbound: Outbound) -> Answer:
        """Hand in one mail and say what became of it."""
        content = outbound.content
        if not isinstance(content, EmailContent):
            return Rejected(reason=FailReason.CONFIG, code="not_a_mail", detail="this channel sends mail")
        sender = mail_sender(outbound, content, self._sender)
        if _MAILBOX.fullmatch(sender.address) is None:
            return Rejected(reason=FailReason.CONFIG, code="no_sender", detail="no address to send from")
        if _MAILBOX.fullmatch(outbound.to) is None:
            return Rejected(
                reason=FailReason.INVALID_ADDRESS, code="no_mailbox", detail="SMTP cannot carry this address"
            )
        try:
            message = _message(outbound, content, sender)
            text = message.as_bytes()
        except ValueError as exc:
            return Rejected(
                reason=FailReason.CONTENT,
                code="no_mail",
                detail=f"no mail can hold this: {type(exc).__name__}",
            )
        end = b".\r\n" if text.endswith(b"\r\n") else b"\r\n.\r\n"
        return self._hand_in(
            (sender.address, outbound.to), _LEADING_DOT.sub(b"..", text) + end, message["Message-ID"]
        )

    def ask(self, question: Question) -> Taken | NotTaken | CannotSay:
        """SMTP has no memory to ask."""
        return CannotSay()

    def _hand_in(self, envelope: tuple[str, str], data: bytes, message_id: str) -> Answer:
        connection: _Connection | None = None
        try:
            connection = self._ready(envelope)
        except _RefusedError as exc:
            return _answer_to(exc)
        except (OSError, smtplib.SMTPException, ValueError) as exc:
            return Busy(code="not_sent", detail=type(exc).__name__)
        try:
            connection.session.send(data)
            code, text = connection.session.getreply()
        except (OSError, smtplib.SMTPException) as exc:
            connection.session.close()
            return Unknown(code="no_answer", detail=type(exc).__name__)
        if not 200 <= code < 600:
            connection.session.close()
            return Unknown(code="odd_answer", detail="the answer to the message is not SMTP")
        if code < 300:
            connection.is_fresh = False
            if len(self._idle) < MAX_IDLE:
                self._idle.append(connection)
            else:
                _quit(connection)
            return Accepted(provider_id=message_id)
        _quit(connection)
        return _answer_to(_RefusedError(code, text, FailReason.CONTENT))

    def _ready(self, envelope: tuple[str, str]) -> _Connection:
        """Return a connection that waits for the message: the server has said 354.

        Raises:
            _RefusedError: the server said no.
            OSError, SMTPException: it went away; nothing was taken.
        """
        while True:
            connection = self._borrow() or self._connect()
            try:
                self._begin(connection.session, envelope)
            except _RefusedError:
                _quit(connection)
                raise
            except (OSError, smtplib.SMTPException):
                connection.session.close()
                if connection.is_fresh:
                    raise
                continue  # a kept one that died meanwhile: another has nothing of this mail either
            return connection

    def _begin(self, session: smtplib.SMTP, envelope: tuple[str, str]) -> None:
        sender, recipient = envelope
        for line, good, blames in (
            (f"MAIL FROM:<{sender}>", 250, FailReason.CONFIG),
            (f"RCPT TO:<{recipient}>", 250, FailReason.INVALID_ADDRESS),
            ("DATA", 354, FailReason.CONTENT),
        ):
            code, text = session.docmd(line)
            if code != good and not (blames is FailReason.INVALID_ADDRESS and code == 251):
                raise _RefusedError(code, text, blames)

    def _borrow(self) -> _Connection | None:
        with suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if connection.pid == os.getpid():
                    return connection
        return None

    def _connect(self) -> _Connection:
        server = self._server
        context = ssl.create_default_context(cafile=server.ca_file)
        session: smtplib.SMTP
        try:
            if server.is_tls:
                session = smtplib.SMTP_SSL(server.host, server.port, timeout=self._timeout, context=context)
            else:
                session = smtplib.SMTP(server.host, server.port, timeout=self._timeout)
        except smtplib.SMTPResponseException as exc:  # the greeting is a refusal
            raise _RefusedError(exc.smtp_code, _bytes(exc.smtp_error), FailReason.CONFIG) from exc
        try:
            session.ehlo_or_helo_if_needed()
            if not server.is_tls and not server.is_bare:
                session.starttls(context=context)
                session.ehlo()
            if server.user:
                session.login(server.user, server.password)
        except smtplib.SMTPNotSupportedError as exc:
            session.close()
            raise _RefusedError(504, str(exc).encode(), FailReason.CONFIG) from exc
        except smtplib.SMTPResponseException as exc:
            session.close()
            raise _RefusedError(exc.smtp_code, _bytes(exc.smtp_error), FailReason.CONFIG) from exc
        except BaseException:
            session.close()
            raise
        return _Connection(session)


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _quit(connection: _Connection) -> None:
    with suppress(OSError, smtplib.SMTPException):
        connection.session.quit()
    connection.session.close()


def _message(outbound: Outbound, content: EmailContent, sender: tuple[str, str]) -> EmailMessage:
    """Return the mail as MIME: text first, HTML beside it. The message id carries our reference."""
    message = EmailMessage(policy=SMTP)
    message["From"] = formataddr(sender)
    message["To"] = outbound.to
    message["Subject"] = content.subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = f"<{outbound.delivery}@{sender[1].rpartition('@')[2]}>"
    if content.reply_to:
        message["Reply-To"] = content.reply_to
    for name, value in content.headers.items():
        message[name] = value
    message.set_content(content.text or "")
    if content.html:
        message.add_alternative(content.html, subtype="html")
    for item in content.attachments:
        kind, _, below = item.type.partition("/")
        message.add_attachment(item.content, maintype=kind, subtype=below, filename=item.name)
    return message


def _answer_to(refused: _RefusedError) -> Answer:
    """The error table: the reply code says when, the enhanced status (RFC 3463) what. Texts may quote addresses and stay here."""
    found = _ENHANCED.search(refused.text)
    code = found[0] if found else str(refused.code)
    if not 500 <= refused.code < 600:
        return Busy(code=code, detail="refused for now; not taken")
    subject = found[2] if found else ""
    reason = refused.blames
    if reason is FailReason.INVALID_ADDRESS and subject in {"2", "7"}:
        reason = FailReason.BLOCKED  # a full mailbox, a policy: not the address's fault
    is_wrong = reason is FailReason.INVALID_ADDRESS and subject == "1"
    return Rejected(reason=reason, code=code, suppress=is_wrong, detail="the server refused it")
