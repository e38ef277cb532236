"""A real SMTP server on loopback whose answer to every command the test chooses; STARTTLS with a certificate of its own."""

import base64
import contextlib
import datetime
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HANG, CLOSE = "hang", "close"
"""Instead of an answer: keep silent until the peer goes, or close the connection."""


@dataclass
class Taken:
    """A message the server answered 250 to, or was about to."""

    sender: str
    recipient: str
    data: bytes
    is_tls: bool

    @property
    def mail(self) -> Message:
        return message_from_bytes(self.data, policy=default)


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 and its key; return both files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, secret = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert, secret


@dataclass
class SmtpTestServer:
    """Listens; `answers[verb]` are given once each, in order, then the usual one. Verbs: `CONNECT`, `MAIL` …, `.`."""

    tls: ssl.SSLContext | None = None
    tls_at_once: bool = False
    password: str = "secret"
    answers: dict[str, deque[str]] = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> "SmtpTestServer":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()

    def drop(self) -> None:
        """Close every connection, as a server does that restarts."""
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        self._open.clear()

    def next(self, verb: str, *answers: str) -> None:
        """Answer `verb` so, the next times it comes."""
        self.answers.setdefault(verb, deque()).extend(answers)

    def _listen(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            if self.tls_at_once and self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
            self._open.append(sock)
            _Talk(self, sock).go()
        with contextlib.suppress(OSError):
            sock.close()


class _Talk:
    def __init__(self, server: SmtpTestServer, sock: socket.socket) -> None:
        self.server, self.sock, self.reader = server, sock, sock.makefile("rb")
        self.sender = self.recipient = ""

    def go(self) -> None:
        if not self.say("CONNECT", "220 here"):
            return
        while line := self.reader.readline():
            text = line.decode().strip()
            verb = text.split(" ")[0].upper()
            self.server.commands.append(text)
            if not self.act(verb, text) or verb == "QUIT":
                return

    def act(self, verb: str, text: str) -> bool:
        acts: dict[str, Callable[[str], bool]] = {
            "EHLO": self.ehlo,
            "STARTTLS": self.starttls,
            "AUTH": self.auth,
            "MAIL": self.mail,
            "RCPT": self.rcpt,
            "DATA": self.data,
        }
        return acts[verb](text) if verb in acts else self.say(verb, "221 bye" if verb == "QUIT" else "250 ok")

    def say(self, verb: str, usual: str) -> bool:
        scripted = self.server.answers.get(verb)
        answer = scripted.popleft() if scripted else usual
        if answer == CLOSE:
            return False
        if answer == HANG:
            self.reader.readline()
            return False
        self.sock.sendall(answer.encode() + b"\r\n")
        return True

    def ehlo(self, text: str) -> bool:
        is_tls = isinstance(self.sock, ssl.SSLSocket)
        offers = [
            "250-here",
            *([] if is_tls or self.server.tls is None else ["250-STARTTLS"]),
            "250 AUTH PLAIN",
        ]
        return self.say("EHLO", "\r\n".join(offers))

    def starttls(self, text: str) -> bool:
        if not self.say("STARTTLS", "220 go"):
            return False
        assert self.server.tls is not None
        self.sock = self.server.tls.wrap_socket(self.sock, server_side=True)
        self.server._open.append(self.sock)
        self.reader = self.sock.makefile("rb")
        return True

    def auth(self, text: str) -> bool:
        good = self.server.password.encode() in base64.b64decode(text.split(" ")[2])
        return self.say("AUTH", "235 ok" if good else "535 5.7.8 wrong")

    def mail(self, text: str) -> bool:
        self.sender = text.partition("<")[2].rstrip(">")
        return self.say("MAIL", "250 ok")

    def rcpt(self, text: str) -> bool:
        self.recipient = text.partition("<")[2].rstrip(">")
        return self.say("RCPT", "250 ok")

    def data(self, text: str) -> bool:
        asked = self.server.answers.get("DATA")
        refused = bool(asked) and not asked[0].startswith("354") if asked else False
        if not self.say("DATA", "354 go") or refused:
            return refused
        lines = []
        while (line := self.reader.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        is_tls = isinstance(self.sock, ssl.SSLSocket)
        self.server.taken.append(Taken(self.sender, self.recipient, b"".join(lines), is_tls))
        return self.say(".", "250 2.0.0 queued as 42")
